"""The C++ app on real nodes: alone, in a room together with a Python app, and after its host was killed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

import sgnus
from sgnus.runtime.network_file import new_network, write_network
from tests.interop.cpp_app import ROOT, Process
from tests.whole.grid import wait_for

# The first test of a run waits for the build.
pytestmark = pytest.mark.timeout(600)
ARRAY = np.random.default_rng(12).integers(0, 256, (250, 260), dtype=np.uint8)
INVERTED = 255 - ARRAY
WAIT_S_MAX = 60.0
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "PYTHONUNBUFFERED": "1"}


class RealNode:
    """One node process without workers: it only serves apps."""

    def __init__(self, home: Path, network: Path, bootstrap: list[str]) -> None:
        self.home = home
        known = [word for address in bootstrap for word in ("--bootstrap", address)]
        place = ("--home", home, "--network", network)
        command = (sys.executable, "-m", "sgnus.frontends.node_main", *place, "--workers", "0", *known)
        self.process = Process(*command, environment=ENVIRONMENT)

    def addresses(self) -> list[str]:
        """Where others find it, once it is ready."""
        return list(json.loads(self.process.line('"ready": true'))["multiaddrs"])

    def grid(self) -> sgnus.Grid:
        return sgnus.connect(self.home, start=False)

    def gossips_with(self) -> int:
        """How many others it has met."""
        with self.grid() as grid:
            return sum(peer.gossip for peer in grid.peers())


class Network:
    """Real nodes in one private network, each knowing the first. An app asks for a seat by gossip, and hosts a room itself if
    nobody hears it: so each node has met those before it.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._file = folder / "network.json"
        write_network(self._file, new_network("interop"))
        self._bootstrap: list[str] = []
        self._nodes = 0

    def node(self, name: str) -> RealNode:
        node = RealNode(self._folder / name, self._file, self._bootstrap)
        self._stack.enter_context(node.process)
        self._stack.callback(node.process.signal, signal.SIGTERM)
        self._bootstrap = self._bootstrap or node.addresses()
        node.addresses()
        if self._nodes:
            wait_for(lambda: node.gossips_with() == self._nodes, f"{name} gossips with {self._nodes} others")
        self._nodes += 1
        return node


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with ExitStack() as stack:
        yield Network(tmp_path, stack)


def submit(grid: sgnus.Grid, tile: tuple[int, int] = (50, 130)) -> sgnus.Job:
    """One microjob of ten sub-blocks, unless the tile is smaller, with a halo that the app must take off."""
    return grid.submit(ARRAY, processor="app:invert", tile=tile, halo=3, chunks_per_sub_block=1)


def invert(sub_block: sgnus.SubBlock) -> list[np.ndarray]:
    outputs = []
    for tile in sub_block.tiles:
        begin = [a - b for a, b in zip(tile.output_start, tile.input_start, strict=True)]
        outputs.append(
            255 - tile.array[tuple(slice(b, b + n) for b, n in zip(begin, tile.output_shape, strict=True))]
        )
    return outputs


def python_seat(grid: sgnus.Grid, job: str) -> sgnus.Room:
    """A room that this node hosts for an app in Python, as soon as the job has come to the node."""
    return grid.join(job=job, timeout=WAIT_S_MAX)


def test_one_node_publishes_and_the_app_processes_and_collects(
    network: Network, app: Path, tmp_path: Path
) -> None:
    node, out = network.node("alone"), tmp_path / "out.raw"
    with node.grid() as grid:
        job = submit(grid, (50, 50))
    with Process(app, "--home", node.home, "--job", job.id, "--results", out) as process:
        assert process.end() == 0, process.text
    assert out.read_bytes() == INVERTED.tobytes()


def test_a_cpp_app_and_a_python_app_share_a_room_and_the_result_is_identical(
    network: Network, app: Path, tmp_path: Path
) -> None:
    publisher, python, cpp = (network.node(name) for name in ("publisher", "python", "cpp"))
    with publisher.grid() as source, python.grid() as grid, ExitStack() as stack:
        job = submit(source)
        room = python_seat(grid, job.id)
        first = room.next_sub_block(timeout=WAIT_S_MAX)
        assert first is not None
        # Python keeps its sub-block until C++ has worked in the same room.
        process = stack.enter_context(Process(app, "--home", cpp.home, "--job", job.id))
        process.line(f"joined room {room.microjob} of job {job.id}")
        process.line(f"of room {room.microjob} of job {job.id} is held by the publisher")
        here = next(one for one in grid.rooms(job.id) if one.microjob == room.microjob)
        assert (here.joined, here.members) == (True, 2)
        assert room.publish(invert(first))
        for sub_block in room:
            room.publish(invert(sub_block))
        assert np.array_equal(job.result(), INVERTED)
        assert process.end() == 0, process.text

    out = tmp_path / "out.raw"
    with Process(app, "--home", publisher.home, "--job", job.id, "--results", out) as process:
        assert process.end() == 0, process.text
    assert out.read_bytes() == INVERTED.tobytes()
    with Process(app, "--home", cpp.home, "--job", job.id, "--results", tmp_path / "other") as process:
        assert process.end() == 2
    assert "come to the node that published it" in process.text


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_when_the_host_freezes_or_dies_the_cpp_app_claims_to_host_and_ends_the_job(
    network: Network, app: Path, blow: signal.Signals
) -> None:
    publisher, python, cpp = (network.node(name) for name in ("publisher", "python", "cpp"))
    with publisher.grid() as source, ExitStack() as stack:
        job = submit(source)
        with python.grid() as grid:
            room = python_seat(grid, job.id)
            room.next_sub_block(timeout=WAIT_S_MAX)
            process = stack.enter_context(Process(app, "--home", cpp.home, "--job", job.id))
            process.line(f"of room {room.microjob} of job {job.id} is held by the publisher")
            python.process.signal(blow)
        if blow is signal.SIGSTOP:
            # A broken connection is succeeded before an app can be told of it; silence is told first.
            process.line(f"the host of room {room.microjob} of job {job.id} is gone; this node hosts now")
        assert np.array_equal(job.result(), INVERTED)
        assert process.end() == 0, process.text


def test_the_python_examples_submit_and_process(network: Network, app: Path, tmp_path: Path) -> None:
    node, examples = network.node("alone"), ROOT / "examples" / "python"
    out = tmp_path / "out.npy"
    submitting = (
        sys.executable,
        examples / "submit.py",
        "--home",
        node.home,
        "--processor",
        "app:invert",
        out,
    )
    with Process(*submitting, environment=ENVIRONMENT) as source:
        job = source.line("job ").split()[1]
        working = (sys.executable, examples / "process.py", "--home", node.home, "--job", job)
        with Process(*working, environment=ENVIRONMENT) as process:
            assert source.end() == 0, source.text
            assert process.end() == 0, process.text
    result = np.load(out)
    assert result.shape == (512, 512)
    assert 255 - int(result[256, 256]) == 255
    assert "sub-block" in process.text
