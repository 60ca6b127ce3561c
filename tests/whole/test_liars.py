"""Jobs that want proof, on real processes: receipts when all are honest, and the right bytes although somebody lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid, Job
from sgnus.messages.errors import PeerFault
from sgnus.runtime import frauds
from sgnus.runtime.receipts import PolicyReport, verify
from tests.whole.facts import SIDE, picture, submit_slow
from tests.whole.grid import NODE, PrivateNetwork, wait_for
from tests.whole.modules import slow_invert

pytestmark = pytest.mark.timeout(240)

LIES = "tests.whole.lying_node"
GUILTY = "by its own signature"
JOBS_MAX = 5


def story(job: Job) -> str:
    return "\n".join(job.story())


@pytest.mark.parametrize("policy", ["sample", "full"])
def test_a_job_that_wants_proof_ends_with_a_receipt_for_each_microjob(tmp_path: Path, policy: str) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1, 1)
        with network.nodes[0].connect() as grid:
            job, right = submit_slow(grid, 14, 0.05, verify=policy)
            assert np.array_equal(job.result(), right)
            assert job.status().state == "completed"
            receipts = job.receipts()
            assert len(receipts) == 2
            for receipt in receipts:
                verify(receipt)
            altered = receipts[0][:-1] + bytes([receipts[0][-1] ^ 1])
            with pytest.raises(PeerFault):
                verify(altered)


def test_a_policy_that_is_asked_for_in_detail_is_what_the_receipts_prove(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1, 1)
        with network.nodes[0].connect() as grid:
            # 80 chunks in 20 sub-blocks: none of the three makes so many that there is nothing for it to check.
            source = picture(80)
            job = grid.submit(
                source,
                module=slow_invert(0.02),
                tile=(SIDE, SIDE),
                halo=0,
                chunks_per_sub_block=4,
                samples=0.5,
                verifiers=3,
                min_members=3,
            )
            assert np.array_equal(job.result(), 255 - source)
            reports = [verify(receipt) for receipt in job.receipts()]
    assert [report.chunks for report in reports] == [40, 40]
    for report in reports:
        assert report.policy == PolicyReport("sample", 500, 3, 3)
        assert report.samples == 20 == sum(report.checked.values())
        assert len(report.checked) == 3


def test_a_job_that_says_nothing_of_proof_is_sampled(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1)
        with network.nodes[0].connect() as grid:
            job = grid.submit(picture(4), processor="invert", tile=(SIDE, SIDE), chunks_per_sub_block=1)
            assert np.array_equal(job.result(), 255 - picture(4))
            (report,) = [verify(receipt) for receipt in job.receipts()]
    assert report.policy == PolicyReport("sample", 100, 1, 2)


@pytest.mark.parametrize("how", ["some", "all"])
def test_a_worker_that_lies_is_convicted_and_the_job_ends_right(tmp_path: Path, how: str) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1)
        (liar,) = network.add_as((LIES, how), 1)
        with network.nodes[0].connect() as grid:
            convicted = [
                line for line in story(until_it_delivered(grid, liar.peer)).splitlines() if GUILTY in line
            ]
            assert convicted
            assert all(liar.peer[-6:] in line for line in convicted)


def test_a_verifier_that_accuses_falsely_is_convicted_and_the_job_ends_right(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1)
        (liar,) = network.add_as((LIES, "accuses"), 1)
        with network.nodes[0].connect() as grid:
            convicted: list[str] = []
            for _ in range(JOBS_MAX):
                job, right = submit_slow(grid, 10, 0.05, verify="full")
                assert np.array_equal(job.result(), right)
                convicted += [line for line in job.story() if GUILTY in line]
                if convicted:
                    break
            assert convicted
            assert all(liar.peer[-6:] in line for line in convicted)


def test_alone_a_job_that_wants_proof_waits_and_says_what_for(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(1)
        with network.nodes[0].connect() as grid:
            job = grid.submit(picture(2), processor="invert")
            wait_for(lambda: job.status().state == "pending", "the job waits")
            assert "--verify none" in job.status().reason
            network.add(1, 1)
            assert np.array_equal(job.result(), 255 - picture(2))


def test_a_publisher_that_runs_all_again_misses_no_lie_that_samples_may_miss(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add_as((*NODE, "--recheck", "100%"), 1)
        network.add(1, 1)
        (liar,) = network.add_as((LIES, "some"), 1)
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
        (liar,) = network.add_as((LIES, "all"), 1)
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
