"""A node that is told to stop: what it finishes, what it gives back, and who hosts after it."""

from __future__ import annotations

import pytest

from sgnus.core import departing
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.inputs import (
    AppHosts,
    AppJoins,
    DeliveryEnded,
    JobChanged,
    JobFacts,
    PeerConnected,
    PeerSaid,
    Stopping,
    SubBlockComputed,
    Tick,
)
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase, Room
from sgnus.core.room_table import handle
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import FINISH_MS_MAX, STAGGER_MS
from sgnus.messages.v1.types import (
    LeaseRequest,
    LeaseReturned,
    Leave,
    MemberLeft,
    OnHostChanged,
    OnProcessed,
    OnSubBlockProcessingStarted,
    RemovalReason,
    ReturnReason,
    RoomClosed,
    RoomJoinStatus,
    SignedKind,
    VoteGiven,
    VoteRequest,
)
from sgnus.sim.pens import address_of
from tests.core.seats import JOB, PUBLISHER, held, pen, room
from tests.core.test_room import ask, sent, started

A, B, C, D = (PeerId(name) for name in "abcd")
QUICK_MS = 400
FACTS = JobFacts(
    job=JOB, publisher=PUBLISHER, address=None, processor="x", sub_blocks=23, microjobs=3, deadline_ms=60_000
)


def node(me: str, *names: str, durations_ms: tuple[int, ...] = (QUICK_MS,) * 3) -> NodeCore:
    """A node that sits in the room of these, whose sub-blocks took so long until now; the publisher is connected."""
    made = NodeCore.create(pen(me), address_of(pen(me)), 1, 0)
    made.room = room(me, *names)
    made.handle(JobChanged(FACTS), 0)
    made.room.board.pace.durations_ms = list(durations_ms)
    made.handle(PeerConnected(PUBLISHER), 0)
    return made


def seat_of(of: NodeCore) -> Room:
    assert of.room is not None
    return of.room


def left(name: str, instance: InstanceId) -> MemberLeft:
    return MemberLeft(leave=pen(name).sign(SignedKind.LEAVE, Leave(instance=instance)))


# ---- the one that leaves
def test_a_member_with_nothing_to_do_leaves_at_once_and_takes_no_other_seat() -> None:
    member = node("b", "a", "b", "c")
    effects = member.handle(Stopping(), 10)
    (said,) = sent(effects, MemberLeft)
    assert said.peers == (A, C, PUBLISHER)
    assert member.room is None and departing.owes(member) == []
    assert member.wake_ms(20) is None or not sent(member.handle(Tick(), 60_000), MemberLeft)
    assert member.room is None and member.search.pending is None


def test_what_is_nearly_done_is_finished_and_told_before_it_leaves() -> None:
    member = node("b", "a", "b")
    instance = seat_of(member).seat.instance
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 100)
    assert not sent(member.handle(Stopping(), 200), MemberLeft)
    effects = member.handle(SubBlockComputed(instance, 1, 1, b"r" * 32, QUICK_MS), 500)
    kinds = [type(x.message) for x in effects if isinstance(x, fx.Send)]
    assert kinds == [OnProcessed, MemberLeft]
    assert member.room is None
    assert departing.owes(member) == ["outputs on their way"]
    member.handle(DeliveryEnded(instance, 1, held(instance, 1)), 600)
    assert departing.owes(member) == []


def test_what_would_take_long_is_given_back_at_once_with_its_reason() -> None:
    member = node("b", "a", "b", durations_ms=(60_000,) * 3)
    instance = seat_of(member).seat.instance
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 100)
    effects = member.handle(Stopping(), 200)
    (returned,) = sent(effects, LeaseReturned)
    message = returned.message
    assert isinstance(message, LeaseReturned)
    assert (message.sub_block, message.reason) == (1, ReturnReason.LEAVING)
    assert fx.StopProcessing(instance, 1) in effects
    assert sent(effects, MemberLeft) and member.room is None


def test_of_two_leases_the_one_that_is_nearly_done_is_kept() -> None:
    member = node("b", "a", "b", durations_ms=(2_000,) * 3)
    member.handle(PeerSaid(A, started(seat_of(member), 0, "b")), 100)
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 1_900)
    effects = member.handle(Stopping(), 2_000)
    assert [x.message.sub_block for x in sent(effects, LeaseReturned)] == [1]  # type: ignore[attr-defined]
    assert seat_of(member).work.running == [0]


