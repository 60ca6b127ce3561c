"""Taking a seat, founding a room, moving on with a whole room, leaving: never two seats at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core import rounds, serving
from sgnus.core.leases import LeaseBoard, Pace
from sgnus.core.lobby import Lobby
from sgnus.core.membership import request_work
from sgnus.core.records import RecordBook
from sgnus.core.room import Phase, Room, Seat
from sgnus.core.roster import Roster
from sgnus.core.seating import announce, close_all
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import IDLE_REQUEST_MS
from sgnus.messages.topics import room_topic
from sgnus.messages.v1.types import (
    CloseReason,
    EntryKind,
    JoinRequest,
    Leave,
    Member,
    MemberLeft,
    OnPeerListChanged,
    RoomBody,
    SignedKind,
)
from sgnus.wire.codec import encode

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore


def sit(node: NodeCore, lobby: Lobby, roster: Roster, now_ms: int, *, by_app: bool) -> Room:
    """Take the seat that this list gives us."""
    facts = lobby.facts
    microjob = roster.list.microjob
    count = facts.sub_blocks_of(microjob)
    seat = Seat(
        pen=node.pen,
        job=facts.job,
        microjob=microjob,
        instance=roster.instance,
        sub_blocks=count,
        publisher=facts.publisher,
        deadline_ms=facts.deadline_ms,
        workers=1 if by_app else node.own.workers,
        by_app=by_app,
        address=node.address,
        joined_ms=now_ms,
        members_min=facts.terms.policy.min_members if facts.terms is not None else 1,
    )
    room = Room(seat, roster, LeaseBoard(RecordBook(count), Pace(facts.deadline_ms)))
    here = facts.publisher == node.pen.peer or facts.publisher in node.links.connected
    room.is_publisher_here = here
    room.hosting.silent_ms = now_ms
    room.board.banned = node.own.bans(facts)
    room.ballot.voted = node.own.votes.of(roster.instance)
    room.hosting.door.standing = node.own.standing
    room.phase = Phase.HOST if roster.host == node.pen.peer else Phase.MEMBER
    node.room, node.search.full, lobby.entered_ms = room, 0, None
    node.links.learn(facts.publisher, facts.address)
    room.adopt(roster, now_ms)
    room.out.append(fx.HostChanged(facts.job, microjob, roster.instance, roster.epoch, roster.host))
    node.out.append(fx.Subscribe(room_topic(facts.job, microjob)))
    request_work(room, now_ms)
    node.out += room.out
    room.out = []
    return room


def found(
    node: NodeCore,
    lobby: Lobby,
    microjob: int,
    now_ms: int,
    *,
    by_app: bool,
    members: tuple[Member, ...] = (),
    moves_from: InstanceId | None = None,
) -> None:
    """Found the room of a microjob that nobody has, and host it; with members of a room that moves on."""
    nonce = node.own.next_nonce()
    workers = 1 if by_app else node.own.workers
    seats = members or (_founder(node, lobby, microjob, nonce, workers),)
    roster = rosters.found(node.pen, lobby.facts.job, microjob, nonce, seats)
    room = sit(node, lobby, roster, now_ms, by_app=by_app)
    room.tell(f"founded with {len(seats)} members")
    room.say(OnPeerListChanged(list=roster.envelope, moves_from=moves_from))
    announce(room, now_ms)
    if not room.is_publisher_here:
        room.hosting.paused_ms = now_ms
    node.out += room.out
    room.out = []
    body = RoomBody(microjob=microjob, instance=roster.instance, epoch=1, address=encode(node.address))
    node.out.append(fx.PublishEntry(EntryKind.ROOM, lobby.facts.job, body))


def _founder(node: NodeCore, lobby: Lobby, microjob: int, nonce: int, workers: int) -> Member:
    """Our own seat. Where results are verified, a join of our own binds our VRF key as those of the others do."""
    join = None
    if lobby.facts.terms is not None:
        request = JoinRequest(
            job=lobby.facts.job,
            microjob=microjob,
            instance=rosters.instance_id(lobby.facts.job, microjob, node.pen.peer, nonce),
            epoch=1,
            workers=max(1, workers),
            address=node.address,
            nonce=nonce,
            vrf_key=node.pen.vrf_key,
        )
        join = node.pen.sign(SignedKind.JOIN, request)
    return Member(peer=node.pen.peer, workers=workers, address=node.address, join=join)


def waits_for_members(node: NodeCore, room: Room) -> bool:
    """All is done, and too few are here to verify it."""
    lobby = node.jobs.get(room.seat.job)
    terms = lobby.facts.terms if lobby is not None else None
    if lobby is None or terms is None or room.seat.microjob in lobby.facts.taken:
        return False
    return len(room.roster.peers) < terms.policy.min_members


def move_on_if_complete(node: NodeCore, now_ms: int) -> bool:
    """The host of a complete room takes the next microjob with the same members, or ends the room."""
    room = node.room
    if room is None or room.phase is not Phase.HOST or not room.book.is_complete():
        return False
    lobby = node.jobs.get(room.seat.job)
    if lobby is not None and lobby.facts.open and waits_for_members(node, room):
        return False
    is_last = room.seat.by_app or node.own.is_stopping
    if lobby is None or is_last or not lobby.facts.open or lobby.facts.paused:
        _close(node, CloseReason.TAKEN, now_ms)
        return True
    lobby.finish(room.seat.instance, room.seat.microjob)
    free = [n for n in lobby.without_room(now_ms) if n != room.seat.microjob]
    if not free:
        _close(node, CloseReason.TAKEN, now_ms)
        return True
    announce(room, now_ms, closing=True)
    room.close("moved on")
    node.out += room.out
    room.out = []
    rounds.begin(node, room, now_ms)
    members = room.roster.list.members
    found(node, lobby, free[0], now_ms, by_app=False, members=members, moves_from=room.seat.instance)
    if node.room is not None:
        # The same members go on: how fast they are, and who has struck, goes with them.
        node.room.board.pace, node.room.board.strikes = room.board.pace, room.board.strikes
    return True


def follow(node: NodeCore, sender: PeerId, said: OnPeerListChanged, now_ms: int) -> None:
    """Our host moves on with us: leave the old instance, sit in the new one."""
    room = node.room
    if room is None or said.moves_from != room.seat.instance or sender != room.host:
        return
    roster = rosters.read(node.pen, said.list)
    lobby = node.jobs.get(room.seat.job)
    if lobby is None or roster.list.job != room.seat.job or roster.host != sender:
        return
    if roster.list.microjob >= lobby.facts.microjobs or node.pen.peer not in roster.peers:
        raise PeerFault("a host moves on to a microjob that is none, or without us")
    if serving.is_led_about(node.search.hosts.harvests, room, now_ms):
        send_leave(node, roster.instance, (sender,))
        leave(node, None, now_ms)
        return
    room.close("moved on")
    node.out += room.out
    node.room, room.out = None, []
    rounds.begin(node, room, now_ms)
    rounds.keep_left(node, room)
    if room.seat.by_app or node.own.is_stopping:
        send_leave(node, roster.instance, (sender,))
        node.app = None
        return
    sit(node, lobby, roster, now_ms, by_app=False)


def ask_to_go(node: NodeCore, room: Room, now_ms: int) -> None:
    """Tell the host that we want work elsewhere; its list without us ends our seat.

    Until then we are an elector: a host that is gone is succeeded first, by the votes of all who are on its list.
    """
    asked_ms = room.work.going_ms
    if asked_ms is not None and now_ms - asked_ms < IDLE_REQUEST_MS:
        return
    room.work.going_ms = now_ms
    # Its announcement may lag: do not ask for our seat back at once.
    node.jobs[room.seat.job].refuse(room.seat.instance, now_ms, dead=False)
    send_leave(node, room.seat.instance, (room.host,))


def leave(node: NodeCore, reason: CloseReason | None, now_ms: int) -> None:
    """Give our seat back; a host ends the room only with a reason, else its members elect another."""
    room = node.room
    if room is None or room.phase is Phase.CLOSED:
        return
    if room.phase is Phase.HOST and reason is not None:
        _close(node, reason, now_ms)
        return
    send_leave(node, room.seat.instance, room.audience())
    room.close(reason.name.lower() if reason else "left")
    node.out += room.out
    room.out = []


def _close(node: NodeCore, reason: CloseReason, now_ms: int) -> None:
    room = node.room
    if room is not None:
        close_all(room, reason, now_ms)
        node.out += room.out
        room.out = []


def send_leave(node: NodeCore, instance: InstanceId, to: tuple[PeerId, ...]) -> None:
    envelope = node.pen.sign(SignedKind.LEAVE, Leave(instance=instance))
    node.out.append(fx.Send(to, MemberLeft(leave=envelope)))
