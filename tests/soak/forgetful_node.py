"""A node that forgets a job soon after it expired, for soaks alone: `python -m tests.soak.forgetful_node ...`, as any node.

Others keep what expired for ten minutes more, since clocks differ. On one machine they do not, and a soak of ten minutes
would see no job forgotten: what grows would be the jobs, and nothing else could be told.
"""

from __future__ import annotations

import sys
from typing import Final

from sgnus.messages import limits

CLOCK_SKEW_MS: Final = 20_000
SWEEP_MS: Final = 20_000


def become_forgetful() -> None:
    """Before anything else is imported: others take these numbers as they find them then."""
    limits.CLOCK_SKEW_MS_MAX = CLOCK_SKEW_MS  # type: ignore[misc]
    from sgnus.runtime import database

    database.SWEEP_MS = SWEEP_MS  # type: ignore[misc]


if __name__ == "__main__":
    become_forgetful()
    from sgnus.frontends import node_main

    sys.exit(node_main.main(sys.argv[1:]))