def test_what_does_not_come_in_time_is_given_up() -> None:
    member = node("b", "a", "b")
    instance = seat_of(member).seat.instance
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 100)
    member.handle(Stopping(), 200)
    assert member.wake_ms(200) == 200 + FINISH_MS_MAX
    effects = member.handle(Tick(), 200 + FINISH_MS_MAX)
    assert fx.StopProcessing(instance, 1) in effects and sent(effects, MemberLeft)


def test_told_twice_it_waits_for_nothing() -> None:
    member = node("b", "a", "b")
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 100)
    member.handle(Stopping(), 200)
    assert sent(member.handle(Stopping(), 210), MemberLeft)
    assert member.room is None


def test_a_lease_that_crosses_the_leaving_comes_back_and_is_not_begun() -> None:
    member = node("b", "a", "b")
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 100)
    member.handle(Stopping(), 200)
    effects = member.handle(PeerSaid(A, started(seat_of(member), 2, "b")), 210)
    assert [x.message.sub_block for x in sent(effects, LeaseReturned)] == [2]  # type: ignore[attr-defined]
    assert not [x for x in effects if isinstance(x, fx.Process)]


def test_a_host_hands_over_and_one_that_is_alone_ends_the_room_for_the_lobby() -> None:
    host = node("a", "a", "b", "c")
    effects = host.handle(Stopping(), 10)
    assert [x.peers for x in sent(effects, MemberLeft)] == [(B, C, PUBLISHER)]
    assert not sent(effects, RoomClosed)
    alone = node("a", "a")
    effects = alone.handle(Stopping(), 10)
    closings = [x.message.body for x in effects if isinstance(x, fx.Gossip)]
    assert closings and sent(effects, RoomClosed) and alone.room is None


def test_a_host_that_finishes_its_own_work_leases_the_rest_to_others_and_none_to_itself() -> None:
    host = node("a", "a", "b")
    seat = seat_of(host)
    host.handle(PeerSaid(A, LeaseRequest(instance=seat.seat.instance, epoch=1, free=1, working_on=())), 100)
    assert seat.work.running == [0]
    host.handle(Stopping(), 200)
    asked = LeaseRequest(instance=seat.seat.instance, epoch=1, free=2, working_on=())
    leases = sent(host.handle(PeerSaid(B, asked), 210), OnSubBlockProcessingStarted)
    assert [x.message.member for x in leases] == ["b"]  # type: ignore[attr-defined]
    effects = host.handle(SubBlockComputed(seat.seat.instance, 0, 1, b"r" * 32, QUICK_MS), 400)
    members = [x.message.member for x in sent(effects, OnSubBlockProcessingStarted)]  # type: ignore[attr-defined]
    assert "a" not in members
    assert sent(effects, MemberLeft)


@pytest.mark.parametrize("asked", [AppJoins(7, JOB, 0), AppHosts(7, JOB, None)])
def test_an_app_that_asks_for_a_seat_is_told_that_the_node_stops(asked: AppJoins | AppHosts) -> None:
    idle = NodeCore.create(pen("b"), address_of(pen("b")), 0, 0)
    idle.handle(JobChanged(FACTS), 0)
    idle.handle(Stopping(), 10)
    (answer,) = [x for x in idle.handle(asked, 20) if isinstance(x, fx.AnswerApp)]
    assert (answer.token, answer.status) == (7, RoomJoinStatus.REFUSED)
    assert idle.room is None


def test_who_is_not_there_is_not_waited_for() -> None:
    member = node("b", "a", "b")
    instance = seat_of(member).seat.instance
    member.handle(PeerSaid(A, started(seat_of(member), 1, "b")), 100)
    member.handle(SubBlockComputed(instance, 1, 1, b"r" * 32, QUICK_MS), 150)
    member.handle(Stopping(), 200)
    assert departing.owes(member) == ["outputs on their way"]
    member.links.connected.remove(PUBLISHER)
    assert departing.owes(member) == []


