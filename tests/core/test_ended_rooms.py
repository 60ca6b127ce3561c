"""A seat that was asked for in a room that has ended meanwhile: nobody is to blame that it is not answered."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import effects as fx
from sgnus.core import judging, observing
from sgnus.core import roster as rosters
from sgnus.core.inputs import Input, JobForgotten, PeerSaid, RoomHeard, Tick
from sgnus.core.node import NodeCore
from sgnus.core.publication import Court, Publication
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    DEAD_ROOM_MS,
    ENDED_KEPT_MAX,
    JOIN_ANSWER_MS_LATE,
    JOIN_ANSWER_MS_MAX,
    SEEK_MS,
)
from sgnus.messages.v1.types import (
    CloseReason,
    Held,
    HeldNotice,
    JoinAnswer,
    JoinReason,
    Member,
    OnPeerListChanged,
    RoomAnnouncement,
    RoomClosed,
    SignedEnvelope,
    SignedKind,
)
from sgnus.sim.pens import CheapPen, address_of
from tests.core.test_hostile_rounds import STRANGER, committed, node_of
from tests.core.test_seeking_in_crowds import FACTS, ME, PUBLISHER, asked, hear_rooms, seeker
from tests.round_support import Round, member_of

HOST = PeerId("host-0")
ASKED_MS = SEEK_MS


def asking() -> tuple[NodeCore, RoomAnnouncement, SignedEnvelope]:
    """It has asked the host of the only room that it knows: what that announced, and the request."""
    node = seeker((ME, PUBLISHER, PeerId("n1")))
    hear_rooms(node, 1, 10)
    (known,) = node.jobs[FACTS.job].rooms.values()
    gossip = [one for one in node.handle(Tick(), ASKED_MS) if isinstance(one, fx.Gossip)]
    (join,) = [one.message.body for one in gossip]
    assert isinstance(join, SignedEnvelope) and join.kind is SignedKind.JOIN
    return node, known.announcement, join


def ended(announcement: RoomAnnouncement, by: str) -> Input:
    """What tells that the room is over."""
    said = dataclasses.replace(announcement, sequence=2)
    match by:
        case "its host":
            return RoomHeard(HOST, dataclasses.replace(said, closing=True))
        case "its host's next room":
            other = rosters.instance_id(FACTS.job, 7, HOST, 2)
            return RoomHeard(HOST, dataclasses.replace(said, microjob=7, instance=other))
        case _:
            return PeerSaid(PeerId(by), RoomClosed(instance=said.instance, reason=CloseReason.FAILED))


def wait(node: NodeCore, from_ms: int, to_ms: int) -> list[fx.Effect]:
    effects: list[fx.Effect] = []
    for now_ms in range(from_ms, to_ms, 50):
        effects += node.handle(Tick(), now_ms)
    return effects


@pytest.mark.parametrize("by", ["its host", "its host's next room", PUBLISHER])
def test_it_is_not_waited_for_and_its_host_is_asked_for_the_next_one(by: str) -> None:
    node, announcement, _join = asking()
    said = node.handle(ended(announcement, by), ASKED_MS + 10)
    said += node.handle(ended(announcement, "its host's next room"), ASKED_MS + 20)
    assert asked(said) == [] and node.search.pending is not None, "an answer may be on its way"
    requests = asked(wait(node, ASKED_MS + 50, ASKED_MS + 10 + JOIN_ANSWER_MS_LATE + 2 * SEEK_MS))
    assert [request.microjob for request in requests] == [7]
    assert node.jobs[FACTS.job].shunned[HOST] < ASKED_MS + 2 * SEEK_MS + JOIN_ANSWER_MS_LATE, "over already"


def test_a_host_that_has_one_room_after_the_other_and_answers_for_none_is_left_alone() -> None:
    node, announcement, _join = asking()
    node.handle(ended(announcement, "its host's next room"), ASKED_MS + 10)
    until_ms = ASKED_MS + 10 + JOIN_ANSWER_MS_LATE + 2 * SEEK_MS
    assert len(asked(wait(node, ASKED_MS + 50, until_ms))) == 1
    other = rosters.instance_id(FACTS.job, 8, HOST, 3)
    third = dataclasses.replace(announcement, sequence=3, microjob=8, instance=other)
    node.handle(RoomHeard(HOST, third), until_ms)
    assert asked(wait(node, until_ms + 50, until_ms + JOIN_ANSWER_MS_LATE + 4 * SEEK_MS)) == []
    assert node.jobs[FACTS.job].shunned[HOST] >= until_ms + DEAD_ROOM_MS


def test_a_stranger_ends_no_room() -> None:
    node, announcement, _join = asking()
    node.handle(ended(announcement, "somebody"), ASKED_MS + 10)
    assert len(node.jobs[FACTS.job].rooms) == 1


def test_an_answer_that_was_on_its_way_still_seats_us() -> None:
    node, announcement, join = asking()
    pending, own = node.search.pending, CheapPen(HOST)
    assert pending is not None
    node.handle(ended(announcement, "its host"), ASKED_MS + 10)
    seats = tuple(
        Member(peer=peer, workers=1, address=address_of(CheapPen(peer)), join=word)
        for peer, word in ((HOST, None), (ME, join))
    )
    listed = rosters.found(own, FACTS.job, 0, 1, seats)
    assert listed.instance == pending.instance
    answer = JoinAnswer(
        job=FACTS.job,
        microjob=0,
        instance=pending.instance,
        nonce=pending.nonces[0],
        reason=JoinReason.ACCEPTED,
        list=listed.envelope,
    )
    node.handle(PeerSaid(HOST, answer), ASKED_MS + 10 + JOIN_ANSWER_MS_LATE - 1)
    assert node.room is not None and node.room.seat.instance == pending.instance


def test_a_host_that_does_not_answer_for_a_room_that_lives_is_left_alone_for_a_while() -> None:
    node, _announcement, _join = asking()
    wait(node, ASKED_MS + 50, ASKED_MS + JOIN_ANSWER_MS_MAX + 2 * SEEK_MS)
    until_ms = node.jobs[FACTS.job].shunned[HOST]
    assert until_ms >= ASKED_MS + JOIN_ANSWER_MS_MAX + DEAD_ROOM_MS


def test_with_a_round_that_its_publisher_ends_end_all_over_the_same_results_and_no_others() -> None:
    of = committed()
    node = node_of(of, of.peers[1])
    last = of.publisher.open(of.held[3], SignedKind.HELD, Held)
    again = of.publisher.sign(SignedKind.HELD, dataclasses.replace(last, turn=1))
    instances = []
    for nonce, held in ((100, of.held), (101, of.held), (102, (*of.held[:3], again))):
        instances.append(rosters.instance_id(of.terms.job, 0, STRANGER.peer, nonce))
        seats = (member_of(STRANGER, of.terms.job, instances[-1]),)
        of.list = rosters.found(STRANGER, of.terms.job, 0, nonce, seats)
        word = STRANGER.sign(SignedKind.PROPOSAL, of.proposal(tuple(held)))
        node.handle(PeerSaid(STRANGER.peer, word), 30)
    assert list(node.rounds.running) == instances
    node.handle(PeerSaid(STRANGER.peer, RoomClosed(instance=instances[0], reason=CloseReason.FAILED)), 40)
    assert list(node.rounds.running) == instances
    node.handle(PeerSaid(of.publisher.peer, RoomClosed(instance=instances[0], reason=CloseReason.FAILED)), 50)
    assert list(node.rounds.running) == [instances[2]]


def test_with_a_job_that_is_forgotten_end_its_rounds() -> None:
    of = committed()
    node = node_of(of, of.peers[1])
    instance = rosters.instance_id(of.terms.job, 0, STRANGER.peer, 100)
    seats = (member_of(STRANGER, of.terms.job, instance),)
    of.list = rosters.found(STRANGER, of.terms.job, 0, 100, seats)
    node.handle(PeerSaid(STRANGER.peer, STRANGER.sign(SignedKind.PROPOSAL, of.proposal(of.held))), 30)
    assert list(node.rounds.running) == [instance]
    node.handle(JobForgotten(of.terms.job), 40)
    assert not node.rounds.running and not node.jobs


def test_no_round_over_older_results_keeps_us_from_a_microjob_that_its_publisher_opened_again() -> None:
    of = committed()
    node = node_of(of, of.peers[1])
    last = of.publisher.open(of.held[3], SignedKind.HELD, Held)
    again = of.publisher.sign(SignedKind.HELD, dataclasses.replace(last, turn=1))
    node.handle(PeerSaid(of.publisher.peer, HeldNotice(held=(*of.held[:3], again))), 20)
    node.handle(PeerSaid(of.peers[0], RoomClosed(instance=of.instance, reason=CloseReason.TAKEN)), 21)
    assert 0 in node.jobs[of.terms.job].finished.own
    home = of.instance
    instance = rosters.instance_id(of.terms.job, 0, STRANGER.peer, 100)
    seats = (member_of(STRANGER, of.terms.job, instance),)
    of.list = rosters.found(STRANGER, of.terms.job, 0, 100, seats)
    node.handle(PeerSaid(STRANGER.peer, STRANGER.sign(SignedKind.PROPOSAL, of.proposal(of.held))), 30)
    node.handle(PeerSaid(of.publisher.peer, RoomClosed(instance=home, reason=CloseReason.FAILED)), 40)
    assert list(node.rounds.running) == [instance]
    assert 0 not in node.jobs[of.terms.job].finished.own


# ---- at the publisher
def ended_by_its_publisher() -> tuple[Round, Publication]:
    """A room whose verification came to no end, and the publisher that ended it."""
    of = committed()
    own = Publication(of.publisher, node_of(of, of.peers[0]).jobs[of.terms.job].facts)
    own.shelf(0).held = dict(enumerate(of.held))
    judging.propose(own, of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held)), 0, ())
    assert list(own.court.rounds) == [of.instance]
    judging.open_again(own, 0)
    own.out.clear()
    return of, own


def test_no_other_round_begins_in_a_room_that_its_publisher_ended() -> None:
    of, own = ended_by_its_publisher()
    again = dataclasses.replace(of.proposal(of.held), attempt=1)
    judging.propose(own, of.pens[of.peers[1]].sign(SignedKind.PROPOSAL, again), 10, ())
    assert not own.court.rounds
    assert own.out == [], "who verifies other results meanwhile must not hear that this is over"


def test_a_host_that_was_away_when_its_room_was_ended_is_told_when_it_is_back_and_so_are_its_members() -> (
    None
):
    of, own = ended_by_its_publisher()
    observing.see_list(own, of.peers[3], OnPeerListChanged(list=of.list.envelope))
    assert not own.shelf(0).instances
    (told,) = own.out
    assert isinstance(told, fx.Send) and sorted(told.peers) == sorted(of.peers)
    assert told.message == RoomClosed(instance=of.instance, reason=CloseReason.FAILED)


def test_a_room_that_was_left_before_its_end_is_forgotten_when_its_publisher_ends_it() -> None:
    of = committed()
    node = node_of(of, of.peers[1])
    node.handle(PeerSaid(of.publisher.peer, HeldNotice(held=of.held[:3])), 20)
    node.handle(PeerSaid(of.peers[0], RoomClosed(instance=of.instance, reason=CloseReason.TAKEN)), 21)
    assert list(node.rounds.left) == [of.instance]
    node.handle(PeerSaid(of.peers[0], RoomClosed(instance=of.instance, reason=CloseReason.FAILED)), 30)
    assert list(node.rounds.left) == [of.instance], "only its publisher says so"
    node.handle(PeerSaid(of.publisher.peer, RoomClosed(instance=of.instance, reason=CloseReason.FAILED)), 40)
    node.handle(PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 50)
    assert not node.rounds.left and not node.rounds.running


def test_of_rooms_that_were_ended_the_oldest_are_forgotten() -> None:
    court = Court()
    for number in range(ENDED_KEPT_MAX + 5):
        court.end(InstanceId(str(number)))
    assert len(court.ended) == ENDED_KEPT_MAX and InstanceId("4") not in court.ended
