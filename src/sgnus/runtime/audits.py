"""Running sub-blocks of receipts again, for a SGNUS node: from inputs that it reads itself, in its own sandbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core.settlement_events import Audit
from sgnus.crypto.digests import digest
from sgnus.messages.errors import SgnusError, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import AUDITS_AT_ONCE_MAX
from sgnus.ports import Computed, PeerCalls
from sgnus.runtime.inputs import Inputs
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.work import Worker

LOG: Final = logging.getLogger("sgnus.settlement")


class Auditor:
    """A few audits at a time."""

    def __init__(self, jobs: JobBook, calls: PeerCalls, pool: ProcessorPool | None, me: PeerId) -> None:
        self._jobs = jobs
        self._calls = calls
        self._pool = pool
        self._me = me
        self._turns = asyncio.Semaphore(AUDITS_AT_ONCE_MAX)

    async def run(self, asked: Audit) -> dict[int, bytes]:
        """The digests of each sub-block that could be run, end to end."""
        found: dict[int, bytes] = {}
        job = self._jobs.get(asked.job)
        if job is None:
            return found
        worker = Worker(self._jobs, Inputs(self._calls, holders=self._others(asked.holders)), self._pool)
        async with self._turns:
            for number in asked.sub_blocks:
                try:
                    found[number] = await _digests(worker, job, asked, number)
                except SgnusError as fault:
                    LOG.warning(
                        "sub-block %s of microjob %s cannot be audited: %s", number, asked.microjob, fault
                    )
                    break
        return found

    def _others(self, holders: Sequence[PeerId]) -> tuple[PeerId, ...]:
        return tuple(peer for peer in holders if peer != self._me)


async def _digests(worker: Worker, job: Job, asked: Audit, number: int) -> bytes:
    """WorldFault if it gives nothing here."""
    chunks = job.plan.chunks_of(asked.microjob, number)
    outcome = await worker.run_some(job, asked.instance, (asked.microjob, number), chunks)
    if not isinstance(outcome, Computed):
        raise WorldFault(f"it gives no output here: {outcome.reason}")
    return b"".join(digest(output) for output in outcome.outputs)
