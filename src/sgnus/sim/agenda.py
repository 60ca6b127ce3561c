"""The virtual clock: what is to happen, in order of time, then in order of being planned."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final

BEGUN_MS: Final = 3_600_000
"""What the clocks by which entries expire show when a run begins."""


class Agenda:
    """Nothing happens between two entries, so hours pass in a moment."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0

    @property
    def unix_ms(self) -> int:
        """What entries expire by."""
        return BEGUN_MS + self.now_ms

    def after(self, delay_ms: int, call: Callable[..., None], *arguments: Any) -> None:
        """Call this in `delay_ms`, never in the past."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now_ms + max(0, delay_ms), self._planned, call, arguments))

    def step(self, until_ms: int) -> bool:
        """Let the next thing happen; False if there is none up to `until_ms`."""
        if not self._heap or self._heap[0][0] > until_ms:
            return False
        at_ms, _, call, arguments = heapq.heappop(self._heap)
        self.now_ms = at_ms
        call(*arguments)
        return True
