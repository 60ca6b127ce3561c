"""A node whose database is damaged says so, keeps the damaged file, and has the jobs of the network again from its peers."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

import sgnus
from sgnus.frontends.sdk.sync import Grid
from tests.whole.facts import picture
from tests.whole.grid import PrivateNetwork, RunningNode, wait_for

pytestmark = pytest.mark.timeout(240)

HEAD_BYTES = 4096


def state_of(grid: Grid, job: str) -> str:
    """As this node knows it; empty if it does not."""
    with contextlib.suppress(sgnus.NotFound):
        return grid.job(job).status().state
    return ""


def damage(node: RunningNode) -> dict[str, bytes]:
    """Kill it, and spoil its database and the log, which could heal it; what lies there then, by name."""
    node.kill()
    for path in (node.home / "sgnus.db", node.home / "sgnus.db-wal"):
        path.write_bytes(os.urandom(HEAD_BYTES) + path.read_bytes()[HEAD_BYTES:])
    return {
        path.name: path.read_bytes() for path in node.home.glob("sgnus.db*") if not path.name.endswith("-shm")
    }


def test_a_node_that_lost_its_database_has_the_jobs_of_others_again_from_its_peers(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        publisher, _worker, loser = network.add(0, 1, 0)
        source = picture(3)
        with publisher.connect() as grid, loser.connect() as other:
            theirs = grid.submit(source, processor="invert", verify="none")
            assert np.array_equal(theirs.result(), 255 - source)
            own = other.submit(source, processor="invert", verify="none")
            assert np.array_equal(own.result(), 255 - source)
            wait_for(lambda: state_of(other, theirs.id) == "completed", "the job is known there")
        spoilt = damage(loser)
        network.restart(loser)
        assert (
            f"The database {loser.home / 'sgnus.db'} was corrupt. It was set aside as"
            in loser.ready["notices"][0]
        )
        for name, content in spoilt.items():
            aside = name.replace("sgnus.db", "sgnus.db.corrupt-1")
            assert (loser.home / aside).read_bytes() == content
        with loser.connect() as grid:
            wait_for(lambda: state_of(grid, theirs.id) == "completed", "peers tell of their job again")
            assert state_of(grid, own.id) == "completed"
            assert np.array_equal(grid.job(own.id).result(), 255 - source)
            again = grid.submit(source, processor="invert", verify="none")
            assert np.array_equal(again.result(), 255 - source)
