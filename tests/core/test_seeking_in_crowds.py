"""How a node of a crowd looks for a seat: not before rooms are founded, and less often the more rooms are full."""

from __future__ import annotations

import dataclasses

from sgnus.core import effects as fx
from sgnus.core.inputs import JobChanged, JobFacts, NeighboursChanged, PeerSaid, RoomHeard, Tick
from sgnus.core.node import NodeCore
from sgnus.core.roster import instance_id
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import FOUNDING_SPREAD_MS_MAX, REFUSED_DOUBLINGS_MAX, SEEK_MS
from sgnus.messages.v1.types import JoinAnswer, JoinReason, JoinRequest, RoomAnnouncement, SignedKind
from sgnus.sim.pens import CheapPen, address_of

ME, PUBLISHER = PeerId("me"), PeerId("publisher")
MICROJOBS = 100
FACTS = JobFacts(
    job=BlockId("job"),
    publisher=PUBLISHER,
    address=None,
    processor="builtin:x@1",
    sub_blocks=10 * MICROJOBS,
    microjobs=MICROJOBS,
    deadline_ms=60_000,
)
NEIGHBOURS = (ME, *(PeerId(f"n{number}") for number in range(23)))


def seeker(neighbours: tuple[PeerId, ...] = NEIGHBOURS, **changes: int) -> NodeCore:
    """A free node that knows the job, and has just met these."""
    pen = CheapPen(ME)
    node = NodeCore.create(pen, address_of(pen), 1, 1)
    node.handle(NeighboursChanged(neighbours), 0)
    node.handle(JobChanged(dataclasses.replace(FACTS, **changes)), 0)
    return node


def hear_rooms(node: NodeCore, count: int, now_ms: int) -> list[fx.Effect]:
    said: list[fx.Effect] = []
    for number in range(count):
        host = PeerId(f"host-{number}")
        room = RoomAnnouncement(
            job=FACTS.job,
            microjob=number,
            instance=instance_id(FACTS.job, number, host, 1),
            epoch=1,
            members=2,
            seats=9,
            sub_blocks=10,
            unleased=8,
            delivered=0,
            address=address_of(CheapPen(host)),
            waiting=False,
            sequence=1,
            closing=False,
        )
        said += node.handle(RoomHeard(host, room), now_ms)
    return said


def asked(effects: list[fx.Effect]) -> list[JoinRequest]:
    pen = CheapPen(ME)
    bodies = [effect.message.body for effect in effects if isinstance(effect, fx.Gossip)]
    return [pen.open(x, SignedKind.JOIN, JoinRequest) for x in bodies if x.kind is SignedKind.JOIN]


def refused(node: NodeCore, request: JoinRequest, now_ms: int) -> list[JoinRequest]:
    """The host that was asked is full; whom the node asks in the same step."""
    pending = node.search.pending
    assert pending is not None
    answer = JoinAnswer(
        job=request.job,
        microjob=request.microjob,
        instance=request.instance,
        nonce=request.nonce,
        reason=JoinReason.FULL,
    )
    return asked(node.handle(PeerSaid(pending.host, answer), now_ms))


def test_in_a_crowd_nobody_asks_before_rooms_are_founded() -> None:
    node = seeker()
    assert asked(hear_rooms(node, MICROJOBS, 10)) == []
    assert asked(node.handle(Tick(), FOUNDING_SPREAD_MS_MAX - 1)) == []
    assert len(asked(node.handle(Tick(), FOUNDING_SPREAD_MS_MAX + SEEK_MS))) == 1


def test_where_all_know_each_other_a_room_is_asked_at_once() -> None:
    node = seeker((ME, PUBLISHER, PeerId("n1")))
    hear_rooms(node, 1, 10)
    assert len(asked(node.handle(Tick(), SEEK_MS))) == 1


def test_the_more_rooms_are_full_the_longer_a_node_waits_before_it_asks_again() -> None:
    node, waits_ms, now_ms = seeker(), [], FOUNDING_SPREAD_MS_MAX + SEEK_MS
    requests = asked(hear_rooms(node, MICROJOBS, now_ms))
    for _ in range(6):
        begun_ms, next_requests = now_ms, refused(node, requests[0], now_ms)
        while not next_requests:
            now_ms += SEEK_MS
            next_requests = asked(node.handle(Tick(), now_ms))
        waits_ms.append(now_ms - begun_ms)
        requests = next_requests
    doublings = [*range(1, REFUSED_DOUBLINGS_MAX + 1)] + [REFUSED_DOUBLINGS_MAX] * 2
    assert waits_ms == [0, *(SEEK_MS << count for count in doublings)]


def test_who_may_not_ask_yet_still_founds_what_has_no_room() -> None:
    node = seeker((ME, PUBLISHER, PeerId("n1")), microjobs=3, sub_blocks=30)
    (first,) = asked(hear_rooms(node, 2, SEEK_MS))
    (second,) = refused(node, first, SEEK_MS + 10)
    refused(node, second, SEEK_MS + 20)
    for now_ms in range(SEEK_MS + 30, 2_000, 10):
        node.handle(Tick(), now_ms)
        if node.room is not None:
            break
    assert node.room is not None and node.room.seat.microjob == 2


def test_a_pool_that_is_not_answered_asks_the_same_host_once() -> None:
    node = seeker((ME, PUBLISHER, PeerId("n1")))
    hear_rooms(node, 1, 10)
    assert len(asked(node.handle(Tick(), SEEK_MS))) == 1
    pending = node.search.pending
    assert pending is not None
    for now_ms in range(2 * SEEK_MS, pending.until_ms, SEEK_MS):
        assert asked(node.handle(Tick(), now_ms)) == []
    assert node.search.pending is pending
