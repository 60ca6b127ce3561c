"""What a room says when nothing goes on in it, and hears no more once it is over."""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.core.inputs import Tick
from sgnus.core.room import Room
from sgnus.core.room_table import handle
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import REMIND_MS
from sgnus.messages.topics import room_topic
from sgnus.messages.v1.types import CloseReason, Heartbeat, OnPeerListChanged, RoomClosed
from tests.core.seats import JOB, PUBLISHER, room

A, B = PeerId("a"), PeerId("b")


def lists(effects: list[fx.Effect]) -> list[fx.Send]:
    return [x for x in effects if isinstance(x, fx.Send) and isinstance(x.message, OnPeerListChanged)]


def beat(of: Room) -> Heartbeat:
    return Heartbeat(instance=of.seat.instance, epoch=1, sequence=1, records=of.book.summary())


def test_a_host_whose_words_to_the_publisher_were_lost_says_its_list_again() -> None:
    host = room("a", "a", "b")
    host.hosting.has_view = False
    assert lists(handle(host, A, Tick(), 0)) == []
    handle(host, B, beat(host), REMIND_MS - 1)
    assert lists(handle(host, A, Tick(), REMIND_MS - 1)) == []
    (again,) = lists(handle(host, A, Tick(), REMIND_MS))
    assert again == fx.Send((PUBLISHER,), OnPeerListChanged(list=host.roster.envelope))
    assert lists(handle(host, A, Tick(), REMIND_MS + 1)) == []


def test_a_host_whose_members_are_at_work_reminds_nobody() -> None:
    host = room("a", "a", "b")
    host.board.note_started(0, A, 0, 60_000)
    for now_ms in (0, REMIND_MS, 2 * REMIND_MS):
        handle(host, B, beat(host), now_ms)
        assert lists(handle(host, A, Tick(), now_ms)) == []


def test_who_leaves_a_room_hears_its_topic_no_more() -> None:
    member = room("b", "a", "b")
    effects = handle(member, A, RoomClosed(instance=member.seat.instance, reason=CloseReason.EXPIRED), 5)
    assert fx.Unsubscribe(room_topic(BlockId(JOB), 0)) in effects
