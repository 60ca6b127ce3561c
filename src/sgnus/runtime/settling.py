"""The role of a SGNUS node: receipts of peers in, checked, kept, audited, settled (`core/settlement.py` decides)."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sgnus.core import claims, receipt
from sgnus.core import effects as fx
from sgnus.core import settlement as st
from sgnus.core.claims import Claim
from sgnus.core.pen import Pen
from sgnus.core.terms import Terms
from sgnus.messages.errors import PeerFault, UserFault, WorldFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import CLOCK_SKEW_MS_MAX, SETTLE_GRACE_MS, SUBMITTED_CHECKS_AT_ONCE_MAX
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    Receipt,
    SettlementState,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)
from sgnus.ports import Store
from sgnus.runtime.audits import Auditor
from sgnus.runtime.jobs import Job, JobBook, unix_ms
from sgnus.runtime.kept_receipts import KeptReceipts
from sgnus.runtime.receipts import open_job, reader

if TYPE_CHECKING:
    from sgnus.runtime.database import Database

LOG: Final = logging.getLogger("sgnus.settlement")
SWEEP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SettlingParts:
    """What settlement stands on. `accuse` publishes a proof of fraud."""

    pen: Pen
    network: NetworkId
    store: Store
    database: Database
    jobs: JobBook
    auditor: Auditor
    accuse: Callable[[fx.Accuse], None]
    clock_ms: Callable[[], int] = unix_ms


class Refused(Exception):
    """A receipt that cannot be settled, whoever brings it and whenever; says why."""


class Settling:
    """Implements `SettlementService`, and drives the machine: one input after the other, its facts durable in between."""

    def __init__(self, parts: SettlingParts, grace_ms: int = SETTLE_GRACE_MS) -> None:
        self._parts = parts
        self._machine = st.Settlement(parts.pen, grace_ms)
        self._kept = KeptReceipts(parts.store)
        self._lock = asyncio.Lock()
        self._checks = asyncio.Semaphore(SUBMITTED_CHECKS_AT_ONCE_MAX)
        self._tokens = itertools.count(1)
        self._answers: dict[int, st.Answer] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Go on with what is not settled yet."""
        await self._kept.open()
        await self._sweep()
        self._spawn(self._sweep_for_ever())

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open_cases(self) -> int:
        """Microjobs with receipts of which something is to be decided yet."""
        return sum(case.is_open for case in self._machine.cases.values())

    # ---- what peers ask
    async def submit_receipt(self, peer: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        """See `SettlementService`."""
        try:
            parts, job = await self._job_of(peer, request.receipt)
            case = self._machine.cases.get((BlockId(job.view.block_id), parts.microjob))
            if case is not None and receipt.digest_of(request.receipt) in case.claims:
                return SubmitReceiptReply(state=SettlementState.DUPLICATE, detail="it is here already")
            answer = await self._submit(await self._claim(job, request.receipt), request.receipt)
        except Refused as refusal:
            LOG.info("%s: %s", peer, refusal)
            return SubmitReceiptReply(state=SettlementState.REFUSED, detail=str(refusal))
        if answer.state is None:
            raise WorldFault(answer.detail)
        return SubmitReceiptReply(state=answer.state, detail=answer.detail)

    async def _submit(self, claim: Claim, data: bytes) -> st.Answer:
        async with self._lock:
            await self._restore(claim.job, claim.microjob)
            token = next(self._tokens)
            await self._handle(st.ReceiptSubmitted(token, claim, data))
            return self._answers.pop(token)

    async def get_receipt(self, peer: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        """See `SettlementService`."""
        del peer
        return GetReceiptReply(receipt=await self._kept.get(request.digest))

    async def list_receipts(self, peer: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply:
        """See `SettlementService`."""
        del peer
        return ListReceiptsReply(digests=tuple(await self._kept.digests(BlockId(request.job))))

    def look(self, job: Job) -> None:
        """The fold of a job changed: maybe its publisher took something."""
        block_id = BlockId(job.view.block_id)
        for microjob, digest in job.view.receipts.items():
            case = self._machine.cases.get((block_id, microjob))
            if case is not None and case.taken != digest:
                self._spawn(self._put(st.MicrojobTaken(block_id, microjob, digest)))

    # ---- reading receipts
    async def _job_of(self, peer: PeerId, data: bytes) -> tuple[Receipt, Job]:
        """The receipt's parts and its job, which our database then has. Refused, or WorldFault for not now."""
        try:
            parts = receipt.read(data)
            if parts.network != self._parts.network:
                raise Refused("it is of another network")
            opened = open_job(parts.job, self._parts.network)
            view = await self._parts.database.job(opened.cid)
            if view is None:
                await self._parts.database.receive([parts.job], peer)
                view = await self._parts.database.job(opened.cid)
            if view is None:
                raise Refused("its job has expired, or may not be in the database")
            return parts, await self._parts.jobs.update(view)
        except PeerFault as fault:
            raise Refused(str(fault)) from fault

    async def _claim(self, job: Job, data: bytes) -> Claim:
        """Checked offline, beside the loop. Refused if it does not hold."""
        terms = job.terms
        if terms is None:
            raise Refused("its job asks for no verification")
        try:
            async with self._checks:
                return await asyncio.to_thread(_read, self._parts.network, terms, data)
        except PeerFault as fault:
            raise Refused(str(fault)) from fault

    async def _restore(self, block_id: BlockId, microjob: int) -> None:
        """What disk and database know of a case, before anything else is said of it."""
        if self._machine.knows(block_id, microjob):
            return
        view = await self._parts.database.job(block_id)
        if view is None:
            return
        job = await self._parts.jobs.update(view)
        found = [await self._claim(job, data) for data in await self._kept.of(block_id, microjob)]
        settled, taken = view.settled.get(microjob), view.receipts.get(microjob)
        found.sort(key=lambda claim: (claim.digest not in (settled, taken), claim.digest))
        await self._handle(st.CaseRestored(block_id, microjob, tuple(found), settled, taken))

    # ---- the machine
    async def _put(self, given: st.Input) -> None:
        async with self._lock:
            await self._handle(given)

    async def _handle(self, given: st.Input) -> None:
        """One input; its effects in order. What the disk refuses is forgotten here, and read again from disk later."""
        effects = self._machine.handle(given, self._now_ms())
        try:
            for effect in effects:
                await self._perform(effect)
        except WorldFault as fault:
            LOG.error("settlement waits: %s", fault)
            for job, microjob in _places(effects):
                self._machine.cases.pop((job, microjob), None)
            if isinstance(given, st.ReceiptSubmitted):
                self._answers[given.token] = st.Answer(given.token, None, str(fault))
        self._set_timer()

    async def _perform(self, effect: st.Effect) -> None:
        match effect:
            case fx.Persist(st.RECEIPTS, key, data):
                job = BlockId(key.split("/")[0])
                await self._kept.keep({key: data}, job, await self._expiry(job))
            case fx.Persist(namespace, key, data):
                await self._parts.store.put_facts(namespace, {key: data})
            case fx.PublishEntry():
                try:
                    await self._parts.database.submit(effect.kind, effect.job, effect.body)
                except UserFault as fault:
                    LOG.warning("a microjob of %s is not settled: %s", effect.job, fault)
            case fx.Accuse():
                LOG.warning("%s signed a false digest of chunk %s", effect.accused, effect.chunk)
                self._parts.accuse(effect)
            case st.Answer():
                self._answers[effect.token] = effect
            case st.Audit():
                self._spawn(self._audit(effect))
            case st.Forget(st.RECEIPTS, keys):
                await self._kept.forget(keys)
            case st.Forget(namespace, keys):
                await self._parts.store.delete_facts(namespace, keys=keys)

    async def _audit(self, asked: st.Audit) -> None:
        found = await self._parts.auditor.run(asked)
        await self._put(st.AuditEnded(asked.job, asked.microjob, found))

    async def _expiry(self, job: BlockId) -> int:
        view = await self._parts.database.job(job)
        return (view.expires_ms if view is not None else self._parts.clock_ms()) + CLOCK_SKEW_MS_MAX

    # ---- time
    async def _sweep(self) -> None:
        """Forget what expired; take up again what is open and was put aside."""
        for job in await self._kept.expire(self._parts.clock_ms()):
            await self._put(st.JobGone(job))
        for job, microjob in await self._kept.opened():
            try:
                async with self._lock:
                    await self._restore(job, microjob)
            except (Refused, PeerFault, WorldFault) as fault:
                LOG.info("microjob %s of %s waits: %s", microjob, job, fault)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self._sweep()
            except WorldFault as fault:
                LOG.warning("%s", fault)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_ms = self._machine.wake_ms()
        if wake_ms is not None:
            delay_s = max(0, wake_ms - self._now_ms()) / 1000
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, lambda: self._spawn(self._put(st.Tick())))

    def _now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("settlement failed", exc_info=task.exception())


def _read(network: NetworkId, terms: Terms, data: bytes) -> Claim:
    """In a thread: with a pen of its own."""
    return claims.read(reader(network), terms, data)


def _places(effects: list[st.Effect]) -> list[tuple[BlockId, int]]:
    """The cases that these effects are about."""
    found: dict[tuple[BlockId, int], None] = {}
    for effect in effects:
        match effect:
            case fx.Persist(_, key, _) | st.Forget(_, (key, *_)):
                job, microjob, *_rest = key.split("/")
                found[BlockId(job), int(microjob)] = None
            case st.Audit() | fx.Accuse():
                found[effect.job, effect.microjob] = None
            case fx.PublishEntry():
                found[effect.job, effect.body.microjob] = None  # type: ignore[attr-defined]
    return list(found)
