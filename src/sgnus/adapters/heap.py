"""Memory that was freed goes back to the system.

glibc keeps freed memory in arenas, one to a thread, for what may come next: after a flood of connections a node held 100 MiB
more than it used. malloc_trim(3) gives all whole pages back. The more arenas there are, the more pages hold a little each, and
stay; a node has 16 threads, of which one at a time runs Python: two arenas suffice (mallopt(3)).

Who formats a traceback (libp2p does of each connection that fails, whether it is logged or not) keeps every source file that it
names in `linecache`, for good: some megabytes, which came slowly in a node whose peers come and go.

A node's young collections come seldom and its full ones hardly ever (`frontends/node_main.py`): what objects that refer to each
other held, such as an error and its traceback, stayed for hours. So all are collected here as well.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import linecache
from collections.abc import Callable
from typing import Any, Final

EVERY_S: Final = 20.0
ARENAS: Final = 2
_M_ARENA_MAX: Final = -8
_C: Final = ctypes.CDLL(None)
_TRIM: Final = getattr(_C, "malloc_trim", None)
"""Other C libraries than glibc have none, and need none."""


class Sources(dict[str, Any]):
    """The lines of source files by name, as `linecache` keeps them. It may be emptied while others read: between the two looks
    that `linecache` takes at an entry, a file that was there has become one without lines.
    """

    def __missing__(self, name: str) -> tuple[Callable[[], None], None, list[str], str]:
        return _no_lines, None, [], name  # An entry begins with its size, or with who reads it.


def _no_lines() -> None:
    """A source that cannot be read."""


def prepare() -> None:
    """Before threads are started: those share a few arenas, and what tracebacks read of sources can be forgotten."""
    linecache.cache = Sources(linecache.cache)
    if _TRIM is not None:
        _C.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give back what is free, and the lines of sources. Takes some milliseconds, most of them without Python's lock."""
    if isinstance(linecache.cache, Sources):
        linecache.clearcache()
    if _TRIM is not None:
        _TRIM(ctypes.c_size_t(0))


async def give_back_for_ever() -> None:
    """Until it is cancelled: now and then, free what nothing refers to; give back what is free, beside the loop."""
    while True:
        await asyncio.sleep(EVERY_S)
        gc.collect()  # In the loop: what it ends may touch what is the loop's.
        await asyncio.to_thread(give_back)