# ---- the others
def test_when_the_host_leaves_the_first_in_rank_stands_at_once_and_the_others_vote() -> None:
    names = ("b", "c", "d")
    seats = {PeerId(name): room(name, "a", *names) for name in names}
    instance = seats[B].seat.instance
    order = sorted(seats, key=lambda peer: rosters.rank(instance, 2, peer))
    first, *rest = order
    told = {peer: handle(seat, A, left("a", instance), 10) for peer, seat in seats.items()}
    assert [peer for peer in order if sent(told[peer], VoteRequest)] == [first]
    (request,) = sent(told[first], VoteRequest)
    votes = {peer: sent(handle(seats[peer], first, request.message, 11), VoteGiven) for peer in rest}
    assert all(votes.values())
    claim = next(
        x
        for peer in rest
        for x in sent(handle(seats[first], peer, votes[peer][0].message, 12), OnHostChanged)
    )
    assert isinstance(claim.message, OnHostChanged)
    assert seats[first].phase is Phase.HOST
    (removal,) = rosters.read(pen("x"), claim.message.list).list.removals
    assert (removal.peer, removal.reason) == ("a", RemovalReason.LEFT)
    for peer in rest:
        handle(seats[peer], first, claim.message, 13)
        assert (seats[peer].phase, seats[peer].host) == (Phase.MEMBER, first)
        assert seats[peer].pulse.left == []


def test_a_vote_that_is_asked_before_the_leave_is_heard_is_given_when_it_is() -> None:
    seat = room("b", "a", "b", "c")
    request = VoteRequest(instance=seat.seat.instance, epoch=2, base=seat.roster.envelope)
    assert handle(seat, C, request, 10) == []
    effects = handle(seat, A, left("a", seat.seat.instance), 11)
    assert [x.peers for x in sent(effects, VoteGiven)] == [(C,)]


def test_a_host_that_said_that_it_leaves_is_gone_however_loud_it_is() -> None:
    seat = room("b", "a", "b", "c", "d")
    handle(seat, A, left("a", seat.seat.instance), 10)
    seat.pulse.note_heard(A, 20)
    handle(seat, B, Tick(), 10 + 2 * STAGGER_MS)
    assert seat.phase is Phase.STANDING


def test_only_the_host_says_that_the_host_leaves() -> None:
    seat = room("b", "a", "b", "c")
    assert handle(seat, C, left("c", seat.seat.instance), 10) == []
    assert handle(seat, C, left("a", seat.seat.instance), 10) == []
    assert handle(seat, A, left("c", seat.seat.instance), 10) == []
    assert seat.phase is Phase.MEMBER and seat.pulse.left == []


def test_a_leave_that_the_host_did_not_sign_is_a_fault_and_changes_nothing() -> None:
    member = node("b", "a", "b", "c")
    instance = seat_of(member).seat.instance
    forged = pen("c").sign(SignedKind.LEAVE, Leave(instance=instance))
    forged = type(forged)(kind=forged.kind, author="a", payload=forged.payload, signature=forged.signature)
    effects = member.handle(PeerSaid(A, MemberLeft(leave=forged)), 10)
    assert [x.peer for x in effects if isinstance(x, fx.Blame)] == [A]
    assert seat_of(member).pulse.left == []


def test_what_a_leaver_gives_back_goes_to_another_at_once() -> None:
    host = room("a", "a", "b", "c", sub_blocks=1)
    asked = LeaseRequest(instance=host.seat.instance, epoch=1, free=2, working_on=())
    handle(host, B, asked, 10)
    assert [x.member for x in host.board.leases] == [B]
    handle(host, C, asked, 20)
    returned = LeaseReturned(
        instance=host.seat.instance, epoch=1, sub_block=0, reason=ReturnReason.LEAVING, detail="stopping"
    )
    leases = sent(handle(host, B, returned, 30), OnSubBlockProcessingStarted)
    assert [x.message.member for x in leases] == ["c"]  # type: ignore[attr-defined]
    assert host.board.strikes == {} and host.board.returns.abandoned.get(0) == []


def test_when_a_member_leaves_its_lease_goes_to_another_with_the_same_word() -> None:
    host = room("a", "a", "b", "c", sub_blocks=1)
    asked = LeaseRequest(instance=host.seat.instance, epoch=1, free=2, working_on=())
    handle(host, B, asked, 10)
    handle(host, C, asked, 20)
    effects = handle(host, B, left("b", host.seat.instance), 30)
    leases = sent(effects, OnSubBlockProcessingStarted)
    assert [x.message.member for x in leases] == ["c"]  # type: ignore[attr-defined]


def test_who_leaves_and_asks_for_a_seat_later_is_seated_and_leased_to_again() -> None:
    host = room("a", "a", "b", sub_blocks=2)
    host.board.leaving.append(B)
    handle(host, B, left("b", host.seat.instance), 10)
    handle(host, B, ask("b", host), 20)
    handle(host, A, Tick(), 100)
    asked = LeaseRequest(instance=host.seat.instance, epoch=1, free=2, working_on=())
    assert sent(handle(host, B, asked, 110), OnSubBlockProcessingStarted)
