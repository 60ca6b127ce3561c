"""The host's board of leases, the slow and obvious way: one row for each lease, and a rule for each thing that happens.

Whom a lease goes to is the core's choice; here stands whom it may go to, and when somebody must get one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sgnus.core.leases import Lease
from sgnus.messages.ids import PeerId

BACKOFF_MS = 500
LOST_MS = 1_000


@dataclass(slots=True)
class Row:
    """One lease."""

    since_ms: int
    deadline_ms: int
    is_processed: bool = False
    is_late: bool = False


@dataclass(slots=True)
class NaiveBoard:
    """`rows` by sub-block and member."""

    sub_blocks: int
    rows: dict[tuple[int, PeerId], Row] = field(default_factory=dict)
    free: dict[PeerId, int] = field(default_factory=dict)
    held: dict[int, None] = field(default_factory=dict)
    rest_ms: dict[int, int] = field(default_factory=dict)
    abandoned: dict[int, list[PeerId]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    barred: list[PeerId] = field(default_factory=list)
    strikes: dict[PeerId, int] = field(default_factory=dict)

    def is_open(self, number: int, now_ms: int) -> bool:
        """Not held, not resting, not the publisher's, and nobody at work on it who is not late."""
        if number in self.held or number in self.asked or self.rest_ms.get(number, 0) > now_ms:
            return False
        return all(row.is_late for (sub_block, _by), row in self.rows.items() if sub_block == number)

    def may_take(self, number: int, peer: PeerId) -> bool:
        """Whether it has room, has no lease on it yet, never abandoned it, and is let."""
        has_room = self.free.get(peer, 0) > 0 and peer not in self.barred
        return has_room and (number, peer) not in self.rows and peer not in self.abandoned.get(number, [])

    def running(self, peer: PeerId) -> int:
        return sum(by == peer and not row.is_processed for (_number, by), row in self.rows.items())

    # ---- what happens
    def granted(self, given: Sequence[Lease], workers: Sequence[tuple[PeerId, int]], now_ms: int) -> None:
        """The core gave these: each may be given, each sub-block once, and nobody idle is passed over."""
        for lease in given:
            number, peer = lease.sub_block, lease.member
            assert self.is_open(number, now_ms), f"{number} was leased and is not open"
            assert self.may_take(number, peer), f"{peer} may not be leased {number}"
            assert (lease.since_ms, lease.processed, lease.late) == (now_ms, False, False)
            self.rows[number, peer] = Row(now_ms, lease.deadline_ms)
            self.free[peer] -= 1
        idle = [peer for peer, count in workers if self.running(peer) < count]
        left = [number for number in range(self.sub_blocks) if self.is_open(number, now_ms)]
        passed_over = [(number, peer) for number in left for peer in idle if self.may_take(number, peer)]
        assert not passed_over, f"{passed_over} could have been leased"

    def spoke(self, peer: PeerId, free: int, works_on: Sequence[int], now_ms: int, lasts_ms: int) -> None:
        """A member says what it can take and what it works on."""
        for (number, by), row in list(self.rows.items()):
            is_lost = number not in works_on and now_ms - row.since_ms > LOST_MS
            if by == peer and not row.is_processed and is_lost:
                del self.rows[number, by]
        for number in works_on:
            if number < self.sub_blocks and number not in self.held and (number, peer) not in self.rows:
                self.rows[number, peer] = Row(now_ms, now_ms + lasts_ms)
        self.free[peer] = free

    def processed(self, number: int, peer: PeerId, now_ms: int, lasts_ms: int) -> None:
        row = self.rows.get((number, peer))
        if row is not None and not row.is_processed:
            row.is_processed = True
            row.deadline_ms = max(row.deadline_ms, now_ms + lasts_ms)
            self.free[peer] = self.free.get(peer, 0) + 1

    def is_held(self, number: int) -> None:
        self.held[number] = None
        for (sub_block, by), row in list(self.rows.items()):
            if sub_block == number:
                del self.rows[sub_block, by]
                self.free[by] = self.free.get(by, 0) + (not row.is_processed)

    def returned(self, number: int, peer: PeerId, now_ms: int, *, is_abandoned: bool) -> None:
        if self.rows.pop((number, peer), None) is None:
            return
        self.free[peer] = self.free.get(peer, 0) + 1
        self.rest_ms[number] = now_ms + BACKOFF_MS
        by = self.abandoned.setdefault(number, [])
        if is_abandoned and peer not in by:
            by.append(peer)

    def expire(self, now_ms: int) -> None:
        for (_number, by), row in self.rows.items():
            if row.deadline_ms <= now_ms and not row.is_late:
                row.is_late = True
                self.strikes[by] = self.strikes.get(by, 0) + (not row.is_processed)

    def forget(self, peer: PeerId, *, delivers: bool) -> None:
        for (number, by), row in list(self.rows.items()):
            if by == peer and not (delivers and row.is_processed):
                del self.rows[number, by]
        self.free.pop(peer, None)
        self.strikes.pop(peer, None)

    def shift(self, by_ms: int) -> None:
        for row in self.rows.values():
            row.deadline_ms += by_ms
