"""Stopping in order: the core leaves its room, what is under way is ended within a bound, and only then is anything closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from sgnus.core.departing import owes
from sgnus.core.inputs import Stopping, Tick
from sgnus.messages.limits import DEPARTURE_MS_MAX, LAST_WRITES_MS_MAX

if TYPE_CHECKING:
    from sgnus.runtime.node import NodeParts

LOG: Final = logging.getLogger("sgnus.node")


async def depart(parts: NodeParts, hurry: asyncio.Event) -> None:
    """Give back the seat, hand over hosting, deliver what is computed, end the rounds that others wait for.

    At most `DEPARTURE_MS_MAX`; with `hurry` the seat is given back at once, and nothing else is waited for.
    """
    parts.stopping.set()
    if not parts.engine.is_running:
        return
    parts.engine.put(Stopping())
    rushed = asyncio.create_task(hurry.wait())
    try:
        async with asyncio.timeout(DEPARTURE_MS_MAX / 1000):
            await _ended(parts, rushed)
    except TimeoutError:
        LOG.warning("this node stops although it owes others: %s", ", ".join(owes(parts.core)))
    finally:
        rushed.cancel()
    if hurry.is_set():
        parts.engine.put(Stopping())
    await _performed(parts)
    if not hurry.is_set():
        await parts.background.hands.finish(LAST_WRITES_MS_MAX)


async def _ended(parts: NodeParts, rushed: asyncio.Task[bool]) -> None:
    """Until nothing is owed to anybody who is there, or it must be quick."""
    while not rushed.done():
        # Taken before the look: a batch that ends between the two is not missed.
        stepped = parts.engine.stepped
        if not (parts.engine.waiting() or owes(parts.core)):
            return
        step = asyncio.create_task(stepped.wait())
        await asyncio.wait((step, rushed), return_when=asyncio.FIRST_COMPLETED)
        step.cancel()


async def _performed(parts: NodeParts) -> None:
    """Until what the core has said by now is on its way: a batch may still wait for the disk."""
    stepped = parts.engine.stepped
    parts.engine.put(Tick())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WRITES_MS_MAX / 1000):
            await stepped.wait()
