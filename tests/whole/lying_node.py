"""A node whose worker lies, for tests alone: `python -m tests.whole.lying_node HOW ...`, the rest as for any node.

HOW: `some` (every other chunk is false), `all`, or `accuses` (it works honestly, and lies only when it checks others).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.frontends import node_main
from sgnus.ports import Computed, Outcome, SubBlockTask
from sgnus.runtime.work import Worker


def _false(output: bytes) -> bytes:
    """One bit of the last byte is another."""
    return output[:-1] + bytes([output[-1] ^ 1])


def _lie_in(outputs: Sequence[bytes], every: int) -> list[bytes]:
    return [
        _false(bytes(output)) if number % every == 0 else bytes(output)
        for number, output in enumerate(outputs)
    ]


def lie(how: str) -> None:
    """Make this process a liar."""
    honest_run, honest_check = ProcessorPool.run, Worker.run_some

    async def run(self: ProcessorPool, task: SubBlockTask) -> Outcome:
        outcome = await honest_run(self, task)
        if isinstance(outcome, Computed):
            return replace(outcome, outputs=_lie_in(outcome.outputs, 2 if how == "some" else 1))
        return outcome

    async def check(self: Worker, *given: Any) -> Outcome:
        outcome = await honest_check(self, *given)
        return (
            replace(outcome, outputs=_lie_in(outcome.outputs, 1))
            if isinstance(outcome, Computed)
            else outcome
        )

    if how == "accuses":
        Worker.run_some = check  # type: ignore[method-assign]
    else:
        ProcessorPool.run = run  # type: ignore[method-assign]


if __name__ == "__main__":
    lie(sys.argv[1])
    sys.exit(node_main.main(sys.argv[2:]))
