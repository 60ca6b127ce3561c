"""How often a room speaks in its job's lobby: the more rooms there are, the less often each, so that all of them together
say no more than a lobby can hear.

After RTCP (RFC 3550, section 6.2): the interval grows with the number of those that speak, is spread at random (here by a
hash) so that they do not speak at once, is reckoned anew when their number changes, and whoever listens waits as
many intervals longer before it takes a room for gone.
"""

from __future__ import annotations

import hashlib

from sgnus.core.room import Room
from sgnus.messages.limits import (
    ANNOUNCE_MS_MAX,
    ANNOUNCE_MS_MIN,
    LOBBY_TURN_MS,
    LOBBY_TURNS_MAX,
    ROOM_MEMBERS_MAX,
    ROOM_STALE_MS,
)


def turn_ms(least_ms: int, rooms: int) -> int:
    """How long a room is silent between two announcements among so many others, if alone it would be for `least_ms`. Two rooms
    speak as freely as one: they may have to merge soon.
    """
    return max(least_ms, (min(rooms, LOBBY_TURNS_MAX) - 1) * LOBBY_TURN_MS)


def stale_ms(rooms: int) -> int:
    """After how long without a word a room counts as gone: one lost announcement is forgiven, however many rooms there are."""
    return ROOM_STALE_MS * turn_ms(ANNOUNCE_MS_MAX, rooms) // ANNOUNCE_MS_MAX


def note_news(room: Room, now_ms: int) -> None:
    """Something that the lobby should know changed: it is announced when this room's turn has come."""
    room.hosting.voice.has_news = True
    plan(room, now_ms)


def note_crowd(room: Room, rooms: int, now_ms: int) -> None:
    """So many other microjobs of this job have a room."""
    if rooms != room.hosting.voice.rooms:
        room.hosting.voice.rooms = rooms
        plan(room, now_ms)


def note_spoken(room: Room, now_ms: int) -> None:
    """It speaks now, and tells all that is new."""
    voice = room.hosting.voice
    voice.sequence += 1
    voice.spoken_ms, voice.has_news = now_ms, False
    voice.was_open = is_open(room, now_ms)
    plan(room, now_ms)


def is_open(room: Room, now_ms: int) -> bool:
    """Whoever comes finds a seat and work."""
    return len(room.roster.peers) < ROOM_MEMBERS_MAX and bool(room.board.open_sub_blocks(now_ms))


def plan(room: Room, now_ms: int) -> None:
    """Say when this room speaks next. A host that has not spoken yet speaks at once."""
    voice = room.hosting.voice
    if voice.sequence:
        voice.next_ms = max(now_ms, voice.spoken_ms + _wait_ms(room, now_ms))
    else:
        voice.next_ms = min(voice.next_ms, now_ms)


def _wait_ms(room: Room, now_ms: int) -> int:
    """That it has seats and work again does not wait for a turn: somebody may be looking for them. That it has none any more
    does: it answers who asks.
    """
    voice = room.hosting.voice
    if voice.has_news and not voice.was_open and is_open(room, now_ms):
        return ANNOUNCE_MS_MIN
    least_ms = ANNOUNCE_MS_MIN if voice.has_news else ANNOUNCE_MS_MAX
    wait_ms = turn_ms(least_ms, voice.rooms)
    return wait_ms if wait_ms == least_ms else wait_ms * _spread_permille(room) // 1000


def _spread_permille(room: Room) -> int:
    """From 3/4 to 5/4, another with each announcement."""
    name = f"{room.seat.instance}/{room.hosting.voice.sequence}"
    return 750 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 501
