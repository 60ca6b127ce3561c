"""A node that floods, for tests and the bench alone: `python -m tests.whole.flooding_node HOW ...`, the rest as for any node.

HOW is a name of `FLOODS`, or `everything`: all of them at once. It is a real member until SIGUSR1 comes; from then on it
says as much as it can, as fast as it can, on that channel, to all whom it knows, and goes on when it is shut out; SIGUSR2
ends that. What came of it stands in `flood.json` in its home.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sgnus.frontends import node_main
from sgnus.messages.errors import SgnusError
from sgnus.messages.ids import PeerId
from sgnus.runtime import node as runtime_node
from tests.whole.floods import calls, gossip, streams

FLOODS: Final[Mapping[str, Callable[[Any, PeerId], Awaitable[None]]]] = {
    "gossip garbage": gossip.garbage,
    "announcements": gossip.announcements,
    "joins": gossip.joins,
    "entries of its own": gossip.own_entries,
    "entries of fresh keys": gossip.entries_of_fresh_keys,
    "lease requests": streams.lease_requests,
    "stream garbage": streams.garbage,
    "reconciliations": calls.reconciliations,
    "entries by reconciliation": calls.entries,
    "reads": calls.reads,
    "blobs": calls.blobs,
    "receipts": calls.receipts,
}
EVERYTHING: Final = "everything"
TELL_S: Final = 0.2
AT_ONCE: Final = 16
PAUSE_S: Final = 0.001


class Flood:
    """One flood on its way: as many tasks a peer as its kind wants, until it is told to end."""

    def __init__(self, parts: Any, how: str) -> None:
        self._parts = parts
        self._hows = tuple(FLOODS) if how == EVERYTHING else (how,)
        self._tasks: dict[PeerId, list[asyncio.Task[None]]] = {}
        self.counts: Counter[str] = Counter()
        self._teller: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """From now on."""
        if self._teller is None:
            self._teller = asyncio.create_task(self._keep_on())

    def end(self) -> None:
        """No more."""
        for task in [task for tasks in self._tasks.values() for task in tasks]:
            task.cancel()
        self._tasks.clear()
        if self._teller is not None:
            self._teller.cancel()
            self._teller = None

    async def _keep_on(self) -> None:
        """Flood whom we know; tell what came of it."""
        while True:
            for record in self._parts.addresses.all():
                peer = PeerId(record.peer)
                if peer not in self._tasks and peer != self._parts.core.pen.peer:
                    hows = [how for how in self._hows for _ in range(1 if how in ONE_AT_A_TIME else AT_ONCE)]
                    self._tasks[peer] = [asyncio.create_task(self._flood(peer, how)) for how in hows]
            path = self._parts.options.home / "flood.json"
            path.with_suffix(".new").write_text(json.dumps(self.counts))
            os.replace(path.with_suffix(".new"), path)
            await asyncio.sleep(TELL_S)

    async def _flood(self, peer: PeerId, how: str) -> None:
        flood = FLOODS[how]
        while True:
            try:
                await flood(self._parts, peer)
                self.counts["sent"] += 1
            except (SgnusError, TimeoutError) as fault:
                self.counts[str(fault)[:80]] += 1
                await asyncio.sleep(PAUSE_S)


ONE_AT_A_TIME: Final = frozenset(
    (
        "gossip garbage",
        "announcements",
        "joins",
        "entries of its own",
        "entries of fresh keys",
        "lease requests",
        "stream garbage",
    )
)


def become(how: str) -> None:
    """From now on the nodes of this process flood when they are told to."""
    honest_start = runtime_node.Node.start

    async def start(self: runtime_node.Node) -> Any:
        parts = await honest_start(self)
        flood = Flood(parts, how)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, flood.begin)
        loop.add_signal_handler(signal.SIGUSR2, flood.end)
        return parts

    runtime_node.Node.start = start  # type: ignore[method-assign]


if __name__ == "__main__":
    become(sys.argv[1])
    sys.exit(node_main.main(sys.argv[2:]))
