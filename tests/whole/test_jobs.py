"""Jobs of every kind from end to end on real processes, and how jobs end that do not complete."""

from __future__ import annotations

import hashlib
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sgnus
from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.local import run_local, whole_array
from sgnus.frontends.sdk.sync import Grid, Job
from sgnus.frontends.sdk.views import ProcessingStarted
from sgnus.ports import Computed
from tests.whole.facts import assert_each_once, events, held, members, picture, submit_slow
from tests.whole.grid import DEADLINE_S, PrivateNetwork, descendants_of, environment, is_alive, wait_for
from tests.whole.modules import loops, slow_invert, traps

pytestmark = pytest.mark.timeout(240)

ENDLESS_S_MAX = 30.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNetwork]:
    """A publisher that does not work, and two workers."""
    with PrivateNetwork(tmp_path_factory.mktemp("jobs")) as network:
        network.add(0, 1, 1)
        yield network


@pytest.fixture
def grid(network: PrivateNetwork) -> Iterator[Grid]:
    with network.nodes[0].connect() as grid:
        yield grid


def locally(source: NDArray[Any], processor: str, halo: int, parameters: dict[str, str]) -> NDArray[Any]:
    """The same processor over the whole array at once, in this process."""
    halos = (halo, halo) + (0,) * (source.ndim - 2)
    task = whole_array(source.tobytes(), source.dtype.name, source.shape, halo=halos)
    outcome = run_local(shipped_module(processor), parameters, task)
    assert isinstance(outcome, Computed)
    return np.frombuffer(outcome.outputs[0], source.dtype).reshape(source.shape)


