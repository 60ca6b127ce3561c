"""Jobs that want proof, on real processes that are honest: receipts. `test_lies.py` has those of which one lies."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from sgnus.messages.errors import PeerFault
from sgnus.runtime.receipts import PolicyReport, verify
from tests.whole.facts import SIDE, picture, submit_slow
from tests.whole.grid import PrivateNetwork, wait_for
from tests.whole.modules import slow_invert

pytestmark = pytest.mark.timeout(240)

CHUNKS: Final = 160


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


def test_alone_a_job_that_wants_proof_waits_and_says_what_for(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(1)
        with network.nodes[0].connect() as grid:
            job = grid.submit(picture(2), processor="invert", verify="sample")
            wait_for(lambda: job.status().state == "pending", "the job waits")
            assert "--verify none" in job.status().reason
            network.add(1, 1)
            assert np.array_equal(job.result(), 255 - picture(2))


def test_a_policy_that_is_asked_for_in_detail_is_what_the_receipts_prove(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1, 1)
        with network.nodes[0].connect() as grid:
            # One room, so that all three work in it, of work that lasts until all three are there.
            source = picture(CHUNKS)
            job = grid.submit(
                source,
                module=slow_invert(0.03),
                tile=(SIDE, SIDE),
                halo=0,
                chunks_per_sub_block=CHUNKS // 10,
                samples=0.5,
                verifiers=3,
                min_members=3,
            )
            assert np.array_equal(job.result(), 255 - source)
            (report,) = [verify(receipt) for receipt in job.receipts()]
    assert report.policy == PolicyReport("sample", 500, 3, 3)
    assert (report.chunks, len(report.members)) == (CHUNKS, 3)
    assert report.samples == CHUNKS // 2 == sum(report.checked.values())
    # Every third sample is a verifier's, unless it made the chunk: only who made nearly all is left with none.
    assert all(report.made[peer] > CHUNKS * 3 // 4 for peer in set(report.members) - set(report.checked))


def test_a_job_that_says_nothing_of_proof_is_sampled(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add(0, 1, 1)
        with network.nodes[0].connect() as grid:
            job = grid.submit(picture(4), processor="invert", tile=(SIDE, SIDE), chunks_per_sub_block=1)
            assert np.array_equal(job.result(), 255 - picture(4))
            (report,) = [verify(receipt) for receipt in job.receipts()]
    assert report.policy == PolicyReport("sample", 100, 1, 2)
