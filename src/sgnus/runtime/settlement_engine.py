"""Drives the machine of `core/settlement.py`: one input after the other, its facts durable before what follows from them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.core.claims import Claim
from sgnus.core.pen import Pen
from sgnus.core.settlement import Settlement
from sgnus.messages.errors import UserFault, WorldFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import CLOCK_SKEW_MS_MAX
from sgnus.messages.v1.types import SettledBody
from sgnus.ports import Store
from sgnus.runtime.audits import Auditor
from sgnus.runtime.jobs import JobBook, unix_ms
from sgnus.runtime.kept_receipts import KeptReceipts

if TYPE_CHECKING:
    from sgnus.runtime.database import Database

LOG: Final = logging.getLogger("sgnus.settlement")
Restore = Callable[[BlockId, int], Coroutine[Any, Any, ev.CaseRestored | None]]


@dataclass(frozen=True, slots=True)
class SettlingParts:
    """What settlement stands on. `accuse` publishes a proof of fraud."""

    pen: Pen
    store: Store
    database: Database
    jobs: JobBook
    auditor: Auditor
    accuse: Callable[[fx.Accuse], None]
    clock_ms: Callable[[], int] = unix_ms


class SettlementEngine:
    """`restore` reads what disk and database know of a case: before anything else is said of it."""

    def __init__(self, parts: SettlingParts, kept: KeptReceipts, restore: Restore, grace_ms: int) -> None:
        self.machine = Settlement(parts.pen, grace_ms)
        self._parts = parts
        self._kept = kept
        self._restore = restore
        self._lock = asyncio.Lock()
        self._tokens = itertools.count(1)
        self._answers: dict[int, ev.Answer] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def stop(self) -> None:
        """Cancel what is under way; it begins again with the next start."""
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background until done or `stop`."""
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    async def submit(self, claim: Claim, data: bytes) -> ev.Answer:
        """What the machine answers to a checked receipt; it is on disk then."""
        async with self._lock:
            await self._open(claim.job, claim.microjob)
            token = next(self._tokens)
            await self._handle(ev.ReceiptSubmitted(token, claim, data))
            return self._answers.pop(token)

    async def open(self, job: BlockId, microjob: int) -> None:
        """Take a case up again that is open on disk."""
        async with self._lock:
            await self._open(job, microjob)

    async def put(self, given: ev.Input) -> None:
        """Anything else that happened."""
        async with self._lock:
            await self._handle(given)

    async def _open(self, job: BlockId, microjob: int) -> None:
        restored = None if self.machine.knows(job, microjob) else await self._restore(job, microjob)
        if restored is not None:
            await self._handle(restored)

    async def _handle(self, given: ev.Input) -> None:
        """Its effects in order. What the disk refuses is forgotten here, and read again from disk later."""
        effects = self.machine.handle(given, self._now_ms())
        try:
            for effect in effects:
                await self._perform(effect)
        except WorldFault as fault:
            LOG.error("settlement waits: %s", fault)
            for place in _places(effects):
                self.machine.cases.pop(place, None)
            if isinstance(given, ev.ReceiptSubmitted):
                self._answers[given.token] = ev.Answer(given.token, None, str(fault))
        self._set_timer()

    async def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case fx.Persist(ev.RECEIPTS, key, data):
                job = BlockId(key.split("/")[0])
                await self._kept.keep({key: data}, job, await self._expiry_ms(job))
            case fx.Persist(namespace, key, data):
                await self._parts.store.put_facts(namespace, {key: data})
            case fx.PublishEntry():
                try:
                    await self._parts.database.submit(effect.kind, effect.job, effect.body)
                except UserFault as fault:
                    LOG.warning("a microjob of %s is not settled: %s", effect.job, fault)
            case fx.Accuse():
                about = {"job": effect.job, "microjob": effect.microjob, "peer": effect.accused}
                LOG.warning("%s signed a false digest of chunk %s", effect.accused, effect.chunk, extra=about)
                self._parts.accuse(effect)
            case ev.Answer():
                self._answers[effect.token] = effect
            case ev.Audit():
                self.spawn(self._audit(effect))
            case ev.Forget(ev.RECEIPTS, keys):
                await self._kept.forget(keys)
            case ev.Forget(namespace, keys):
                await self._parts.store.delete_facts(namespace, keys=keys)

    async def _audit(self, asked: ev.Audit) -> None:
        found = await self._parts.auditor.run(asked)
        await self.put(ev.AuditEnded(asked.job, asked.microjob, found))

    async def _expiry_ms(self, job: BlockId) -> int:
        view = await self._parts.database.job(job)
        return (view.expires_ms if view is not None else self._parts.clock_ms()) + CLOCK_SKEW_MS_MAX

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_ms = self.machine.wake_ms()
        if wake_ms is not None:
            delay_s = max(0, wake_ms - self._now_ms()) / 1000
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, lambda: self.spawn(self.put(ev.Tick())))

    def _now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("settlement failed", exc_info=task.exception())


def _places(effects: list[ev.Effect]) -> list[tuple[BlockId, int]]:
    """The cases that these effects are about."""
    found: dict[tuple[BlockId, int], None] = {}
    for effect in effects:
        match effect:
            case fx.Persist(_, key, _) | ev.Forget(_, (key, *_)):
                job, microjob, *_rest = key.split("/")
                found[BlockId(job), int(microjob)] = None
            case ev.Audit() | fx.Accuse():
                found[effect.job, effect.microjob] = None
            case fx.PublishEntry(_, job, SettledBody() as body):
                found[job, body.microjob] = None
    return list(found)
