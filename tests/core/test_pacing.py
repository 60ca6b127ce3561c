"""How often rooms announce themselves: alone at once, in a crowd in turn."""

from __future__ import annotations

import pytest

from sgnus.core import effects as fx
from sgnus.core import pacing, room_table
from sgnus.core.inputs import Tick
from sgnus.core.room import Room
from sgnus.messages.limits import (
    ANNOUNCE_MS_MAX,
    ANNOUNCE_MS_MIN,
    LOBBY_TURN_MS,
    LOBBY_TURNS_MAX,
    ROOM_STALE_MS,
)
from tests.core import seats


def hosted(rooms: int) -> Room:
    """A room beside so many others, that has spoken twice at 0 ms; it is full of work that nobody does."""
    made = seats.room("a", "a", "b")
    made.hosting.voice.sequence, made.hosting.voice.rooms = 2, rooms
    pacing.plan(made, 0)
    return made


def spoken_ms(room: Room, until_ms: int, *, news: bool) -> list[int]:
    """When it announces itself, if something changes all the time."""
    moments = []
    for now_ms in range(0, until_ms, 250):
        for peer in room.roster.peers:
            room.pulse.note_heard(peer, now_ms)
        if news:
            pacing.note_news(room, now_ms)
        said = room_table.handle(room, room.seat.me, Tick(), now_ms)
        moments += [now_ms for effect in said if isinstance(effect, fx.Gossip)]
    return moments


def test_a_room_alone_tells_its_news_every_second_and_that_it_lives_every_ten() -> None:
    assert spoken_ms(hosted(0), 30_000, news=False) == [10_000, 20_000]
    assert len(spoken_ms(hosted(0), 30_000, news=True)) == 29


@pytest.mark.parametrize("rooms", [30, 100])
def test_many_rooms_together_say_no_more_than_a_few(rooms: int) -> None:
    until_ms = 10 * rooms * LOBBY_TURN_MS
    said = len(spoken_ms(hosted(rooms), until_ms, news=True))
    assert 8 <= said <= 12  # A room's own share: each of ten turns, spread by a quarter.


def test_rooms_founded_at_once_do_not_speak_at_once() -> None:
    moments = set()
    for name in "cdefghijkl":
        room = seats.room(name, name, "b")
        room.hosting.voice.sequence, room.hosting.voice.rooms = 2, 31
        pacing.plan(room, 0)
        moments.add(room.hosting.voice.next_ms)
    assert len(moments) == 10
    assert all(22 * LOBBY_TURN_MS <= moment <= 38 * LOBBY_TURN_MS for moment in moments)


def test_a_turn_is_bounded_however_many_rooms_there_are() -> None:
    assert pacing.turn_ms(ANNOUNCE_MS_MIN, 10**6) == (LOBBY_TURNS_MAX - 1) * LOBBY_TURN_MS


def test_who_listens_waits_as_many_turns_longer() -> None:
    assert pacing.stale_ms(1) == pacing.stale_ms(5) == ROOM_STALE_MS
    assert pacing.stale_ms(51) == ROOM_STALE_MS * 50 * LOBBY_TURN_MS // ANNOUNCE_MS_MAX


def test_a_room_speaks_sooner_when_others_have_ended() -> None:
    room = hosted(100)
    assert room.hosting.voice.next_ms > 70 * LOBBY_TURN_MS
    pacing.note_crowd(room, 2, 5_000)
    assert room.hosting.voice.next_ms == ANNOUNCE_MS_MAX


def test_a_room_speaks_later_when_many_were_founded() -> None:
    room = hosted(0)
    pacing.note_crowd(room, 100, 5_000)
    assert room.hosting.voice.next_ms > 70 * LOBBY_TURN_MS


def test_that_there_is_work_again_does_not_wait_for_a_turn() -> None:
    room = hosted(100)
    room.hosting.voice.was_open = False
    pacing.note_news(room, 5_000)
    assert room.hosting.voice.next_ms == 5_000


def test_that_there_is_none_any_more_waits() -> None:
    room = hosted(100)
    room.board.book.sub_blocks = 0
    pacing.note_news(room, 5_000)
    assert room.hosting.voice.next_ms > 70 * LOBBY_TURN_MS
