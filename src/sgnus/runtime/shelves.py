"""Entries that are signed meet the database: one admission after the other, each one transaction.

What waits is admitted together, so that a hundred submissions cost one fsync. Shelves of jobs are loaded when they are
needed and a few are kept; a failed commit forgets those it touched, so that memory never says more than the disk.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sgnus.core.database import JOBS_PER_AUTHOR_MAX, Orphans, Refused, check_life, expiry_floor
from sgnus.core.id_index import IdIndex
from sgnus.core.shelf import JobView, Shelf
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import FACTS_KEPT_MS
from sgnus.messages.v1.types import EntryKind
from sgnus.ports import EntryRow, JobRow, Store, StoreChange
from sgnus.wire.dagcbor import cid_of_digest
from sgnus.wire.entry import OpenedEntry, reopen_entry

KEPT_ENTRIES_MAX: Final = 4_096
AUTHORS_COUNTED_MAX: Final = 4_096

Admits = Callable[[OpenedEntry, int], bool]


@dataclass(slots=True)
class Admitted:
    """What became of a batch. `outdone` are those that others of the same batch displaced, as they would a moment later;
    `displaced` are jobs that gave way to others of their author, with its name.
    """

    accepted: list[OpenedEntry] = field(default_factory=list)
    outdone: list[OpenedEntry] = field(default_factory=list)
    known: int = 0
    orphans: int = 0
    refused: list[Refused] = field(default_factory=list)
    displaced: dict[BlockId, PeerId] = field(default_factory=dict)


@dataclass(slots=True)
class _Draft:
    """One transaction while it is made."""

    puts: dict[bytes, OpenedEntry] = field(default_factory=dict)
    removes: dict[bytes, None] = field(default_factory=dict)
    shelves: dict[bytes, Shelf] = field(default_factory=dict)
    gone_jobs: dict[bytes, None] = field(default_factory=dict)

    def put(self, opened: OpenedEntry) -> None:
        self.puts[opened.id] = opened

    def remove(self, opened: OpenedEntry) -> bool:
        """Whether it was put by this very transaction."""
        if self.puts.pop(opened.id, None) is not None:
            return True
        self.removes[opened.id] = None
        return False


class Shelves:
    """The jobs of the database: what is known of each, and what more may be said."""

    def __init__(
        self, store: Store, network: NetworkId, settlement_peers: frozenset[PeerId], admits: Admits
    ) -> None:
        self._store = store
        self._network = network
        self._settlement_peers = settlement_peers
        self._admits = admits
        self._kept = _KeptShelves()
        self._jobs_by_author: OrderedDict[str, int] = OrderedDict()
        self._lock = asyncio.Lock()
        self.index = IdIndex()
        self.orphans = Orphans()

    async def load(self) -> None:
        """Read the ids of what the store holds."""
        self.index = IdIndex(await self._store.ids())

    async def admit(self, batch: Sequence[OpenedEntry], now_ms: int, *, durable: bool) -> Admitted:
        """Admit a batch in one transaction; returns after its commit. The order within the batch means nothing."""
        async with self._lock:
            result, draft = Admitted(), _Draft()
            fresh = self._fresh(batch, now_ms, result)
            try:
                await self._place_jobs(fresh, draft, result)
                await self._place_others(fresh, draft, result)
                await self._commit(draft, durable=durable)
            except BaseException:
                self._kept.forget(draft.shelves)
                self._jobs_by_author.clear()
                raise
            result.accepted = list(draft.puts.values())
            return result

    async def views(self, jobs: Sequence[bytes]) -> list[JobView]:
        """The views of those jobs that are there, in the order asked."""
        async with self._lock:
            shelves = await self._shelves(jobs)
            return [shelves[job].view() for job in jobs if job in shelves]

    async def expire(self, now_ms: int) -> list[BlockId]:
        """Remove what has expired; returns the jobs concerned."""
        async with self._lock:
            floor = expiry_floor(now_ms)
            jobs = await self._store.expire(floor, max(0, floor - FACTS_KEPT_MS))
            self.index.remove_below(floor.to_bytes(8, "big"))
            self.orphans.remove_expired(now_ms)
            self._kept.forget(jobs)
            self._jobs_by_author.clear()
            return [BlockId(cid_of_digest(job)) for job in jobs]

    # ---- steps of an admission
    def _fresh(self, batch: Sequence[OpenedEntry], now_ms: int, result: Admitted) -> dict[bytes, OpenedEntry]:
        """The new and living ones, by id, with the orphans that they bring home."""
        fresh: dict[bytes, OpenedEntry] = {}
        for opened in batch:
            if opened.id in self.index or opened.id in fresh:
                result.known += 1
                continue
            try:
                check_life(opened, now_ms)
            except PeerFault as fault:
                result.refused.append(Refused(opened.cid, str(fault)))
                continue
            fresh[opened.id] = opened
        for opened in [one for one in fresh.values() if one.entry.kind is EntryKind.JOB]:
            fresh |= {orphan.id: orphan for orphan in self.orphans.claim(opened.cid)}
        return dict(sorted(fresh.items()))

    async def _place_jobs(self, fresh: dict[bytes, OpenedEntry], draft: _Draft, result: Admitted) -> None:
        held = len(self.index)
        for opened in fresh.values():
            if opened.entry.kind is not EntryKind.JOB:
                continue
            if not self._admits(opened, held + len(draft.puts)):
                result.refused.append(Refused(opened.cid, "the database is full", is_fault=False))
                continue
            draft.put(opened)
            draft.shelves[opened.digest] = Shelf(opened, self._settlement_peers)
            self._jobs_by_author[opened.author] = await self._count_jobs(opened.author) + 1
            if self._jobs_by_author[opened.author] > JOBS_PER_AUTHOR_MAX:
                await self._displace_job(opened.author, draft, result)

    async def _count_jobs(self, author: str) -> int:
        if author not in self._jobs_by_author:
            self._jobs_by_author[author] = len(await self._store.jobs_of(author))
            if len(self._jobs_by_author) > AUTHORS_COUNTED_MAX:
                self._jobs_by_author.popitem(last=False)
        self._jobs_by_author.move_to_end(author)
        return self._jobs_by_author[author]

    async def _displace_job(self, author: str, draft: _Draft, result: Admitted) -> None:
        """The author has too many jobs: the first to expire goes, with all that was said about it."""
        stored = [job for job in await self._store.jobs_of(author) if job not in draft.gone_jobs][:1]
        known = await self._shelves(stored)
        mine = [shelf for shelf in draft.shelves.values() if shelf.job.author == author]
        lowest = min([*known.values(), *mine], key=lambda shelf: shelf.job.id)
        for opened in lowest.entries():
            draft.remove(opened)
        draft.shelves.pop(lowest.job.digest, None)
        if lowest.job.digest in known:
            draft.gone_jobs[lowest.job.digest] = None
            result.displaced[lowest.job.cid] = lowest.job.author
            self._kept.forget([lowest.job.digest])
        else:
            reason = "its author has too many jobs that expire later"
            result.refused.append(Refused(lowest.job.cid, reason, is_fault=False))
        self._jobs_by_author[author] -= 1

    async def _place_others(self, fresh: dict[bytes, OpenedEntry], draft: _Draft, result: Admitted) -> None:
        others = [opened for opened in fresh.values() if opened.entry.kind is not EntryKind.JOB]
        # A job that this batch displaced is still in the store; whoever kept its shelf would go on admitting to it.
        elsewhere = draft.shelves.keys() | draft.gone_jobs.keys()
        unloaded = dict.fromkeys(one.job_digest for one in others if one.job_digest not in elsewhere)
        draft.shelves |= await self._shelves(list(unloaded))
        for opened in others:
            shelf = draft.shelves.get(opened.job_digest)
            if shelf is None or opened.job_digest in draft.gone_jobs:
                self.orphans.add(opened)
                result.orphans += 1
            elif not self._admits(opened, len(self.index) + len(draft.puts)):
                result.refused.append(Refused(opened.cid, "the database is full", is_fault=False))
            else:
                self._place(opened, shelf, draft, result)

    def _place(self, opened: OpenedEntry, shelf: Shelf, draft: _Draft, result: Admitted) -> None:
        try:
            displaced = shelf.add(opened)
        except PeerFault as fault:
            result.refused.append(Refused(opened.cid, str(fault)))
            return
        draft.put(opened)
        for other in displaced:
            if draft.remove(other) and other is not opened:
                result.outdone.append(other)
        if opened.id not in draft.puts:
            result.refused.append(Refused(opened.cid, "better ones fill the quota", is_fault=False))

    async def _commit(self, draft: _Draft, *, durable: bool) -> None:
        touched = dict.fromkeys(opened.job_digest for opened in draft.puts.values())
        change = StoreChange(
            puts=[_entry_row(opened) for opened in draft.puts.values()],
            removes=list(draft.removes),
            jobs=[_job_row(draft.shelves[job]) for job in touched],
            gone_jobs=list(draft.gone_jobs),
        )
        if change.puts or change.removes or change.gone_jobs:
            await self._store.apply(change, durable=durable)
        self.index.remove(draft.removes)
        self.index.add(draft.puts)
        for job in touched:
            self._kept.keep(job, draft.shelves[job])

    async def _shelves(self, jobs: Sequence[bytes]) -> dict[bytes, Shelf]:
        """The shelves of those jobs whose JOB entry is held."""
        found = {job: shelf for job in jobs if (shelf := self._kept.get(job)) is not None}
        missing = [job for job in dict.fromkeys(jobs) if job not in found]
        rows: dict[bytes, list[OpenedEntry]] = {}
        for row in await self._store.entries_of(missing) if missing else ():
            rows.setdefault(row.job, []).append(reopen_entry(row.raw, self._network))
        for job, entries in rows.items():
            own = [opened for opened in entries if opened.entry.kind is EntryKind.JOB]
            if own:
                found[job] = _shelf_of(own[0], entries, self._settlement_peers)
                self._kept.keep(job, found[job])
        return found


class _KeptShelves:
    """The shelves used last, as many as hold `KEPT_ENTRIES_MAX` entries."""

    def __init__(self) -> None:
        self._shelves: OrderedDict[bytes, Shelf] = OrderedDict()
        self._costs: dict[bytes, int] = {}
        self._total = 0

    def get(self, job: bytes) -> Shelf | None:
        shelf = self._shelves.get(job)
        if shelf is not None:
            self._shelves.move_to_end(job)
        return shelf

    def keep(self, job: bytes, shelf: Shelf) -> None:
        self.forget([job])
        self._shelves[job] = shelf
        self._costs[job] = len(shelf)
        self._total += len(shelf)
        while self._total > KEPT_ENTRIES_MAX and len(self._shelves) > 1:
            self.forget([next(iter(self._shelves))])

    def forget(self, jobs: Iterable[bytes]) -> None:
        for job in jobs:
            if self._shelves.pop(job, None) is not None:
                self._total -= self._costs.pop(job)


def _shelf_of(job: OpenedEntry, entries: Sequence[OpenedEntry], settlement_peers: frozenset[PeerId]) -> Shelf:
    shelf = Shelf(job, settlement_peers)
    for opened in entries:
        if opened is job:
            continue
        try:
            shelf.add(opened)
        except PeerFault:
            continue  # the network file lists other SGNUS nodes than it did
    return shelf


def _entry_row(opened: OpenedEntry) -> EntryRow:
    return EntryRow(opened.id, opened.job_digest, int(opened.entry.kind), opened.entry.author, opened.raw)


def _job_row(shelf: Shelf) -> JobRow:
    return JobRow(shelf.job.digest, shelf.job.id, shelf.job.author, shelf.is_open, shelf.priority)
