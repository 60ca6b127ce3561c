"""How long it takes until others go on: a worker or a host that is killed or frozen, on real processes.

Medians of a few runs (one with BENCH_QUICK), from the publisher's view, polled every 10 ms: `python -m bench failover`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench._figures import is_quick
from sgnus.frontends.sdk.sync import Grid, Job
from tests.whole.facts import (
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
from tests.whole.grid import PrivateNetwork, wait_for

RUNS = 1 if is_quick() else 3
SUB_BLOCKS = 10
KILLED_S, FROZEN_S = 0.7, 2.5
POLL_S = 0.01


def main() -> None:
    """Print the four figures, each beside what it consists of."""
    with tempfile.TemporaryDirectory() as folder, PrivateNetwork(Path(folder)) as network:
        network.add(0, 1, 1, 1)
        for title, run in (
            ("worker killed -> its lease moves (about 1 s)", worker_killed),
            ("worker frozen -> removed (silence limit, 5 s)", worker_frozen),
            ("host killed   -> another hosts (about 2 s)", host_killed),
            ("host frozen   -> another hosts (about 10 s)", host_frozen),
        ):
            seconds = [measured for measured in _runs(network, run) if measured is not None]
            each = ", ".join(f"{one:.2f}" for one in seconds)
            print(f"{title:48} {statistics.median(seconds):6.2f} s   ({each})", flush=True)


def _runs(network: PrivateNetwork, run: Callable[[PrivateNetwork, Grid], float]) -> Iterator[float]:
    for _ in range(RUNS):
        with network.nodes[0].connect() as grid:
            yield run(network, grid)
        network.heal()


def worker_killed(network: PrivateNetwork, grid: Grid) -> float:
    """From SIGKILL to another member's lease of what the victim had."""
    job = _job(grid, KILLED_S)
    victim = _worker(job)
    network.node_of(victim).kill()
    return _until(job, lambda: _has_moved(job, victim))


def worker_frozen(network: PrivateNetwork, grid: Grid) -> float:
    """From SIGSTOP to the member list without the victim."""
    job = _job(grid, FROZEN_S)
    victim = _worker(job)
    network.node_of(victim).freeze()
    return _until(job, lambda: bool(removals(job, victim)))


def host_killed(network: PrivateNetwork, grid: Grid) -> float:
    """From SIGKILL to the first word of another host."""
    return _host_gone(network, _job(grid, KILLED_S), "kill")


def host_frozen(network: PrivateNetwork, grid: Grid) -> float:
    """From SIGSTOP to the first word of another host."""
    return _host_gone(network, _job(grid, FROZEN_S), "freeze")


def _host_gone(network: PrivateNetwork, job: Job, how: str) -> float:
    first = host(job)
    getattr(network.node_of(first), how)()
    return _until(job, lambda: host(job) != first)


def _has_moved(job: Job, victim: str) -> bool:
    undelivered = lost(job, victim)
    return bool(removals(job, victim) and undelivered) and went_to_others(job, victim, undelivered)


def _job(grid: Grid, seconds: float) -> Job:
    """A job whose room has three members, one result, and work for all."""
    job, _right = submit_slow(grid, SUB_BLOCKS, seconds)
    wait_for(lambda: len(members(job)) == 3 and held(events(job)), "a room of three is at work")
    return job


def _worker(job: Job) -> str:
    def busy() -> list[str]:
        return [peer for peer in at_work(job) if peer != host(job)]

    return wait_for(busy, "a member is at work")[-1]


def _until(job: Job, is_so: Callable[[], bool]) -> float:
    begun = time.monotonic()
    wait_for(is_so, "others go on", poll_s=POLL_S)
    taken = time.monotonic() - begun
    job.cancel()
    return taken


if __name__ == "__main__":
    main()
