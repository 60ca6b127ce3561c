"""What a newcomer meets on real nodes: what others' jobs look like, what is left behind, and who may read it."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import sgnus
from sgnus.frontends.sdk.home import Home
from tests.whole.facts import submit_slow
from tests.whole.grid import PrivateNetwork, environment, wait_for

pytestmark = pytest.mark.timeout(240)

CLI = (sys.executable, "-c", "import sys; from sgnus.frontends.cli import main; sys.exit(main())")


def cli(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*CLI, *words, "--home", str(home)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)


def test_jobs_of_others_are_listed_when_they_are_over_and_their_results_are_refused_without_a_trace(
    tmp_path: Path,
) -> None:
    with PrivateNetwork(tmp_path) as network:
        publisher, other = network.add(1, 0)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 2, 0.0, verify="none")
            assert np.array_equal(job.result(), right)
        with other.connect() as grid:

            def states() -> list[str]:
                return [one.status().state for one in grid.jobs() if one.id == job.id]

            wait_for(lambda: states() == ["completed"], "the other node hears that it is over")
            assert not grid.jobs(own=True)
            assert grid.job(job.id[:12]).id == job.id
        output = tmp_path / "out" / "them.npy"
        output.parent.mkdir()
        refused = cli(other.home, "job", "results", job.id[:12], "-o", str(output))
        assert refused.returncode == 2 and "the node that published it" in refused.stderr, refused
        assert not list(output.parent.iterdir())


def test_what_a_node_writes_is_its_owners_alone_also_in_a_home_that_others_may_enter(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    begun = cli(home, "node", "start", "--workers", "0")
    try:
        assert begun.returncode == 0, begun
        with sgnus.connect(home=home, start=False) as grid:
            submit_slow(grid, 1, 0.0, verify="none")
    finally:
        cli(home, "node", "stop")
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {"sgnus.db", "ports.json", "node.log", "body.bin"} <= {path.name for path in files}
    assert not [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_socket_that_has_no_room_in_the_home_leaves_nothing_when_the_node_is_gone(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path / ("long" * 30)) as network:
        (node,) = network.add(0)
        socket = Path(Home(node.home).target().address.removeprefix("unix:"))
        assert socket.exists() and socket.parent.parent == Path(tempfile.gettempdir())
        node.stop()
        assert not socket.parent.exists()


def test_a_job_with_an_outside_beacon_says_whom_it_waits_for(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path, settling=()) as network:
        _settler, publisher, _one = network.add(1, 0, 1)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 2, 0.0, verify="sample", outside_beacon=True)
            wait_for(lambda: job.status().state in ("pending", "verifying"), "it waits")
            assert "2 other nodes, beside the SGNUS node that is its beacon" in job.status().reason
            network.add(1)
            assert np.array_equal(job.result(), right)
