"""Starting and stopping a node as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sgnus
from sgnus.frontends.sdk import starting, transport
from sgnus.frontends.sdk.errors import NodeUnreachable
from sgnus.frontends.sdk.home import Home


def test_connecting_starts_a_node_that_outlives_the_connection(startable: Home) -> None:
    with sgnus.connect(startable.path, options=["--workers", "3"]) as grid:
        assert grid.has_started_node
        assert grid.node().peer == "12D3KooWFake"
    with sgnus.connect(startable.path) as grid:
        assert not grid.has_started_node
    assert json.loads((startable.path / "arguments.json").read_text())[2:] == ["--workers", "3"]
    assert starting.stop_node(startable)
    assert not startable.is_answering()
    assert not starting.stop_node(startable)


def test_a_node_that_refuses_to_start_is_quoted(startable: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGNUS_FAKE_REFUSAL", "Port 4001 is taken; give another with --port.")
    with pytest.raises(sgnus.UserFault, match="Port 4001 is taken; give another with --port"):
        sgnus.connect(startable.path)


def test_a_long_log_is_put_aside_at_a_start(startable: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "LOG_BYTES_MAX", 10)
    startable.path.mkdir()
    aside = startable.path / "node.log.1"
    for words, is_long in ((b"0123456789", False), (b"0123456789a", True)):
        startable.log_path.write_bytes(words)
        assert starting.start_node(startable) and starting.stop_node(startable)
        assert aside.exists() == is_long
    assert aside.read_bytes() == b"0123456789a" and not startable.log_path.read_bytes().startswith(b"0123")


def test_a_node_that_ends_in_order_before_it_answers_has_not_started(startable: Home) -> None:
    with pytest.raises(sgnus.WorldFault, match="ended with status 0"):
        starting.start_node(startable, command=[sys.executable, "-c", "pass"])


def test_who_breaks_the_start_off_has_no_node(startable: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def broken_off(_home: Home, process: subprocess.Popen[bytes], _wait_s: float) -> bool:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(starting, "_has_started", broken_off)
    with pytest.raises(KeyboardInterrupt):
        starting.start_node(startable)
    assert started[0].poll() is not None and not startable.is_answering()


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(sgnus.UserFault, match=r"cannot be written .* choose another with --home"):
        sgnus.connect(tmp_path / "file" / "home")


def test_a_stale_service_file_never_ends_another_process(startable: Home) -> None:
    startable.prepare()
    victim = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")
    (startable.path / "service.json").write_text(json.dumps({"pid": victim}))
    assert not starting.stop_node(startable)
    os.kill(victim, 0)
    os.kill(victim, 9)
    os.waitpid(victim, 0)
    (startable.path / "service.json").unlink()


def test_a_home_too_long_for_a_socket_is_called_over_loopback_with_its_token(tmp_path: Path) -> None:
    home = Home(tmp_path / ("long" * 30))
    home.path.mkdir()
    (home.path / "service.json").write_text(json.dumps({"grpc": 4711}))
    (home.path / "token").write_text("secret\n")
    target = home.target()
    assert (target.address, target.token) == ("127.0.0.1:4711", "secret")


def test_a_socket_outside_the_home_is_called_where_the_node_says(tmp_path: Path) -> None:
    home = Home(tmp_path / ("long" * 30))
    home.path.mkdir()
    (home.path / "service.json").write_text(json.dumps({"socket": "/run/short.sock", "http": 80}))
    assert home.target().address == "unix:/run/short.sock"
    assert home.http_url == "http://127.0.0.1:80"


@contextmanager
def frozen(home: Home) -> Iterator[int]:
    """The node of this home, stopped for a while; its process."""
    pid = home.pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_node_that_is_frozen_for_a_second_is_waited_for(startable: Home) -> None:
    starting.start_node(startable)
    with frozen(startable) as pid, sgnus.connect(startable.path, start=False) as grid:
        thaw = threading.Timer(1.0, os.kill, (pid, signal.SIGCONT))
        thaw.start()
        assert grid.node().peer == "12D3KooWFake"
        thaw.join()


def test_a_node_that_stays_frozen_is_told_from_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_MS_MAX", 200)
    home = Home.of(tmp_path / "home")
    home.prepare()
    (home.path / "service.json").write_text(json.dumps({"pid": os.getpid()}))
    sentence = rf"\(process {os.getpid()}\) but does not answer in time"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(home.socket_path))
        deaf.listen()
        with sgnus.connect(home.path, start=False) as grid, pytest.raises(NodeUnreachable, match=sentence):
            grid.node()
    with pytest.raises(NodeUnreachable, match="No node runs in"):
        sgnus.connect(home.path, start=False)
