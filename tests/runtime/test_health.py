"""A real node on loopback says what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sgnus.runtime.health import Health
from sgnus.runtime.node import Node, NodeOptions, NodeParts


def with_node(folder: Path, workers: int, scene: Callable[[NodeParts], Awaitable[None]]) -> None:
    async def whole() -> None:
        node = Node(NodeOptions(home=folder / "home", workers=workers))
        parts = await node.start()
        try:
            await scene(parts)
        finally:
            await node.stop()

    asyncio.run(whole())


def test_a_started_node_is_ready_and_has_a_child_warm(tmp_path: Path) -> None:
    async def scene(parts: NodeParts) -> None:
        health = Health(parts)
        assert health.failed() == {}
        assert await health.lacking() == {}
        assert parts.drivers.pool is not None and parts.drivers.pool.pids

    with_node(tmp_path, 1, scene)


def test_a_node_without_its_database_is_alive_and_not_ready(tmp_path: Path) -> None:
    async def scene(parts: NodeParts) -> None:
        health = Health(parts)
        await parts.drivers.store.close()
        assert health.failed() == {}
        lacking = await health.lacking()
        assert list(lacking) == ["database"]
        assert str(tmp_path) not in lacking["database"]

    with_node(tmp_path, 0, scene)


def test_a_node_whose_pool_is_stopped_says_so(tmp_path: Path) -> None:
    async def scene(parts: NodeParts) -> None:
        assert parts.drivers.pool is not None
        await parts.drivers.pool.stop()
        assert list(await Health(parts).lacking()) == ["workers"]

    with_node(tmp_path, 1, scene)


def test_a_node_whose_engine_or_network_ended_is_not_alive(tmp_path: Path) -> None:
    async def scene(parts: NodeParts) -> None:
        health = Health(parts)
        await parts.drivers.peers.stop()
        assert list(health.failed()) == ["peers"]
        await parts.drivers.gossip.stop()
        assert list(health.failed()) == ["gossip", "peers"]
        await parts.engine.stop()
        assert list(health.failed()) == ["engine", "gossip", "peers"]
        assert list(await health.lacking()) == ["engine", "gossip", "peers"]

    with_node(tmp_path, 0, scene)


def test_a_node_that_is_told_to_stop_is_alive_and_not_ready(tmp_path: Path) -> None:
    async def scene(parts: NodeParts) -> None:
        parts.stopping.set()
        assert Health(parts).failed() == {}
        assert await Health(parts).lacking() == {"node": "the node is stopping"}

    with_node(tmp_path, 0, scene)
