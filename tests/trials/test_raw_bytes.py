"""A real node under everything that strangers can throw at its open ports at once, while it works for an honest one.

A minute in CI, some seconds by hand; SGNUS_RAW_SECONDS says otherwise. What is thrown: tests/whole/raw_bytes.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid
from sgnus.frontends.service.places import read_service
from tests.whole.facts import submit_slow
from tests.whole.grid import (
    ROOT,
    PrivateNetwork,
    RunningNode,
    die_with_parent,
    environment,
    neighbours,
    wait_for,
)
from tests.whole.raw_bytes import LANES
from tests.whole.raw_libp2p import INSIDERS

pytestmark = pytest.mark.timeout(420)

SECONDS: Final = float(os.environ.get("SGNUS_RAW_SECONDS", "60" if os.environ.get("CI") == "true" else "10"))
SEED: Final = 8
ATTACK_S_MAX: Final = SECONDS + 180
ANSWER_S_MAX: Final = 30.0
LEFT_FILES_MAX: Final = 32
GROWN_KIB_MAX: Final = 96 * 1024
PIECE_S: Final = 0.05


@pytest.fixture
def network(tmp_path: Path) -> Iterator[PrivateNetwork]:
    """The node that is attacked, which works; and an honest one, which does not and has the jobs."""
    with PrivateNetwork(tmp_path) as network:
        network.add(1, 0)
        yield network


def test_a_minute_of_raw_bytes_at_every_port_leaves_a_node_healthy_and_serving(
    network: PrivateNetwork, tmp_path: Path
) -> None:
    target, honest = network.nodes
    with honest.connect() as grid:
        job_ends_right(grid, 4)
        files, memory = open_files(target), resident_kib(target)
        rounds = under_attack(target, network, tmp_path, grid)
        assert not [name for name in (*LANES, *INSIDERS) if not rounds.get(name)], rounds
        wait_for(lambda: open_files(target) <= files + LEFT_FILES_MAX, "connections of attackers are closed")
        wait_for(lambda: resident_kib(target) <= memory + GROWN_KIB_MAX, "what attackers sent was not kept")
        assert is_healthy(target)
        wait_for(lambda: neighbours(grid) == 1, "the honest node still hears it")
        job_ends_right(grid, 4)
    (late,) = network.add(0)
    with late.connect() as grid:
        job_ends_right(grid, 2)
    log = target.log.read_text()
    assert "Traceback" not in log and "the core failed" not in log, log[-4_000:]


def under_attack(target: RunningNode, network: PrivateNetwork, folder: Path, grid: Grid) -> dict[str, int]:
    """While it lasts the node answers, and a job of the honest one ends right on it; returns each lane's rounds."""
    with target.connect() as its:
        port = its.node().endpoints[0].port
    facts = (target.home, network.network, target.multiaddr, port, SECONDS, SEED)
    arguments = [str(fact) for fact in facts]
    with (folder / "attack.log").open("wb") as log:
        attack = subprocess.Popen(
            [sys.executable, "-m", "tests.whole.raw_bytes", *arguments],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls prctl alone
        )
        try:
            while attack.poll() is None:
                assert is_healthy(target)
                job_ends_right(grid, 3)
            said, _ = attack.communicate(timeout=ATTACK_S_MAX)
        finally:
            attack.kill()
            attack.wait()
    assert attack.returncode == 0, (folder / "attack.log").read_text()[-4_000:]
    rounds: dict[str, int] = json.loads(said)
    return rounds


def job_ends_right(grid: Grid, sub_blocks: int) -> None:
    job, right = submit_slow(grid, sub_blocks, PIECE_S)
    assert np.array_equal(job.result(), right)


def is_healthy(node: RunningNode) -> bool:
    service = read_service(node.home)
    assert service is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{service.http}/health", timeout=ANSWER_S_MAX) as answer:
        return int(answer.status) == 200


def open_files(node: RunningNode) -> int:
    return len(os.listdir(f"/proc/{node.pid}/fd"))


def resident_kib(node: RunningNode) -> int:
    lines = Path(f"/proc/{node.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
