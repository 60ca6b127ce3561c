"""How many bytes a peer may read: a bucket that fills at a steady rate. Who empties it waits."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import PEERS_ADMITTED_MAX, READ_BURST_BYTES, READ_BYTES_PER_S


class ReadBudget:
    """One bucket a peer, the least recently used forgotten first."""

    def __init__(self, bytes_per_s: int = READ_BYTES_PER_S, burst_bytes: int = READ_BURST_BYTES) -> None:
        self._rate = bytes_per_s
        self._burst = burst_bytes
        self._left: OrderedDict[PeerId, tuple[int, int]] = OrderedDict()

    async def spend(self, peer: PeerId, size: int) -> None:
        """Take `size` bytes; when the bucket is empty, wait until it would be full enough."""
        loop = asyncio.get_running_loop()
        now_us = int(loop.time() * 1_000_000)
        left, at_us = self._left.get(peer, (self._burst, now_us))
        left = min(self._burst, left + (now_us - at_us) * self._rate // 1_000_000) - size
        self._left[peer] = (left, now_us)
        self._left.move_to_end(peer)
        if len(self._left) > 2 * PEERS_ADMITTED_MAX:
            self._left.popitem(last=False)
        if left < 0:
            await asyncio.sleep(-left / self._rate)
