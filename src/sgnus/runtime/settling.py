"""The role of a SGNUS node: receipts of peers in, checked, kept, audited, settled (`core/settlement.py` decides)."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sgnus.core import receipt
from sgnus.core import settlement_events as ev
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import SETTLE_GRACE_MS
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    SettlementState,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)
from sgnus.runtime.jobs import Job
from sgnus.runtime.kept_receipts import KeptReceipts
from sgnus.runtime.receipt_desk import ReceiptDesk, Refused
from sgnus.runtime.settlement_engine import SettlementEngine, SettlingParts

LOG: Final = logging.getLogger("sgnus.settlement")
SWEEP_S: Final = 60.0


class Settling:
    """Implements `SettlementService`."""

    def __init__(self, parts: SettlingParts, network: NetworkId, grace_ms: int = SETTLE_GRACE_MS) -> None:
        self._parts = parts
        self._kept = KeptReceipts(parts.store)
        self._desk = ReceiptDesk(network, parts.database, parts.jobs)
        self._engine = SettlementEngine(parts, self._kept, self._restored, grace_ms)

    @property
    def open_cases(self) -> int:
        """Microjobs with receipts of which something is to be decided yet."""
        return self._engine.machine.open_cases()

    async def start(self) -> None:
        """Go on with what is not settled yet."""
        await self._kept.load()
        await self._sweep()
        self._engine.spawn(self._sweep_for_ever())

    async def stop(self) -> None:
        await self._engine.stop()

    # ---- what peers ask
    async def submit_receipt(self, peer: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        """See `SettlementService`. What is known by its digest is not checked again."""
        data = request.receipt
        try:
            parts, job = await self._desk.job_of(data)
            case = self._engine.machine.cases.get((BlockId(job.view.block_id), parts.microjob))
            if case is not None and receipt.digest_of(data) in case.claims:
                return SubmitReceiptReply(state=SettlementState.DUPLICATE, detail="it is here already")
            answer = await self._engine.submit(await self._desk.claim(job, data), data)
        except Refused as refusal:
            LOG.info("%s: %s", peer, refusal)
            return SubmitReceiptReply(state=SettlementState.REFUSED, detail=str(refusal))
        if answer.state is None:
            raise WorldFault(answer.detail)
        return SubmitReceiptReply(state=answer.state, detail=answer.detail)

    async def get_receipt(self, peer: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        """See `SettlementService`."""
        del peer
        return GetReceiptReply(receipt=await self._kept.get(request.digest))

    async def list_receipts(self, peer: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply:
        """See `SettlementService`."""
        del peer
        return ListReceiptsReply(digests=tuple(await self._kept.digests(BlockId(request.job))))

    def look(self, job: Job) -> None:
        """The fold of a job changed: maybe its publisher took something, or another SGNUS node settled it."""
        block_id = BlockId(job.view.block_id)
        for (of_job, microjob), case in self._engine.machine.cases.items():
            if of_job != block_id:
                continue
            settled, taken = job.view.settled.get(microjob), job.view.receipts.get(microjob)
            if settled is not None and case.settled is None:
                self._engine.spawn(self._engine.put(ev.MicrojobSettled(block_id, microjob, settled)))
            if taken is not None and case.taken != taken:
                self._engine.spawn(self._engine.put(ev.MicrojobTaken(block_id, microjob, taken)))

    # ---- inner
    async def _restored(self, block_id: BlockId, microjob: int) -> ev.CaseRestored | None:
        """What disk and database know of a case; None of a job that expired."""
        view = await self._parts.database.job(block_id)
        if view is None:
            return None
        job = await self._parts.jobs.update(view)
        found = [await self._desk.claim(job, data) for data in await self._kept.of(block_id, microjob)]
        settled, taken = view.settled.get(microjob), view.receipts.get(microjob)
        found.sort(key=lambda claim: (claim.digest not in (settled, taken), claim.digest))
        return ev.CaseRestored(block_id, microjob, tuple(found), settled, taken)

    async def _sweep(self) -> None:
        """Forget what expired; take up again what is open and was put aside."""
        for job in await self._kept.expire(self._parts.clock_ms()):
            await self._engine.put(ev.JobGone(job))
        for job, microjob in await self._kept.opened():
            try:
                await self._engine.open(job, microjob)
            except (Refused, PeerFault, WorldFault) as fault:
                LOG.info("microjob %s of %s waits: %s", microjob, job, fault)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self._sweep()
            except WorldFault as fault:
                LOG.warning("%s", fault)
