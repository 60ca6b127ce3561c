"""Apps that process on real nodes without workers: the host of their room freezes, and the work goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sgnus
from sgnus.frontends.sdk import room as sdk_room
from tests.whole.facts import host
from tests.whole.grid import DEADLINE_S, PrivateNetwork

pytestmark = pytest.mark.timeout(300)
ARRAY = np.random.default_rng(5).integers(0, 256, (40, 80), dtype=np.uint8)


class CountedRoom(sdk_room.Room):
    """A seat that remembers how often it claimed to host, and how long each answer took."""

    def __init__(self, of: sdk_room.Room) -> None:
        super().__init__(of._transport, of.job, of.microjob)
        self.claims_s: list[float] = []

    async def _claim(self) -> None:
        begun = time.monotonic()
        await super()._claim()
        self.claims_s.append(time.monotonic() - begun)


def test_an_app_whose_host_freezes_claims_once_and_ends_the_job(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        publisher, first, second = network.add(0, 0, 0)
        with publisher.connect() as source:
            job = source.submit(ARRAY, processor="app:invert", tile=(40, 8), chunks_per_sub_block=1)
            with first.connect() as grid:
                frozen = grid.join(job=job.id, timeout=DEADLINE_S)
                assert frozen.next_sub_block(timeout=DEADLINE_S) is not None
                claims_s = asyncio.run(works_until_the_end(second.home, job.id, first.freeze))
                first.thaw()
            assert host(job) == second.peer
            assert np.array_equal(job.result(), 255 - ARRAY)
        # The host is missed after 3 s; the vote comes after 5 s, and the claim waits for it.
        assert 1 <= len(claims_s) <= 2
        assert max(claims_s) >= 1


async def works_until_the_end(home: Path, job: str, freeze: Callable[[], None]) -> list[float]:
    """Join, publish a sub-block, freeze the host, and go on while there is any left."""
    async with sgnus.aio.connect(home, start=False) as grid:
        room = CountedRoom(await grid.join(job=job, timeout=DEADLINE_S))
        async with asyncio.timeout(DEADLINE_S):
            async for sub_block in room:
                await room.publish([255 - tile.array for tile in sub_block.tiles])
                freeze()
        return room.claims_s
