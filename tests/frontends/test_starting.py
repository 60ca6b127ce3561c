"""Starting and stopping a node as a process of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import sgnus
from sgnus.frontends.sdk import starting
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
