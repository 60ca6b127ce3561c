"""How long it takes until work and rooms go on without a peer that is gone: exact, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sgnus.core.node import NodeCore
from sgnus.core.room import Phase, Room
from sgnus.messages.ids import PeerId
from sgnus.sim.grid import Grid
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting

SEEDS = range(12)


def working_grid(seed: int) -> Grid:
    """One room of five, in which everybody works, and works long."""
    setting = Setting(
        seed, peers=5, sub_blocks=10, faults=(), faults_ms=0, compute_ms=(20_000, 30_000), deadline_ms=60_000
    )
    grid = Grid(setting)
    grid.begin()
    assert grid.run(
        10_000, lambda: len(room_of(host_of(grid)).board.leases) == 5 if len(hosts(grid)) == 1 else False
    )
    return grid


def hosts(grid: Grid) -> list[Peer]:
    return [
        x
        for x in grid.peers.values()
        if x.is_up and x.core and x.core.room and x.core.room.phase is Phase.HOST
    ]


def host_of(grid: Grid) -> Peer:
    (host,) = hosts(grid)
    return host


def core_of(peer: Peer) -> NodeCore:
    assert peer.core is not None
    return peer.core


def room_of(peer: Peer) -> Room:
    room = core_of(peer).room
    assert room is not None
    return room


def a_worker(grid: Grid) -> Peer:
    """Neither the host nor the publisher."""
    host = host_of(grid)
    return next(x for x in grid.peers.values() if x not in (host, grid.publisher))


def took_ms(grid: Grid, at_most_ms: int, until: Callable[[], bool]) -> int:
    begin_ms = grid.agenda.now_ms
    assert grid.run(begin_ms + at_most_ms, until), "\n".join(grid.steps.story.lines)
    return grid.agenda.now_ms - begin_ms


def is_removed(grid: Grid, host: Peer, gone: PeerId) -> bool:
    return gone not in room_of(host).roster.peers


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lease_of_a_killed_worker_is_open_again_about_a_second_later(seed: int) -> None:
    grid = working_grid(seed)
    host, worker = host_of(grid), a_worker(grid)
    (leased,) = room_of(host).board.running(worker.name)
    grid.crash(worker)
    took = took_ms(grid, 1_000, lambda: is_removed(grid, host, worker.name))
    assert took >= 500, "a broken connection may be reopened for half a second"
    assert room_of(host).board.is_open(leased, host.clock.says(grid.agenda.now_ms))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frozen_worker_is_removed_after_five_seconds(seed: int) -> None:
    grid = working_grid(seed)
    host, worker = host_of(grid), a_worker(grid)
    grid.freeze(worker)
    took = took_ms(grid, 5_100, lambda: is_removed(grid, host, worker.name))
    assert took >= 4_000, "it was heard less than a second before"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_host_is_followed_within_two_seconds(seed: int) -> None:
    grid = working_grid(seed)
    gone = host_of(grid)
    if gone is grid.publisher:
        return
    before = set(room_of(gone).roster.peers) - {gone.name}
    grid.crash(gone)
    took_ms(grid, 2_000, lambda: bool(hosts(grid)))
    room = room_of(host_of(grid))
    assert (room.roster.epoch, set(room.roster.peers)) == (2, before)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frozen_host_is_followed_within_ten_seconds(seed: int) -> None:
    grid = working_grid(seed)
    gone = host_of(grid)
    instance = room_of(gone).seat.instance
    grid.freeze(gone)
    took = took_ms(grid, 10_000, lambda: bool(hosts(grid)))
    assert took >= 4_000, "nobody who hears the host votes"
    assert room_of(host_of(grid)).seat.instance == instance


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frozen_host_that_thaws_yields_to_its_successor_and_changes_nothing(seed: int) -> None:
    grid = working_grid(seed)
    gone = host_of(grid)
    if gone is grid.publisher:
        return
    grid.freeze(gone)
    took_ms(grid, 10_000, lambda: bool(hosts(grid)))
    successor = host_of(grid)
    grid.run(grid.agenda.now_ms + 1_000)
    leases = sorted((x.sub_block, x.member) for x in room_of(successor).board.leases)
    grid.thaw(gone)
    took_ms(grid, 2_000, lambda: len(hosts(grid)) == 1 and gone not in hosts(grid))
    kept = [(x.sub_block, x.member) for x in room_of(successor).board.leases if x.member != gone.name]
    assert host_of(grid) is successor
    assert sorted(kept) == leases
