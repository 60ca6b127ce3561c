"""How a node finds a seat: try rooms with open work in turn, else found one, else wait on a workless seat.

Also how a whole room moves on to the next microjob, and how an app takes or gives back a seat. Never holds two seats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sgnus.core import asking, moving, serving
from sgnus.core import roster as rosters
from sgnus.core.app_seats import answer_app
from sgnus.core.lobby import Lobby, lose
from sgnus.core.moving import send_leave
from sgnus.core.room import Phase, Room
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    IDLE_SEAT_MS,
    JOIN_ANSWER_MS_LATE,
    LOBBY_LISTEN_MS,
    REFUSED_DOUBLINGS_MAX,
    SEEK_MS,
    STRANDED_MS,
    UNSERVED_MAX,
    UNSERVED_MS,
)
from sgnus.messages.v1.types import (
    CloseReason,
    JoinAnswer,
    JoinReason,
    OnPeerListChanged,
    RoomAnnouncement,
    RoomJoinStatus,
    VoteRequest,
)

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore


_STATUS: Final = {
    JoinReason.FULL: RoomJoinStatus.FULL,
    JoinReason.DONE: RoomJoinStatus.DONE,
    JoinReason.STALE: RoomJoinStatus.ROOM_DOES_NOT_EXIST,
}


def is_seeking(node: NodeCore) -> bool:
    """Whether there is reason to look again by ourselves after `SEEK_MS`."""
    if node.search.pending is not None:
        return True
    if node.own.is_stopping:
        return False
    if node.app is not None or not node.own.workers:
        return False
    if node.room is None:
        return bool(node.jobs)
    room = node.room
    return bool(node.jobs) and (_is_idle_seat(node, room) or _waits_for_others(node, room) or _is_alone(room))


def _waits_for_others(node: NodeCore, room: Room) -> bool:
    """We host a room in which all is done, and too few are here to verify it."""
    is_ours = room.phase is Phase.HOST and not room.seat.by_app
    return is_ours and room.book.is_complete() and moving.waits_for_members(node, room)


def _join_others(node: NodeCore, room: Room, now_ms: int) -> None:
    """Rooms that wait for members must meet: the smaller one goes to the larger, of two alike the one with the higher
    instance, and anybody goes where work is and enough are. What we did is held; our microjob is for whichever room comes
    to it. A room too small may wait like ours in a moment: of two such, both would go, and miss each other.
    """
    lobby = node.jobs[room.seat.job]
    here = (-len(room.roster.peers), room.seat.instance)
    terms = lobby.facts.terms
    enough = terms.policy.min_members if terms is not None else 1
    rooms = [x for x in lobby.joinable(now_ms, with_work=True) if x.announcement.members >= enough]
    for with_work in (True, False):
        rooms += [
            x for x in lobby.joinable(now_ms, with_work=with_work) if _size_first(x.announcement) < here
        ]
    if rooms:
        moving.leave(node, CloseReason.EXPIRED, now_ms)
        node.room = None
        asking.ask(node, lobby, rooms[0], now_ms)


def _is_alone(room: Room) -> bool:
    """We host a room in which not all is done, and the publisher is away, or is here and says nothing of it."""
    is_ours = room.phase is Phase.HOST and not room.seat.by_app
    return is_ours and not room.hosting.has_view and not room.book.is_complete()


def _is_stranded(node: NodeCore, room: Room, now_ms: int) -> bool:
    """The publisher has left us alone for long, while there is work of one that is in touch. Our members wait with
    us, and are free once we end the room: what is done is held, and whoever comes to the job later goes on from there.
    """
    if not _is_alone(room) or now_ms - room.hosting.silent_ms < STRANDED_MS:
        return False
    others = [
        lobby
        for lobby in _wanted(node, now_ms)
        if lobby.facts.publisher != room.seat.publisher and is_near(node, lobby)
    ]
    return any(lobby.joinable(now_ms, with_work=True) or lobby.without_room(now_ms) for lobby in others)


def _go_elsewhere(node: NodeCore, room: Room, now_ms: int) -> None:
    """End a room whose publisher left us alone. We take no seat in its jobs for a while, unless it comes back: we would wait for
    it again, and those whom we could help for us.
    """
    unserved = node.search.unserved
    unserved.pop(room.seat.publisher, None)
    unserved[room.seat.publisher] = now_ms + UNSERVED_MS
    while len(unserved) > UNSERVED_MAX:
        del unserved[next(iter(unserved))]
    moving.leave(node, CloseReason.EXPIRED, now_ms)
    node.room = None


def _is_starved(node: NodeCore, room: Room, now_ms: int) -> bool:
    """Our host has work and gives us none."""
    if room.seat.job not in node.jobs:
        return False
    is_idle = serving.is_idle_for_long(node.search.hosts.harvests, room, now_ms)
    return serving.is_starved(node.search.hosts.waits, room, now_ms) or is_idle


def _leave_host(node: NodeCore, room: Room, now_ms: int) -> None:
    """Without waiting for its leave: it could keep us."""
    serving.shun(node.search, node.jobs.values(), room.host, now_ms)
    room.tell(f"{room.host[-6:]} has work, and gives us none")
    moving.leave(node, None, now_ms)


def _size_first(said: RoomAnnouncement) -> tuple[int, str]:
    return -said.members, said.instance


def seek(node: NodeCore, now_ms: int) -> None:
    """Look for a seat if we have none, or one without work while there is work elsewhere."""
    pending = node.search.pending
    if pending is not None:
        if not asking.is_known(node, pending):
            pending.until_ms = min(pending.until_ms, now_ms + JOIN_ANSWER_MS_LATE)
        if now_ms < pending.until_ms:
            asking.ask_again(node, pending, now_ms)
            node.search.seek_ms = pending.next_ms
            return
        _give_up_pending(node, now_ms)
    if node.app is not None or not node.own.workers or now_ms < node.search.seek_ms or node.own.is_stopping:
        return
    node.search.seek_ms = now_ms + SEEK_MS
    if node.room is None:
        _find_seat(node, now_ms)
    elif _is_starved(node, node.room, now_ms):
        _leave_host(node, node.room, now_ms)
    elif _waits_for_others(node, node.room):
        _join_others(node, node.room, now_ms)
    elif _is_idle_seat(node, node.room) and _has_work_elsewhere(node, now_ms):
        moving.ask_to_go(node, node.room, now_ms)
    elif _is_stranded(node, node.room, now_ms):
        _go_elsewhere(node, node.room, now_ms)


def _find_seat(node: NodeCore, now_ms: int) -> None:
    lobbies = _wanted(node, now_ms)
    for lobby in lobbies:
        ask_ms = max(node.search.ask_ms, (lobby.entered_ms or 0) + lobby.spread_ms(node.neighbours))
        rooms = lobby.joinable(now_ms, with_work=True) if now_ms >= ask_ms else ()
        for known in rooms:
            asking.ask(node, lobby, known, now_ms)
            return
        free = lobby.without_room(now_ms)
        if free and now_ms >= _founding_ms(node, lobby):
            moving.found(node, lobby, free[0], now_ms, by_app=False)
            return
        if free:
            node.search.seek_ms = min(node.search.seek_ms, _founding_ms(node, lobby))
            return
    for lobby in lobbies if now_ms >= node.search.ask_ms else ():
        for known in lobby.joinable(now_ms, with_work=False):
            asking.ask(node, lobby, known, now_ms)
            return


def _founding_ms(node: NodeCore, lobby: Lobby) -> int:
    """A job that is younger than our sight of it needs no listening; an old one may have rooms that we have not heard."""
    wait_ms = 0 if lobby.facts.is_fresh else LOBBY_LISTEN_MS
    return lobby.founding_ms(node.neighbours) + wait_ms


def _wanted(node: NodeCore, now_ms: int) -> list[Lobby]:
    """Jobs that our pool can process: those first whose publisher is in touch with us, then by priority, then by age. Anybody
    may publish jobs of high priority in the names of peers that never were, and nobody can work on them.
    """
    lobbies = [
        lobby
        for lobby in node.jobs.values()
        if lobby.facts.open
        and not lobby.facts.paused
        and not lobby.facts.processor.startswith("app:")
        and not is_barred(node, lobby)
        and node.search.unserved.get(lobby.facts.publisher, 0) <= now_ms
    ]
    return sorted(
        lobbies,
        key=lambda x: (not is_near(node, x), -x.facts.priority, x.facts.created_ms, x.facts.job),
    )


def is_near(node: NodeCore, lobby: Lobby) -> bool:
    """Whether the publisher of a job is in touch with us."""
    publisher = lobby.facts.publisher
    return publisher == node.pen.peer or publisher in node.neighbours or publisher in node.links.connected


def is_barred(node: NodeCore, lobby: Lobby) -> bool:
    """Publisher and beacon of a job that wants proof know too much for a seat in it; who was convicted gets none."""
    facts, me = lobby.facts, node.pen.peer
    terms = facts.terms
    return (terms is not None and me in (facts.publisher, terms.beacon)) or me in facts.banned


def _is_idle_seat(node: NodeCore, room: Room) -> bool:
    """Nothing to do here, and nothing owed: who leaves with a delivery on its way has its work done again."""
    return (
        room.phase is Phase.MEMBER
        and not room.work.running
        and not room.seat.by_app
        and room.seat.workers > 0
        and room.seat.job in node.jobs
        and not node.outbox.owes(room.seat.instance)
    )


def _has_work_elsewhere(node: NodeCore, now_ms: int) -> bool:
    room = node.room
    if room is None or now_ms - room.seat.joined_ms < IDLE_SEAT_MS or room.board.open_sub_blocks(now_ms):
        return False
    here = room.seat.instance
    for lobby in _wanted(node, now_ms):
        rooms = lobby.joinable(now_ms, with_work=True)
        if any(known.announcement.instance != here for known in rooms):
            return True
        if any(
            (lobby.facts.job, number) != (room.seat.job, room.seat.microjob)
            for number in lobby.without_room(now_ms)
        ):
            return now_ms >= _founding_ms(node, lobby)
    return False


def take_answer(node: NodeCore, sender: PeerId, answer: JoinAnswer, now_ms: int) -> None:
    """ACCEPT: sit down. REJECT: try the next one. Too late: give the seat back."""
    pending = node.search.pending
    if pending is None or pending.host != sender or answer.nonce not in pending.nonces:
        if answer.reason is JoinReason.ACCEPTED and not _sits_in(node, answer.instance):
            send_leave(node, InstanceId(answer.instance), (sender,))
        return
    node.search.pending, node.search.seek_ms = None, now_ms
    lobby = node.jobs.get(pending.job)
    if lobby is None:
        return
    if answer.reason is JoinReason.FULL:
        known = lobby.rooms.get(pending.instance)
        _wait_after_full(node, now_ms, is_urgent=known is not None and known.has_work)
    if answer.reason is not JoinReason.ACCEPTED or answer.list is None:
        lobby.refuse(pending.instance, now_ms, dead=answer.reason is JoinReason.DONE)
        answer_app(node, _STATUS.get(answer.reason, RoomJoinStatus.REFUSED), answer.reason.name)
        return
    roster = rosters.read(node.pen, answer.list)
    if roster.instance != pending.instance or node.pen.peer not in roster.peers:
        raise PeerFault("the host accepted us with a list of another room, or without us on it")
    moving.sit(node, lobby, roster, now_ms, by_app=node.app is not None)
    answer_app(node, RoomJoinStatus.OK, "")


def _wait_after_full(node: NodeCore, now_ms: int, *, is_urgent: bool) -> None:
    """Where one room is full the next may have a seat; where several are, many look for one, and each of us asks less often.
    Meanwhile we found a room if that is our turn. A seat without work is no hurry from the first.
    """
    search = node.search
    search.full += 1
    doublings = search.full - 1 if is_urgent else search.full + 1
    if doublings:
        search.ask_ms = now_ms + (SEEK_MS << min(doublings, REFUSED_DOUBLINGS_MAX))


def take_list(node: NodeCore, said: OnPeerListChanged | VoteRequest, now_ms: int) -> None:
    """A signed list seats us before ACCEPT arrived: a host may die in between, and then our vote is needed."""
    pending = node.search.pending
    if pending is None or node.room is not None:
        return
    envelope = said.list if isinstance(said, OnPeerListChanged) else said.base
    roster = rosters.read(node.pen, envelope)
    lobby = node.jobs.get(pending.job)
    if roster.instance != pending.instance or node.pen.peer not in roster.peers or lobby is None:
        return
    if roster.epoch < pending.epoch or roster.host != pending.host:
        return  # Of an epoch that is over, from before we left; or of somebody whom we did not ask.
    node.search.pending = None
    moving.sit(node, lobby, roster, now_ms, by_app=node.app is not None)
    answer_app(node, RoomJoinStatus.OK, "")


def _give_up_pending(node: NodeCore, now_ms: int) -> None:
    pending, node.search.pending = node.search.pending, None
    lobby = node.jobs.get(pending.job) if pending else None
    if pending is not None and lobby is not None:
        lose(lobby, pending.host, pending.instance, now_ms)
    answer_app(node, RoomJoinStatus.ROOM_DOES_NOT_EXIST, "the room's host does not answer")


def _sits_in(node: NodeCore, instance: str) -> bool:
    return node.room is not None and node.room.seat.instance == instance
