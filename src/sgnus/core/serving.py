"""Whether the host of our room gives us work while there is some, and lets us sit.

A host can keep its members for ever: it says that it lives, and leases them nothing, or takes their seats and seats them again.
Decides when that has lasted for too long; never that a host lies, only that we go, and whose rooms do not count for a while.
docs/protocol/room.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sgnus.core.lobby import Lobby
from sgnus.core.patience import patience_ms
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    ABANDONMENTS_MAX,
    LEASE_DEADLINES_MAX,
    REMOVALS_MAX,
    SILENCE_MS_MAX,
    STARVING_MS,
    WAITS_MAX,
)

if TYPE_CHECKING:
    from sgnus.core.node import Search

Place = tuple[PeerId, BlockId]
"""A host, and the job in which we sat with it."""


@dataclass(slots=True)
class Wait:
    """Since when we want work of a host, and when we last did."""

    since_ms: int
    seen_ms: int


@dataclass(slots=True)
class Harvest:
    """Since when nothing was delivered in a host's rooms of a job, for how long of that we have had nothing to do, how often our
    seat ended meanwhile in a room that was not complete, and when we last looked. `delivered`: of each instance, by HELD words.
    """

    grown_ms: int
    seen_ms: int
    idle_ms: int | None = None
    moves: int = 0
    delivered: dict[InstanceId, int] = field(default_factory=dict)


@dataclass(slots=True)
class Removals:
    """How often in a row a host took our seat, and when it last did."""

    times: int
    last_ms: int


@dataclass(slots=True)
class Hosts:
    """Hosts as our seats with them were. `waits`: those that have work and give us none; `harvests`: what came of our seats;
    `removed`: those that took our seat; `starving`: those that we left for any of it, and until when none of their rooms counts.
    """

    waits: dict[PeerId, Wait] = field(default_factory=dict)
    harvests: dict[Place, Harvest] = field(default_factory=dict)
    removed: dict[PeerId, Removals] = field(default_factory=dict)
    starving: dict[PeerId, int] = field(default_factory=dict)


def shun(search: Search, lobbies: Iterable[Lobby], host: PeerId, now_ms: int) -> None:
    """None of this host's rooms counts for us for a while, of whichever job: others are founded, and it ends none of ours."""
    starving, until_ms = search.hosts.starving, now_ms + STARVING_MS
    starving.pop(host, None)
    starving[host] = until_ms
    for lobby in lobbies:
        lobby.shunned[host] = until_ms
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


def is_idle_for_long(harvests: dict[Place, Harvest], room: Room, now_ms: int) -> bool:
    """Whether we have had nothing to do, and nothing was delivered here, for longer than honest leases may follow each other: a
    host may say for ever that others have the work.
    """
    harvest = _look(harvests, room, now_ms)
    if harvest is None:
        return False
    if not _could_help(room):
        harvest.idle_ms = None
        return False
    harvest.idle_ms = now_ms if harvest.idle_ms is None else max(harvest.idle_ms, harvest.grown_ms)
    return now_ms - harvest.idle_ms >= _fruitless_ms(room)


def is_led_about(harvests: dict[Place, Harvest], room: Room, now_ms: int) -> bool:
    """Our host moves on with us, ends the room, or takes our seat: whether it has done so again and again before anything was
    delivered.
    """
    harvest = _look(harvests, room, now_ms)
    if harvest is None or room.book.is_complete():
        return False
    harvest.moves += 1
    return harvest.moves >= REMOVALS_MAX and now_ms - harvest.grown_ms >= _fruitless_ms(room)


def _look(harvests: dict[Place, Harvest], room: Room, now_ms: int) -> Harvest | None:
    """What is delivered in this host's rooms, by the publisher's word; None where we do not work, or nothing can be delivered."""
    host, instance, place = room.host, room.seat.instance, (room.host, room.seat.job)
    if host == room.seat.me or room.seat.by_app or not room.seat.workers:
        return None
    if room.work.leaves_ms is not None or not room.is_publisher_here:
        harvests.pop(place, None)
        return None
    harvest = harvests.pop(place, None)
    if harvest is None or now_ms - harvest.seen_ms > SILENCE_MS_MAX:
        harvest = Harvest(now_ms, now_ms)
    harvests[place] = harvest
    if len(harvests) > WAITS_MAX:
        del harvests[next(iter(harvests))]
    delivered, before = room.book.held_of(instance), harvest.delivered.pop(instance, 0)
    if delivered > before:
        harvest.grown_ms, harvest.moves = now_ms, 0
    harvest.delivered[instance], harvest.seen_ms = max(delivered, before), now_ms
    if len(harvest.delivered) > WAITS_MAX:
        del harvest.delivered[next(iter(harvest.delivered))]
    return harvest


def _fruitless_ms(room: Room) -> int:
    """So many leases may follow each other in vain before the publisher runs a sub-block itself."""
    deadline_ms = room.seat.deadline_ms
    return ABANDONMENTS_MAX * LEASE_DEADLINES_MAX * deadline_ms + patience_ms(deadline_ms)


def _could_help(room: Room) -> bool:
    """Our worker is idle, and there is work that we neither did nor gave back: the publisher may be at that itself."""
    if not _is_ready(room):
        return False
    had = [lease.sub_block for lease in room.board.leases if lease.member == room.seat.me]
    had += room.work.processed
    return any(n not in had and not room.book.is_held(n) for n in range(room.book.sub_blocks))


def _is_ready(room: Room) -> bool:
    """A member that would work at once."""
    if room.phase is not Phase.MEMBER or room.seat.by_app or not room.seat.workers:
        return False
    return not room.work.running and room.work.leaves_ms is None and room.is_publisher_here


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
    if not _is_ready(room):
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
