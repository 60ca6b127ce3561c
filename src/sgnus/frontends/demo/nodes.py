"""The demo's processes: real nodes on loopback, in homes of their own, that end with it."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from sgnus.messages.errors import WorldFault
from sgnus.runtime.network_file import new_network, write_network

START_S_MAX: Final = 90.0
STOP_S_MAX: Final = 3.0
GONE_S_MAX: Final = 5.0
POLL_S: Final = 0.02
GUARDED: Final = "sgnus.frontends.demo.guarded"


@dataclass(slots=True)
class DemoNode:
    """One node process. `peer` and `multiaddrs` are known once it is ready."""

    number: int
    home: Path
    process: Process
    peer: str = ""
    multiaddrs: tuple[str, ...] = ()

    @property
    def is_living(self) -> bool:
        return self.process.returncode is None


@dataclass(slots=True)
class Fleet:
    """A private network of `count` nodes below `folder`; the first one publishes, the last one may lie."""

    folder: Path
    count: int
    has_liar: bool = False
    nodes: list[DemoNode] = field(default_factory=list)
    children: dict[int, None] = field(default_factory=dict)

    @property
    def publisher(self) -> DemoNode:
        return self.nodes[0]

    @property
    def liar(self) -> DemoNode | None:
        return self.nodes[-1] if self.has_liar else None

    def living(self) -> dict[str, DemoNode]:
        """The nodes whose processes run, by peer id."""
        return {node.peer: node for node in self.nodes if node.peer and node.is_living}

    async def start(self, on_ready: Callable[[int], None]) -> None:
        """Start all; returns once each is ready. WorldFault with the node's own words if one is not."""
        network = self.folder / "network.json"
        write_network(network, new_network("demo"))
        self.nodes = [await self._launch(number) for number in range(self.count)]
        async with asyncio.timeout(START_S_MAX):
            await self._run(self.publisher, network, [])
            on_ready(1)
            ready = 1
            others = [self._run(node, network, self.publisher.multiaddrs) for node in self.nodes[1:]]
            for one in asyncio.as_completed(others):
                await one
                ready += 1
                on_ready(ready)

    def kill(self, peer: str) -> DemoNode:
        """SIGKILL to the node of that peer id; its sandboxed child dies with it."""
        node = self.living()[peer]
        self.children.update(dict.fromkeys(_descendants(node.process.pid)))
        node.process.kill()
        return node

    async def stop(self) -> None:
        """End every process, and wait until the last one is gone."""
        living = [node.process for node in self.nodes if node.is_living]
        for process in living:
            self.children.update(dict.fromkeys(_descendants(process.pid)))
            _signal(process.pid, signal.SIGTERM)
        await end_all(living)
        await _gone(self.children)

    async def _launch(self, number: int) -> DemoNode:
        home = self.folder / f"node-{number:02}"
        home.mkdir(mode=0o700)
        with (home / "node.log").open("wb") as log:
            part = "liar" if self.has_liar and number == self.count - 1 else "node"
            process = await start_guarded([part], log, talks=True)
        return DemoNode(number, home, process)

    async def _run(self, node: DemoNode, network: Path, bootstrap: Sequence[str]) -> None:
        arguments = ["--home", str(node.home), "--network", str(network), "--workers", "1"]
        for address in bootstrap:
            arguments += ["--bootstrap", address]
        assert node.process.stdin is not None and node.process.stdout is not None
        try:
            node.process.stdin.write(json.dumps(arguments).encode() + b"\n")
            await node.process.stdin.drain()
            line = await node.process.stdout.readline()
        except ConnectionError:
            line = b""
        if not line:
            words = (node.home / "node.log").read_text(errors="replace").strip()
            raise WorldFault(f"Node {node.number} did not start: {words[-2000:] or 'it said nothing'}")
        ready = json.loads(line)
        node.peer, node.multiaddrs = ready["peer"], tuple(ready["multiaddrs"])


async def start_guarded(arguments: Sequence[str], log: IO[bytes] | None, *, talks: bool = False) -> Process:
    """Start a process of the demo, in a session of its own: Ctrl-C reaches the demo alone, which ends the others."""
    end: Any = PIPE if talks else DEVNULL
    command = [sys.executable, "-m", GUARDED, str(os.getpid()), *arguments]
    return await asyncio.create_subprocess_exec(
        *command, stdin=end, stdout=end, stderr=log or DEVNULL, start_new_session=True
    )


async def end_all(processes: Iterable[Process]) -> None:
    """Wait for processes that were asked to end; those that do not are killed."""
    waits = [asyncio.create_task(process.wait()) for process in processes]
    if waits:
        await asyncio.wait(waits, timeout=STOP_S_MAX)
    for process in processes:
        if process.returncode is None:
            _signal(process.pid, signal.SIGKILL)
    if waits:
        await asyncio.wait(waits)


async def _gone(pids: Iterable[int]) -> None:
    """Wait until sandboxed children are gone; they die with their nodes, a moment later."""
    deadline = time.monotonic() + GONE_S_MAX
    while any(_is_ours(pid) for pid in pids):
        if time.monotonic() > deadline:
            for pid in pids:
                if _is_ours(pid):
                    _signal(pid, signal.SIGKILL)
            return
        await asyncio.sleep(POLL_S)


def _descendants(pid: int) -> list[int]:
    """Children of a process and theirs, as the kernel lists them; none where it does not."""
    found: list[int] = []
    # Unlike that of pathlib, this one lets a process end while it looks.
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, Path(path).read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _is_ours(pid: int) -> bool:
    """Whether that process lives and is one of Python; its number may have gone to another since."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z" and b"sgnus" in command


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
