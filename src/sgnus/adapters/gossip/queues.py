"""The narrow border between the asyncio loop and the trio thread: two bounded queues that never block either
side.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sgnus.adapters.gossip.counters import Counters
from sgnus.messages.limits import GOSSIP_QUEUE_BYTES_MAX, GOSSIP_QUEUE_ITEMS_MAX
from sgnus.ports import GossipEvent, GossipReceived

_EVENTS_PER_TURN: Final = 128
_RETRY_S: Final = 0.01

Command = Callable[[Any], Awaitable[None]]


class EventQueue:
    """Gossip thread -> asyncio loop. Messages are dropped and counted when it is full; news of neighbours is
    kept:
    it is bounded by the number of connections."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: Callable[[GossipEvent], bool], counters: Counters
    ) -> None:
        self._loop = loop
        self._deliver = deliver
        self._counters = counters
        self._lock = threading.Lock()
        self._events: deque[GossipEvent] = deque()
        self._bytes = 0
        self._is_scheduled = False
        self._is_closed = False

    def put(self, event: GossipEvent) -> None:
        """Called in the gossip thread."""
        size = _size_of(event)
        with self._lock:
            if self._is_closed:
                return
            if size and self._is_full(size):
                self._counters.add("dropped_inbound_full")
                return
            self._events.append(event)
            self._bytes += size
            if self._is_scheduled:
                return
            self._is_scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop was closed before stop(): nobody is left to tell
            self.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._events.clear()

    def _is_full(self, size: int) -> bool:
        return len(self._events) >= GOSSIP_QUEUE_ITEMS_MAX or self._bytes + size > GOSSIP_QUEUE_BYTES_MAX

    def _drain(self) -> None:
        """Runs on the loop: hand over a bounded number of events, then let others run."""
        for _ in range(_EVENTS_PER_TURN):
            with self._lock:
                if not self._events or self._is_closed:
                    self._is_scheduled = False
                    return
                event = self._events.popleft()
                self._bytes -= _size_of(event)
            if not self._offer(event):
                return
        self._loop.call_soon(self._drain)

    def _offer(self, event: GossipEvent) -> bool:
        try:
            is_taken = self._deliver(event)
        except Exception:
            self._loop.call_soon(self._drain)  # a fault of the taker must not stop what comes after
            raise
        if not is_taken:
            with self._lock:
                self._events.appendleft(event)
                self._bytes += _size_of(event)
            self._loop.call_later(_RETRY_S, self._drain)
        return is_taken


def _size_of(event: GossipEvent) -> int:
    return len(event.payload) if isinstance(event, GossipReceived) else 0


class CommandQueue:
    """Asyncio loop -> gossip thread: what the node shall do, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: deque[tuple[Command, int]] = deque()
        self._bytes = 0
        self._is_stopped = False
        self._wake: Callable[[], None] = _nobody_waits

    def put(self, command: Command, size: int = 0) -> bool:
        """False when it is full. Never blocks."""
        with self._lock:
            if len(self._commands) >= GOSSIP_QUEUE_ITEMS_MAX or self._bytes + size > GOSSIP_QUEUE_BYTES_MAX:
                return False
            self._commands.append((command, size))
            self._bytes += size
            self._wake()
        return True

    def stop(self) -> None:
        """Make `serve` return after the command that it is at."""
        with self._lock:
            self._is_stopped = True
            self._wake()

    async def serve(self, node: Any, counters: Counters) -> None:
        """Carry out commands in the gossip thread until `stop`."""
        import trio

        bell = WakeUp(trio.lowlevel.current_trio_token())
        with self._lock:
            self._wake = bell.ring
        try:
            while not self._is_stopped:
                command = self._take()
                if command is None:
                    await bell.wait()
                    continue
                try:
                    await command(node)
                except Exception:  # noqa: BLE001 - the libp2p border: one failed command must not end the thread
                    counters.fault("task_errors")
                await trio.lowlevel.checkpoint()
        finally:
            with self._lock:
                self._wake = _nobody_waits

    def _take(self) -> Command | None:
        with self._lock:
            if not self._commands:
                return None
            command, size = self._commands.popleft()
            self._bytes -= size
            return command


class WakeUp:
    """Wakes one trio task from any thread."""

    def __init__(self, token: Any) -> None:
        import trio

        self._new_event = trio.Event
        self._token = token
        self._event = trio.Event()

    def ring(self) -> None:
        self._token.run_sync_soon(self._set, idempotent=True)

    async def wait(self) -> None:
        await self._event.wait()
        self._event = self._new_event()

    def _set(self) -> None:
        self._event.set()


def _nobody_waits() -> None:
    """Before the thread serves, and after: commands wait."""
