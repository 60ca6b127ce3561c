"""The publisher's last resort: it runs what members abandoned itself, and its own deliveries go straight to its disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, PublisherRan
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId
from sgnus.messages.v1.types import Opening
from sgnus.ports import Computed, Trapped
from sgnus.runtime.jobs import Job, JobBook, OutputPlace
from sgnus.runtime.serving import Receiving
from sgnus.runtime.work import Hands, Worker

LOG: Final = logging.getLogger("sgnus.publisher")


class PublisherRuns:
    """Runs abandoned sub-blocks here."""

    def __init__(
        self,
        jobs: JobBook,
        worker: Worker,
        hands: Hands,
        receiving: Receiving,
        put: Callable[[Input], bool],
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._hands = hands
        self._receiving = receiving
        self._put = put

    def run(self, asked: fx.RunHere) -> None:
        """Start; ends in PublisherRan."""
        self._hands.spawn(self._run(asked))

    async def _run(self, asked: fx.RunHere) -> None:
        root, opening, error = b"", None, ""
        job = self._jobs.get(asked.job)
        try:
            if job is None or job.files is None:
                error = "the publisher has no files of this job"
            else:
                root, opening, error = await self._compute(job, asked)
        except (PeerFault, WorldFault) as fault:
            error = str(fault)
        chunks = len(job.plan.chunks_of(asked.microjob, asked.sub_block)) if job is not None else 0
        hidden = opening if job is not None and job.wants_proof else None
        self._put(PublisherRan(asked.job, asked.microjob, asked.sub_block, root, error, chunks, hidden))

    async def _compute(self, job: Job, asked: fx.RunHere) -> tuple[bytes, Opening | None, str]:
        instance = InstanceId("publisher")
        outcome = await self._worker.run(job, asked.microjob, instance, asked.sub_block)
        if not isinstance(outcome, Computed):
            where = f"chunk {outcome.chunk}: " if isinstance(outcome, Trapped) else ""
            return b"", None, where + outcome.reason
        root, opening = self._hands.keep(job, asked.microjob, instance, asked.sub_block, outcome.outputs)
        self._hands.kept.pop((instance, asked.sub_block), None)
        assert job.files is not None
        offset, length = await job.files.outputs.append(outcome.outputs)
        key = f"{BlockId(job.view.block_id)}/{asked.microjob}/{asked.sub_block}/here"
        self._receiving.places[key] = OutputPlace(asked.microjob, asked.sub_block, 0, offset, length)
        return root, opening, ""
