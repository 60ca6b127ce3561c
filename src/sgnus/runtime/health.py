"""How a node is, as a service manager asks: does it live, and can it take work? Sentences for people, without secrets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from sgnus.adapters.processors.pool import NO_CHILD, ProcessorPool
from sgnus.messages.errors import OurFault, WorldFault
from sgnus.messages.limits import PROBE_ANSWER_MS_MAX

if TYPE_CHECKING:
    from sgnus.runtime.node import NodeParts

LOG: Final = logging.getLogger("sgnus.health")
NOTHING: Final = "probe"
"""A namespace of facts in which nothing is ever written: reading it asks whether the store answers."""


class Health:
    """Reads only; a child of the pool may be started to see that one can be."""

    def __init__(self, parts: NodeParts) -> None:
        self._parts = parts

    def failed(self) -> dict[str, str]:
        """What has ended and does not come back before the node is started again: part -> what is wrong with it."""
        found: dict[str, str] = {}
        if not self._parts.engine.is_running:
            found["engine"] = "the loop that handles all inputs has ended"
        if not self._parts.drivers.gossip.is_listening:
            found["gossip"] = "gossip does not listen"
        if not self._parts.drivers.peers.is_listening:
            found["peers"] = "nobody listens for peers' calls"
        return found

    async def lacking(self) -> dict[str, str]:
        """What keeps the node from work now; empty when it is ready."""
        parts, found = self._parts, self.failed()
        if parts.stopping.is_set():
            found["node"] = "the node is stopping"
            return found
        disk = await _answer(parts.drivers.store.facts(NOTHING))
        if disk is not None:
            LOG.warning("the database does not answer a probe: %s", disk)
            found["database"] = "it cannot be read; the log of the node says why"
        if parts.drivers.pool is not None:
            sandbox = await _answer(_warm(parts.drivers.pool))
            if sandbox is not None:
                found["workers"] = sandbox
        return found


async def _warm(pool: ProcessorPool) -> None:
    """WorldFault when no child can be had. One that works, or waits for work, is enough."""
    if pool.pids:
        return
    steps = await pool.hardening()
    if NO_CHILD in steps:
        raise WorldFault(f"no sandboxed child can be started ({steps[NO_CHILD]})")


async def _answer(asked: Awaitable[object]) -> str | None:
    """What is wrong with who was asked, or None."""
    try:
        async with asyncio.timeout(PROBE_ANSWER_MS_MAX / 1000):
            await asked
    except TimeoutError:
        return f"no answer within {PROBE_ANSWER_MS_MAX} ms"
    except (WorldFault, OurFault) as fault:
        return str(fault)
    return None
