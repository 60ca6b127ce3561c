"""A node that lies, for tests alone: `python -m tests.whole.lying_node HOW ...`, the rest as for any node.

HOW is a name of `LIES`. Whoever runs this also logs which words of peers it refuses, and why; `nothing` does no more.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from sgnus.frontends import node_main
from sgnus.messages.v1.types import SignedKind
from tests.whole.lies import checking, hosting, publishing, words, work
from tests.whole.lies.lie import Lie, become

LIES: Final[Mapping[str, Callable[[], Lie]]] = {
    "nothing": Lie,
    "false in one chunk": work.LiesInOne,
    "false in some chunks": work.LiesInSome,
    "false in all chunks": work.LiesInAll,
    "a false accusation": checking.AccusesFalsely,
    "all right, unseen": checking.SaysAllRight,
    "false wherever it runs": checking.LiesWhereverItRuns,
    "other bytes than the digests": work.BringsOtherBytes,
    "a copied commit": work.CopiesACommit,
    "two commits": work.CommitsTwice,
    "no commit": work.WithholdsCommits,
    "no seal": partial(words.Withholds, SignedKind.SEAL),
    "two seals": words.SealsTwice,
    "no reveal": partial(words.Withholds, SignedKind.REVEAL),
    "no opening": partial(words.Withholds, SignedKind.OPENING),
    "no verdict": words.WithholdsVerdicts,
    "two tongues": checking.SpeaksWithTwoTongues,
    "a beacon of its own": words.SpeaksAsBeacon,
    "slander": words.Slanders,
    "invented members": words.InventsMembers,
    "a made up receipt": words.MakesUpReceipts,
    "replays": words.Replays,
    "others removed": hosting.RemovesTheOthers,
    "a result left out": hosting.LeavesOut,
    "a made up beacon": publishing.MakesUpBeacons,
}


if __name__ == "__main__":
    logging.getLogger("sgnus.hearing").setLevel(logging.INFO)
    how = LIES[sys.argv[1]]()
    if sys.argv[1] != "nothing":
        become(how)
    sys.exit(node_main.main(sys.argv[2:]))
