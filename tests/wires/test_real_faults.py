"""Twelve real nodes on the real TCP stack, and what networks do to it: slow, lossy, parted, flapping and one-way wires."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.whole.facts import host
from tests.whole.grid import wait_for
from tests.wires.grid import WiredNetwork
from tests.wires.plan import ROUGH, compose, flapping, muted, partition
from tests.wires.scenario import Work, await_delivered, run, submit

pytestmark = pytest.mark.timeout(1_200)

SEED = 7
NODES = 12


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WiredNetwork]:
    with WiredNetwork(tmp_path_factory.mktemp("wires"), NODES) as network:
        yield network


def test_in_fair_weather_twelve_nodes_end_a_job_and_keep_the_laws(network: WiredNetwork) -> None:
    job = submit(network, network.nodes[3], Work(12, 0.05))
    run(network, job, compose(SEED, 100))


def test_slow_and_lossy_wires_that_double_and_overtake_change_no_result(network: WiredNetwork) -> None:
    job = submit(network, network.nodes[0], Work(20, 0.2))
    run(network, job, compose(SEED, 20_000, beneath=ROUGH))


def test_a_network_parted_in_the_middle_of_a_job_heals_and_ends_it(network: WiredNetwork) -> None:
    job = submit(network, network.nodes[0], Work(24, 0.4))
    await_delivered(job, 5)
    run(network, job, compose(SEED, 15_000, [partition(Random(SEED), NODES, 5, 0, 15_000)]))


def test_a_publisher_whose_cable_is_pulled_again_and_again_gets_its_results(network: WiredNetwork) -> None:
    job = submit(network, network.nodes[1], Work(24, 0.4))
    await_delivered(job, 3)
    faults = flapping(Random(SEED), 1, 0, 5)
    run(network, job, compose(SEED, faults[-1].end_ms, faults))


def test_a_host_that_hears_all_and_is_heard_by_nobody_gives_way(network: WiredNetwork) -> None:
    job = submit(network, network.nodes[2], Work(24, 0.4))
    await_delivered(job, 3)
    with job.publisher.connect() as grid:
        found = wait_for(lambda: host(grid.job(job.id)), "a room has a host")
    run(network, job, compose(SEED, 10_000, [muted(network.port_of(found), NODES, 0, 10_000)]))
