"""A loop without waiting: when nothing is left to do, its clock jumps to the next timer.

For stories in memory alone. One that waits for what no timer and no task will bring fails at once.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Jumping(selectors.DefaultSelector):  # type: ignore[valid-type,misc]
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready: list[Any] = super().select(0)
        assert ready or timeout is not None, "nothing will ever happen again"
        self.now_s += timeout or 0
        return ready


class TimelessLoop(asyncio.SelectorEventLoop):
    """Its `time` begins at 0 s and passes by jumps."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def timeless(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, run in a loop of its own, in which hours take no time."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=TimelessLoop) as runner:
            runner.run(test(*arguments, **named))

    return run
