"""Accusations by others in the background: the index of who is accused, one trial at a time, and what is kept of it.

What was proven here is on disk, and so outlives a restart; it ends with its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from sgnus.core.inputs import Input, PeersRefused
from sgnus.core.inquiry import Accusation, Finding, Inquiry
from sgnus.core.shelf import JobView
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import ACCUSATIONS_MAX
from sgnus.messages.v1.types import EntryKind
from sgnus.ports import Store
from sgnus.runtime.database import Database
from sgnus.runtime.jobs import unix_ms
from sgnus.runtime.trials import Trial
from sgnus.wire.dagcbor import cid_of_digest

LOG: Final = logging.getLogger("sgnus.inquiries")
NAMESPACES: Final = ("guilty", "forger")


class Inquiries:
    """`hold` decides an accusation; `put` gives inputs to the core; `is_here` says who sits in a room that we host."""

    def __init__(
        self,
        me: PeerId,
        store: Store,
        put: Callable[[Input], bool],
        *,
        hold: Callable[[Accusation], Awaitable[Trial]],
        is_here: Callable[[PeerId], bool],
        sgnus_nodes: Collection[PeerId] = (),
    ) -> None:
        self.inquiry = Inquiry(me)
        self._store = store
        self._put = put
        self._hold = hold
        self._is_here = is_here
        self._sgnus_nodes = frozenset(sgnus_nodes)
        self._told: tuple[PeerId, ...] = ()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, accusing: Collection[JobView]) -> None:
        """Load what was proven before, and index what the database holds (`accusing`)."""
        docks = self.inquiry.docks
        for namespace, docked in zip(NAMESPACES, (docks.guilty, docks.forgers), strict=True):
            for peer, value in (await self._store.facts(namespace)).items():
                docked[PeerId(peer)] = int.from_bytes(value, "big")
        for view in accusing:
            self.note(view.block_id, view)
        self._tell()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def note(self, job: BlockId, view: JobView | None) -> None:
        """The fold of a job, new or changed; None: it is gone."""
        accusations = _accusations(view, self._sgnus_nodes) if view is not None else []
        known = self.inquiry.of_job.get(job, ())
        for ours in self.inquiry.note(job, accusations):
            self._end(ours, Trial(Finding.GUILTY, "we ran the chunk before we accused"))
        for one in accusations:
            if one not in known and self._is_here(one.accused):
                self.asked(one.accused)

    def asked(self, peer: PeerId) -> None:
        """`peer` wants a seat in a room that we host, or sits there."""
        docks = self.inquiry.docks
        if peer in docks.guilty or peer in docks.forgers:
            self._tell()  # It may have served its time.
        if peer in self.inquiry.known:
            self.inquiry.ask(peer, _now_ms(), unix_ms())
            self._wake.set()

    async def _run(self) -> None:
        while True:
            one = self.inquiry.next(_now_ms(), unix_ms())
            if one is None:
                self._wake.clear()
                await self._rest()
                continue
            try:
                trial = await self._hold(one)
            except Exception:
                LOG.exception("the accusation of %s by %s cannot be checked", one.accused, one.author)
                trial = Trial(Finding.UNDECIDED, "a bug was met here", cost_ms=0)
            self._end(one, trial)
            await self._keep()

    async def _rest(self) -> None:
        """Until there is something to look into, and the rest is over."""
        if not self.inquiry.waiting:
            await self._wake.wait()
            return
        await asyncio.sleep(max(1, self.inquiry.rest_until_ms - _now_ms()) / 1000)

    def _end(self, one: Accusation, trial: Trial) -> None:
        said = {
            Finding.GUILTY: f"{one.accused} is refused here: the proof by {one.author} holds",
            Finding.FALSE: f"{one.author} is refused here: its accusation of {one.accused} is false",
            Finding.UNDECIDED: f"the accusation of {one.accused} by {one.author} has no effect",
        }
        LOG.warning("%s, in job %s: %s", said[trial.finding], one.job, trial.why, extra={"job": one.job})
        self.inquiry.end(one, trial.finding, _now_ms(), unix_ms(), cost_ms=trial.cost_ms)
        self._tell()

    async def _keep(self) -> None:
        """A disk that refuses costs the memory of it after a restart, no more."""
        docks = self.inquiry.docks
        try:
            for namespace, docked in zip(NAMESPACES, (docks.guilty, docks.forgers), strict=True):
                kept = await self._store.facts(namespace)
                await self._store.delete_facts(namespace, keys=[peer for peer in kept if peer not in docked])
                facts = {str(peer): until_ms.to_bytes(8, "big") for peer, until_ms in docked.items()}
                await self._store.put_facts(namespace, facts)
        except WorldFault as fault:
            LOG.warning("who is refused here is not kept: %s", fault)

    def _tell(self) -> None:
        """The core hears of it before anything that comes later."""
        refused = self.inquiry.docks.peers(unix_ms())
        if refused != self._told:
            self._told = refused
            self._put(PeersRefused(refused))


async def accusing_jobs(store: Store, database: Database) -> list[JobView]:
    """Those in which somebody is accused."""
    jobs = await store.jobs_with(int(EntryKind.FRAUD), b"", ACCUSATIONS_MAX)
    views = [await database.job(BlockId(cid_of_digest(job))) for job in jobs]
    return [view for view in views if view is not None]


def _accusations(view: JobView, sgnus_nodes: frozenset[PeerId]) -> list[Accusation]:
    return [
        Accusation(
            entry=entry.cid,
            author=entry.author,
            accused=PeerId(entry.body.accused),
            job=view.block_id,
            expires_ms=entry.entry.expires,
            is_weighty=entry.author == view.author or entry.author in sgnus_nodes,
        )
        for entry in view.frauds
    ]


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
