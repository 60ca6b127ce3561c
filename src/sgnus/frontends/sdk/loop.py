"""The one event loop behind the synchronous SDK, in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from typing import Any, Final, TypeVar

T = TypeVar("T")
LOOK_S: Final = 0.2
"""A signal that comes just before a thread begins to wait for a lock does not wake it: it looks up so often."""


class LoopThread:
    """Runs coroutines for threads that have no loop. One for the whole process: gRPC wants a single loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`. Breaking off the wait (Ctrl-C) cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            while not future.done():
                concurrent.futures.wait([future], LOOK_S)
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """An asynchronous iterator as a plain one; leaving it closes the source."""

        last: asyncio.Task[Any] | None = None

        async def step() -> tuple[bool, Any]:
            nonlocal last
            last = asyncio.current_task()
            try:
                return True, await anext(source)
            except StopAsyncIteration:
                return False, None

        async def close(opened: AsyncGenerator[T, None]) -> None:
            # A step that was broken off is still ending, or was not told of it: nothing closes before it has ended.
            if last is not None:
                if not last.cancelling():
                    last.cancel()
                await asyncio.wait([last])
            await opened.aclose()

        try:
            while True:
                has_more, item = self.run(step())
                if not has_more:
                    return
                yield item
        finally:
            if isinstance(source, AsyncGenerator):
                self.run(close(source))

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._loop.run_forever, name="sgnus-sdk", daemon=True)
                thread.start()
                atexit.register(self._stop, self._loop, thread)
            return self._loop

    @staticmethod
    def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(2.0)
        if not thread.is_alive():
            loop.close()


LOOP = LoopThread()
