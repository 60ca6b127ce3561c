"""What gossip tests share: waiting with a deadline, nodes in this process, and nodes in processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

from sgnus.adapters.gossip import Libp2pGossip
from sgnus.ports import GossipEvent, GossipReceived

DEADLINE_S = 30.0
SAID_AGAIN_S = 5.0
_SCRIPT = Path(__file__).with_name("gossip_process.py")


async def until(is_true: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition; the deadline is generous, for a machine under load."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not is_true():
        assert loop.time() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.005)


class Listener:
    """Takes what a Gossip delivers, and keeps it."""

    def __init__(self) -> None:
        self.events: list[GossipEvent] = []
        self.is_full = False

    def __call__(self, event: GossipEvent) -> bool:
        if not self.is_full:
            self.events.append(event)
        return not self.is_full

    def payloads(self, topic: str) -> list[bytes]:
        return [e.payload for e in self.events if isinstance(e, GossipReceived) and e.topic == topic]


class RealNode:
    """A Libp2pGossip that is started, with what it heard."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.gossip = Libp2pGossip(bytes([seed]) * 32, jitter=Random(seed), **options)
        self.heard = Listener()
        self.address = ""

    async def start(self) -> RealNode:
        self.address = (await self.gossip.start(self.heard))[0]
        return self


@asynccontextmanager
async def real_nodes(count: int, **options: Any) -> AsyncIterator[list[RealNode]]:
    """`count` nodes in this process, not connected."""
    nodes = [RealNode(seed + 1, **options) for seed in range(count)]
    try:
        for node in nodes:
            await node.start()
        yield nodes
    finally:
        for node in nodes:
            await node.gossip.stop()


async def meshed(nodes: list[RealNode], topic: str) -> None:
    """Connect all nodes to the first and each other, subscribe all, and wait until messages pass between all."""
    for index, node in enumerate(nodes):
        node.gossip.subscribe(topic)
        for other in nodes[:index]:
            node.gossip.connect(other.address)
    await until(lambda: all(len(n.gossip.neighbours()) == len(nodes) - 1 for n in nodes), "all are connected")


async def works_on(nodes: list[RealNode], topic: str, mark: bytes) -> None:
    """Messages still pass from each of the nodes to each other. Gossip promises nothing of a single one, least of all while a
    mesh is being made: it is said again, as everything that we say by gossip.
    """
    for index, node in enumerate(nodes):
        payload = b"%s from %d" % (mark, index)
        for other in nodes:
            if other is not node:
                await _said_until_heard(node, other, topic, payload)


async def _said_until_heard(node: RealNode, other: RealNode, topic: str, payload: bytes) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while payload not in other.heard.payloads(topic):
            node.gossip.publish(topic, payload)
            with suppress(TimeoutError):
                async with asyncio.timeout(SAID_AGAIN_S):
                    await until(lambda: payload in other.heard.payloads(topic), f"{payload!r} arrives")


class ProcessNode:
    """A gossip node in a process of its own, driven by lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.address = ""
        self.peer = ""
        self.neighbours: list[str] = []
        self.payloads: list[str] = []
        self.report: dict[str, Any] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, seed: int, topic: str, port: int = 0) -> ProcessNode:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(_SCRIPT), str(seed), topic, str(port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
        )  # fmt: skip
        return cls(process)

    async def listens(self) -> None:
        await until(lambda: self.address, "the process listens", 90)

    def say(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reader
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            match told.pop("is"):
                case "listening":
                    self.address, self.peer = told["address"], told["peer"]
                case "received":
                    self.payloads.append(told["payload"])
                case "neighbours":
                    self.neighbours = told["peers"]
                case "report":
                    self.report = told


@asynccontextmanager
async def process_nodes(count: int, topic: str) -> AsyncIterator[list[ProcessNode]]:
    """`count` processes that listen, not connected."""
    nodes: list[ProcessNode] = []
    try:
        for seed in range(101, 101 + count):
            nodes.append(await ProcessNode.start(seed, topic))
        for node in nodes:
            await node.listens()
        yield nodes
    finally:
        for node in nodes:
            await node.end()
