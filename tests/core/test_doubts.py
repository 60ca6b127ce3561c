"""Rooms in which nothing is ever done keep nobody from founding others."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import roster as rosters
from sgnus.core.doubts import Doubts, Report
from sgnus.core.inputs import JobChanged, PeerSaid, RoomHeard
from sgnus.core.node import NodeCore
from sgnus.core.pacing import turn_ms
from sgnus.core.patience import patience_ms
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    ANNOUNCE_MS_MIN,
    LEASE_DEADLINES_MAX,
    RESTARTS_MAX,
    ROOM_STALE_MS,
    ROOMS_PER_JOB_MAX,
)
from sgnus.messages.v1.types import Held, PublisherView, RoomAnnouncement, SignedKind
from sgnus.sim.pens import address_of
from tests.core.seats import PUBLISHER, held, pen, room
from tests.core.test_app_seats import FACTS, JOB
from tests.core.test_no_time_lost import A, seated

STEP_MS = 2_000
LONGEST_MS = LEASE_DEADLINES_MAX * FACTS.deadline_ms + patience_ms(FACTS.deadline_ms)


def said(sequence: int, *, delivered: int = 0, nonce: int = 9, waiting: bool = False) -> RoomAnnouncement:
    """Of host a, who says that all seats are taken."""
    return RoomAnnouncement(
        job=JOB,
        microjob=0,
        instance=rosters.instance_id(JOB, 0, A, nonce),
        epoch=1,
        members=11,
        seats=0,
        sub_blocks=3,
        unleased=3,
        delivered=delivered,
        address=address_of(pen("a")),
        waiting=waiting,
        sequence=sequence,
        closing=False,
    )


def report(at_ms: int, *, delivered: int = 0, nonce: int = 9) -> Report:
    """The same host, heard then."""
    return Report(rosters.instance_id(JOB, 0, A, nonce), delivered, at_ms)


def listener() -> NodeCore:
    """A node without a seat, that knows the job."""
    node = seated("b", "c")
    node.room = None
    node.handle(JobChanged(dataclasses.replace(FACTS, processor="invert")), 0)
    node.own.workers = 0  # It shall not found one itself.
    node.room = None
    return node


def is_free(node: NodeCore, now_ms: int) -> bool:
    return 0 in node.jobs[JOB].without_room(now_ms)


def heard_until(node: NodeCore, from_ms: int, until_ms: int, **how: int | bool) -> None:
    for now_ms in range(from_ms, until_ms, STEP_MS):
        node.handle(RoomHeard(A, said(now_ms + 1, **how)), now_ms)  # type: ignore[arg-type]


def test_a_room_that_seats_nobody_and_delivers_nothing_keeps_its_microjob_no_longer_than_leases_may_last() -> (
    None
):
    node = listener()
    heard_until(node, 0, LONGEST_MS - STEP_MS)
    assert not is_free(node, LONGEST_MS - 1)
    heard_until(node, LONGEST_MS - STEP_MS, LONGEST_MS + STEP_MS)
    assert is_free(node, LONGEST_MS)


def test_what_is_delivered_gives_it_as_long_again() -> None:
    node = listener()
    heard_until(node, 0, LONGEST_MS - STEP_MS)
    heard_until(node, LONGEST_MS - STEP_MS, 2 * LONGEST_MS - 2 * STEP_MS, delivered=1)
    assert not is_free(node, 2 * LONGEST_MS - 2 * STEP_MS)
    heard_until(node, 2 * LONGEST_MS - 2 * STEP_MS, 2 * LONGEST_MS, delivered=1)
    assert is_free(node, 2 * LONGEST_MS)


def test_a_new_instance_of_the_same_host_begins_anew_with_less_no_more_often_than_is_honest() -> None:
    doubts, now_ms = Doubts(), 0
    for number in range(RESTARTS_MAX):
        doubts.hear(A, 0, report(now_ms, delivered=1, nonce=number + 1), is_excused=False)
        now_ms += STEP_MS
        doubts.hear(A, 0, report(now_ms, delivered=0, nonce=number + 2), is_excused=False)
    assert doubts.progress[A, 0].since_ms == now_ms
    doubts.hear(A, 0, report(now_ms, delivered=1, nonce=20), is_excused=False)
    for number in range(10):
        doubts.hear(A, 0, report(now_ms + number, delivered=0, nonce=21 + number), is_excused=False)
    assert doubts.progress[A, 0].since_ms == now_ms


def test_less_in_one_and_the_same_instance_is_no_new_beginning() -> None:
    doubts = Doubts()
    for now_ms, (nonce, delivered) in enumerate(((1, 2), (2, 0), (2, 1), (2, 0))):
        doubts.hear(A, 0, report(now_ms, delivered=delivered, nonce=nonce), is_excused=False)
    assert doubts.progress[A, 0].since_ms == 2


@pytest.mark.parametrize("is_publisher_near", [True, False])
def test_who_waits_for_its_publisher_is_excused_only_where_nobody_sees_it(is_publisher_near: bool) -> None:
    node = listener()
    node.links.connected = [PUBLISHER] if is_publisher_near else []
    heard_until(node, 0, LONGEST_MS + STEP_MS, waiting=True)
    assert is_free(node, LONGEST_MS) is is_publisher_near


def test_a_host_that_was_silent_for_long_begins_anew_and_all_that_is_kept_has_bounds() -> None:
    doubts = Doubts()
    doubts.hear(A, 0, report(0), is_excused=False)
    doubts.hear(A, 0, report(ROOM_STALE_MS + 1), is_excused=False)
    assert doubts.progress[A, 0].since_ms == ROOM_STALE_MS + 1
    for number in range(ROOMS_PER_JOB_MAX + 2):
        doubts.hear(PeerId(f"host {number}"), 0, report(1), is_excused=False)
    assert len(doubts.progress) == ROOMS_PER_JOB_MAX


def test_a_room_that_does_nothing_does_not_end_ours() -> None:
    node = listener()
    heard_until(node, 0, LONGEST_MS)
    node.room = ours = room("b", "b", "c")
    ours.hosting.preferred = said(1).instance
    node.handle(RoomHeard(A, said(10**6)), LONGEST_MS)
    assert ours.phase is Phase.HOST
    node.handle(RoomHeard(A, said(10**6 + 1, delivered=1)), LONGEST_MS + 1)
    assert ours.phase is Phase.HOST, "we know that it delivered nothing"
    _hold(ours, said(1).instance)
    node.handle(RoomHeard(A, said(10**6 + 2, delivered=1)), LONGEST_MS + 2)
    assert ours.phase is Phase.CLOSED


def test_a_host_that_counts_as_its_own_what_our_room_did_does_not_end_it() -> None:
    node = listener()
    heard_until(node, 0, LONGEST_MS)
    node.room = ours = room("b", "b", "c")
    ours.hosting.preferred = said(1).instance
    node.handle(RoomHeard(A, said(10**6)), LONGEST_MS)
    _hold(ours, ours.seat.instance)
    node.handle(RoomHeard(A, said(10**6 + 1, delivered=1)), LONGEST_MS + 1)
    node.handle(RoomHeard(A, said(10**6 + 2, delivered=1)), LONGEST_MS + 2)
    assert ours.phase is Phase.HOST


def _hold(ours: Room, instance: str) -> None:
    word = held(instance, 0)
    ours.book.add_held(pen("x").open(word, SignedKind.HELD, Held), word)


@pytest.mark.parametrize("nonces", [(1, 1, 1, 1, 1, 1), (1, 2, 3, 4, 5, 6)])
def test_who_speaks_seldom_begins_anew_no_more_often_than_is_honest(nonces: tuple[int, ...]) -> None:
    doubts, since = Doubts(), []
    for number, nonce in enumerate(nonces):
        doubts.hear(A, 0, report(number * (ROOM_STALE_MS + 1), nonce=nonce), is_excused=False)
        since.append(doubts.progress[A, 0].since_ms)
    assert since[RESTARTS_MAX:] == [RESTARTS_MAX * (ROOM_STALE_MS + 1)] * (len(nonces) - RESTARTS_MAX)


def test_in_a_crowd_rooms_may_speak_as_seldom_as_they_do_without_beginning_anew() -> None:
    doubts = Doubts()
    for now_ms in (0, ROOM_STALE_MS + 1):
        doubts.hear(A, 0, report(now_ms), is_excused=False, silent_ms=2 * ROOM_STALE_MS)
    assert (doubts.progress[A, 0].since_ms, doubts.progress[A, 0].restarts) == (0, 0)


ROOMS = 60
TURN_MS = turn_ms(ANNOUNCE_MS_MIN, ROOMS)


def test_rooms_of_a_crowd_that_do_their_work_are_not_idle_until_their_turn_to_speak_comes() -> None:
    node = listener()
    facts = dataclasses.replace(
        node.jobs[JOB].facts, microjobs=ROOMS, sub_blocks=10 * ROOMS, deadline_ms=2_000
    )
    node.handle(JobChanged(facts), 0)
    hosts = [PeerId(f"host {number}") for number in range(ROOMS)]
    for now_ms in range(0, 3 * TURN_MS, TURN_MS // ROOMS):
        number, turn = now_ms // (TURN_MS // ROOMS) % ROOMS, now_ms // TURN_MS
        word = dataclasses.replace(
            said(now_ms + 1, delivered=turn),
            microjob=number,
            instance=rosters.instance_id(JOB, number, hosts[number], 1),
        )
        node.handle(RoomHeard(hosts[number], word), now_ms)
        if now_ms >= TURN_MS:
            assert not node.jobs[JOB].without_room(now_ms)


@pytest.mark.parametrize("delivered", [0, 1])
def test_nor_does_it_by_the_view_of_the_publisher_which_prefers_it(delivered: int) -> None:
    node = listener()
    heard_until(node, 0, LONGEST_MS)
    node.handle(RoomHeard(A, said(10**6, delivered=delivered)), LONGEST_MS)
    node.room = ours = room("b", "b", "c")
    preferred = PublisherView(job=JOB, microjob=0, preferred=said(1).instance, held=(), taken=False)
    node.handle(PeerSaid(PUBLISHER, preferred), LONGEST_MS + 1)
    assert (ours.phase is Phase.CLOSED) is bool(delivered)


def test_apps_take_any_time() -> None:
    node = listener()
    facts = dataclasses.replace(node.jobs[JOB].facts, processor="app:paint")
    node.jobs[JOB].facts = facts
    heard_until(node, 0, 2 * LONGEST_MS)
    assert not is_free(node, 2 * LONGEST_MS)
