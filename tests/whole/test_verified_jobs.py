"""Jobs that want proof, on real processes that are honest: receipts. `test_lies.py` has those of which one lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnus.messages.errors import PeerFault
from sgnus.runtime.receipts import verify
from tests.whole.facts import picture, submit_slow
from tests.whole.grid import PrivateNetwork, wait_for

pytestmark = pytest.mark.timeout(240)


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
