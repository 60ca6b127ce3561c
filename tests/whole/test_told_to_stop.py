"""Real nodes that are told to stop in the middle of a job: they hand over, and nobody waits for their silence."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid, Job
from sgnus.frontends.sdk.views import HostChanged
from sgnus.messages.limits import DEPARTURE_MS_MAX, SILENCE_MS_MAX
from tests.whole.facts import (
    assert_each_once,
    assert_seated_again,
    at_work,
    events,
    held,
    host,
    members,
    removals,
    submit_slow,
)
from tests.whole.grid import PrivateNetwork, RunningNode, wait_for
from tests.whole.patience import stretched

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNetwork]:
    """A publisher that does not work, and three workers."""
    with PrivateNetwork(tmp_path_factory.mktemp("stops")) as network:
        network.add(0, 1, 1, 1)
        yield network


@pytest.fixture
def grid(network: PrivateNetwork) -> Iterator[Grid]:
    network.heal()
    with network.nodes[0].connect() as grid:
        yield grid


def tell(node: RunningNode) -> float:
    """SIGTERM; the time of it."""
    os.kill(node.pid, signal.SIGTERM)
    return time.monotonic()


def in_full_swing(job: Job) -> tuple[str, str]:
    """The host of a room of three, which is at work, and a member that is as well."""

    def found() -> tuple[str, str] | None:
        busy, first = at_work(job), host(job)
        others = [peer for peer in busy if peer != first]
        is_full = len(members(job)) == 3 and len(held(events(job))) >= 3
        return (first, others[0]) if is_full and first in busy and others else None

    return wait_for(found, "a room of three is at work, its host too", poll_s=0.02)


def test_a_host_that_is_told_to_stop_is_followed_long_before_its_silence_would_count(
    network: PrivateNetwork, grid: Grid
) -> None:
    job, right = submit_slow(grid, 10, 1.0)
    first, _member = in_full_swing(job)
    told = tell(network.node_of(first))
    wait_for(lambda: host(job) != first, "another member hosts", poll_s=0.02)
    handed_over_s = time.monotonic() - told
    assert network.node_of(first).status() == 0
    assert np.array_equal(job.result(), right)
    assert handed_over_s < stretched(SILENCE_MS_MAX / 1000 / 2), handed_over_s
    assert removals(job, first) == ["left"]
    assert job.status().takeovers >= 1
    assert_each_once(job, 10)
    assert "Traceback" not in network.node_of(first).log.read_text()


def test_a_member_that_is_told_to_stop_delivers_what_it_has_and_its_lease_moves(
    network: PrivateNetwork, grid: Grid
) -> None:
    job, right = submit_slow(grid, 10, 1.0)
    _host, victim = in_full_swing(job)
    before = [one for one in events(job) if isinstance(one, HostChanged)]
    tell(network.node_of(victim))
    assert network.node_of(victim).status() == 0
    assert np.array_equal(job.result(), right)
    assert removals(job, victim) == ["left"]
    assert [one for one in events(job) if isinstance(one, HostChanged)] == before
    assert_each_once(job, 10)


def test_a_node_that_was_told_to_stop_works_again_after_its_next_start(
    network: PrivateNetwork, grid: Grid
) -> None:
    job, right = submit_slow(grid, 10, 0.7)
    first, _member = in_full_swing(job)
    tell(network.node_of(first))
    assert network.node_of(first).status() == 0
    network.restart(network.node_of(first))
    assert np.array_equal(job.result(), right)
    assert_seated_again(grid, first)


def test_a_node_that_owes_nothing_ends_at_once_and_one_that_is_told_twice_too(
    network: PrivateNetwork, grid: Grid
) -> None:
    idle = network.nodes[1]
    told = tell(idle)
    assert idle.status() == 0
    assert time.monotonic() - told < stretched(DEPARTURE_MS_MAX / 1000 / 2)
    job, right = submit_slow(grid, 10, 1.0)
    busy = network.nodes[2]
    wait_for(lambda: busy.peer in at_work(job), "it works")
    told = tell(busy)
    os.kill(busy.pid, signal.SIGTERM)
    assert busy.status() == 0
    assert time.monotonic() - told < stretched(DEPARTURE_MS_MAX / 1000 / 2)
    assert np.array_equal(job.result(), right)
