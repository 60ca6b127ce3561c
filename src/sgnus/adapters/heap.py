"""Memory that was freed goes back to the system.

glibc keeps freed memory in arenas, one to a thread, for what may come next: after a flood of connections a node held 100 MiB
more than it used. malloc_trim(3) gives all whole pages back. The more arenas there are, the more pages hold a little each, and
stay; a node has 16 threads, of which one at a time runs Python: two arenas suffice (mallopt(3)).
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import Final

EVERY_S: Final = 20.0
ARENAS: Final = 2
_M_ARENA_MAX: Final = -8
_C: Final = ctypes.CDLL(None)
_TRIM: Final = getattr(_C, "malloc_trim", None)
"""Other C libraries than glibc have none, and need none."""


def share_arenas() -> None:
    """Before threads are started: those share a few arenas."""
    if _TRIM is not None:
        _C.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give back what is free. Takes some milliseconds, without Python's lock."""
    if _TRIM is not None:
        _TRIM(ctypes.c_size_t(0))


async def give_back_for_ever() -> None:
    """Until it is cancelled: now and then, beside the loop."""
    while True:
        await asyncio.sleep(EVERY_S)
        await asyncio.to_thread(give_back)
