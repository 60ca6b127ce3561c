"""The publisher's last resort: it runs what members abandoned itself, and its own deliveries go straight to its disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, PublisherRan
from sgnus.core.roster import bench
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import RUN_HERE_AGAIN_MS_MIN, RUN_HERE_TRIES_MAX
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
        """A disk that refuses for a while fails no job: it is tried again, each time after a longer wait, and told in the end."""
        wait_ms = RUN_HERE_AGAIN_MS_MIN
        for tries in range(RUN_HERE_TRIES_MAX):
            job = self._jobs.get(asked.job)
            try:
                self._put(await self._ran(job, asked))
                return
            except WorldFault as fault:
                why = str(fault)
                LOG.warning("%s; sub-block %s/%s waits", fault, asked.microjob, asked.sub_block)
            except Exception:
                # The job must not wait for what nobody does any more.
                why = "a bug was met here"
                LOG.exception("sub-block %s/%s cannot be run here", asked.microjob, asked.sub_block)
            if tries == RUN_HERE_TRIES_MAX - 1:
                self._put(PublisherRan(asked.job, asked.microjob, asked.sub_block, b"", why))
                return
            await asyncio.sleep(wait_ms / 1000)
            wait_ms *= 2

    async def _ran(self, job: Job | None, asked: fx.RunHere) -> PublisherRan:
        """What came of it. Faults: WorldFault."""
        root, opening, error = b"", None, "the publisher has no files of this job"
        if job is not None and job.files is not None:
            try:
                root, opening, error = await self._compute(job, asked)
            except PeerFault as fault:
                error = str(fault)
        chunks = len(job.plan.chunks_of(asked.microjob, asked.sub_block)) if job is not None else 0
        hidden = opening if job is not None and job.wants_proof else None
        return PublisherRan(asked.job, asked.microjob, asked.sub_block, root, error, chunks, hidden)

    async def _compute(self, job: Job, asked: fx.RunHere) -> tuple[bytes, Opening | None, str]:
        instance = bench(asked.job, asked.microjob, self._hands.me)
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
