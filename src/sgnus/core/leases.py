"""Who works on which sub-block until when: the host's arithmetic of leases, strikes and returns.

Decides to whom an open sub-block goes, when a lease is late, who has struck out. Never removes anybody and never
counts a result: the room does the one, the publisher's HELD the other. docs/protocol/room.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sgnus.core.records import RecordBook
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    ABANDONMENTS_MAX,
    LEASE_DEADLINES_MAX,
    LEASE_MEDIAN_FACTOR,
    LEASE_MS_MIN,
    LEASE_SAMPLES_MAX,
    LEASE_SAMPLES_MIN,
    LOST_LEASE_MS,
    PREFETCH_MEDIAN_MS_MAX,
    RETURN_BACKOFF_MS,
    ROOM_MEMBERS_MAX,
)


@dataclass(slots=True)
class Lease:
    """`processed`: the member said that it is done, the publisher has not said that it holds it."""

    sub_block: int
    member: PeerId
    since_ms: int
    deadline_ms: int
    processed: bool = False
    late: bool = False


@dataclass(slots=True)
class Pace:
    """How long this room's sub-blocks take, and so how long a lease lasts."""

    deadline_ms: int
    durations_ms: list[int] = field(default_factory=list)

    def lease_ms(self) -> int:
        """How long a lease given now lasts. A host that was frozen takes its own sleep for work, so there is a bound."""
        if len(self.durations_ms) < LEASE_SAMPLES_MIN:
            return self.deadline_ms
        longest_ms = LEASE_DEADLINES_MAX * self.deadline_ms
        return max(LEASE_MS_MIN, min(longest_ms, LEASE_MEDIAN_FACTOR * self._median_ms()))

    def note(self, duration_ms: int) -> None:
        """A sub-block took this long; the newest few count."""
        self.durations_ms = [*self.durations_ms[1 - LEASE_SAMPLES_MAX :], duration_ms]

    def typical_ms(self) -> int | None:
        """The median; None while too few are known."""
        return self._median_ms() if len(self.durations_ms) >= LEASE_SAMPLES_MIN else None

    def may_prefetch(self) -> bool:
        """A second sub-block pays only where the way of a lease counts beside the work."""
        enough = len(self.durations_ms) >= LEASE_SAMPLES_MIN
        return enough and self._median_ms() <= PREFETCH_MEDIAN_MS_MAX

    def _median_ms(self) -> int:
        return sorted(self.durations_ms)[len(self.durations_ms) // 2]


@dataclass(slots=True)
class Returns:
    """Sub-blocks that came back undone: by whom, when they may go out again, which the publisher was asked to run.

    `undone`: who was leased it in vain, for whatever reason: it goes to others first, so that none can hold it up for ever.
    """

    abandoned: dict[int, list[PeerId]] = field(default_factory=dict)
    undone: dict[int, list[PeerId]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    not_before_ms: dict[int, int] = field(default_factory=dict)

    def note(self, sub_block: int, member: PeerId, now_ms: int, *, abandoned: bool) -> None:
        """A member gave it back: as a fault of the sub-block (`abandoned`), or because its input was missing."""
        self.not_before_ms[sub_block] = now_ms + RETURN_BACKOFF_MS
        self.note_undone(sub_block, member)
        by = self.abandoned.setdefault(sub_block, [])
        if abandoned and member not in by:
            by.append(member)

    def note_undone(self, sub_block: int, member: PeerId) -> None:
        """Its lease ended without a result."""
        by = self.undone.get(sub_block, [])
        if member not in by:
            self.undone[sub_block] = [*by[1 - ROOM_MEMBERS_MAX :], member]

    def blocks(self, sub_block: int, now_ms: int) -> bool:
        """It may not be leased now."""
        return sub_block in self.asked or self.not_before_ms.get(sub_block, 0) > now_ms


@dataclass(slots=True)
class LeaseBoard:
    """Leases of one room, as its host (or whoever may have to succeed it) knows them; `banned` get none, nor do members
    that are `leaving`.
    """

    book: RecordBook
    pace: Pace
    leases: list[Lease] = field(default_factory=list)
    free: dict[PeerId, int] = field(default_factory=dict)
    strikes: dict[PeerId, list[int]] = field(default_factory=dict)
    returns: Returns = field(default_factory=Returns)
    banned: tuple[PeerId, ...] = ()
    leaving: list[PeerId] = field(default_factory=list)

    def is_open(self, sub_block: int, now_ms: int) -> bool:
        """Somebody may be leased it now."""
        if self.book.is_held(sub_block) or self.returns.blocks(sub_block, now_ms):
            return False
        return all(lease.late for lease in self.leases if lease.sub_block == sub_block)

    def open_sub_blocks(self, now_ms: int) -> list[int]:
        """Those without a live lease first, late ones after."""
        candidates = [n for n in range(self.book.sub_blocks) if self.is_open(n, now_ms)]
        late = {lease.sub_block for lease in self.leases}
        return sorted(candidates, key=lambda number: (number in late, number))

    def running(self, member: PeerId) -> list[int]:
        """Sub-blocks that `member` holds and has not processed."""
        return [lease.sub_block for lease in self.leases if lease.member == member and not lease.processed]

    def grant(self, members: Sequence[tuple[PeerId, int]], now_ms: int) -> list[Lease]:
        """Lease what is open to members (with their workers) that have room; idle workers come first."""
        given: list[Lease] = []
        for sub_block in self.open_sub_blocks(now_ms):
            member = _taker(self, sub_block, members)
            if member is None:
                continue
            lease = self.note_started(sub_block, member, now_ms, self.pace.lease_ms())
            self.free[member] -= 1
            given.append(lease)
        return given

    def note_started(self, sub_block: int, member: PeerId, now_ms: int, lasts_ms: int) -> Lease:
        """Record a lease, our own or one that the host told of."""
        self._drop(sub_block, member)
        lease = Lease(sub_block, member, now_ms, now_ms + lasts_ms)
        self.leases.append(lease)
        return lease

    def note_capacity(self, member: PeerId, free: int, working_on: Sequence[int], now_ms: int) -> None:
        """A member said what it can take and what it works on; leases that got lost on the way end."""
        for number in self.running(member):
            lease = _find(self.leases, number, member)
            if lease and number not in working_on and now_ms - lease.since_ms > LOST_LEASE_MS:
                self._drop(number, member)
                self.returns.note_undone(number, member)
        for number in working_on:
            is_open = number < self.book.sub_blocks and not self.book.is_held(number)
            if is_open and _find(self.leases, number, member) is None:
                self.note_started(number, member, now_ms, self.pace.lease_ms())
        self.free[member] = free

    def note_processed(self, sub_block: int, member: PeerId, now_ms: int) -> None:
        """A member's record came: its worker is free again, the lease stays until the publisher holds the result."""
        lease = _find(self.leases, sub_block, member)
        if lease is None or lease.processed:
            return
        lease.processed = True
        lease.deadline_ms = max(lease.deadline_ms, now_ms + self.pace.lease_ms())
        self.pace.note(now_ms - lease.since_ms)
        self.free[member] = self.free.get(member, 0) + 1

    def note_held(self, sub_block: int) -> list[PeerId]:
        """The publisher holds it: every lease on it ends. Returns the members that were still at work on it."""
        others = [x for x in self.leases if x.sub_block == sub_block and not x.processed]
        for lease in others:
            self.free[lease.member] = self.free.get(lease.member, 0) + 1
        self.leases = [lease for lease in self.leases if lease.sub_block != sub_block]
        return [lease.member for lease in others]

    def note_returned(self, sub_block: int, member: PeerId, now_ms: int, *, abandoned: bool) -> None:
        """A member gave it back: as a fault of the sub-block (`abandoned`), or because its input was missing."""
        if _find(self.leases, sub_block, member) is None:
            return
        self._drop(sub_block, member)
        self.free[member] = self.free.get(member, 0) + 1
        self.returns.note(sub_block, member, now_ms, abandoned=abandoned)

    def expire(self, now_ms: int) -> list[PeerId]:
        """Mark late leases; a processed one is late without a strike. Returns members in the order of new strikes."""
        struck: list[PeerId] = []
        for lease in self.leases:
            if lease.late or lease.deadline_ms > now_ms:
                continue
            lease.late = True
            if not lease.processed:
                self.strikes.setdefault(lease.member, []).append(lease.sub_block)
                struck.append(lease.member)
        return struck

    def forget(self, member: PeerId, *, delivers: bool) -> None:
        """A member is gone: what it had undelivered is open again; if it still delivers, only once that is late."""
        self.leases = [x for x in self.leases if x.member != member or (delivers and x.processed)]
        self.free.pop(member, None)
        self.strikes.pop(member, None)
        self.leaving = [one for one in self.leaving if one != member]

    def shift(self, by_ms: int) -> None:
        """Deadlines stop while the publisher is away."""
        for lease in self.leases:
            lease.deadline_ms += by_ms

    def to_publisher(self, members: Sequence[PeerId]) -> list[int]:
        """Sub-blocks that the publisher is to run, once: three members abandoned them, or all that are not late on them."""
        found = []
        for number, by in sorted(self.returns.abandoned.items()):
            if number in self.returns.asked or self.book.is_held(number):
                continue
            late = [lease.member for lease in self.leases if lease.late and lease.sub_block == number]
            count = sum(member in members for member in by)
            if count >= ABANDONMENTS_MAX or (by and all(x in by or x in late for x in members)):
                found.append(number)
        self.returns.asked.extend(found)
        return found

    def next_ms(self, now_ms: int) -> int | None:
        """When `expire` or `grant` has something new to see."""
        moments = [lease.deadline_ms for lease in self.leases if not lease.late]
        moments += [moment for moment in self.returns.not_before_ms.values() if moment > now_ms]
        return min(moments, default=None)

    def _drop(self, sub_block: int, member: PeerId) -> None:
        self.leases = [x for x in self.leases if not (x.sub_block == sub_block and x.member == member)]


def _find(leases: Sequence[Lease], sub_block: int, member: PeerId) -> Lease | None:
    return next((x for x in leases if x.sub_block == sub_block and x.member == member), None)


def _taker(board: LeaseBoard, sub_block: int, members: Sequence[tuple[PeerId, int]]) -> PeerId | None:
    undone = board.returns.undone.get(sub_block, ())
    able = [
        (peer in undone, len(board.running(peer)), position, peer, workers)
        for position, (peer, workers) in enumerate(members)
        if board.free.get(peer, 0) > 0
        and peer not in board.leaving
        and peer not in board.banned
        and _find(board.leases, sub_block, peer) is None
        and peer not in board.returns.abandoned.get(sub_block, ())
    ]
    idle = [row for row in able if row[1] < row[4]]
    if idle:
        return min(idle)[3]
    return min(able)[3] if able and board.pace.may_prefetch() else None
