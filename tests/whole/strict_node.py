"""An honest node with a tenth of the budgets, for tests of floods alone: `python -m tests.whole.strict_node ...`.

A flooder on a machine that is busy with other tests may be slower than real budgets allow.
"""

from __future__ import annotations

import sys
from typing import Final

from sgnus.messages import limits

TENTH: Final = (
    "GOSSIP_MESSAGES_PER_S",
    "GOSSIP_MESSAGES_BURST",
    "GOSSIP_RELAYED_PER_S",
    "GOSSIP_RELAYED_BURST",
    "GOSSIPED_ENTRIES_PER_S",
    "COMPARED_ENTRIES_PER_S",
    "COMPARED_ENTRIES_BURST",
    "STREAM_MESSAGES_PER_S",
    "STREAM_MESSAGES_BURST",
    "REFUSED_CALLS_PER_S",
    "REFUSED_CALLS_BURST",
    "SUB_BLOCK_CALLS_MAX",
)
CALLS: Final = ("PEER_CALLS_PER_S", "PEER_CALLS_BURST")


def become_strict() -> None:
    """Before anything else is imported: others take these numbers as they find them then."""
    for name in TENTH:
        setattr(limits, name, getattr(limits, name) // 10)
    for name in CALLS:
        setattr(limits, name, {method: max(1, most // 10) for method, most in getattr(limits, name).items()})


if __name__ == "__main__":
    become_strict()
    from sgnus.frontends import node_main

    sys.exit(node_main.main(sys.argv[1:]))
