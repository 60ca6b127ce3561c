"""An app's seat on a node: claims to host after the host is gone, and which microjob it founds."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import ballot as ballots
from sgnus.core import effects as fx
from sgnus.core.app_seats import AppSeat
from sgnus.core.inputs import AppHosts, AppJoins, AppLeaves, JobChanged, JobFacts, PeerSaid, RoomHeard, Tick
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase
from sgnus.core.roster import instance_id
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    APP_CLAIMS_MAX,
    ELECTION_MS_MAX,
    JOIN_ANSWER_MS_MAX,
    SILENCE_MS_MAX,
    SUSPICION_MS,
    VOTE_MS_MAX,
)
from sgnus.messages.v1.types import (
    Heartbeat,
    JoinAnswer,
    JoinReason,
    JoinRequest,
    RoomAnnouncement,
    RoomJoinStatus,
    SignedKind,
    VoteGiven,
    VoteRequest,
)
from sgnus.sim.pens import address_of
from tests.core.seats import JOB, PUBLISHER, pen, room

A, B, C = (PeerId(name) for name in "abc")
FACTS = JobFacts(
    job=JOB,
    publisher=PUBLISHER,
    address=None,
    processor="app:thumb",
    sub_blocks=25,
    microjobs=3,
    deadline_ms=60_000,
)


def node(name: str) -> NodeCore:
    """A node that knows the job and has no seat."""
    made = NodeCore.create(pen(name), address_of(pen(name)), 0, 0)
    made.handle(JobChanged(FACTS), 0)
    return made


def seated(name: str, *names: str) -> NodeCore:
    """A node whose app sits in microjob 0, in the room of these; all were heard at 0 ms."""
    made, seat = node(name), room(name, *names)
    seat.seat = dataclasses.replace(seat.seat, by_app=True)
    made.room, made.app = seat, AppSeat(JOB, 0, None)
    return made


def beat(of: NodeCore, sender: PeerId, now_ms: int) -> list[fx.Effect]:
    assert of.room is not None
    here = of.room
    said = Heartbeat(
        instance=here.seat.instance,
        epoch=here.roster.epoch,
        sequence=here.roster.sequence,
        records=here.book.summary(),
    )
    return of.handle(PeerSaid(sender, said), now_ms)


def answers(effects: list[fx.Effect]) -> list[fx.AnswerApp]:
    return [x for x in effects if isinstance(x, fx.AnswerApp)]


# ---- the host is gone
def test_a_claim_is_answered_only_when_the_next_epoch_has_its_host() -> None:
    app = seated("b", "a", "b", "c")
    assert answers(app.handle(AppHosts(7, JOB, 0), SUSPICION_MS)) == []
    beat(app, C, SILENCE_MS_MAX - 1)
    assert answers(app.handle(Tick(), SILENCE_MS_MAX)) == []
    assert app.room is not None and app.room.phase is Phase.STANDING
    vote = ballots.cast(pen("c"), app.room.roster, 2, B)
    effects = app.handle(PeerSaid(C, VoteGiven(vote=vote)), SILENCE_MS_MAX + 5)
    assert answers(effects) == [fx.AnswerApp(7, RoomJoinStatus.OK, B, 0, "")]


def test_a_claim_names_another_member_that_won() -> None:
    winner, app = seated("c", "a", "b", "c"), seated("b", "a", "b", "c")
    winner.handle(AppHosts(1, JOB, 0), SUSPICION_MS)
    assert answers(app.handle(AppHosts(2, JOB, 0), SUSPICION_MS)) == []
    now_ms = SILENCE_MS_MAX
    beat(winner, B, now_ms - 1)
    (request,) = [x for x in winner.handle(Tick(), now_ms) if isinstance(x, fx.Send)][:1]
    vote = app.handle(PeerSaid(C, request.message), now_ms - 1)
    given = next(x.message for x in vote if isinstance(x, fx.Send) and isinstance(x.message, VoteGiven))
    claimed = winner.handle(PeerSaid(B, given), now_ms + 1)
    assert answers(claimed) == [fx.AnswerApp(1, RoomJoinStatus.OK, C, 0, "")]
    claim = next(x.message for x in claimed if isinstance(x, fx.Send) and B in x.peers)
    assert answers(app.handle(PeerSaid(C, claim), now_ms + 2)) == [
        fx.AnswerApp(2, RoomJoinStatus.OK, C, 0, "")
    ]


def test_a_host_that_is_heard_again_is_named_and_stays() -> None:
    app = seated("b", "a", "b", "c")
    app.handle(AppHosts(7, JOB, 0), SUSPICION_MS)
    assert answers(beat(app, A, SUSPICION_MS + 100)) == [fx.AnswerApp(7, RoomJoinStatus.OK, A, 0, "")]
    assert app.room is not None and not app.room.ballot.hurry


def test_a_claim_while_the_host_is_heard_is_answered_at_once() -> None:
    app = seated("b", "a", "b", "c")
    assert answers(app.handle(AppHosts(7, JOB, 0), 100)) == [fx.AnswerApp(7, RoomJoinStatus.OK, A, 0, "")]


def test_a_room_that_ends_without_a_quorum_ends_the_claim_too() -> None:
    app = seated("b", "a", "b", "c")
    app.handle(AppHosts(7, JOB, 0), SUSPICION_MS)
    now_ms, found = SUSPICION_MS, []
    while not found:
        now_ms = app.wake_ms(now_ms) or now_ms + 1
        found = answers(app.handle(Tick(), now_ms))
    assert found == [
        fx.AnswerApp(
            7, RoomJoinStatus.ROOM_DOES_NOT_EXIST, "", 0, "this node has no seat in that room any more"
        )
    ]
    assert SILENCE_MS_MAX + ELECTION_MS_MAX <= now_ms <= SILENCE_MS_MAX + ELECTION_MS_MAX + VOTE_MS_MAX


def test_a_claim_has_its_time_however_often_the_host_flickers() -> None:
    app = seated("b", "a", "b", "c")
    app.handle(AppHosts(7, JOB, 0), SUSPICION_MS)
    assert app.room is not None
    until_ms = app.search.claims[0].until_ms
    app.room.pulse.heard_ms[A] = until_ms - SUSPICION_MS - 1
    assert answers(app.handle(Tick(), until_ms - 1)) == []
    assert app.wake_ms(until_ms - 1) == until_ms
    assert answers(app.handle(Tick(), until_ms)) == [
        fx.AnswerApp(7, RoomJoinStatus.BUSY, "", 0, "the room has no other host yet")
    ]


def test_an_app_that_leaves_gets_its_claim_answered() -> None:
    app = seated("b", "a", "b", "c")
    app.handle(AppHosts(7, JOB, 0), SUSPICION_MS)
    left = answers(app.handle(AppLeaves(8, JOB, 0), SUSPICION_MS + 1))
    assert [(x.token, x.status) for x in left] == [
        (8, RoomJoinStatus.OK),
        (7, RoomJoinStatus.ROOM_DOES_NOT_EXIST),
    ]


def test_claims_that_wait_are_bounded() -> None:
    app = seated("b", "a", "b", "c")
    for token in range(APP_CLAIMS_MAX):
        assert answers(app.handle(AppHosts(token, JOB, 0), SUSPICION_MS)) == []
    (answer,) = answers(app.handle(AppHosts(99, JOB, 0), SUSPICION_MS))
    assert (answer.token, answer.status) == (99, RoomJoinStatus.BUSY)


def test_two_apps_that_hurry_do_not_split_the_votes_for_ever() -> None:
    seats = {name: seated(name, "a", "b", "c") for name in "bc"}
    for app in seats.values():
        app.handle(AppHosts(1, JOB, 0), SUSPICION_MS)
    for app, other in ((seats["b"], C), (seats["c"], B)):
        beat(app, other, SILENCE_MS_MAX - 1)
    stood: list[list[str]] = []
    for now_ms in range(SILENCE_MS_MAX, SILENCE_MS_MAX + 2 * VOTE_MS_MAX, 100):
        said = {name: app.handle(Tick(), now_ms) for name, app in seats.items()}
        asked = [
            (PeerId(name), effect)
            for name, effects in said.items()
            for effect in effects
            if isinstance(effect, fx.Send) and isinstance(effect.message, VoteRequest)
        ]
        stood += [[str(name) for name, _ in asked]] if asked else []
        for sender, effect in asked:
            for peer in effect.peers:
                seats[peer].handle(PeerSaid(sender, effect.message), now_ms)
    assert [len(names) for names in stood[:2]] == [2, 1]


# ---- which microjob
@pytest.mark.parametrize("named", [0, 1, 2])
def test_the_microjob_that_an_app_names_is_founded_if_nobody_has_it(named: int) -> None:
    (answer,) = answers(node("b").handle(AppHosts(7, JOB, named), 10_000))
    assert (answer.status, answer.host, answer.microjob) == (RoomJoinStatus.OK, B, named)


def announced(microjob: int, host: str) -> RoomHeard:
    """A full room of that microjob."""
    said = RoomAnnouncement(
        job=JOB,
        microjob=microjob,
        instance=f"{microjob:064x}",
        epoch=1,
        members=11,
        seats=0,
        sub_blocks=10,
        unleased=3,
        delivered=0,
        address=address_of(pen(host)),
        waiting=False,
        sequence=1,
        closing=False,
    )
    return RoomHeard(PeerId(host), said)


def test_a_named_microjob_that_has_a_room_gives_way_to_the_next_without_one() -> None:
    app = node("b")
    app.handle(announced(0, "c"), 9_000)
    app.handle(announced(2, "d"), 9_000)
    assert answers(app.handle(AppHosts(7, JOB, 0), 10_000)) == [fx.AnswerApp(7, RoomJoinStatus.OK, B, 1, "")]


def test_where_every_microjob_has_a_room_the_app_hears_so() -> None:
    app = node("b")
    for microjob, host in enumerate("cde"):
        app.handle(announced(microjob, host), 9_000)
    assert answers(app.handle(AppHosts(7, JOB, 1), 10_000)) == [
        fx.AnswerApp(7, RoomJoinStatus.DONE, "", 1, "no microjob of this job is without a room")
    ]


def test_the_room_that_our_pool_works_in_is_not_founded_twice() -> None:
    app = node("b")
    app.room = room("b", "b", "c")
    (answer,) = answers(app.handle(AppHosts(7, JOB, 0), 100))
    assert answer.status is RoomJoinStatus.OK and answer.microjob in (1, 2)


# ---- the request for a seat is lost
def known_room(of: NodeCore) -> RoomAnnouncement:
    """A room of another node, announced to this one."""
    said = RoomAnnouncement(
        job=JOB,
        microjob=0,
        instance=instance_id(JOB, 0, A, 1),
        epoch=1,
        members=1,
        seats=10,
        sub_blocks=10,
        unleased=8,
        delivered=0,
        address=address_of(pen("a")),
        waiting=False,
        sequence=1,
        closing=False,
    )
    of.handle(RoomHeard(A, said), 0)
    return said


def requests(effects: list[fx.Effect]) -> list[JoinRequest]:
    bodies = [effect.message.body for effect in effects if isinstance(effect, fx.Gossip)]
    return [pen("b").open(x, SignedKind.JOIN, JoinRequest) for x in bodies if x.kind is SignedKind.JOIN]


def until_answered(app: NodeCore, now_ms: int) -> tuple[list[JoinRequest], list[fx.AnswerApp], int]:
    """What it asks, and what its app hears and when, while nobody answers."""
    asked: list[JoinRequest] = []
    while True:
        now_ms = app.wake_ms(now_ms) or now_ms + 1
        effects = app.handle(Tick(), now_ms)
        asked += requests(effects)
        if answers(effects):
            return asked, answers(effects), now_ms


def test_a_seat_for_an_app_is_asked_for_twice_before_the_app_hears_that_there_is_none() -> None:
    app = node("b")
    known_room(app)
    assert len(requests(app.handle(AppJoins(7, JOB, 0), 100))) == 1
    asked, heard, now_ms = until_answered(app, 100)
    assert len(asked) == 1 and now_ms == 100 + JOIN_ANSWER_MS_MAX
    assert heard[0].status is RoomJoinStatus.ROOM_DOES_NOT_EXIST and app.app is None


@pytest.mark.parametrize("answered", [0, 1])
def test_an_answer_to_either_request_is_the_answer(answered: int) -> None:
    app = node("b")
    said = known_room(app)
    asked = requests(app.handle(AppJoins(7, JOB, 0), 100))
    asked += requests(app.handle(Tick(), 100 + JOIN_ANSWER_MS_MAX // 2))
    assert len(asked) == 2 and asked[0].nonce != asked[1].nonce
    full = JoinAnswer(
        job=JOB, microjob=0, instance=said.instance, nonce=asked[answered].nonce, reason=JoinReason.FULL
    )
    (heard,) = answers(app.handle(PeerSaid(A, full), 2_000))
    assert (heard.token, heard.status) == (7, RoomJoinStatus.FULL)
