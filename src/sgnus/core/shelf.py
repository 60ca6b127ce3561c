"""All that the database holds about one job, and what it means: the fold of the job database.

A shelf keeps, of each kind of entry, the top few by rank; what it keeps depends on the set of entries that were ever
offered, never on their order: every limit nests in the next wider one and all of them use one total order, so that the
best of a union is the best of the bests. (Limits that crossed each other would not converge.) The rank is
(expires, seq, digest): what displaces an entry outlives it, so a displaced entry never comes back.

It must never read a clock, and never let an entry count whose author has no say in it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

from sgnus.core.quotas import quota_of, slot_of
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import DoneBody, EntryKind, JobBody, JobState, RoomBody, SettledBody
from sgnus.wire.entry import OpenedEntry

Part = TypeVar("Part")


AUTHOR_ONLY: Final = frozenset((EntryKind.REVISE, EntryKind.CANCEL, EntryKind.TAKEN, EntryKind.DONE))


@dataclass(frozen=True, slots=True)
class RoomClaim:
    """A host's advisory claim that a room of `microjob` exists. It may be stale: `expires_ms` is the reader's to check."""

    microjob: int
    host: PeerId
    instance: str
    epoch: int
    address: bytes
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Contested:
    """Two different values that one author signed where one may exist: the CIDs of both entries, the counted one first."""

    kind: EntryKind
    author: PeerId
    microjob: int
    counted: BlockId
    other: BlockId


@dataclass(frozen=True, slots=True)
class Settled:
    """What a SGNUS node recorded of a microjob."""

    node: PeerId
    body: SettledBody

    @property
    def is_full(self) -> bool:
        """Whether it ran every chunk again: then it needs no TAKEN."""
        made = sum(share.made for share in self.body.shares)
        return self.body.audited and made > 0 and self.body.rerun == made


@dataclass(frozen=True, slots=True)
class JobView:
    """What the entries of one job say, the same on every node that holds the same entries."""

    block_id: BlockId
    author: PeerId
    body: JobBody
    expires_ms: int
    state: JobState
    priority: int
    paused: bool
    cancelled: str | None
    """The author's reason; None when the job is not cancelled."""
    done: DoneBody | None
    taken: Mapping[int, bytes] = field(repr=False)
    """Microjob to the root that the author signed for it."""
    settled: Mapping[int, bytes] = field(repr=False)
    """Microjob to the digest of the receipt that a SGNUS node recorded."""
    receipts: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """Microjob to the digest of the receipt that the author's TAKEN names."""
    settlements: Mapping[int, Settled] = field(default_factory=dict, repr=False)
    """Microjob to what a SGNUS node recorded of it."""
    job: OpenedEntry | None = field(default=None, repr=False)
    """The JOB entry itself."""
    rooms: tuple[RoomClaim, ...] = ()
    banned: tuple[PeerId, ...] = ()
    """Whom the author accuses, with proof: it decides about its own job alone."""
    frauds: tuple[OpenedEntry, ...] = ()
    """Accusations by anybody, unchecked."""
    contested: tuple[Contested, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether rooms may still be founded for it (expiry is the reader's to check)."""
        return self.cancelled is None and self.done is None


def rank_of(opened: OpenedEntry) -> bytes:
    """The one total order of entries: expiry, seq, digest; the highest are kept."""
    entry = opened.entry
    return entry.expires.to_bytes(8, "big") + entry.seq.to_bytes(8, "big") + opened.digest


def authorise(opened: OpenedEntry, job: OpenedEntry, settlement_peers: frozenset[PeerId]) -> None:
    """PeerFault unless the entry's author may say this about `job`. A stranger's CANCEL ends here."""
    entry, kind = opened.entry, opened.entry.kind
    if entry.job != job.cid:
        raise OurFault("an entry was held against another job")
    if kind in AUTHOR_ONLY:
        if entry.author != job.entry.author:
            raise PeerFault(f"a {kind.name} by {entry.author}, who is not the author of the job")
        if entry.expires != job.entry.expires:
            raise PeerFault(f"a {kind.name} expires with its job")
    elif entry.expires > job.entry.expires:
        raise PeerFault(f"a {kind.name} that outlives its job")
    if kind is EntryKind.SETTLED and entry.author not in settlement_peers:
        raise PeerFault(f"a SETTLED by {entry.author}, which this network does not list as a SGNUS node")


class Shelf:
    """The entries kept about one job."""

    def __init__(self, job: OpenedEntry, settlement_peers: frozenset[PeerId] = frozenset()) -> None:
        if job.entry.kind is not EntryKind.JOB:
            raise OurFault("a shelf begins with a JOB entry")
        self.job = job
        self._settlement_peers = settlement_peers
        self._by_rank: dict[bytes, OpenedEntry] = {}
        self._slots: dict[tuple[EntryKind, int], list[bytes]] = {}
        self._ranks: dict[EntryKind, list[bytes]] = {}
        self._parts: dict[EntryKind, dict[Callable[[Shelf], Any], Any]] = {}
        self._view: JobView | None = None

    def __len__(self) -> int:
        return 1 + len(self._by_rank)

    def __contains__(self, opened: OpenedEntry) -> bool:
        return opened.cid == self.job.cid or rank_of(opened) in self._by_rank

    @property
    def is_open(self) -> bool:
        """As the view says; cheaper."""
        return not self._ranks.get(EntryKind.CANCEL) and not self._ranks.get(EntryKind.DONE)

    @property
    def priority(self) -> int:
        """As the view says; cheaper."""
        revises = self.of_kind(EntryKind.REVISE)
        return revises[0].body.priority if revises else 0

    def entries(self) -> list[OpenedEntry]:
        """The job's own entry, then the others by rank."""
        return [self.job, *(self._by_rank[rank] for rank in sorted(self._by_rank))]

    def add(self, opened: OpenedEntry) -> list[OpenedEntry]:
        """Take an entry in; returns what its quota displaced: maybe the entry itself.

        PeerFault if its author has no say.
        """
        authorise(opened, self.job, self._settlement_peers)
        rank = rank_of(opened)
        if rank in self._by_rank:
            return []
        self._put(rank, opened)
        kind, displaced = opened.entry.kind, []
        while (excess := self._excess(opened)) is not None:
            displaced.append(self._by_rank[excess])
            self._take_out(kind, excess)
        return displaced

    def remove_expired(self, before_ms: int) -> list[OpenedEntry]:
        """Take out the entries whose expiry is below `before_ms`, but for the job's own."""
        floor = before_ms.to_bytes(8, "big")
        gone = [self._by_rank[rank] for rank in sorted(self._by_rank) if rank < floor]
        for opened in gone:
            self._take_out(opened.entry.kind, rank_of(opened))
        return gone

    def view(self) -> JobView:
        """The fold. Kept until an entry comes or goes."""
        if self._view is None:
            self._view = _view_of(self)
        return self._view

    def of_kind(self, kind: EntryKind) -> list[OpenedEntry]:
        """The kept entries of one kind, best first."""
        return [self._by_rank[rank] for rank in reversed(self._ranks.get(kind, []))]

    def part(self, kind: EntryKind, fold: Callable[[Shelf], Part]) -> Part:
        """What `fold` makes of the entries of that one kind. Kept until one of them comes or goes."""
        kept: dict[Callable[[Shelf], Any], Part] = self._parts.setdefault(kind, {})
        if fold not in kept:
            kept[fold] = fold(self)
        return kept[fold]

    def _put(self, rank: bytes, opened: OpenedEntry) -> None:
        kind = opened.entry.kind
        self._by_rank[rank] = opened
        insort(self._slots.setdefault((kind, slot_of(opened, self.job.author)), []), rank)
        insort(self._ranks.setdefault(kind, []), rank)
        self._parts.pop(kind, None)
        self._view = None

    def _take_out(self, kind: EntryKind, rank: bytes) -> None:
        opened = self._by_rank.pop(rank)
        self._slots[kind, slot_of(opened, self.job.author)].remove(rank)
        self._ranks[kind].remove(rank)
        self._parts.pop(kind, None)
        self._view = None

    def _excess(self, opened: OpenedEntry) -> bytes | None:
        """The lowest rank of the innermost group that is over its quota because of this entry."""
        entry, number = opened.entry, slot_of(opened, self.job.author)
        quota = quota_of(entry.kind, number)
        slot = self._slots[entry.kind, number]
        mine = [rank for rank in slot if self._by_rank[rank].entry.author == entry.author]
        same = [rank for rank in mine if self._by_rank[rank].entry.body == entry.body]
        groups = (
            (same, quota.per_body),
            (mine, quota.per_author),
            (slot, quota.per_slot),
            (self._ranks[entry.kind], quota.per_job),
        )
        for group, limit in groups:
            if len(group) > limit:
                return group[0]
        return None


def fold(entries: Iterable[OpenedEntry], settlement_peers: frozenset[PeerId] = frozenset()) -> JobView:
    """The view of one job from any bag of its entries that holds its JOB entry: any order, any repetition."""
    bag = list(entries)
    job = next((opened for opened in bag if opened.entry.kind is EntryKind.JOB), None)
    if job is None:
        raise OurFault("nothing to fold: the JOB entry is missing")
    shelf = Shelf(job, settlement_peers)
    for opened in bag:
        if opened.job != job.cid or opened.entry.kind is EntryKind.JOB:
            continue
        try:
            shelf.add(opened)
        except PeerFault:
            continue  # without authority, without effect
    return shelf.view()


def _view_of(shelf: Shelf) -> JobView:
    job = shelf.job
    revises, cancels, dones = (
        shelf.of_kind(kind) for kind in (EntryKind.REVISE, EntryKind.CANCEL, EntryKind.DONE)
    )
    cancelled = cancels[0].body.reason if cancels else None
    done: DoneBody | None = dones[0].body if dones else None
    taken, settled = shelf.part(EntryKind.TAKEN, _taken), shelf.part(EntryKind.SETTLED, _settled)
    rooms = shelf.part(EntryKind.ROOM, _rooms)
    return JobView(
        block_id=job.cid,
        author=job.author,
        body=job.body,
        expires_ms=job.entry.expires,
        state=_state(cancelled, done, bool(taken.roots or rooms)),
        priority=revises[0].body.priority if revises else 0,
        paused=revises[0].body.paused if revises else False,
        cancelled=cancelled,
        done=done,
        taken=taken.roots,
        settled=settled.receipts,
        receipts=taken.receipts,
        settlements=settled.records,
        job=job,
        banned=_accused_by(shelf, job.author),
        rooms=rooms,
        frauds=tuple(shelf.of_kind(EntryKind.FRAUD)),
        contested=tuple(one for kind, of in _CONTESTED.items() for one in shelf.part(kind, of)),
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """What the author took: roots, and receipts where it named one, by microjob."""

    roots: Mapping[int, bytes]
    receipts: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class _Settled:
    """What SGNUS nodes settled, by microjob."""

    receipts: Mapping[int, bytes]
    records: Mapping[int, Settled]


def _taken(shelf: Shelf) -> _Taken:
    best = _best(shelf.of_kind(EntryKind.TAKEN))
    receipts = {slot: one.body.receipt for slot, one in best.items() if one.body.receipt is not None}
    return _Taken(
        MappingProxyType({slot: one.body.root for slot, one in best.items()}), MappingProxyType(receipts)
    )


def _settled(shelf: Shelf) -> _Settled:
    best = _best(shelf.of_kind(EntryKind.SETTLED))
    return _Settled(
        MappingProxyType({slot: one.body.receipt for slot, one in best.items()}),
        MappingProxyType({slot: Settled(one.author, one.body) for slot, one in best.items()}),
    )


def _rooms(shelf: Shelf) -> tuple[RoomClaim, ...]:
    claims = map(claim_of, shelf.of_kind(EntryKind.ROOM))
    return tuple(sorted(claims, key=lambda claim: (claim.microjob, claim.host)))


def _accused_by(shelf: Shelf, author: PeerId) -> tuple[PeerId, ...]:
    """Whom `author` accuses, in order."""
    own = [opened.body.accused for opened in shelf.of_kind(EntryKind.FRAUD) if opened.author == author]
    return tuple(PeerId(peer) for peer in sorted(dict.fromkeys(own)))


def _best(ranked: list[OpenedEntry]) -> dict[int, OpenedEntry]:
    """The best entry of each slot, slots in order."""
    best: dict[int, OpenedEntry] = {}
    for opened in ranked:
        best.setdefault(opened.body.microjob, opened)
    return dict(sorted(best.items()))


def _state(cancelled: str | None, done: DoneBody | None, is_under_way: bool) -> JobState:
    if done is not None and done.status.name == "COMPLETED":
        return JobState.COMPLETED
    if cancelled is not None:
        return JobState.CANCELLED
    if done is not None:
        return JobState.FAILED
    return JobState.RUNNING if is_under_way else JobState.QUEUED


def claim_of(opened: OpenedEntry) -> RoomClaim:
    body: RoomBody = opened.body
    return RoomClaim(
        body.microjob, opened.author, body.instance, body.epoch, body.address, opened.entry.expires
    )


def _contested(shelf: Shelf, kind: EntryKind) -> tuple[Contested, ...]:
    found: list[Contested] = []
    first: dict[tuple[int, PeerId], OpenedEntry] = {}
    for opened in shelf.of_kind(kind):
        key = (slot_of(opened, shelf.job.author), opened.author)
        counted = first.setdefault(key, opened)
        if counted is opened or (kind is EntryKind.REVISE and counted.entry.seq != opened.entry.seq):
            continue
        found.append(Contested(kind, opened.author, key[0], counted.cid, opened.cid))
    return tuple(found)


_CONTESTED: Final = {
    kind: partial(_contested, kind=kind)
    for kind in (EntryKind.REVISE, EntryKind.TAKEN, EntryKind.DONE, EntryKind.SETTLED)
}
