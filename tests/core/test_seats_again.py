"""Seats that are given again, requests that are too long, and votes on a list that was renewed meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.asking import Pending
from sgnus.core.inputs import DeliveryEnded, PeerConnected, PeerLost, PeerSaid, SeatAsked, Tick
from sgnus.core.room import Phase, Room
from sgnus.core.room_table import handle
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import JOIN_BYTES_MAX, SEATING_MS
from sgnus.messages.v1.types import (
    JoinRequest,
    OnHostChanged,
    OnPeerListChanged,
    SignedKind,
    VoteRequest,
)
from tests.core.seats import JOB, PUBLISHER, held, member, pen, room, roster
from tests.core.test_no_time_lost import A, B, C, claim_of, seated
from tests.core.test_room import candidate, vote_of


def asked(name: str, seat: Room, padding: int = 0) -> SeatAsked:
    """A request for a seat, with so many bytes in its address that nobody needs."""
    own = pen(name)
    join = member(name).join
    assert join is not None
    request = own.open(join, SignedKind.JOIN, JoinRequest)
    address = replace(request.address, payload=request.address.payload + bytes(padding))
    request = replace(request, instance=seat.seat.instance, epoch=seat.roster.epoch, address=address)
    return SeatAsked(own.peer, request, own.sign(SignedKind.JOIN, request))


def test_a_publisher_that_is_seated_again_counts_as_heard_then() -> None:
    seat = room("a", "a", "b")
    handle(seat, PUBLISHER, asked(PUBLISHER, seat), 10)
    handle(seat, A, Tick(), 10 + SEATING_MS)
    handle(seat, PUBLISHER, PeerLost(PUBLISHER), 100)
    for now_ms in range(100, 4_000, 100):
        seat.pulse.note_heard(B, now_ms)
        handle(seat, A, Tick(), now_ms)
    assert PUBLISHER not in seat.roster.peers, "it is removed, and watched all the same"
    handle(seat, PUBLISHER, asked(PUBLISHER, seat), 4_000)
    handle(seat, A, Tick(), 4_000 + SEATING_MS)
    handle(seat, A, Tick(), 4_001 + SEATING_MS)
    assert PUBLISHER in seat.roster.peers


@pytest.mark.parametrize("padding", [0, JOIN_BYTES_MAX])
def test_a_request_that_would_make_every_list_too_long_is_refused_by_the_host_and_in_a_list(
    padding: int,
) -> None:
    seat = room("a", "a", "b")
    wish = asked("c", seat, padding)
    seats = (
        *seat.roster.list.members,
        replace(member("c"), address=wish.request.address, join=wish.envelope),
    )
    listed = rosters.successor(pen("a"), seat.roster, seats, (), 1)
    if not padding:
        handle(seat, C, wish, 10)
        assert rosters.read(pen("x"), listed.envelope).peers == ("a", "b", "c")
        return
    with pytest.raises(PeerFault, match="too long"):
        handle(seat, C, wish, 10)
    with pytest.raises(PeerFault, match="too long"):
        rosters.read(pen("x"), listed.envelope)


def test_a_list_with_another_address_than_a_member_asked_with_is_refused() -> None:
    seats = (member("a", "a"), replace(member("b"), address=member("c").address))
    listed = rosters.found(pen("a"), JOB, 0, 7, seats)
    with pytest.raises(PeerFault, match="another address"):
        rosters.read(pen("x"), listed.envelope)


def test_a_candidate_whose_list_is_renewed_by_who_stands_as_well_begins_anew() -> None:
    seat = candidate()
    newer = rosters.successor(pen("a"), seat.roster, (*seat.roster.list.members, member("e")), (), 1)
    before = vote_of("c", seat)
    wish = VoteRequest(instance=seat.seat.instance, epoch=seat.ballot.epoch, base=newer.envelope)
    handle(seat, PeerId("d"), wish, 6_000)
    assert (seat.roster.sequence, seat.phase, seat.ballot.votes) == (newer.sequence, Phase.MEMBER, {})
    said = handle(seat, C, before, 6_001)
    assert not [one for one in said if isinstance(one, fx.Send) and isinstance(one.message, OnHostChanged)]


@pytest.mark.parametrize("author", [PUBLISHER, "another publisher"])
def test_what_it_delivered_for_another_instance_is_held_here_as_well(author: str) -> None:
    node = seated("b", "c")
    assert node.room is not None
    other = InstanceId("of another founding")
    node.handle(DeliveryEnded(other, 0, held(other, 0, author)), 10)
    assert node.room.book.is_held(0) is (author == PUBLISHER)


@pytest.mark.parametrize("host", ["a", "d"])
def test_who_asked_a_host_for_a_seat_is_seated_by_that_host_alone(host: str) -> None:
    node = seated("a", "b", "c", "d")
    found = roster("a", "b", "c", "d")
    node.room = None
    pending = Pending(JOB, 0, found.instance, A, 1, (1,), None, 10**6)
    node.search.pending = pending
    seats = tuple(member(name, "a") for name in "abcd")
    listed = rosters.successor(pen(host), found, seats, (), 1 if host == "a" else 3)
    node.handle(PeerSaid(PeerId(host), OnPeerListChanged(list=listed.envelope)), 10)
    assert (node.room is not None) is (host == "a") and (node.search.pending is pending) is (host != "a")


def test_a_member_whose_stream_stands_again_is_shown_by_which_votes_its_host_hosts() -> None:
    seat, claim = room("c", "a", "b", "c"), claim_of("c", "b", "c")
    seat.adopt(rosters.read(pen("c"), claim.list), 0)
    seat.phase, seat.ballot.claim, seat.out = Phase.HOST, claim, []
    said = handle(seat, B, PeerConnected(B), 10)
    assert claim in [one.message for one in said if isinstance(one, fx.Send) and one.peers == (B,)]
