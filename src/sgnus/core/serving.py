"""Whether the host of our room gives us work while there is some, and lets us sit.

A host can keep its members for ever: it says that it lives, and leases them nothing, or takes their seats and seats them again.
Decides when that has lasted for too long; never that a host lies, only that we go, and whose rooms do not count for a while.
docs/protocol/room.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgnus.core.lobby import Lobby
from sgnus.core.patience import patience_ms
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import LEASE_DEADLINES_MAX, REMOVALS_MAX, SILENCE_MS_MAX, STARVING_MS, WAITS_MAX

if TYPE_CHECKING:
    from sgnus.core.node import Search


@dataclass(slots=True)
class Wait:
    """Since when we want work of a host, and when we last did."""

    since_ms: int
    seen_ms: int


@dataclass(slots=True)
class Removals:
    """How often in a row a host took our seat, and when it last did."""

    times: int
    last_ms: int


def shun(search: Search, lobby: Lobby, host: PeerId, now_ms: int) -> None:
    """None of this host's rooms counts for us for a while, so that others are founded, and ends none of ours."""
    starving, until_ms = search.starving, now_ms + STARVING_MS
    starving.pop(host, None)
    lobby.shunned[host] = starving[host] = until_ms
    if len(starving) > WAITS_MAX:
        del starving[next(iter(starving))]


def is_turned_out(removed: dict[PeerId, Removals], host: PeerId, now_ms: int) -> bool:
    """This host took our seat, though we did not ask to go: whether it did so too often. Honest ones that hear us badly hardly do
    it twice.
    """
    before = removed.pop(host, None)
    times = before.times + 1 if before is not None and now_ms - before.last_ms < STARVING_MS else 1
    if times >= REMOVALS_MAX:
        return True
    removed[host] = Removals(times, now_ms)
    if len(removed) > WAITS_MAX:
        del removed[next(iter(removed))]
    return False


def is_starved(waits: dict[PeerId, Wait], room: Room, now_ms: int) -> bool:
    """A member looks at its room: whether it has waited for the host's work for too long. A seat that was lost and got again goes
    on waiting.
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
    return now_ms - wait.since_ms >= _longest_ms(room)


def _longest_ms(room: Room) -> int:
    """Whoever asks to go is let go at once, and a room in which all is done ends at once.

    Work may be had by somebody without our knowing it for as long as a lease lasts: the word of it was lost, its deadline
    was put off while the publisher was away, or the publisher runs it itself.
    """
    deadline_ms = room.seat.deadline_ms
    is_over = room.work.going_ms is not None or room.book.is_complete()
    leases_ms = 0 if is_over else LEASE_DEADLINES_MAX * deadline_ms
    return leases_ms + patience_ms(deadline_ms)


def _wants(room: Room, now_ms: int) -> bool:
    """We could work, and there is work that nobody has, or has had for too long, as far as we are told, and that we did not do or
    give back ourselves; or we asked to go, and are kept; or all is done, and the host neither ends the room nor moves on.
    """
    if room.phase is not Phase.MEMBER or room.seat.by_app or not room.seat.workers:
        return False
    if room.work.running or room.work.leaves_ms is not None or not room.is_publisher_here:
        return False
    if room.work.going_ms is not None:
        return True
    if room.book.is_complete():
        return len(room.roster.peers) >= room.seat.members_min
    board, book, me = room.board, room.book, room.seat.me
    had = {
        lease.sub_block: None for lease in board.leases if lease.deadline_ms > now_ms or lease.member == me
    }
    had.update(dict.fromkeys(room.work.processed))
    return any(n not in had and not book.is_held(n) for n in range(book.sub_blocks))
