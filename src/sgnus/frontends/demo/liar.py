"""The demo's liar: a node whose worker returns false bytes. Its process is begun by the demo alone (`guarded`), in the
demo's own network, and ends with it; no option makes a liar of anybody else's node.
"""

from __future__ import annotations

from dataclasses import replace

from sgnus.messages.ids import InstanceId
from sgnus.ports import Computed, Outcome
from sgnus.runtime.jobs import Job
from sgnus.runtime.work import Worker


def lie() -> None:
    """From now on whatever the node of this process works on comes out false. What it checks of others it checks honestly."""
    honest = Worker.run

    async def run(self: Worker, job: Job, microjob: int, instance: InstanceId, sub_block: int) -> Outcome:
        outcome = await honest(self, job, microjob, instance, sub_block)
        if isinstance(outcome, Computed):
            return replace(outcome, outputs=[falsified(output) for output in outcome.outputs])
        return outcome

    Worker.run = run  # type: ignore[method-assign]


def falsified(output: bytes) -> bytes:
    """One bit is another: nobody sees it in the picture."""
    false = bytearray(output)
    false[len(false) // 2] ^= 1
    return bytes(false)
