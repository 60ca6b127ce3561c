"""What waits to be sent to one peer: bounded by count and bytes, handed out as frames."""

from __future__ import annotations

import asyncio
from collections import deque

from sgnus.messages.limits import (
    COALESCE_MS,
    FRAME_BYTES_MAX,
    FRAME_ITEMS_MAX,
    PEER_QUEUE_BYTES_MAX,
    PEER_QUEUE_ITEMS_MAX,
)


class Outbox:
    """A queue with one writer. It is filled before its stream stands, and serves one stream only."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sent_at = 0.0
        self.is_ended = False

    def put(self, message: bytes, *, urgent: bool) -> bool:
        """Whether there was room."""
        if len(self._messages) >= PEER_QUEUE_ITEMS_MAX or self._bytes + len(message) > PEER_QUEUE_BYTES_MAX:
            return False
        self._messages.append(message)
        self._bytes += len(message)
        self._wake.set()
        if urgent:
            self._hurry.set()
        return True

    def end(self) -> None:
        """Nothing more is put in: `take` hands out the rest without waiting, then empty lists."""
        self.is_ended = True
        self._wake.set()
        self._hurry.set()

    def __len__(self) -> int:
        return len(self._messages)

    async def take(self) -> list[bytes]:
        """The next frame's messages: at once after quiet or when one is urgent, else `COALESCE_MS` after the last frame."""
        await self._wake.wait()
        loop = asyncio.get_running_loop()
        pause = self._sent_at + COALESCE_MS / 1000 - loop.time()
        if pause > 0 and not self._hurry.is_set():
            await self._pause(pause)
        self._sent_at = loop.time()
        return self.take_now()

    def take_now(self) -> list[bytes]:
        """What fits into one frame, possibly nothing."""
        taken: list[bytes] = []
        room = FRAME_BYTES_MAX
        while self._messages and len(taken) < FRAME_ITEMS_MAX and len(self._messages[0]) <= room:
            message = self._messages.popleft()
            room -= len(message)
            taken.append(message)
        self._bytes -= FRAME_BYTES_MAX - room
        if not self._messages and not self.is_ended:
            self._wake.clear()
            self._hurry.clear()
        return taken

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self._hurry.set)
        try:
            await self._hurry.wait()
        finally:
            timer.cancel()
