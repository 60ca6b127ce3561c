"""A seat in a room: inputs and exact effects, as member, candidate and host."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import ballot as ballots
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core import succession
from sgnus.core.inputs import PeerLost, RoomHeard, SeatAsked, SubBlockComputed, Tick
from sgnus.core.room import Phase, Room
from sgnus.core.room_table import handle
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import REOPEN_MS_MAX, ROOM_MEMBERS_MAX, SEATING_MS, SILENCE_MS_MAX
from sgnus.messages.v1.types import (
    HeldNotice,
    JoinAnswer,
    JoinReason,
    JoinRequest,
    LeaseRequest,
    OnHostChanged,
    OnPeerListChanged,
    OnProcessed,
    OnSubBlockProcessingStarted,
    PublisherView,
    RemovalReason,
    RoomAnnouncement,
    RoomClosed,
    SignedKind,
    Vote,
    VoteGiven,
    VoteRequest,
)
from sgnus.sim.pens import address_of
from tests.core.seats import JOB, PUBLISHER, held, member, pen, room, roster

A, B, C, D = (PeerId(name) for name in "abcd")


def sent(effects: list[fx.Effect], kind: type) -> list[fx.Send]:
    return [x for x in effects if isinstance(x, fx.Send) and isinstance(x.message, kind)]


def ask(name: str, of: Room, nonce: int = 1) -> SeatAsked:
    request = JoinRequest(
        job=JOB,
        microjob=0,
        instance=of.seat.instance,
        epoch=of.roster.epoch,
        workers=1,
        address=address_of(pen(name)),
        nonce=nonce,
    )
    return SeatAsked(PeerId(name), request, pen(name).sign(SignedKind.JOIN, request))


def started(of: Room, sub_block: int, who: str, epoch: int = 1) -> OnSubBlockProcessingStarted:
    return OnSubBlockProcessingStarted(
        instance=of.seat.instance,
        epoch=epoch,
        sub_block=sub_block,
        member=who,
        elapsed_ms=0,
        deadline_ms=60_000,
    )


# ---- the host
def test_requests_of_fifty_milliseconds_are_seated_by_one_list_and_accepted_after_it() -> None:
    host = room("a", "a", "b")
    assert handle(host, C, ask("c", host), 0) == [] and handle(host, D, ask("d", host), 30) == []
    effects = handle(host, A, Tick(), SEATING_MS)
    (listed,) = sent(effects, OnPeerListChanged)
    assert rosters.read(pen("x"), listed.message.list).peers == (A, B, C, D)  # type: ignore[attr-defined]
    assert set(listed.peers) == {B, C, D, PUBLISHER}
    answers = sent(effects, JoinAnswer)
    assert [(x.peers, x.message.reason) for x in answers] == [  # type: ignore[attr-defined]
        ((C,), JoinReason.ACCEPTED),
        ((D,), JoinReason.ACCEPTED),
    ]
    assert effects.index(listed) < effects.index(answers[0])


def test_newcomers_hear_after_their_list_how_long_others_have_been_at_work() -> None:
    host = room("a", "a", "b")
    host.board.note_started(1, B, 1_000, 60_000)
    host.board.note_started(2, A, 2_000, 60_000)
    host.board.note_processed(2, A, 2_500)
    host.hosting.has_view = False  # Else the tick leases the third.
    handle(host, C, ask("c", host), 4_000)
    effects = handle(host, A, Tick(), 4_000 + SEATING_MS)
    (told,) = sent(effects, OnSubBlockProcessingStarted)
    running = dataclasses.replace(started(host, 1, "b"), elapsed_ms=3_000 + SEATING_MS)
    assert told == fx.Send((C,), running)
    assert effects.index(sent(effects, JoinAnswer)[0]) < effects.index(told)
    newcomer = room("c", "a", "b", "c")
    newcomer.roster = host.roster
    (event,) = handle(newcomer, A, told.message, 5_000)
    assert event == fx.ProcessingStarted(JOB, 0, host.seat.instance, 1, B, 3_000 + SEATING_MS)
    (lease,) = newcomer.board.leases
    assert (lease.since_ms, lease.deadline_ms) == (1_950, 61_950)


def test_who_asks_for_its_seat_again_is_told_of_no_lease_twice() -> None:
    host = room("a", "a", "b")
    host.board.note_started(1, A, 0, 60_000)
    assert sent(handle(host, B, ask("b", host), 10), OnSubBlockProcessingStarted) == []
    assert sent(handle(host, A, Tick(), 10 + SEATING_MS), OnSubBlockProcessingStarted) == []


def test_the_twelfth_is_rejected() -> None:
    host = room("a", *"abcdefghij")
    for name in ("k", "l"):
        handle(host, PeerId(name), ask(name, host), 0)
    reasons = [x.message.reason for x in sent(handle(host, A, Tick(), SEATING_MS), JoinAnswer)]  # type: ignore[attr-defined]
    assert reasons == [JoinReason.ACCEPTED, JoinReason.FULL]
    assert len(host.roster.peers) == ROOM_MEMBERS_MAX


@pytest.mark.parametrize("change", [{"epoch": 2}, {"instance": "00"}])
def test_a_request_for_another_epoch_or_instance_is_stale(change: dict[str, int | str]) -> None:
    host = room("a", "a")
    asked = ask("b", host)
    old = SeatAsked(B, dataclasses.replace(asked.request, **change), asked.envelope)  # type: ignore[arg-type]
    (answer,) = sent(handle(host, B, old, 0), JoinAnswer)
    assert answer.message.reason is JoinReason.STALE  # type: ignore[attr-defined]


def test_a_lease_goes_to_all_that_follow_the_room() -> None:
    host = room("a", "a", "b")
    request = LeaseRequest(instance=host.seat.instance, epoch=1, free=1, working_on=())
    (lease,) = sent(handle(host, B, request, 5), OnSubBlockProcessingStarted)
    assert lease == fx.Send((B, PUBLISHER), started(host, 0, "b"))


def test_nothing_is_leased_before_the_publishers_view() -> None:
    host = room("a", "a", "b")
    host.hosting.has_view = False
    request = LeaseRequest(instance=host.seat.instance, epoch=1, free=1, working_on=())
    assert sent(handle(host, B, request, 5), OnSubBlockProcessingStarted) == []


def test_a_broken_stream_that_is_not_reopened_removes_a_member_and_frees_its_lease() -> None:
    host = room("a", "a", "b")
    host.board.note_started(0, B, 0, 60_000)
    handle(host, B, PeerLost(B), 100)
    assert sent(handle(host, A, Tick(), 99 + REOPEN_MS_MAX), OnPeerListChanged) == []
    (listed,) = sent(handle(host, A, Tick(), 100 + REOPEN_MS_MAX), OnPeerListChanged)
    removal = rosters.read(pen("x"), listed.message.list).list.removals[0]  # type: ignore[attr-defined]
    assert (removal.peer, removal.reason) == (B, RemovalReason.DISCONNECTED)
    assert B in listed.peers and host.board.leases == []


def test_the_second_strike_removes_and_the_first_does_not() -> None:
    host = room("a", "a", "b")
    host.board.strikes[B] = [0]
    assert sent(handle(host, A, Tick(), 10), OnPeerListChanged) == []
    host.board.strikes[B] = [0, 2]
    (listed,) = sent(handle(host, A, Tick(), 20), OnPeerListChanged)
    removal = rosters.read(pen("x"), listed.message.list).list.removals[0]  # type: ignore[attr-defined]
    assert (removal.reason, removal.sub_blocks) == (RemovalReason.STRIKES, (0, 2))
    (answer,) = sent(handle(host, B, ask("b", host), 30), JoinAnswer)
    assert answer.message.reason is JoinReason.UNSUITABLE  # type: ignore[attr-defined]


def rival(of: Room, sequence: int, delivered: int = 0, instance: str = "0") -> RoomHeard:
    said = RoomAnnouncement(
        job=JOB,
        microjob=0,
        instance=instance,
        epoch=1,
        members=1,
        seats=10,
        sub_blocks=3,
        unleased=1,
        delivered=delivered,
        address=address_of(pen("z")),
        waiting=False,
        sequence=sequence,
        closing=False,
    )
    return RoomHeard(PeerId("z"), said)


def test_a_host_that_delivered_nothing_yields_to_a_living_rival_of_a_lower_name() -> None:
    host = room("a", "a", "b")
    (closed,) = sent(handle(host, PeerId("z"), rival(host, 1), 5), RoomClosed)
    assert B in closed.peers and host.phase is Phase.CLOSED


def test_a_claim_of_the_database_is_no_rival() -> None:
    host = room("a", "a", "b")
    assert handle(host, PeerId("z"), rival(host, 0), 5) == [] and host.phase is Phase.HOST


def test_the_instance_that_the_publisher_prefers_goes_on_and_the_other_ends() -> None:
    for preferred, phase in (("ours", Phase.HOST), ("0", Phase.CLOSED)):
        host = room("a", "a", "b")
        name = host.seat.instance if preferred == "ours" else preferred
        view = PublisherView(job=JOB, microjob=0, preferred=name, held=(), taken=False)
        handle(host, PUBLISHER, view, 1)
        handle(host, PeerId("z"), rival(host, 1, delivered=2), 5)
        assert host.phase is phase


# ---- the member
def test_a_lease_from_the_host_is_worked_on_and_one_from_another_is_not() -> None:
    seat = room("b", "a", "b", "c")
    assert handle(seat, C, started(seat, 0, "b"), 5) == []
    effects = handle(seat, A, started(seat, 0, "b"), 5)
    assert fx.Process(JOB, 0, seat.seat.instance, 0, False) in effects


def test_a_lease_of_an_old_epoch_changes_nothing() -> None:
    seat = room("b", "a", "b")
    assert handle(seat, A, started(seat, 0, "b", epoch=0), 5) == []
    assert seat.board.leases == [] and seat.work.running == []


def test_a_result_is_signed_told_to_all_and_delivered() -> None:
    seat = room("b", "a", "b")
    handle(seat, A, started(seat, 1, "b"), 5)
    effects = handle(seat, B, SubBlockComputed(seat.seat.instance, 1, 4, b"r" * 32, 40), 50)
    (told,) = sent(effects, OnProcessed)
    record = told.message.record  # type: ignore[attr-defined]
    assert told.peers == (A, PUBLISHER)
    assert fx.Deliver(JOB, 0, seat.seat.instance, 1, PUBLISHER, record) in effects


def test_held_by_anybody_but_the_publisher_is_a_fault_and_counts_nothing() -> None:
    seat = room("b", "a", "b")
    with pytest.raises(PeerFault, match="not the publisher"):
        handle(seat, C, HeldNotice(held=(held(seat.seat.instance, 0, author="c"),)), 5)
    assert seat.book.delivered() == 0


def test_held_of_what_we_work_on_stops_our_work() -> None:
    seat = room("b", "a", "b")
    handle(seat, A, started(seat, 0, "b"), 5)
    effects = handle(seat, PUBLISHER, HeldNotice(held=(held(seat.seat.instance, 0),)), 9)
    assert fx.StopProcessing(seat.seat.instance, 0) in effects and seat.board.leases == []


def test_a_record_of_a_stranger_is_not_kept() -> None:
    seat, other = room("b", "a", "b"), room("z", "a", "b", "z")
    handle(other, A, started(other, 0, "z"), 5)
    effects = handle(other, PeerId("z"), SubBlockComputed(other.seat.instance, 0, 1, b"r" * 32, 1), 6)
    (told,) = sent(effects, OnProcessed)
    assert handle(seat, PeerId("z"), told.message, 7) == []
    assert seat.book.known() == ((), ())


def test_a_list_without_us_ends_our_seat() -> None:
    seat = room("b", "a", "b", "c")
    gone = rosters.successor(pen("a"), seat.roster, (member("a", "a"), member("c")), (), 1)
    effects = handle(seat, A, OnPeerListChanged(list=gone.envelope), 5)
    assert seat.phase is Phase.CLOSED
    assert [x.why for x in effects if isinstance(x, fx.RoomLeft)] == ["removed from the list"]


def test_two_lists_of_one_sequence_are_a_fault_of_the_host() -> None:
    seat = room("b", "a", "b")
    first = rosters.successor(pen("a"), seat.roster, seat.roster.list.members, (), 1)
    other = rosters.successor(pen("a"), seat.roster, (*seat.roster.list.members, member("c")), (), 1)
    handle(seat, A, OnPeerListChanged(list=first.envelope), 5)
    effects = handle(seat, C, OnPeerListChanged(list=other.envelope), 6)
    assert [one.peer for one in effects if isinstance(one, fx.Blame)] == [A], "and not of whoever brings it"
    assert seat.roster.digest == first.digest


# ---- elections
def test_a_silent_host_is_suspected_and_the_first_in_rank_stands() -> None:
    names = ("b", "c", "d")
    seats = {name: room(name, "a", *names) for name in names}
    standing = []
    for name, seat in seats.items():
        for other in names:
            seat.pulse.note_heard(PeerId(other), 4_900)
        effects = handle(seat, PeerId(name), Tick(), SILENCE_MS_MAX)
        standing += [name for _ in sent(effects, VoteRequest)]
    order = sorted(names, key=lambda name: rosters.rank(seats["b"].seat.instance, 2, PeerId(name)))
    assert standing == [order[0]]


def test_what_gossip_still_tells_of_a_host_does_not_keep_it_alive() -> None:
    seat = room("b", "a", "b")
    late = rival(seat, 1, instance=seat.seat.instance)
    for said in (RoomHeard(A, late.announcement), ask("a", seat)):
        handle(seat, A, said, SILENCE_MS_MAX - 1)
    assert sent(handle(seat, PeerId("b"), Tick(), SILENCE_MS_MAX), OnHostChanged)


def test_nobody_who_hears_the_host_votes() -> None:
    seat = room("b", "a", "b", "c")
    request = VoteRequest(instance=seat.seat.instance, epoch=2, base=seat.roster.envelope)
    assert handle(seat, C, request, 1_000) == []
    assert seat.ballot.voted == {}


def test_a_vote_is_durable_before_it_is_sent_and_given_once_an_epoch() -> None:
    seat = room("b", "a", "b", "c", "d")
    request = VoteRequest(instance=seat.seat.instance, epoch=2, base=seat.roster.envelope)
    persisted, given = handle(seat, C, request, 4_000)
    assert isinstance(persisted, fx.Persist) and persisted.namespace == "vote"
    assert isinstance(given, fx.Send) and given.peers == (C,)
    assert handle(seat, D, request, 4_001) == []


def test_a_request_for_an_epoch_far_ahead_is_not_answered() -> None:
    seat = room("b", "a", "b", "c")
    request = VoteRequest(instance=seat.seat.instance, epoch=2**32 - 1, base=seat.roster.envelope)
    assert handle(seat, C, request, 4_000) == [] and seat.ballot.voted == {}


def candidate() -> Room:
    seat = room("b", "a", "b", "c", "d")
    for at_ms in range(SILENCE_MS_MAX, SILENCE_MS_MAX + 2_000, 100):
        for other in (C, D):
            seat.pulse.note_heard(other, at_ms)
        handle(seat, B, Tick(), at_ms)
        if seat.phase is Phase.STANDING:
            return seat
    raise AssertionError("its turn never came")


def vote_of(name: str, seat: Room) -> VoteGiven:
    vote = ballots.cast(pen(name), seat.roster, seat.ballot.epoch, B)
    return VoteGiven(vote=vote)


def test_votes_of_more_than_half_of_the_others_make_a_host_and_the_claim_proves_it() -> None:
    seat = candidate()
    effects = handle(seat, C, vote_of("c", seat), 6_000)
    (claim,) = sent(effects, OnHostChanged)
    first = succession.check_claim(pen("x"), claim.message).first  # type: ignore[arg-type]
    assert (first.host, first.epoch, first.peers) == (B, 2, (B, C, D))
    assert set(claim.peers) == {A, C, D, PUBLISHER} and seat.phase is Phase.HOST


def test_half_of_the_electors_is_no_majority() -> None:
    seat = room("b", "a", "b", "c")
    claim_votes = (ballots.cast(pen("b"), seat.roster, 2, B),)
    first = rosters.successor(pen("b"), seat.roster, (member("b"), member("c")), (), 2)
    claim = OnHostChanged(
        job=JOB,
        microjob=0,
        instance=seat.seat.instance,
        epoch=2,
        host=B,
        base=seat.roster.envelope,
        votes=claim_votes,
        list=first.envelope,
    )
    with pytest.raises(PeerFault, match="no majority"):
        succession.check_claim(pen("x"), claim)


def test_a_vote_that_another_brings_is_a_fault() -> None:
    seat = candidate()
    with pytest.raises(PeerFault, match="brought by another"):
        handle(seat, D, vote_of("c", seat), 6_000)
    assert seat.phase is Phase.STANDING


def test_a_vote_for_another_list_does_not_count() -> None:
    seat = candidate()
    other = Vote(instance=seat.seat.instance, epoch=seat.ballot.epoch, candidate=B, list=b"x" * 32)
    assert handle(seat, C, VoteGiven(vote=pen("c").sign(SignedKind.VOTE, other)), 6_000) == []
    assert seat.phase is Phase.STANDING


# ---- lists
def test_a_list_that_seats_who_never_asked_is_a_fault() -> None:
    seats = (member("a", "a"), dataclasses.replace(member("b"), join=None))
    listed = rosters.found(pen("a"), JOB, 0, 7, seats)
    with pytest.raises(PeerFault, match="never asked"):
        rosters.read(pen("x"), listed.envelope)


def test_a_list_with_another_peers_request_is_a_fault() -> None:
    seats = (member("a", "a"), dataclasses.replace(member("b"), join=member("c").join))
    listed = rosters.found(pen("a"), JOB, 0, 7, seats)
    with pytest.raises(PeerFault, match="another peer"):
        rosters.read(pen("x"), listed.envelope)


def test_the_name_of_an_instance_is_the_hash_of_its_founding() -> None:
    listed = roster("a", "b")
    forged = dataclasses.replace(listed.list, nonce=8)
    with pytest.raises(PeerFault, match="not the hash"):
        rosters.read(pen("x"), pen("a").sign(SignedKind.LIST, forged))
    assert rosters.instance_id(JOB, 0, A, 7) == InstanceId(listed.list.instance)
