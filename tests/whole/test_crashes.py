"""Real processes that are killed and frozen in the middle of a job: it ends, ends right, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid, Job
from tests.whole.facts import (
    assert_each_once,
    assert_nothing_delivered_is_computed_again,
    assert_seated_again,
    at_work,
    events,
    held,
    host,
    lost,
    members,
    removals,
    submit_slow,
    went_to_others,
)
from tests.whole.grid import DEADLINE_S, PrivateNetwork, RunningNode, wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNetwork]:
    """A publisher that does not work, and three workers."""
    with PrivateNetwork(tmp_path_factory.mktemp("crashes")) as network:
        network.add(0, 1, 1, 1)
        yield network


@pytest.fixture
def publisher(network: PrivateNetwork) -> Iterator[RunningNode]:
    network.heal()
    yield network.nodes[0]
    network.heal()


@pytest.fixture
def grid(publisher: RunningNode) -> Iterator[Grid]:
    with publisher.connect() as grid:
        yield grid


def working_member(job: Job) -> str:
    """A member at work that is not the host, once the room is full and has delivered; its lease is the newest one."""

    def found() -> str:
        busy = [peer for peer in at_work(job) if peer != host(job)]
        return busy[-1] if len(members(job)) == 3 and held(events(job)) and busy else ""

    return wait_for(found, "a room of three is at work")


def working_host(job: Job) -> str:
    """The host of a room of three that has delivered some."""
    wait_for(lambda: len(members(job)) == 3 and len(held(events(job))) >= 2, "a room of three has delivered")
    return host(job)


def test_a_killed_worker_is_removed_and_its_lease_moves(network: PrivateNetwork, grid: Grid) -> None:
    job, right = submit_slow(grid, 9, 0.7)
    victim = working_member(job)
    network.node_of(victim).kill()
    assert np.array_equal(job.result(), right)
    assert removals(job, victim)
    undelivered = lost(job, victim)
    assert undelivered
    assert went_to_others(job, victim, undelivered)
    assert_each_once(job, 9)


def test_a_frozen_worker_is_removed_and_what_it_says_when_it_thaws_changes_nothing(
    network: PrivateNetwork, grid: Grid
) -> None:
    job, right = submit_slow(grid, 10, 2.0)
    victim = working_member(job)
    node = network.node_of(victim)
    node.freeze()
    wait_for(lambda: "silent" in removals(job, victim), "the frozen member is removed")
    undelivered = lost(job, victim)
    assert undelivered
    wait_for(lambda: went_to_others(job, victim, undelivered), "its lease moves")
    node.thaw()
    assert np.array_equal(job.result(), right)
    assert_each_once(job, 10)
    assert_seated_again(grid, victim)


@pytest.mark.parametrize(("how", "seconds"), [("kill", 0.7), ("freeze", 2.0)])
def test_another_member_hosts_when_the_host_is_gone(
    how: str, seconds: float, network: PrivateNetwork, grid: Grid
) -> None:
    job, right = submit_slow(grid, 10, seconds)
    first = working_host(job)
    getattr(network.node_of(first), how)()
    wait_for(lambda: host(job) != first, "another member hosts")
    network.node_of(first).thaw()
    assert np.array_equal(job.result(), right)
    assert job.status().takeovers >= 1
    assert_each_once(job, 10)


def test_the_publisher_goes_on_from_its_disk(network: PrivateNetwork, grid: Grid) -> None:
    job, right = submit_slow(grid, 12, 1.0)
    wait_for(lambda: len(held(events(job))) >= 3, "the publisher holds some")
    before = held(events(job))
    network.nodes[0].kill()
    seen = {node.peer: seen_of(node, job.id) for node in network.nodes[1:]}
    network.restart(network.nodes[0])
    assert job.status().delivered >= len(before)
    assert np.array_equal(job.result(), right)
    for node in network.nodes[1:]:
        told = told_by(node, job.id)
        assert_nothing_delivered_is_computed_again(told)
        later = [one for one in told[seen[node.peer] :] if type(one).__name__ == "ProcessingStarted"]
        assert not [one for one in later if (one.microjob, one.sub_block) in before]  # type: ignore[union-attr]
    assert job.status().delivered == 12


def test_all_nodes_killed_at_once_and_restarted_end_the_job(network: PrivateNetwork, grid: Grid) -> None:
    job, right = submit_slow(grid, 12, 0.7)
    wait_for(lambda: len(held(events(job))) >= 3, "the publisher holds some")
    for node in network.nodes:
        node.kill()
    network.restart(*network.nodes)
    assert job.status().delivered >= 3
    assert np.array_equal(job.result(), right)
    assert job.wait(DEADLINE_S).state == "completed"


def told_by(node: RunningNode, job: str) -> list:  # type: ignore[type-arg]
    with node.connect() as grid:
        return events(grid.job(job))


def seen_of(node: RunningNode, job: str) -> int:
    """How many events this node has told of the job."""
    return len(told_by(node, job))
