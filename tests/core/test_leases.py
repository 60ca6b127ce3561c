"""Leases: who gets what, when it is late, what comes back."""

from __future__ import annotations

from sgnus.core.leases import LeaseBoard, Pace
from sgnus.core.records import RecordBook
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import LEASE_MS_MIN, LOST_LEASE_MS, RETURN_BACKOFF_MS
from sgnus.messages.v1.types import Held, SignedEnvelope, SignedKind

A, B, C, D = (PeerId(name) for name in "abcd")
ENVELOPE = SignedEnvelope(kind=SignedKind.HELD, author="p", payload=b"", signature=bytes(64))


def board(sub_blocks: int = 3, *members: PeerId, free: int = 1) -> LeaseBoard:
    made = LeaseBoard(RecordBook(sub_blocks), Pace(60_000))
    for member in members:
        made.note_capacity(member, free, (), 0)
    return made


def hold(made: LeaseBoard, sub_block: int) -> list[PeerId]:
    held = Held(job="j", microjob=0, instance="i", sub_block=sub_block, member="a", root=b"")
    made.book.add_held(held, ENVELOPE)
    return made.note_held(sub_block)


def grants(made: LeaseBoard, now_ms: int, *members: PeerId) -> list[tuple[int, PeerId]]:
    return [(x.sub_block, x.member) for x in made.grant([(peer, 1) for peer in members], now_ms)]


def test_open_sub_blocks_go_to_idle_members_in_order() -> None:
    made = board(3, A, B)
    assert grants(made, 0, A, B) == [(0, A), (1, B)]
    assert grants(made, 0, A, B) == []


def test_nobody_gets_a_second_one_before_the_pace_is_known_to_be_quick() -> None:
    made = board(5, A, free=2)
    assert grants(made, 0, A) == [(0, A)]
    made.pace.durations_ms = [100, 100, 100]
    assert grants(made, 0, A) == [(1, A)]


def test_a_held_sub_block_ends_every_lease_on_it_and_names_who_still_works_on_it() -> None:
    made = board(1, A, B)
    made.note_started(0, A, 0, 10)
    made.note_started(0, B, 0, 10)
    made.note_processed(0, A, 5)
    assert hold(made, 0) == [B]
    assert made.leases == [] and not made.is_open(0, 10**9)


def test_a_late_lease_is_a_strike_once_and_the_sub_block_is_open_for_others() -> None:
    made = board(1, A, B)
    grants(made, 0, A)
    assert made.expire(59_999) == []
    assert made.expire(60_000) == [A]
    assert made.expire(70_000) == []
    assert made.strikes == {A: [0]}
    assert grants(made, 70_000, A, B) == [(0, B)]


def test_a_processed_lease_that_is_late_is_no_strike() -> None:
    made = board(1, A)
    grants(made, 0, A)
    made.note_processed(0, A, 10)
    assert made.expire(200_000) == []
    assert made.strikes == {} and made.is_open(0, 200_000)


def test_three_results_make_the_deadline_three_medians() -> None:
    pace = Pace(60_000, [5_000, 9_000])
    assert pace.lease_ms() == 60_000
    pace.durations_ms.append(7_000)
    assert pace.lease_ms() == 21_000
    assert Pace(60_000, [10, 10, 10]).lease_ms() == LEASE_MS_MIN
    assert Pace(4_000, [11_000, 11_000, 11_000]).lease_ms() == 2 * 4_000, "the host was frozen"
    assert Pace(500, [11_000, 11_000, 11_000]).lease_ms() == LEASE_MS_MIN


def test_what_comes_back_waits_a_moment_and_goes_to_another() -> None:
    made = board(1, A, B)
    grants(made, 0, A)
    made.note_returned(0, A, 100, abandoned=True)
    assert not made.is_open(0, 99 + RETURN_BACKOFF_MS)
    assert grants(made, 100 + RETURN_BACKOFF_MS, A, B) == [(0, B)]


def test_a_missing_input_is_nobodys_fault_and_the_same_member_may_try_again() -> None:
    made = board(1, A)
    grants(made, 0, A)
    made.note_returned(0, A, 100, abandoned=False)
    assert made.strikes == {} and grants(made, 1_000, A) == [(0, A)]


def test_what_three_members_abandon_goes_to_the_publisher_once() -> None:
    made = board(1, A, B, C, D)
    for number, member in enumerate((A, B, C)):
        made.note_started(0, member, number, 10)
        made.note_returned(0, member, number, abandoned=True)
        assert made.to_publisher([A, B, C, D]) == ([0] if member == C else [])
    assert made.to_publisher([A, B, C, D]) == [] and not made.is_open(0, 10**9)


def test_what_all_members_abandon_or_are_late_on_goes_to_the_publisher() -> None:
    made = board(1, A, B)
    made.note_started(0, A, 0, 10)
    made.note_returned(0, A, 1, abandoned=True)
    made.note_started(0, B, 2, 10)
    assert made.to_publisher([A, B]) == []
    made.expire(12)
    assert made.to_publisher([A, B]) == [0]


def test_who_is_gone_loses_its_leases_and_who_left_keeps_what_it_delivers() -> None:
    made = board(2, A)
    made.note_started(0, A, 0, 10)
    made.note_started(1, A, 0, 10)
    made.note_processed(0, A, 5)
    made.forget(A, delivers=True)
    assert [x.sub_block for x in made.leases] == [0]
    made.forget(A, delivers=False)
    assert made.leases == []


def test_a_lease_that_got_lost_on_the_way_ends_and_one_that_is_worked_on_is_learnt() -> None:
    made = board(3, A)
    made.note_started(0, A, 0, 60_000)
    made.note_capacity(A, 1, (2,), LOST_LEASE_MS + 1)
    assert [(x.sub_block, x.member) for x in made.leases] == [(2, A)]


def test_deadlines_stop_while_the_publisher_is_away() -> None:
    made = board(1, A)
    grants(made, 0, A)
    made.shift(5_000)
    assert made.expire(64_999) == [] and made.expire(65_000) == [A]


def test_what_a_member_gave_back_goes_to_another_before_it_goes_to_the_same_again() -> None:
    made = board(1, A, B)
    assert grants(made, 0, A, B) == [(0, A)]
    made.note_returned(0, A, 10, abandoned=False)
    assert grants(made, 10 + RETURN_BACKOFF_MS, A, B) == [(0, B)]


def test_what_a_member_forgot_that_it_has_goes_to_another_before_it_goes_to_the_same_again() -> None:
    made = board(1, A, B)
    assert grants(made, 0, A, B) == [(0, A)]
    made.note_capacity(A, 1, (), LOST_LEASE_MS + 1)
    assert grants(made, LOST_LEASE_MS + 1, A, B) == [(0, B)]


def test_where_nobody_else_is_idle_it_goes_to_the_same_again() -> None:
    made = board(1, A)
    grants(made, 0, A)
    made.note_returned(0, A, 10, abandoned=False)
    assert grants(made, 10 + RETURN_BACKOFF_MS, A) == [(0, A)]


def test_who_is_banned_gets_nothing_in_the_moment_before_it_is_removed() -> None:
    made = board(2, A, B)
    made.banned = (A,)
    assert grants(made, 0, A, B) == [(0, B)]
