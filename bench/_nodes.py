"""Real nodes on loopback, in homes of their own, that end with the block."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sgnus.runtime.network_file import new_network, write_network

END_S_MAX = 20.0
MEET_S_MAX = 60.0


class Nodes:
    """`workers` has one number for each node; the first one publishes and the others know its address alone."""

    def __init__(self, workers: Sequence[int]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sgnus-bench-")
        self.path = Path(self._folder.name)
        self._workers = workers
        self.processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Nodes:
        write_network(self.path / "network.json", new_network("bench"))
        try:
            first = self._launch(0, ())
            addresses = _ready(first)
            others = [self._launch(number, addresses) for number in range(1, len(self._workers))]
            for process in others:
                _ready(process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._folder.cleanup()

    def home(self, number: int) -> Path:
        return self.path / f"node-{number}"

    def _launch(self, number: int, bootstrap: Sequence[str]) -> subprocess.Popen[str]:
        self.home(number).mkdir()
        command = [sys.executable, "-m", "sgnus.frontends.node_main", "--home", str(self.home(number))]
        command += ["--network", str(self.path / "network.json"), "--workers", str(self._workers[number])]
        for address in bootstrap:
            command += ["--bootstrap", address]
        with (self.path / f"node-{number}.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.processes.append(process)
        return process


def _ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"bench: a node ended with status {process.wait()}")
    addresses: list[str] = json.loads(line)["multiaddrs"]
    return addresses


def wait_until_met(grid: Any, others: int) -> None:
    """Until the node of `grid` has so many gossip neighbours."""
    deadline = time.monotonic() + MEET_S_MAX
    while sum(peer.gossip for peer in grid.peers()) < others:
        if time.monotonic() > deadline:
            raise SystemExit("bench: the nodes did not meet")
        time.sleep(0.05)
