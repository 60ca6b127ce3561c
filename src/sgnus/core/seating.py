"""The host's part about people: seats asked for, lists, removals, announcements.

Requests that arrive within `SEATING_MS` are seated by one list. ACCEPT follows once the members were sent the new list.
"""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.core import pacing
from sgnus.core import roster as rosters
from sgnus.core.admission import admitted
from sgnus.core.inputs import RoomHeard, SeatAsked
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    DURATION_MS_MAX,
    ROOM_MEMBERS_MAX,
    SEATING_MS,
    SEATS_PENDING_MAX,
    SILENCE_MS_MAX,
    STRIKES_MAX,
    STRUCK_MAX,
)
from sgnus.messages.topics import lobby_topic
from sgnus.messages.v1.types import (
    CloseReason,
    GossipMessage,
    Heartbeat,
    JoinAnswer,
    JoinReason,
    JoinRequest,
    Member,
    MemberLeft,
    OnPeerListChanged,
    OnSubBlockProcessingStarted,
    Removal,
    RemovalReason,
    RoomAnnouncement,
    RoomClosed,
    SignedKind,
)


def ask_seat(room: Room, sender: PeerId, asked: SeatAsked, now_ms: int) -> None:
    """A peer asks for a seat: refuse at once, answer again, or seat it with the next list."""
    request = asked.request
    rosters.check_size(asked.envelope)
    if request.instance != room.seat.instance or request.epoch != room.roster.epoch:
        _answer(room, sender, request, JoinReason.STALE)
    elif room.roster.member(sender) is not None:
        _answer(room, sender, request, JoinReason.ACCEPTED)
    elif sender in room.board.banned:
        _answer(room, sender, request, JoinReason.BANNED)
    elif room.book.is_complete() and len(room.roster.peers) >= room.seat.members_min:
        _answer(room, sender, request, JoinReason.DONE)
    elif sender in room.hosting.door.struck and not room.book.is_complete():
        _answer(room, sender, request, JoinReason.UNSUITABLE)
    elif len(room.hosting.door.pending) >= SEATS_PENDING_MAX:
        _answer(room, sender, request, JoinReason.FULL)
    else:
        room.hosting.door.pending.append(asked)
        if room.hosting.door.seat_ms is None:
            room.hosting.door.seat_ms = now_ms + SEATING_MS


def seat_pending(room: Room, now_ms: int) -> None:
    """Seat all that wait, as far as seats reach, with one list."""
    door = room.hosting.door
    if door.seat_ms is None or door.seat_ms > now_ms:
        return
    waiting = {asked.peer: asked for asked in door.pending}
    door.pending, door.seat_ms = [], None
    newcomers = [peer for peer in waiting if room.roster.member(peer) is None]
    age_ms = now_ms - room.seat.joined_ms
    seated = admitted(door.standing, room.seat.me, room.roster.peers, newcomers, age_ms)
    members = tuple(_member(waiting[peer]) for peer in seated)
    if members:
        change_list(room, room.roster.list.members + members, (), now_ms)
        for member in members:  # The publisher is watched always, and may have been removed a moment ago.
            room.pulse.note_heard(PeerId(member.peer), now_ms)
    for peer, asked in waiting.items():
        reason = JoinReason.ACCEPTED if room.roster.member(peer) else JoinReason.FULL
        _answer(room, peer, asked.request, reason)
    _tell_newcomers(room, [PeerId(member.peer) for member in members], now_ms)


def _tell_newcomers(room: Room, newcomers: list[PeerId], now_ms: int) -> None:
    """Who comes late learns by which votes we host, and who works on what already: it may have to succeed us, and its apps watch
    the room.
    """
    if not newcomers:
        return
    if room.ballot.claim is not None:
        room.say(room.ballot.claim, newcomers)
    for lease in room.board.leases:
        if lease.processed:
            continue
        started = OnSubBlockProcessingStarted(
            instance=room.seat.instance,
            epoch=room.roster.epoch,
            sub_block=lease.sub_block,
            member=lease.member,
            elapsed_ms=min(DURATION_MS_MAX, now_ms - lease.since_ms),
            deadline_ms=min(DURATION_MS_MAX, max(1, lease.deadline_ms - lease.since_ms)),
        )
        room.say(started, newcomers)


def change_list(room: Room, members: tuple[Member, ...], removals: tuple[Removal, ...], now_ms: int) -> None:
    """Sign the next list, tell all that are or were on it, and announce it."""
    told = dict.fromkeys((*room.audience(), *(PeerId(removal.peer) for removal in removals)))
    following = rosters.successor(room.seat.pen, room.roster, members, removals, room.roster.epoch)
    room.adopt(following, now_ms)
    told.update(dict.fromkeys(room.audience()))
    room.say(OnPeerListChanged(list=following.envelope), told)
    pacing.note_news(room, now_ms)