def numbers(*shape: int, dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(math.prod(shape)).integers(0, 256, shape).astype(dtype)


def test_an_image_in_colour_in_tiles_with_a_halo_is_the_same_as_the_whole(grid: Grid) -> None:
    source = numbers(50, 61, 3)
    job = grid.submit(
        source, processor="gaussian-blur", parameters={"sigma": 1.0}, tile=(16, 20), halo=3, verify="none"
    )
    assert np.array_equal(job.result(), locally(source, "gaussian-blur", 3, {"sigma": "1.0"}))


def test_an_array_of_three_dimensions(grid: Grid) -> None:
    source = numbers(9, 10, 11, dtype="uint16")
    job = grid.submit(source, processor="invert", tile=(4, 10, 11), verify="none")
    assert np.array_equal(job.result(), 65535 - source)


def test_an_array_smaller_than_a_tile(grid: Grid) -> None:
    source = numbers(5, 7)
    assert np.array_equal(grid.submit(source, processor="invert", verify="none").result(), 255 - source)


def test_a_digest_of_each_chunk(grid: Grid) -> None:
    source = numbers(1000)
    found: dict[int, bytes] = {}
    for tile in grid.submit(source, processor="sha256", tile=(300,), verify="none").results():
        found[tile.index] = tile.array.tobytes()
    assert found == {
        at // 300: hashlib.sha256(source[at : at + 300].tobytes()).digest() for at in range(0, 1000, 300)
    }


def test_explicit_chunks_go_where_the_app_says(grid: Grid) -> None:
    source = numbers(64)
    pairs = [(columns(n, offset=4 * n), columns(n, offset=60 - 4 * n)) for n in range(16)]
    job = grid.submit(source, processor="invert", explicit=pairs, explicit_output_bytes=64, verify="none")
    right = (255 - source).reshape(16, 4)[::-1].ravel()
    assert np.array_equal(job.result().ravel(), right)


def columns(number: int, *, offset: int) -> sgnus.Chunk:
    """Four bytes in a row."""
    return sgnus.Chunk(
        chunk_id=number, offset=offset, width=4, height=1, line_stride=4, block_stride=4, count=1
    )


def test_a_module_of_ones_own_from_the_command_line(network: PrivateNetwork, tmp_path: Path) -> None:
    source = picture(5)
    ended = submission(network, tmp_path, source, seconds=0.001).wait(DEADLINE_S)
    assert ended == 0
    assert np.array_equal(np.load(tmp_path / "out.npy"), 255 - source)


def test_an_app_that_is_killed_takes_up_where_it_stopped(
    network: PrivateNetwork, grid: Grid, tmp_path: Path
) -> None:
    source = picture(12)
    before = {job.id for job in grid.jobs()}
    app = submission(network, tmp_path, source, seconds=0.5)
    job = wait_for(
        lambda: next((job for job in grid.jobs() if job.id not in before), None), "it is submitted"
    )
    wait_for(lambda: len(held(events(job))) >= 3, "some is delivered")
    app.send_signal(signal.SIGKILL)
    app.wait(DEADLINE_S)
    again = command(network, "job", "results", job.id, "-o", str(tmp_path / "out.npy"))
    assert again.wait(DEADLINE_S) == 0
    assert np.array_equal(np.load(tmp_path / "out.npy"), 255 - source)
    assert np.array_equal(grid.job(job.id).result(), 255 - source)
    assert_each_once(job, 12)


def submission(
    network: PrivateNetwork, folder: Path, source: NDArray[Any], *, seconds: float
) -> subprocess.Popen[bytes]:
    np.save(folder / "in.npy", source)
    (folder / "own.wasm").write_bytes(slow_invert(seconds))
    given = [str(folder / "in.npy"), "--processor", f"wasm:{folder / 'own.wasm'}", "--tile", "16x16"]
    given += ["--chunks-per-sub-block", "1", "--verify", "none", "-o", str(folder / "out.npy")]
    return command(network, "submit", *given)


def command(network: PrivateNetwork, *given: str) -> subprocess.Popen[bytes]:
    """The command `sgnus` as a process, on the publisher's home."""
    home = network.nodes[0].home
    return subprocess.Popen(
        [sys.executable, "-m", "sgnus.frontends.cli", *given, "--home", str(home)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def test_a_member_that_joins_late_finds_the_room_and_works(network: PrivateNetwork, grid: Grid) -> None:
    job, right = submit_slow(grid, 30, 0.5)
    wait_for(lambda: held(events(job)), "the work has begun")
    (late,) = network.add(1)
    assert np.array_equal(job.result(), right)
    assert late.peer in {one.member for one in events(job) if isinstance(one, ProcessingStarted)}
    assert_each_once(job, 30)


def test_a_cancelled_job_ends_its_rooms(network: PrivateNetwork, grid: Grid) -> None:
    job, _right = submit_slow(grid, 20, 1.0)
    wait_for(lambda: held(events(job)), "the work has begun")
    assert job.cancel("not wanted") == "cancelled"
    assert_over(network, job)
    status = job.status()
    assert (status.state, status.reason) == ("cancelled", "not wanted")
    with pytest.raises(sgnus.JobCancelled):
        job.result()


def test_a_job_that_expires_ends_its_rooms(network: PrivateNetwork, grid: Grid) -> None:
    job, _right = submit_slow(grid, 40, 1.0, lifetime_ms=6_000)
    wait_for(lambda: members(job), "the work has begun")
    status = job.wait(DEADLINE_S)
    assert (status.state, status.reason) == ("failed", "the job expired")
    assert_over(network, job)


def assert_over(network: PrivateNetwork, job: Job) -> None:
    """No node has a room of the job any more."""
    for node in network.nodes:
        with node.connect() as grid:
            wait_for(lambda grid=grid: not any(room.joined for room in grid.rooms(job.id)), "its rooms end")  # type: ignore[misc]
            wait_for(lambda grid=grid: not grid.job(job.id).status().rooms, "its rooms are forgotten")  # type: ignore[misc]


def test_a_module_that_traps_fails_the_job_with_the_reason(grid: Grid) -> None:
    job = grid.submit(
        picture(3), module=traps(), tile=(16, 16), halo=0, chunks_per_sub_block=1, verify="none"
    )
    status = job.wait(DEADLINE_S)
    assert status.state == "failed"
    assert "unreachable" in status.reason
    with pytest.raises(sgnus.JobFailed, match="unreachable"):
        job.result()


def test_a_module_that_never_ends_fails_its_job_soon_after_its_deadline(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        (node,) = network.add(1)
        (tmp_path / "loop.wasm").write_bytes(loops())
        with node.connect() as grid:
            job = grid.submit(
                picture(2), module=tmp_path / "loop.wasm", tile=(16, 16), deadline_ms=500, verify="none"
            )
            # A member's 2 s and the publisher's own: far below one chunk's time without a deadline.
            status = job.wait(ENDLESS_S_MAX)
    assert status.state == "failed"
    assert "longer than allowed" in status.reason


def test_two_networks_side_by_side_never_mix(network: PrivateNetwork, grid: Grid, tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path, "other") as other:
        other.add(1, 1)
        stranger = other.nodes[1]
        stranger.stop()
        # It is told the address of a node of the first network, and knows one of its own by its home.
        stranger.launch([other.nodes[0].multiaddr, network.nodes[0].multiaddr])
        stranger.await_ready()
        first, right = submit_slow(grid, 6, 0.3)
        with stranger.connect() as theirs:
            wait_for(lambda: any(peer.gossip for peer in theirs.peers()), "it meets its own")
            second, other_right = submit_slow(theirs, 4, 0.3)
            assert np.array_equal(second.result(), other_right)
            assert np.array_equal(first.result(), right)
            assert [job.id for job in theirs.jobs()] == [second.id]
            assert {peer.peer for peer in theirs.peers()} == {other.nodes[0].peer}
        assert second.id not in {job.id for job in grid.jobs()}
        assert stranger.peer not in {peer.peer for peer in grid.peers()}
        assert set(members(first)) <= {node.peer for node in network.nodes}


def test_no_process_outlives_its_node(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        (node,) = network.add(2)
        with node.connect() as grid:
            submit_slow(grid, 8, 5.0)
        children = wait_for(lambda: descendants_of(node.pid), "its children run")
        node.kill()
        wait_for(lambda: not [pid for pid in children if is_alive(pid)], "they end with it")
