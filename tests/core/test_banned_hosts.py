"""Whom the job's own author convicted hosts nothing: its members elect another, and its rooms are none to the lobby."""

from __future__ import annotations

from dataclasses import replace

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.lobby import Lobby
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase, Room
from sgnus.core.room_table import handle, wake_ms
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import (
    OnHostChanged,
    RoomAnnouncement,
    RoomClosed,
    VoteGiven,
    VoteRequest,
)
from sgnus.sim.pens import address_of
from tests.core.seats import JOB, PUBLISHER, pen, room

A, B, C = (PeerId(name) for name in "abc")
FACTS = ins.JobFacts(
    job=JOB,
    publisher=PUBLISHER,
    address=None,
    processor="builtin:invert@1",
    sub_blocks=3,
    microjobs=1,
    deadline_ms=60_000,
)


def sent(effects: list[fx.Effect], kind: type) -> list[fx.Send]:
    return [x for x in effects if isinstance(x, fx.Send) and isinstance(x.message, kind)]


def ban(seat: Room, peer: PeerId) -> Room:
    seat.board.banned = (peer,)
    return seat


def announced(host: PeerId, instance: str, sequence: int = 1) -> ins.RoomHeard:
    announcement = RoomAnnouncement(
        job=JOB,
        microjob=0,
        instance=instance,
        epoch=1,
        members=1,
        seats=10,
        sub_blocks=3,
        unleased=3,
        delivered=0,
        address=address_of(pen(host)),
        waiting=False,
        sequence=sequence,
        closing=False,
    )
    return ins.RoomHeard(host, announcement)


def test_a_host_that_is_heard_but_banned_is_succeeded_by_the_votes_of_the_others() -> None:
    seats = {name: ban(room(name, "a", "b", "c"), A) for name in "bc"}
    asked: dict[str, VoteRequest] = {}
    for now_ms in range(1_000, 3_000, 100):
        for name, seat in seats.items():
            seat.pulse.note_heard(A, now_ms)
            for send in sent(handle(seat, PeerId(name), ins.Tick(), now_ms), VoteRequest):
                asked.setdefault(name, send.message)
        if asked:
            break
    ((candidate, request),) = asked.items()
    other = "c" if candidate == "b" else "b"
    (vote,) = sent(handle(seats[other], PeerId(candidate), request, now_ms), VoteGiven)
    (claim,) = sent(handle(seats[candidate], PeerId(other), vote.message, now_ms), OnHostChanged)
    assert seats[candidate].phase is Phase.HOST
    assert A not in seats[candidate].roster.peers
    handle(seats[other], PeerId(candidate), claim.message, now_ms)
    assert seats[other].host == candidate


def test_whoever_hears_its_host_and_knows_of_no_ban_gives_no_vote() -> None:
    seat, request = room("b", "a", "b", "c"), None
    for now_ms in range(1_000, 3_000, 100):
        request = VoteRequest(instance=seat.seat.instance, epoch=2, base=seat.roster.envelope)
        seat.pulse.note_heard(A, now_ms)
        assert not sent(handle(seat, C, request, now_ms), VoteGiven)


def test_a_ban_of_its_host_wakes_a_member_at_once() -> None:
    seat = room("b", "a", "b", "c")
    seat.pulse.note_heard(A, 1_000)
    assert (wake_ms(seat, 1_000) or 0) > 2_000
    assert wake_ms(ban(seat, A), 1_000) == 1_001


def test_the_rooms_of_a_banned_host_are_none_to_the_lobby() -> None:
    lobby = Lobby(C, replace(FACTS, banned=(A,)), 0)
    for host in (A, B):
        lobby.hear(announced(host, f"{host} 1"), 10)
    assert [known.host for known in lobby.joinable(20, with_work=True)] == [B]
    lobby.facts = replace(FACTS, banned=(A, B))
    assert lobby.joinable(20, with_work=True) == []
    assert lobby.without_room(20) == [0]


def test_no_room_ends_for_that_of_a_banned_host() -> None:
    for banned, is_ended in (((), True), ((A,), False)):
        node = NodeCore.create(pen("b"), address_of(pen("b")), 1, 1)
        node.handle(ins.JobChanged(replace(FACTS, banned=banned, is_fresh=True)), 0)
        for now_ms in range(0, 5_000, 250):
            node.handle(ins.Tick(), now_ms)
        assert node.room is not None
        assert node.room.phase is Phase.HOST
        effects = node.handle(announced(A, InstanceId("0"), sequence=9), 5_000)
        assert bool(sent(effects, RoomClosed)) is is_ended or (node.room is None) is is_ended
