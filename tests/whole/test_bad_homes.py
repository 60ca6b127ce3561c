"""What a node meets on its machine that cannot be: one clear sentence, an exit status, and nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import sgnus
from sgnus.frontends.sdk.views import ProcessingStarted
from sgnus.messages.limits import LISTEN_PORT_MAX, LISTEN_PORT_MIN
from sgnus.runtime.network_file import new_network, write_network
from tests.missing_tool import miss
from tests.whole.facts import events, held, picture, submit_slow
from tests.whole.grid import (
    DEADLINE_S,
    PrivateNetwork,
    die_with_parent,
    environment,
    wait_for,
)
from tests.whole.modules import slow_invert

pytestmark = pytest.mark.timeout(240)

UserFault = 2
TILES = 12


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "network.json"
    write_network(path, new_network("bad"))
    return path


def refused(home: Path, network: Path | None, status: int, *more: str) -> str:
    """Start a node that must end by itself with `status`; the one sentence that it says."""
    command = [sys.executable, "-m", "sgnus.frontends.node_main", "--workers", "0"]
    command += ["--home", str(home), *(["--network", str(network)] if network else []), *more]
    ended = subprocess.run(
        command,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("option", ["--port", "--peer-port", "--http-port"])
def test_a_port_that_is_taken(option: str, tmp_path: Path, network_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(tmp_path / "home", network_file, UserFault, option, port)
    assert port in said
    assert "in use" in said or "another program has it" in said
    assert "choose another" in said


def test_a_port_of_the_last_run_that_another_program_took_is_given_up(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        (node,) = network.add(0)
        ports = json.loads((node.home / "ports.json").read_text())
        assert all(LISTEN_PORT_MIN <= port <= LISTEN_PORT_MAX for port in ports.values())
        node.stop()
        with (
            socket.create_server(("127.0.0.1", ports["gossip"])),
            socket.create_server(("127.0.0.1", ports["peer"])),
        ):
            node.launch()
            node.await_ready()
        assert json.loads((node.home / "ports.json").read_text()) != ports


def test_a_home_that_cannot_be_written(tmp_path: Path, network_file: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(tmp_path / "file" / "home", network_file, UserFault)
    assert "cannot be written" in said
    assert "--home" in said


def test_two_nodes_on_one_home(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        (node,) = network.add(0)
        said = refused(node.home, network.network, UserFault)
        assert "Another node runs on the home" in said
        with node.connect() as grid:
            assert grid.node().peer == node.peer


@pytest.mark.parametrize(
    "text", ["", "{", '{"name": "x"}', "[]", '{"name": "x", "id": "zz", "bootstrap": []}', "\0" * 100]
)
def test_a_damaged_network_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(text)
    said = refused(tmp_path / "home", path, UserFault)
    assert str(path) in said
    assert "damaged" in said
    assert path.read_text() == text


def test_a_network_file_that_is_not_there(tmp_path: Path) -> None:
    said = refused(tmp_path / "home", tmp_path / "none.json", UserFault)
    assert f"There is no network file {tmp_path / 'none.json'}" in said


def test_discovery_beyond_the_machine_without_a_network(tmp_path: Path) -> None:
    said = refused(tmp_path / "home", None, UserFault, "--discover")
    assert "sgnus network create" in said
    assert not (tmp_path / "home" / "network.json").exists()


def test_a_key_that_others_can_read(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        (node,) = network.add(0)
        node.stop()
        key = node.home / "identity.key"
        before = key.read_bytes()
        key.chmod(0o644)
        said = refused(node.home, network.network, UserFault)
        assert str(key) in said
        assert "chmod 600" in said
        assert key.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"not a key", bytes(10_000)])
def test_a_damaged_key(damage: bytes, tmp_path: Path, network_file: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "identity.key").write_bytes(damage)
    (home / "identity.key").chmod(0o600)
    assert "identity.key" in refused(home, network_file, UserFault)
    assert (home / "identity.key").read_bytes() == damage


def test_a_corrupt_database_is_set_aside_and_told_and_own_jobs_come_back(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        (node,) = network.add(1)
        peer = node.peer
        with node.connect() as grid:
            done, right = submit_slow(grid, 2, 0.01)
            assert np.array_equal(done.result(), right)
            unfinished, right_too = submit_slow(grid, 6, 0.5)
            before = wait_for(lambda: held(events(unfinished))[1:], "some is delivered")
        node.stop()
        database = node.home / "sgnus.db"
        damaged = os.urandom(4096) + database.read_bytes()[4096:]
        database.write_bytes(damaged)
        node.launch()
        node.await_ready()
        assert node.peer == peer
        aside = [path for path in node.home.iterdir() if path.name.startswith("sgnus.db.")]
        assert damaged in [path.read_bytes() for path in aside if path.stat().st_size == len(damaged)]
        assert "was corrupt" in node.ready["notices"][0]
        assert "2 jobs of this node were missing" in node.ready["notices"][1]
        with node.connect() as grid:
            assert {job.id for job in grid.jobs()} == {done.id, unfinished.id}
            assert grid.job(done.id).status().state == "completed"
            assert np.array_equal(grid.job(done.id).result(), right)
            assert np.array_equal(grid.job(unfinished.id).result(), right_too)
            told = events(grid.job(unfinished.id))
            again = [(one.microjob, one.sub_block) for one in told if isinstance(one, ProcessingStarted)]
            assert again and not set(before) & set(again), "what was delivered is not computed again"
            assert np.array_equal(
                grid.submit(picture(3), processor="invert", verify="none").result(), 255 - picture(3)
            )


def test_the_command_that_starts_a_node_tells_of_a_corrupt_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "corrupt" not in command("node", "start", "--workers", "1", home=home)
    try:
        np.save(tmp_path / "in.npy", picture(2))
        command(
            "submit",
            str(tmp_path / "in.npy"),
            "--processor",
            "invert",
            "--verify",
            "none",
            "--detach",
            home=home,
        )
        (job,) = json.loads(command("job", "list", "--json", home=home))
        command("node", "stop", home=home)
        (home / "sgnus.db").write_bytes(os.urandom(8192))
        assert f"The database {home / 'sgnus.db'} was corrupt" in command("node", "start", home=home)
        command("job", "results", job["job"], "-o", str(tmp_path / "out.npy"), home=home)
    finally:
        command("node", "stop", home=home)
    assert np.array_equal(np.load(tmp_path / "out.npy"), 255 - picture(2))


def command(*given: str, home: Path) -> str:
    """What `sgnus` says when it does this; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "sgnus.frontends.cli", *given, "--home", str(home)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 80 MiB, mounted for one test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        miss("a small disk needs the right to mount one: run this test as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_disk_without_room_refuses_a_job_in_one_sentence_and_keeps_the_others(disk: Path) -> None:
    with PrivateNetwork(disk) as network:
        (node,) = network.add(1)
        with node.connect() as grid:
            job, right = submit_slow(grid, 3, 0.01)
            assert np.array_equal(job.result(), right)
            (disk / "filler").write_bytes(bytes(30 << 20))
            with pytest.raises(sgnus.WorldFault, match=r"has \d+ MiB free, and this job needs \d+ MiB"):
                grid.submit(np.zeros((4096, 4096), np.uint8), processor="invert")
            assert not list((node.home / "jobs").glob("new-*"))
            (disk / "filler").unlink()
            again, right = submit_slow(grid, 4, 0.01)
            assert np.array_equal(again.result(), right)
            assert np.array_equal(job.result(), 255 - picture(3))


def test_a_disk_that_fills_up_under_a_job_loses_nothing(disk: Path, tmp_path: Path) -> None:
    with PrivateNetwork(disk, logs=tmp_path) as network:
        network.add(0, 1)
        with network.nodes[0].connect() as grid:
            job, right = submit_slow(grid, 10, 0.3)
            wait_for(lambda: job.progress.delivered >= 2, "some is delivered")
            _fill(disk / "filler")
            wait_for(
                lambda: "database or disk is full" in _logs(network) or "No space" in _logs(network),
                "the disk is full",
            )
            (disk / "filler").unlink()
            assert np.array_equal(job.result(), right)


def test_a_node_whose_disk_takes_no_more_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """As above, without the right to mount: the kernel refuses the node's writes beyond a size, until it is allowed again."""
    source = np.random.default_rng(5).integers(0, 256, (TILES * 512, 1024), dtype=np.uint8)
    with PrivateNetwork(tmp_path) as network:
        publisher, _worker = network.add(0, 1)
        with publisher.connect() as grid:
            job = grid.submit(
                source,
                module=slow_invert(0.2),
                tile=(512, 1024),
                halo=0,
                chunks_per_sub_block=1,
                verify="none",
            )
            wait_for(lambda: job.progress.delivered >= 2, "some is delivered")
            limits = resource.prlimit(publisher.pid, resource.RLIMIT_FSIZE)
            # The database and the log stay far below this, the outputs do not.
            resource.prlimit(publisher.pid, resource.RLIMIT_FSIZE, ((TILES - 4) << 19, limits[1]))
            wait_for(lambda: "cannot write outputs to" in _logs(network), "the disk takes no more")
            with pytest.raises(sgnus.WorldFault, match=r"The job cannot be stored in .*jobs: File too large"):
                grid.submit(source, processor="invert")
            assert not list((publisher.home / "jobs").glob("new-*"))
            assert job.progress.delivered < TILES
            resource.prlimit(publisher.pid, resource.RLIMIT_FSIZE, limits)
            assert np.array_equal(job.result(), 255 - source)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def _logs(network: PrivateNetwork) -> str:
    return "".join(node.log.read_text() for node in network.nodes)