def remove(room: Room, removals: list[Removal], now_ms: int) -> None:
    """Remove members; their undelivered sub-blocks are open again."""
    gone = [removal.peer for removal in removals]
    if not gone:
        return
    members = tuple(member for member in room.roster.list.members if member.peer not in gone)
    for removal in removals:
        room.tell(f"{removal.peer[-6:]} is removed: {removal.reason.name.lower()}")
    change_list(room, members, tuple(removals), now_ms)


def remove_gone(room: Room, now_ms: int) -> None:
    """Remove who is broken or silent, and who struck out."""
    removals: list[Removal] = []
    for peer in room.roster.peers:
        if peer == room.seat.me:
            continue
        strikes = room.board.strikes.get(peer, [])
        silent_ms = now_ms - room.pulse.heard_ms.get(peer, now_ms)
        if room.pulse.is_broken(peer, now_ms):
            reason = RemovalReason.DISCONNECTED
        elif room.pulse.is_silent(peer, SILENCE_MS_MAX, now_ms):
            reason = RemovalReason.SILENT
        elif peer in room.board.banned:
            reason = RemovalReason.BANNED
        elif len(strikes) >= STRIKES_MAX:
            reason = RemovalReason.STRIKES
            room.hosting.door.struck = [*room.hosting.door.struck[1 - STRUCK_MAX :], peer]
        else:
            continue
        removals.append(
            Removal(
                peer=peer,
                reason=reason,
                sub_blocks=tuple(strikes[:10]),
                silent_ms=min(max(0, silent_ms), DURATION_MS_MAX),
            )
        )
    remove(room, removals, now_ms)


def let_go(room: Room, sender: PeerId, left: MemberLeft, now_ms: int) -> None:
    """A member left by its own word."""
    if room.roster.member(sender) is not None:
        removal = Removal(peer=sender, reason=RemovalReason.LEFT, sub_blocks=(), silent_ms=0)
        remove(room, [removal], now_ms)


def announce(room: Room, now_ms: int, *, closing: bool = False) -> None:
    """Tell the lobby that this room exists, or (closing) that it ended."""
    hosting, seat = room.hosting, room.seat
    pacing.note_spoken(room, now_ms)
    announcement = RoomAnnouncement(
        job=seat.job,
        microjob=seat.microjob,
        instance=seat.instance,
        epoch=room.roster.epoch,
        members=len(room.roster.peers),
        seats=ROOM_MEMBERS_MAX - len(room.roster.peers),
        sub_blocks=seat.sub_blocks,
        unleased=len(room.board.open_sub_blocks(now_ms)),
        delivered=room.book.delivered(),
        address=seat.address,
        waiting=hosting.paused_ms is not None,
        sequence=hosting.voice.sequence,
        closing=closing,
    )
    envelope = seat.pen.sign(SignedKind.ANNOUNCEMENT, announcement)
    room.out.append(fx.Gossip(lobby_topic(seat.job), GossipMessage(body=envelope)))


def hear_rival(room: Room, _sender: PeerId, heard: RoomHeard, now_ms: int) -> None:
    """Another instance of our microjob lives (founded on two sides of a split): the lower instance goes on.

    The one that the publisher prefers, because it delivered first, goes on in any case.
    """
    rival = heard.announcement
    if rival.closing:
        pacing.note_news(room, now_ms)  # Its members look for a room now.
        return
    if rival.sequence == 0:
        return  # A claim of the database: its host may be long gone.
    if rival.instance == room.seat.instance:
        _meet_other_epoch(room, heard)
        return
    preferred = room.hosting.preferred
    if preferred == room.seat.instance:
        return
    if rival.instance == preferred or (not preferred and rival.instance < room.seat.instance):
        close_all(room, CloseReason.MERGED, now_ms)


def _meet_other_epoch(room: Room, heard: RoomHeard) -> None:
    """After a split another peer hosts our instance: our heartbeat makes the one with the older epoch hear the claim."""
    if heard.host == room.seat.me or heard.announcement.epoch < room.roster.epoch:
        return
    room.out.append(fx.Open(heard.host, heard.announcement.address))
    room.say(
        Heartbeat(
            instance=room.seat.instance,
            epoch=room.roster.epoch,
            sequence=room.roster.sequence,
            records=room.book.summary(),
        ),
        (heard.host,),
    )


def close_all(room: Room, reason: CloseReason, now_ms: int) -> None:
    """The host ends the room for everybody."""
    room.say(RoomClosed(instance=room.seat.instance, reason=reason))
    announce(room, now_ms, closing=True)
    room.close(reason.name.lower())


def is_hosting(room: Room) -> bool:
    return room.phase is Phase.HOST


def _member(asked: SeatAsked) -> Member:
    request = asked.request
    return Member(peer=asked.peer, workers=request.workers, address=request.address, join=asked.envelope)


def _answer(room: Room, peer: PeerId, request: JoinRequest, reason: JoinReason) -> None:
    room.out.append(fx.Open(peer, request.address))
    accepted = reason is JoinReason.ACCEPTED
    room.say(
        JoinAnswer(
            job=request.job,
            microjob=request.microjob,
            instance=request.instance,
            nonce=request.nonce,
            reason=reason,
            list=room.roster.envelope if accepted else None,
        ),
        (peer,),
    )
