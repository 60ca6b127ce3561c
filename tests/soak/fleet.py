"""The nodes of a soak: real processes that are killed, frozen, stopped and started again while others wait for nothing.

Each start of a process is a life of its own: what a node uses is compared within one life alone. The first nodes are
spared: they are frozen, but never die, so that there are processes old enough to tell whether they grow.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sgnus.runtime.network_file import new_network, write_network
from tests.whole.grid import RunningNode, descendants_of, is_alive

START_S_MAX: Final = 120.0
STOP_S_MAX: Final = 40.0
GONE_S_MAX: Final = 10.0
POLL_S: Final = 0.05
SPARED_ONE_IN: Final = 3
PROGRAM: Final = ("tests.soak.forgetful_node",)


class Broken(Exception):
    """A node did what no fault of ours explains; the text says what, and where to look."""


@dataclass(slots=True, eq=False)
class Node:
    """One node and what we do to it: `calm` while it runs and nobody troubles it."""

    number: int
    running: RunningNode
    is_spared: bool
    life: int = 0
    born_s: float = 0.0
    calm: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_calm(self) -> bool:
        return self.calm.is_set()

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def home(self) -> Path:
        return self.running.home


class Fleet:
    """A private network of `count` nodes below `folder`, one worker each."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        network = folder / "network.json"
        write_network(network, new_network("soak"))
        spared = count // SPARED_ONE_IN
        self.nodes = [
            Node(number, RunningNode(folder / f"n{number}", network, 1, folder, PROGRAM), number < spared)
            for number in range(count)
        ]
        for node in self.nodes:
            node.home.chmod(0o700)
        self._addresses: dict[int, str] = {}
        self._peers: dict[str, Node] = {}

    async def start(self, on_ready: Callable[[int], None]) -> None:
        """Start all; the others find each other through the first one."""
        await self._launch(self.nodes[0])
        on_ready(1)
        ready = 1
        for one in asyncio.as_completed([self._launch(node) for node in self.nodes[1:]]):
            await one
            ready += 1
            on_ready(ready)

    def calm(self) -> list[Node]:
        """The nodes that run untroubled."""
        return [node for node in self.nodes if node.is_calm]

    def of_peer(self, peer: str) -> Node | None:
        """The node of that peer id."""
        return self._peers.get(peer)

    def check(self) -> None:
        """Broken if a node that nobody troubles does not run."""
        for node in self.calm():
            if not node.running.is_running:
                node.calm.clear()
                raise Broken(
                    f"{node.name} ended by itself with status {node.running.status()}: {node.running.log}"
                )

    async def restart(self, node: Node) -> None:
        """Start a dead node again on its home."""
        await self._launch(node)

    async def end(self, node: Node) -> None:
        """SIGTERM, and wait. Broken if it takes too long, or does not call that a success."""
        os.kill(node.running.pid, signal.SIGTERM)
        status = await self._ended(node, STOP_S_MAX)
        if status is None:
            raise Broken(f"{node.name} did not stop within {STOP_S_MAX:g} s: {node.running.log}")
        if status != 0:
            raise Broken(f"{node.name} stopped with status {status}: {node.running.log}")

    async def stop(self) -> list[str]:
        """End all, by force where asking does not suffice; returns what went wrong."""
        running = [node for node in self.nodes if node.running.is_running]
        children = [child for node in running for child in descendants_of(node.running.pid)]
        for node in running:
            node.calm.clear()
            node.running.thaw()
        # Who is not ready yet does not know how to stop in order.
        ready = [node for node in running if node.running.ready]
        said = await asyncio.gather(*[self.end(node) for node in ready], return_exceptions=True)
        for node in running:
            node.running.kill()
        end = time.monotonic() + GONE_S_MAX
        while left := [pid for pid in children if is_alive(pid)]:
            if time.monotonic() > end:
                said.append(Broken(f"children of nodes outlived them: {left}"))
                break
            await asyncio.sleep(POLL_S)
        return [str(one) for one in said if isinstance(one, Exception)]

    async def _launch(self, node: Node) -> None:
        """Broken if the node does not say in time that it runs."""
        known = [address for number, address in self._addresses.items() if number != node.number]
        node.running.launch(known)
        node.born_s = time.monotonic()
        end = node.born_s + START_S_MAX
        while not node.running.has_spoken():
            if time.monotonic() > end:
                raise Broken(f"{node.name} was not ready within {START_S_MAX:g} s: {node.running.log}")
            await asyncio.sleep(POLL_S)
        if not node.running.is_running:
            raise Broken(f"{node.name} did not start, status {node.running.status()}: {node.running.log}")
        node.running.await_ready()
        self._addresses[node.number] = node.running.multiaddr
        self._peers[node.running.peer] = node
        node.life += 1
        node.calm.set()

    async def _ended(self, node: Node, seconds: float) -> int | None:
        end = time.monotonic() + seconds
        while node.running.is_running:
            if time.monotonic() > end:
                return None
            await asyncio.sleep(POLL_S)
        return node.running.status()


async def rest(seconds: float) -> None:
    """A fault lasts as long as the dice say: what is waited for here is time itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def names(nodes: Sequence[Node]) -> str:
    """Their names, for people."""
    return ", ".join(node.name for node in nodes)
