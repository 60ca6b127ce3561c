"""The queue of work, a host's board of leases, beside a naive one: whatever members say, nothing is leased twice at a time
while somebody is in time with it, nobody gets more than it has room for, and nobody idle is passed over.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sgnus.core.leases import LeaseBoard, Pace
from sgnus.core.records import RecordBook
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import DEADLINE_MS_DEFAULT, LEASE_MS_MIN, ROOM_MEMBERS_MAX
from sgnus.messages.v1.types import Held, SignedKind
from tests.core.seats import JOB, pen
from tests.laws.naive_leases import NaiveBoard
from tests.laws.profile import scripts

MEMBERS = tuple(PeerId(name) for name in ("ann", "bob", "cid", "dot"))
STRANGER = PeerId("eve")
members = st.sampled_from(MEMBERS)
anybody = st.sampled_from((*MEMBERS, STRANGER))
numbers = st.integers(0, 9)


class Leases(RuleBasedStateMachine):
    """One room's board. Now and then its host leases out what is open."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 10_000
        self.workers: dict[PeerId, int] = {}

    @initialize(
        sub_blocks=st.sampled_from((1, 2, 4, 10)), workers=st.lists(st.integers(0, 3), min_size=4, max_size=4)
    )
    def found(self, sub_blocks: int, workers: list[int]) -> None:
        self.workers = dict(zip(MEMBERS, workers, strict=True))
        self.board = LeaseBoard(RecordBook(sub_blocks), Pace(DEADLINE_MS_DEFAULT))
        self.naive = NaiveBoard(sub_blocks)
        for peer, count in self.workers.items():
            self.a_member_says_what_it_can_take(peer, count + 1, [])

    @rule(ms=st.sampled_from((1, 400, 700, 2_100, 61_000)))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    @rule()
    def the_host_leases_out(self) -> None:
        """As it does after whatever it hears."""
        rows = list(self.workers.items())
        self.naive.granted(self.board.grant(rows, self.now_ms), rows, self.now_ms)

    @rule(
        peer=anybody, free=st.integers(0, 4), works_on=st.lists(st.integers(0, 11), max_size=4, unique=True)
    )
    def a_member_says_what_it_can_take(self, peer: PeerId, free: int, works_on: list[int]) -> None:
        lasts_ms = self.board.pace.lease_ms()
        self.board.note_capacity(peer, free, works_on, self.now_ms)
        self.naive.spoke(peer, free, works_on, self.now_ms, lasts_ms)
        self.the_host_leases_out()

    @rule(peer=anybody, number=numbers)
    def a_record_comes(self, peer: PeerId, number: int) -> None:
        lasts_ms = self.board.pace.lease_ms()
        self.board.note_processed(number, peer, self.now_ms)
        self.naive.processed(number, peer, self.now_ms, lasts_ms)
        self.the_host_leases_out()

    @rule(number=numbers)
    def the_publisher_holds_it(self, number: int) -> None:
        number %= self.naive.sub_blocks
        held = Held(job=JOB, microjob=0, instance="", sub_block=number, member="ann", root=b"")
        self.board.book.add_held(held, pen("publisher").sign(SignedKind.HELD, held))
        self.board.note_held(number)
        self.naive.is_held(number)

    @rule(peer=anybody, number=numbers, is_abandoned=st.booleans())
    def it_comes_back_undone(self, peer: PeerId, number: int, is_abandoned: bool) -> None:
        self.board.note_returned(number, peer, self.now_ms, abandoned=is_abandoned)
        self.naive.returned(number, peer, self.now_ms, is_abandoned=is_abandoned)

    @rule()
    def deadlines_are_looked_at(self) -> None:
        self.board.expire(self.now_ms)
        self.naive.expire(self.now_ms)
        self.the_host_leases_out()

    @rule(peer=members, delivers=st.booleans())
    def a_member_is_gone(self, peer: PeerId, delivers: bool) -> None:
        self.board.forget(peer, delivers=delivers)
        self.naive.forget(peer, delivers=delivers)
        if peer not in self.board.banned:
            self.naive.barred = [one for one in self.naive.barred if one != peer]
        self.the_host_leases_out()

    @rule(peer=members, is_ban=st.booleans())
    def a_member_gets_nothing_more(self, peer: PeerId, is_ban: bool) -> None:
        if is_ban:
            self.board.banned = (*self.board.banned, peer)
        elif peer not in self.board.leaving:
            self.board.leaving.append(peer)
        self.naive.barred.append(peer)

    @rule(by_ms=st.integers(0, 5_000))
    def deadlines_stand_still(self, by_ms: int) -> None:
        self.board.shift(by_ms)
        self.naive.shift(by_ms)

    @rule()
    def the_publisher_is_asked(self) -> None:
        for number in self.board.to_publisher(MEMBERS):
            assert number not in self.naive.asked and number not in self.naive.held
            by = self.naive.abandoned[number]
            late = [peer for (one, peer), row in self.naive.rows.items() if one == number and row.is_late]
            assert len(by) >= 3 or all(peer in by or peer in late for peer in MEMBERS)
            self.naive.asked.append(number)

    @invariant()
    def both_boards_say_the_same(self) -> None:
        if not self.workers:
            return
        rows = {(x.sub_block, x.member): (x.deadline_ms, x.processed, x.late) for x in self.board.leases}
        assert len(rows) == len(self.board.leases), "one member has two leases on a sub-block"
        assert rows == {key: (x.deadline_ms, x.is_processed, x.is_late) for key, x in self.naive.rows.items()}
        assert {peer: count for peer, count in self.board.free.items() if count} == {
            peer: count for peer, count in self.naive.free.items() if count
        }
        assert {peer: len(of) for peer, of in self.board.strikes.items()} == {
            peer: count for peer, count in self.naive.strikes.items() if count
        }
        assert self.board.pace.lease_ms() >= LEASE_MS_MIN
        assert len(rows) <= self.naive.sub_blocks * ROOM_MEMBERS_MAX


Leases.TestCase.settings = scripts(80, 50)
TestLeases = pytest.mark.timeout(900)(Leases.TestCase)
