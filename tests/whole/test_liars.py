"""What becomes of a convicted liar beyond the room it lied in: the publisher's private share, and hosts of other jobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid, Job
from sgnus.runtime import frauds
from tests.whole.facts import submit_slow
from tests.whole.grid import NODE, PrivateNetwork

pytestmark = pytest.mark.timeout(400)

LIES = "tests.whole.lying_node"
GUILTY = "by its own signature"
JOBS_MAX = 14  # In a third of them the liar founds its own room, and asks nobody for a seat.


def story(job: Job) -> str:
    return "\n".join(job.story())


def test_a_publisher_that_runs_all_again_misses_no_lie_that_samples_may_miss(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add_as((*NODE, "--recheck", "100%"), 1)
        network.add(1, 1)
        (liar,) = network.add_as((LIES, "false in all chunks"), 1)
        with network.nodes[0].connect() as grid:
            job = until_it_delivered(grid, liar.peer, "sample")
            # A sample may meet a lie first; that no lie is in the result is what the publisher's own runs are for.
            convicted = [line for line in job.story() if GUILTY in line]
            assert convicted
            assert all(liar.peer[-6:] in line for line in convicted)
            assert [frauds.verify(proof).guilty for proof in job.proofs()] == [(liar.peer,)]


def test_who_was_convicted_in_one_job_is_refused_by_hosts_of_another_publishers_job(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        first, second = network.add(0, 0)
        hosts = network.add(1, 1)
        (liar,) = network.add_as((LIES, "false in all chunks"), 1)
        with first.connect() as grid:
            assert GUILTY in story(until_it_delivered(grid, liar.peer))
        sentence = f"{liar.peer} is refused here: the proof by {first.peer} holds"

        def is_refused() -> bool:
            """By the node that it asked for a seat, after that node ran the chunk itself."""
            return any(sentence in host.log.read_text() for host in hosts)

        with second.connect() as grid:
            for _ in range(JOBS_MAX):
                job, right = submit_slow(grid, 10, 0.3, verify="full")
                assert np.array_equal(job.result(), right)
                if is_refused():
                    break
        assert is_refused()
        assert not any("is refused here: its accusation" in node.log.read_text() for node in network.nodes)


def until_it_delivered(grid: Grid, liar: str, policy: str = "full") -> Job:
    """A verified job of which the publisher held a result of the liar for a while; each ends with the right bytes."""
    for _ in range(JOBS_MAX):
        job, right = submit_slow(grid, 10, 0.3, verify=policy)
        assert np.array_equal(job.result(), right)
        if f"is held from {liar[-6:]}" in story(job):
            return job
    raise AssertionError(f"in {JOBS_MAX} jobs the liar delivered nothing")
