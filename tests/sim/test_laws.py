"""Laws that no run breaks can be broken: a step that should never be is told to them."""

from __future__ import annotations

import pytest

from sgnus.core import effects as fx
from sgnus.core.room import Phase
from sgnus.sim.grid import Grid
from sgnus.sim.laws import NEWS_MS_MAX, Broken
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting


def test_a_lease_of_what_is_held_for_long_breaks_a_law_although_the_host_never_heard_of_it() -> None:
    grid, host, lease = host_and_a_lease_of_what_is_held()
    laws = grid.steps.laws
    held_ms = max(laws.persisted_ms[0, lease.sub_block], laws.in_touch_ms[host.name])
    laws.effect(host, lease, held_ms + NEWS_MS_MAX)
    with pytest.raises(Broken, match="law 'news'"):
        laws.effect(host, lease, held_ms + NEWS_MS_MAX + 1)


def test_a_host_that_was_out_of_touch_with_the_publisher_may_not_know() -> None:
    grid, host, lease = host_and_a_lease_of_what_is_held()
    laws = grid.steps.laws
    grid.freeze(grid.publisher)
    grid.run(grid.agenda.now_ms + NEWS_MS_MAX + 1_000)
    assert host.name not in laws.in_touch_ms
    grid.thaw(grid.publisher)
    grid.run(grid.agenda.now_ms + 2_000)
    assert host in hosts(grid) and host.name in laws.in_touch_ms
    laws.known.clear()
    laws.effect(host, lease, grid.agenda.now_ms)


def host_and_a_lease_of_what_is_held() -> tuple[Grid, Peer, fx.ProcessingStarted]:
    """A host that is not the publisher, long in touch with it; and its lease of something held, which it does not know of."""
    grid = Grid(Setting(5, peers=5, sub_blocks=10, faults=(), faults_ms=0, compute_ms=(3_000, 4_000)))
    grid.begin()
    laws = grid.steps.laws
    assert grid.run(10_000, lambda: bool(laws.persisted_ms) and len(hosts(grid)) == 1)
    (host,) = hosts(grid)
    assert host is not grid.publisher
    assert grid.run(20_000, lambda: host.name in laws.in_touch_ms)
    laws.known.clear()
    core = host.core
    assert core is not None and core.room is not None
    seat = core.room.seat
    (held, *_more) = [sub_block for _microjob, sub_block in laws.persisted_ms]
    return grid, host, fx.ProcessingStarted(seat.job, seat.microjob, seat.instance, held, host.name, 0)


def hosts(grid: Grid) -> list[Peer]:
    return [
        peer
        for peer in grid.peers.values()
        if peer.core is not None and peer.core.room is not None and peer.core.room.phase is Phase.HOST
    ]
