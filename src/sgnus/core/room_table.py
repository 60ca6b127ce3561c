"""Every transition of a room: (phase, input) -> handler. What is in neither table is a bug; a test holds that.

The diagram in docs/protocol/room.md is drawn from these tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sgnus.core import effects as fx
from sgnus.core import election, leasing, membership, seating
from sgnus.core.inputs import (
    DeliveryEnded,
    PeerConnected,
    PeerLost,
    RoomHeard,
    SeatAsked,
    SubBlockComputed,
    SubBlockFailed,
    Tick,
)
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import SILENCE_MS_MAX
from sgnus.messages.v1.types import (
    Heartbeat,
    HeldNotice,
    LeaseRequest,
    LeaseReturned,
    MemberLeft,
    OnHostChanged,
    OnPeerListChanged,
    OnProcessed,
    OnSubBlockProcessingStarted,
    PublisherView,
    Records,
    RecordsWanted,
    RoomClosed,
    VoteGiven,
    VoteRequest,
)

Handler = Callable[[Room, PeerId, Any, int], None]
MEMBER, STANDING, HOST, CLOSED = Phase.MEMBER, Phase.STANDING, Phase.HOST, Phase.CLOSED


def _view_as_host(room: Room, sender: PeerId, view: PublisherView, now_ms: int) -> None:
    membership.take_view(room, sender, view, now_ms)
    leasing.take_view(room, view, now_ms)


def _connected(room: Room, peer: PeerId, _said: PeerConnected, now_ms: int) -> None:
    if peer == room.seat.publisher:
        room.is_publisher_here = True
        room.hosting.silent_ms = now_ms
        if room.phase is HOST:
            leasing.show_list(room)
            leasing.pause_or_resume(room, now_ms)
    elif room.phase is HOST and room.roster.member(peer) is not None and room.ballot.claim is not None:
        room.say(room.ballot.claim, (peer,))  # What we said when we seated it may be lost.
    if peer == room.host:
        membership.request_work(room, now_ms)


def _lost(room: Room, peer: PeerId, _said: PeerLost, now_ms: int) -> None:
    room.pulse.note_broken(peer, now_ms)
    if peer == room.seat.publisher and peer != room.seat.me:
        room.is_publisher_here = False
        room.hosting.has_view, room.hosting.silent_ms = False, now_ms
        if room.phase is HOST:
            leasing.pause_or_resume(room, now_ms)


def _let_go(room: Room, sender: PeerId, left: MemberLeft, now_ms: int) -> None:
    seating.let_go(room, sender, left, now_ms)
    leasing.lease_out(room, now_ms)


def _tick_member(room: Room, _me: PeerId, _tick: Tick, now_ms: int) -> None:
    membership.beat(room, now_ms)
    election.watch_host(room, now_ms)


def _tick_host(room: Room, _me: PeerId, _tick: Tick, now_ms: int) -> None:
    membership.beat(room, now_ms)
    leasing.expire(room, now_ms)
    seating.remove_gone(room, now_ms)
    seating.seat_pending(room, now_ms)
    leasing.lease_out(room, now_ms)
    leasing.remind(room, now_ms)
    if now_ms >= room.hosting.voice.next_ms:
        seating.announce(room, now_ms)


_EVERYWHERE: Final[dict[type, Handler]] = {
    OnHostChanged: election.take_claim,
    OnProcessed: membership.take_record,
    HeldNotice: membership.take_held,
    Heartbeat: membership.hear_heartbeat,
    RecordsWanted: membership.give_records,
    Records: membership.take_records,
    PeerConnected: _connected,
    PeerLost: _lost,
    SubBlockComputed: membership.finish,
    SubBlockFailed: membership.give_up,
    DeliveryEnded: membership.delivered,
    RoomClosed: membership.end,
}

_MEMBER: Final[dict[type, Handler]] = {
    OnPeerListChanged: membership.take_list,
    OnSubBlockProcessingStarted: membership.begin,
    VoteRequest: election.consider,
    MemberLeft: election.host_leaves,
    PublisherView: membership.take_view,
    Tick: _tick_member,
}

_HOST: Final[dict[type, Handler]] = {
    OnPeerListChanged: election.meet_list,
    SeatAsked: seating.ask_seat,
    LeaseRequest: leasing.take_request,
    LeaseReturned: leasing.take_back,
    MemberLeft: _let_go,
    PublisherView: _view_as_host,
    RoomHeard: seating.hear_rival,
    Tick: _tick_host,
}

ROOM: Final[dict[tuple[Phase, type], Handler]] = {
    **{(phase, kind): do for phase in (MEMBER, STANDING, HOST) for kind, do in _EVERYWHERE.items()},
    **{(phase, kind): do for phase in (MEMBER, STANDING) for kind, do in _MEMBER.items()},
    **{(HOST, kind): do for kind, do in _HOST.items()},
    (STANDING, VoteGiven): election.count,
}

_ONLY_HOST: Final = "only the host seats, leases and announces"
IGNORED: Final[dict[tuple[Phase, type], str]] = {
    **{
        (phase, kind): _ONLY_HOST
        for phase in (MEMBER, STANDING)
        for kind in (SeatAsked, LeaseRequest, LeaseReturned, RoomHeard)
    },
    (MEMBER, VoteGiven): "the election that it answers is over",
    (HOST, VoteGiven): "the election that it answers is won",
    (HOST, VoteRequest): "the host hears itself, so it gives no vote",
    (HOST, OnSubBlockProcessingStarted): "only the host leases, and it told itself",
    **{(CLOSED, kind): "the seat is gone" for kind in (*_EVERYWHERE, *_MEMBER, *_HOST, VoteGiven)},
}


def handle(room: Room, sender: PeerId, said: object, now_ms: int) -> list[fx.Effect]:
    """The one door of a room. `sender` is the authenticated peer, or ourselves for what happens here.

    Who speaks to us over its stream is alive. What gossip or the database tell of it may be older than its end.
    """
    if isinstance(said, PeerConnected):
        room.pulse.note_connected(sender, now_ms)
    elif sender != room.seat.me and not isinstance(said, PeerLost | RoomHeard | SeatAsked):
        room.pulse.note_heard(sender, now_ms)
    handler = ROOM.get((room.phase, type(said)))
    if handler is not None:
        handler(room, sender, said, now_ms)
    effects, room.out = room.out, []
    return effects


def wake_ms(room: Room, now_ms: int) -> int | None:
    """When this room wants the next Tick."""
    if room.phase is CLOSED:
        return None
    moments = [room.work.beat_ms]
    moments += [room.work.leaves_ms] if room.work.leaves_ms is not None else []
    if room.phase is HOST:
        moments += _host_moments(room, now_ms)
    else:
        moments += _member_moments(room)
    return max(now_ms + 1, min(moments))


def _host_moments(room: Room, now_ms: int) -> list[int]:
    hosting = room.hosting
    moments = [hosting.voice.next_ms]
    leases_ms = None if hosting.paused_ms is not None else room.board.next_ms(now_ms)
    moments += [x for x in (hosting.door.seat_ms, leases_ms) if x is not None]
    if hosting.grace_ms > now_ms:
        moments.append(hosting.grace_ms)
    for peer in room.roster.peers:
        gone_ms = room.pulse.gone_at_ms(peer, SILENCE_MS_MAX)
        if gone_ms is not None:
            moments.append(gone_ms)
    return moments


def _member_moments(room: Room) -> list[int]:
    if room.ballot.since_ms is None and room.host in room.board.banned:
        return [0]
    if room.ballot.since_ms is None:
        gone_ms = room.pulse.gone_at_ms(room.host, SILENCE_MS_MAX)
        return [] if gone_ms is None else [gone_ms]
    if room.phase is STANDING:
        return [room.ballot.until_ms]
    turn_ms = election.stand_ms(room)
    return [] if turn_ms is None else [turn_ms]
