"""Leaving on purpose: a node that was told to stop gives back what it cannot finish, hands over, and owes nobody.

It winds up: takes no lease and no seat, returns what is not nearly done, and finishes the rest within `FINISH_MS_MAX`. Then it
says LEAVE: its leases are open again, and where it hosts, its members elect another at once. It never waits for anybody
who is not there, and never takes back that it leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgnus.core import inputs as ins
from sgnus.core import moving
from sgnus.core.app_seats import answer_app
from sgnus.core.leasing import lease_out
from sgnus.core.membership import give_back
from sgnus.core.room import Phase, Room
from sgnus.messages.limits import FINISH_MS_MAX
from sgnus.messages.v1.types import CloseReason, RoomJoinStatus

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore

WHY = "the node is stopping"


def stop(node: NodeCore, _given: ins.Stopping, now_ms: int) -> None:
    """We were told to stop. Told again, what is still under way is given up at once."""
    room, is_told_again = node.room, node.own.is_stopping
    node.own.is_stopping = True
    answer_app(node, RoomJoinStatus.REFUSED, WHY)
    node.search.pending = None
    if room is None or room.phase is Phase.CLOSED:
        return
    if is_told_again:
        room.work.leaves_ms = now_ms
    else:
        _wind_up(room, now_ms)
    node.out += room.out
    room.out = []


def go_when_due(node: NodeCore, now_ms: int) -> None:
    """Leave the room as soon as nothing of ours is under way in it, or its time is up."""
    room = node.room
    if room is None or room.phase is Phase.CLOSED or room.work.leaves_ms is None:
        return
    if room.work.running and now_ms < room.work.leaves_ms:
        return
    alone = room.phase is Phase.HOST and len(room.roster.peers) == 1
    moving.leave(node, CloseReason.EXPIRED if alone else None, now_ms)


def owes(node: NodeCore) -> list[str]:
    """What a node that stops should still end, in words: none of it where the others are not there to hear it."""
    here = (node.pen.peer, *node.links.connected)
    found = ["a seat"] if node.room is not None else []
    if any(parcel.deliver.publisher in here for parcel in node.outbox.parcels.values()):
        found.append("outputs on their way")
    if any(set(one.audience()) & set(node.links.connected) for one in node.rounds.running.values()):
        found.append("a round")
    return found


def _wind_up(room: Room, now_ms: int) -> None:
    room.work.leaves_ms = now_ms + FINISH_MS_MAX
    for sub_block in list(room.work.running):
        if not _is_nearly_done(room, sub_block, now_ms):
            give_back(room, sub_block, WHY, now_ms)
    if room.phase is Phase.HOST:
        room.board.leaving.append(room.seat.me)
        lease_out(room, now_ms)


def _is_nearly_done(room: Room, sub_block: int, now_ms: int) -> bool:
    """By the pace of this room; an app's work cannot be waited for, since its way to us closes."""
    typical_ms = room.board.pace.typical_ms()
    if room.seat.by_app or typical_ms is None:
        return False
    latest_ms = now_ms + FINISH_MS_MAX - typical_ms
    me = room.seat.me
    return any(
        (x.sub_block, x.member) == (sub_block, me) and x.since_ms <= latest_ms for x in room.board.leases
    )
