"""Real nodes, jobs in a row, and a fault every 5 to 15 seconds, for hours: `python -m tests.soak --hours 4 --seed 1`.

Exit status 0: no wrong byte, no stuck job, nothing that grows. 1: see what is said, and the folder that is kept. 130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

# A node keeps gRPC's core quiet; here it may say why it aborts.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # Its fork handlers may end a child that we start.

NODES_MIN = 3


def options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0, help="how long jobs and faults go on (4)")
    parser.add_argument("--seed", type=int, default=1, help="of all dice (1)")
    parser.add_argument(
        "--nodes", type=int, default=12, help="real node processes, a third of which never die (12)"
    )
    parser.add_argument("--at-once", type=int, default=1, help="jobs on their way at a time (1)")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object on stdout")
    parser.add_argument("--ledger", type=Path, help="a file that gets one line of JSON more")
    parser.add_argument("--keep", action="store_true", help="keep homes and logs, even of a run that passed")
    parser.add_argument("--verbose", action="store_true", help="say each job and each fault")
    said = parser.parse_args(words)
    if said.hours <= 0 or said.nodes < NODES_MIN or said.at_once < 1:
        parser.error(f"hours above 0, at least {NODES_MIN} nodes and at least 1 job at once, please")
    return said


def main() -> int:
    said = options(sys.argv[1:])
    from tests.soak.running import Soak, Wish
    from tests.soak.screen import Screen

    wish = Wish(said.hours * 3600, said.seed, said.nodes, said.keep, said.at_once)
    with Screen(said.verbose) as screen:
        summary = asyncio.run(Soak(wish, screen).run())
    if said.ledger:
        summary.append_to(said.ledger)
    sys.stdout.write(json.dumps(summary.plain()) + "\n" if said.json else "\n".join(summary.lines()) + "\n")
    if not summary.has_passed:
        return 1
    return 130 if summary.is_broken_off else 0


if __name__ == "__main__":
    sys.exit(main())
