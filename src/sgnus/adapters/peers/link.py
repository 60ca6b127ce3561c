"""One stream of a pair: what is queued goes out as frames, frames that come in are split and told."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

from sgnus.adapters.peers.outbox import Outbox
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.limits import LINGER_MS_MAX
from sgnus.wire.frames import frame_bytes, split_frame

GRACEFUL: Final = "closed by the peer"


class Wire(Protocol):
    """A gRPC stream seen from either end. `lingers`: after `finish`, wait for the other side to end as well."""

    lingers: bool

    async def read(self) -> bytes | None:
        """The next message; None when the other side has ended. WorldFault when the stream broke."""

    async def write(self, data: bytes) -> None:
        """WorldFault when the stream broke."""

    async def finish(self) -> None:
        """Nothing more will be written."""

    def abort(self) -> None:
        """End it at once, in both directions."""


class Inbox(Protocol):
    """Where the messages of one peer go."""

    def tell(self, message: bytes) -> None: ...

    async def drained(self, messages: int, size: int) -> None:
        """Wait until the runtime took all that was told, and the peer may bring more after a frame of that size."""


class Link:
    """The pair's stream while it lives: a reader, and a writer of its own."""

    def __init__(self, wire: Wire, outbox: Outbox, inbox: Inbox, hello: bytes = b"") -> None:
        self.wire = wire
        self._outbox = outbox
        self._inbox = inbox
        self._hello = hello
        self.is_over = False
        self._is_reset = asyncio.Event()

    async def run(self) -> str:
        """Carry messages until the stream ends; returns why it did."""
        tasks = [asyncio.create_task(part()) for part in (self._read, self._write, self._is_reset.wait)]
        reader, writer, _ = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self.wire.lingers and _is_clean(writer) and not reader.done():
                await asyncio.wait({reader}, timeout=LINGER_MS_MAX / 1000)
            return _outcome(reader) or _outcome(writer) or GRACEFUL
        finally:
            self.is_over = True
            self.wire.abort()
            for task in tasks:
                task.cancel()

    def finish(self) -> None:
        """Write what is queued, then end the stream. Nothing that still comes in is told."""
        self.is_over = True
        self._outbox.end()

    def reset(self) -> None:
        """End the stream at once."""
        self.is_over = True
        self._is_reset.set()

    async def _read(self) -> None:
        while (data := await self.wire.read()) is not None:
            frame = split_frame(data)
            if frame.hello is not None:
                raise PeerFault("a second Hello in one stream")
            if self.is_over:
                continue
            for message in frame.messages:
                self._inbox.tell(message)
            await self._inbox.drained(len(frame.messages), len(data))

    async def _write(self) -> None:
        if self._hello:
            await self.wire.write(self._hello)
        while messages := await self._outbox.take():
            await self.wire.write(frame_bytes(messages))
        await self.wire.finish()


def _is_clean(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _outcome(task: asyncio.Task[Any]) -> str:
    """Why a task ended, or nothing; faults of ours are raised."""
    if not task.done() or task.cancelled():
        return ""
    error = task.exception()
    if error is None:
        return ""
    if isinstance(error, (PeerFault, WorldFault)):
        return str(error)
    raise error
