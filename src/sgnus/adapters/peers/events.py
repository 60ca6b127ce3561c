"""Events on their way into the runtime's inbox: none is lost when it is full, the readers wait instead."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from sgnus.ports import PeerEvent

RETRY_S: Final = 0.005


class Events:
    """Hands events to `deliver` in order. What it does not take is kept, and offered again.

    The backlog is bounded by the readers: each waits for `drained` after every frame.
    """

    def __init__(self, deliver: Callable[[PeerEvent], bool] = lambda _: True) -> None:
        self._deliver = deliver
        self._backlog: deque[PeerEvent] = deque()
        self._empty = asyncio.Event()
        self._empty.set()
        self._timer: asyncio.TimerHandle | None = None

    def deliver_to(self, deliver: Callable[[PeerEvent], bool]) -> None:
        """From now on."""
        self._deliver = deliver

    def tell(self, event: PeerEvent) -> None:
        """Deliver, or keep behind what is kept already."""
        if self._backlog or not self._deliver(event):
            self._backlog.append(event)
            self._empty.clear()
            self._retry_later()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._backlog

    async def drained(self) -> None:
        """Wait until nothing is kept."""
        await self._empty.wait()

    def stop(self) -> None:
        """Drop what is kept; no further delivery."""
        self._deliver = lambda _: True
        self._backlog.clear()
        self._empty.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _retry_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY_S, self._retry)

    def _retry(self) -> None:
        self._timer = None
        while self._backlog and self._deliver(self._backlog[0]):
            self._backlog.popleft()
        if self._backlog:
            self._retry_later()
        else:
            self._empty.set()
