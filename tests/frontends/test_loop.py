"""The loop behind the synchronous SDK: what happens to it when a wait is broken off."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from sgnus.frontends.sdk.loop import LOOP

TIMES = 1_000
"""The signal comes at another place in the wait each time, some of them between two lines."""


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """What runs in the background may have been started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_the_middle_of_a_wait_ends_the_source_and_is_told_as_nothing_else() -> None:
    ended: list[int] = []

    async def source(time: int) -> AsyncIterator[int]:
        try:
            yield 1
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            for _turn in range(100):
                await asyncio.sleep(0)  # A stream takes some turns to end.
            ended.append(time)

    for time in range(TIMES):
        with pytest.raises(KeyboardInterrupt):
            for item in LOOP.iterate(source(time)):
                assert item == 1
    assert ended == list(range(TIMES))
