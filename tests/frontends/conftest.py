"""Homes with a fake node in them, in this process or in one of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sgnus.frontends.cli import main
from sgnus.frontends.sdk import starting
from sgnus.frontends.sdk.home import Home
from tests.frontends.fake_grid import FakeJob
from tests.frontends.fake_node import FakeNode
from tests.frontends.pictures import png

ROOT = Path(__file__).parents[2]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def job(command: Command, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeJob:
    """A job of a running node."""
    monkeypatch.setenv("SGNUS_HOME", str(node.home))
    assert command("submit", png(tmp_path / "a.png"), "--processor", "invert", "--detach")[0] == 0
    (made,) = node.service.jobs.values()
    return made


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    """A running fake node with jobs of its own."""
    fake = FakeNode(tmp_path / "home").start()
    yield fake
    if fake.server is not None:
        fake.stop()


@pytest.fixture
def startable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home on which starting a node starts a fake one, as a process."""
    monkeypatch.setattr(starting, "NODE_COMMAND", (sys.executable, "-m", "tests.frontends.fake_node"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    home = Home.of(tmp_path / "started")
    yield home
    starting.stop_node(home)
