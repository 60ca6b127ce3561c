"""Homes with a fake node in them, in this process or in one of its own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sgnus.frontends.sdk import starting
from sgnus.frontends.sdk.home import Home
from tests.frontends.fake_node import FakeNode

ROOT = Path(__file__).parents[2]


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
