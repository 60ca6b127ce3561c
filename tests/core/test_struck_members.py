"""Who struck out of a room gets no work in it any more; but a room that waits for members takes whoever comes."""

from __future__ import annotations

import dataclasses

from sgnus.core.inputs import SeatAsked
from sgnus.core.records import RecordBook
from sgnus.core.room import Room
from sgnus.core.room_table import handle
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import JoinRequest, SignedKind
from sgnus.sim.pens import address_of
from tests.core.seats import pen, room

A, B = (PeerId(name) for name in "ab")


def asked(of: Room) -> SeatAsked:
    """B asks for a seat."""
    request = JoinRequest(
        job=of.seat.job,
        microjob=of.seat.microjob,
        instance=of.seat.instance,
        epoch=of.roster.epoch,
        workers=1,
        address=address_of(pen(B)),
        nonce=1,
        vrf_key=pen(B).vrf_key,
    )
    return SeatAsked(B, request, pen(B).sign(SignedKind.JOIN, request))


def test_who_struck_may_come_back_when_nothing_is_left_but_to_wait_for_members() -> None:
    host = room("a", "a")
    host.hosting.door.struck = [B]
    handle(host, B, asked(host), 30)
    assert host.hosting.door.pending == []
    host.seat = dataclasses.replace(host.seat, members_min=2, sub_blocks=0)
    host.board.book = RecordBook(0)
    handle(host, B, asked(host), 40)
    assert [waiting.peer for waiting in host.hosting.door.pending] == [B]
