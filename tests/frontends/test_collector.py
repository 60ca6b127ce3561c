"""What is over and hangs in a cycle goes, however old it is."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from sgnus.frontends import node_main

DEADLINE_S = 20.0


class Ring:
    """Refers to itself, as a call to a peer does."""

    def __init__(self) -> None:
        self.itself = self


def test_old_cycles_are_collected_without_new_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_main, "GC_ALL_S", 0.01)
    monkeypatch.setattr(node_main, "GC_ALL_ONE_IN", 0)

    async def story() -> None:
        ring = Ring()
        gone = asyncio.Event()
        weakref.finalize(ring, gone.set)
        gc.collect()  # It is old now: a collection of the young does not look at it.
        del ring
        gc.collect(1)
        assert not gone.is_set()
        task = asyncio.create_task(node_main.collect_all_now_and_then())
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()
        task.cancel()

    asyncio.run(story())
