"""Whether the host of our room gives us work while there is some.

A host can keep its members for ever: it says that it lives, and leases them nothing, or takes their seats for work that it never
told them of and seats them again. Decides when that has lasted for too long; never that a host lies, only that we go.
docs/protocol/room.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from sgnus.core.patience import patience_ms
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import SILENCE_MS_MAX, WAITS_MAX


@dataclass(slots=True)
class Wait:
    """Since when we want work of a host, and when we last did."""

    since_ms: int
    seen_ms: int


def is_starved(waits: dict[PeerId, Wait], room: Room, now_ms: int) -> bool:
    """A member looks at its room: whether it has waited for the host's work for the patience. A seat that was lost and got again
    goes on waiting.
    """
    if not _wants(room, now_ms):
        waits.pop(room.host, None)
        return False
    wait = waits.get(room.host)
    if wait is None or now_ms - wait.seen_ms > SILENCE_MS_MAX:
        waits.pop(room.host, None)
        wait = waits[room.host] = Wait(now_ms, now_ms)
    wait.seen_ms = now_ms
    if len(waits) > WAITS_MAX:
        del waits[next(iter(waits))]
    return now_ms - wait.since_ms >= patience_ms(room.seat.deadline_ms)


def _wants(room: Room, now_ms: int) -> bool:
    """We could work, and there is work that nobody has, or has had for too long, as far as we are told; or we asked to go, and
    are kept.
    """
    if room.phase is not Phase.MEMBER or room.seat.by_app or not room.seat.workers:
        return False
    if room.work.running or room.work.leaves_ms is not None or not room.is_publisher_here:
        return False
    if room.work.going_ms is not None:
        return True
    board, book = room.board, room.book
    taken = {lease.sub_block: None for lease in board.leases if lease.deadline_ms > now_ms}
    open_ = [n for n in range(book.sub_blocks) if n not in taken and not book.is_held(n)]
    return any(room.seat.me not in board.returns.abandoned.get(n, ()) for n in open_)
