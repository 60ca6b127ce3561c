"""Which job a node works on first, and when a room stops waiting for a publisher that is not there."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import effects as fx
from sgnus.core.election import watch_host
from sgnus.core.inputs import (
    JobChanged,
    JobFacts,
    NeighboursChanged,
    PeerConnected,
    PeerLost,
    PeerSaid,
    Tick,
)
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import SILENCE_MS_MAX, STRANDED_MS, UNSERVED_MS
from sgnus.messages.v1.types import PublisherView, RoomClosed
from sgnus.sim.pens import CheapPen, address_of
from tests.core.seats import JOB, PUBLISHER, room

ME, NEAR = PeerId("me"), PeerId("near")
ABSENT = JobFacts(
    job=JOB,
    publisher=PUBLISHER,
    address=None,
    processor="builtin:x@1",
    sub_blocks=3,
    microjobs=1,
    deadline_ms=1_000,
    priority=9,
    created_ms=1,
)
REAL = dataclasses.replace(ABSENT, job=type(JOB)("real"), publisher=NEAR, priority=0, created_ms=2)
VIEW = PublisherView(job=JOB, microjob=0, preferred="", held=(), taken=False)


def node(*jobs: JobFacts) -> NodeCore:
    """With one worker, in touch with one peer."""
    own = CheapPen(ME)
    made = NodeCore.create(own, address_of(own), 1, 0)
    made.handle(NeighboursChanged((ME, NEAR)), 0)
    for facts in jobs:
        made.handle(JobChanged(facts), 0)
    return made


def pass_time(made: NodeCore, from_ms: int, to_ms: int) -> list[fx.Effect]:
    """Let it wake whenever it wants to."""
    effects: list[fx.Effect] = []
    now_ms = from_ms
    while (wake_ms := made.wake_ms(now_ms)) is not None and wake_ms <= to_ms:
        now_ms = max(now_ms + 1, wake_ms)
        effects += made.handle(Tick(), now_ms)
    return effects


def seat(made: NodeCore) -> str:
    return made.room.seat.job if made.room is not None else ""


def test_a_job_whose_publisher_is_in_touch_comes_before_one_of_higher_priority_of_nobody() -> None:
    made = node(ABSENT, REAL)
    pass_time(made, 0, 5_000)
    assert seat(made) == REAL.job


def test_who_waits_for_a_publisher_that_is_not_there_goes_where_work_is_once_there_is_some() -> None:
    made = node(ABSENT)
    pass_time(made, 0, 10 * STRANDED_MS)
    assert seat(made) == ABSENT.job, "nothing else is to do"
    made.handle(JobChanged(REAL), 10 * STRANDED_MS)
    pass_time(made, 10 * STRANDED_MS, 10 * STRANDED_MS + 5_000)
    assert seat(made) == REAL.job


def test_nobody_goes_before_the_publisher_had_time_to_come() -> None:
    made = node(ABSENT)
    pass_time(made, 0, 3_000)
    assert made.room is not None
    founded_ms = made.room.seat.joined_ms
    made = node(ABSENT)
    pass_time(made, 0, founded_ms)
    made.handle(JobChanged(REAL), founded_ms)
    pass_time(made, founded_ms, founded_ms + STRANDED_MS - 1)
    assert seat(made) == ABSENT.job
    pass_time(made, founded_ms + STRANDED_MS, founded_ms + 2 * STRANDED_MS)
    assert seat(made) == REAL.job


def test_who_waits_for_a_publisher_that_is_there_and_silent_goes_where_work_is() -> None:
    made = node(ABSENT)
    made.handle(PeerConnected(PUBLISHER), 0)
    pass_time(made, 0, STRANDED_MS)
    assert made.room is not None and made.room.is_publisher_here
    made.handle(JobChanged(REAL), STRANDED_MS)
    pass_time(made, STRANDED_MS, 2 * STRANDED_MS)
    assert seat(made) == REAL.job


@pytest.mark.parametrize("back", [PeerConnected(PUBLISHER), NeighboursChanged((ME, NEAR, PUBLISHER)), None])
def test_nobody_sits_down_again_for_who_left_it_alone_until_it_is_back_or_time_has_passed(
    back: PeerConnected | NeighboursChanged | None,
) -> None:
    another = dataclasses.replace(ABSENT, job=type(JOB)("another"))
    made = node(ABSENT, another)
    pass_time(made, 0, STRANDED_MS)
    assert seat(made) in (JOB, another.job)
    made.handle(JobChanged(REAL), 2 * STRANDED_MS)
    pass_time(made, 2 * STRANDED_MS, 3 * STRANDED_MS)
    assert seat(made) == REAL.job
    made.handle(JobChanged(dataclasses.replace(REAL, open=False)), 3 * STRANDED_MS)
    pass_time(made, 3 * STRANDED_MS, 6 * STRANDED_MS)
    assert not seat(made)
    if back is not None:
        made.handle(back, 6 * STRANDED_MS)
    pass_time(made, 6 * STRANDED_MS, 8 * STRANDED_MS)
    assert bool(seat(made)) == (back is not None)
    pass_time(made, 8 * STRANDED_MS, 3 * STRANDED_MS + UNSERVED_MS)
    assert seat(made) in (JOB, another.job)


def test_a_host_that_has_heard_of_its_publisher_stays() -> None:
    made = node(ABSENT)
    made.handle(PeerConnected(PUBLISHER), 0)
    pass_time(made, 0, 1_000)
    assert made.room is not None
    made.handle(PeerSaid(PUBLISHER, VIEW), 1_000)
    made.handle(JobChanged(REAL), 1_000)
    pass_time(made, 1_000, 2 * STRANDED_MS)
    assert seat(made) == ABSENT.job


def test_a_room_of_two_whose_publisher_is_lost_ends_for_both_and_not_if_it_comes_back() -> None:
    for comes_back in (True, False):
        made = node(ABSENT, REAL)
        made.room = room(ME, ME, "b")
        made.room.hosting.has_view = True
        made.room.work.running.append(0)
        made.room.pulse.note_heard(PeerId("b"), STRANDED_MS)
        made.handle(PeerLost(PUBLISHER), 1_000)
        if comes_back:
            made.handle(PeerConnected(PUBLISHER), 2_000)
            made.handle(PeerSaid(PUBLISHER, VIEW), 2_000)
        pass_time(made, 2_000, 1_000 + STRANDED_MS - 1)
        assert seat(made) == JOB
        effects = pass_time(made, STRANDED_MS, 1_000 + STRANDED_MS + 500)
        ends = [
            one.peers for one in effects if isinstance(one, fx.Send) and isinstance(one.message, RoomClosed)
        ]
        assert len(ends) == (not comes_back)
        assert all("b" in peers for peers in ends)
        assert seat(made) == (JOB if comes_back else REAL.job)


def test_a_new_host_waits_for_the_publisher_as_the_old_one_did() -> None:
    for is_here in (True, False):
        seat = room("b", "a", "b")
        seat.is_publisher_here = is_here
        watch_host(seat, SILENCE_MS_MAX)
        assert seat.phase is Phase.HOST
        assert seat.hosting.paused_ms == (None if is_here else SILENCE_MS_MAX)
