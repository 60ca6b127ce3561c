"""Settlement on real processes: a SGNUS node that checks, audits and records, and all that can go wrong around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid
from sgnus.frontends.sdk.views import Settlement
from tests.whole.facts import submit_slow
from tests.whole.grid import PrivateNetwork, RunningNode, wait_for

pytestmark = pytest.mark.timeout(240)


def settled_at(node: RunningNode, job: str, microjobs: int) -> list[Settlement]:
    """What this node has heard, once it has heard of so many."""
    with node.connect() as grid:

        def heard(grid: Grid = grid) -> list[Settlement]:
            found = grid.settlements(job)
            return found if len(found) >= microjobs else []

        return wait_for(heard, f"{node.home.name} hears of {microjobs} settlements")


def test_each_microjob_of_a_verified_job_is_settled_once_and_everybody_hears_of_it(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path, settling=()) as network:
        settler, publisher, one, other = network.add(1, 0, 1, 1)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 14, 0.05, verify="sample")
            assert np.array_equal(job.result(), right)
        for node in (one, other, publisher):
            found = settled_at(node, job.id, 2)
            assert [(each.microjob, each.node) for each in found] == [(0, settler.peer), (1, settler.peer)]
            assert sum(share.made for each in found for share in each.shares) == 14
            with node.connect() as grid:
                credit = grid.credits(job.id)
                assert sum(share.made for share in credit) == 14
                assert sum(share.checked for share in credit) == 2
