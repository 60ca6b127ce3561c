"""Seats where not all can have one: peers with a record first, a share for strangers, and nobody kept out for long."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sgnus.core import effects as fx
from sgnus.core.admission import Standing, admitted
from sgnus.core.inputs import RecordsChanged, Tick
from sgnus.core.node import NodeCore
from sgnus.core.room_table import handle
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import KNOWN_ROOMS_MIN, ROOM_MEMBERS_MAX, SEATING_MS, SEATS_HELD_MS, STRANGER_SEATS
from sgnus.messages.v1.types import JoinAnswer, JoinReason
from sgnus.sim.pens import address_of
from tests.core.seats import pen, room
from tests.core.test_room import ask, sent

HOST = PeerId("h")
KNOWN = tuple(PeerId(f"known {number}") for number in range(9))
STRANGERS = tuple(PeerId(f"stranger {number}") for number in range(12))
MANY = Standing(dict.fromkeys(KNOWN, KNOWN_ROOMS_MIN))
FEW = Standing(dict.fromkeys(KNOWN[:2], KNOWN_ROOMS_MIN))


def answers(effects: Iterable[fx.Effect]) -> dict[PeerId, JoinReason]:
    return {send.peers[0]: send.message.reason for send in sent(list(effects), JoinAnswer)}  # type: ignore[attr-defined]


def test_where_nobody_has_a_record_all_seats_are_open() -> None:
    assert admitted(Standing(), HOST, (HOST,), STRANGERS, 0) == list(STRANGERS[: ROOM_MEMBERS_MAX - 1])


def test_strangers_get_their_share_while_there_are_known_peers_to_hold_seats_for() -> None:
    assert admitted(MANY, HOST, (HOST,), STRANGERS, 0) == list(STRANGERS[:STRANGER_SEATS])


def test_no_more_seats_are_held_than_there_are_known_peers() -> None:
    assert len(admitted(FEW, HOST, (HOST,), STRANGERS, 0)) == ROOM_MEMBERS_MAX - FEW.known()


def test_known_peers_go_before_strangers_that_asked_first() -> None:
    seated = admitted(MANY, HOST, (HOST,), (*STRANGERS, *KNOWN), 0)
    assert [peer for peer in seated if peer in KNOWN] == list(KNOWN)
    assert len(seated) == ROOM_MEMBERS_MAX - 1


def test_strangers_that_have_seats_count_towards_the_share_and_the_host_does_not() -> None:
    members = (HOST, *STRANGERS[:3])
    assert admitted(MANY, HOST, members, STRANGERS[3:], 0) == [STRANGERS[3]]


def test_held_seats_are_open_to_all_when_nobody_came_for_them() -> None:
    assert len(admitted(MANY, HOST, (HOST,), STRANGERS, SEATS_HELD_MS)) == ROOM_MEMBERS_MAX - 1


def test_less_than_the_least_record_is_none() -> None:
    standing = Standing(dict.fromkeys(KNOWN, KNOWN_ROOMS_MIN - 1))
    assert standing.known() == 0 and not standing.is_known(KNOWN[0])


@given(
    records=st.dictionaries(st.sampled_from(KNOWN + STRANGERS), st.integers(0, 5)),
    members=st.lists(st.sampled_from(KNOWN + STRANGERS), unique=True, max_size=10),
    age_ms=st.integers(0, 2 * SEATS_HELD_MS),
    data=st.data(),
)
def test_never_more_than_eleven_each_once_and_only_who_asked(
    records: dict[PeerId, int], members: list[PeerId], age_ms: int, data: st.DataObject
) -> None:
    others = [peer for peer in KNOWN + STRANGERS if peer not in members]
    waiting = data.draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    seated = admitted(Standing(records), HOST, (HOST, *members), waiting, age_ms)
    assert len(seated) == len(set(seated)) and set(seated) <= set(waiting)
    assert 1 + len(members) + len(seated) <= ROOM_MEMBERS_MAX
    if age_ms >= SEATS_HELD_MS:
        assert len(seated) == min(len(waiting), ROOM_MEMBERS_MAX - 1 - len(members))


def test_a_host_holds_seats_for_known_peers_and_tells_strangers_that_it_is_full() -> None:
    of = room("a", "a")
    of.hosting.door.standing = MANY
    for number in range(6):
        handle(of, PeerId(f"s{number}"), ask(f"s{number}", of), 0)
    reasons = answers(handle(of, PeerId("a"), Tick(), SEATING_MS))
    assert list(reasons.values()).count(JoinReason.ACCEPTED) == STRANGER_SEATS
    assert list(reasons.values()).count(JoinReason.FULL) == 2


def test_records_reach_the_room_that_a_node_hosts() -> None:
    node = NodeCore.create(pen("a"), address_of(pen("a")), 1, 0)
    node.room = room("a", "a")
    node.handle(RecordsChanged({KNOWN[0]: 7}), 0)
    assert node.room is not None
    assert node.room.hosting.door.standing.is_known(KNOWN[0])
