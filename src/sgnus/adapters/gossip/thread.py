"""The gossip thread: runs the libp2p node under trio, and tells the asyncio loop when it stands and when it
ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sgnus.adapters.gossip.addresses import PeerAddress
from sgnus.adapters.gossip.budget import NeighbourAllowance
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.queues import CommandQueue, EventQueue
from sgnus.adapters.overruns import Overruns
from sgnus.messages.limits import GOSSIP_TARGETS_MAX


@dataclass(frozen=True)
class NodeSettings:
    """What the gossip thread must know; nothing of it changes while it runs."""

    seed: bytes = field(repr=False)
    host: str
    port: int
    psk: bytes | None = field(repr=False)
    connections_max: int
    allowance: NeighbourAllowance
    dice: Random
    overruns: Overruns


class GossipThread:
    """Started once, stopped once."""

    def __init__(
        self, settings: NodeSettings, commands: CommandQueue, events: EventQueue, counters: Counters
    ) -> None:
        self.failures: Mapping[str, str] = {}
        self._settings = settings
        self._commands = commands
        self._events = events
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[Sequence[str]] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="gossip", daemon=True)

    @property
    def is_listening(self) -> bool:
        """Whether the node stands: it was started, and the thread has not ended."""
        return self._started.done() and not self._ended.is_set()

    async def start(self) -> Sequence[str]:
        """Our full multiaddrs, once the node listens."""
        self._thread.start()
        return await self._started

    async def stop(self) -> None:
        self._events.close()
        self._commands.stop()
        await self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            import trio  # here: libp2p costs 0.7 s, and nobody but a running node needs it

            trio.run(self._serve)
        except BaseException as error:  # noqa: BLE001 - the thread's border: whoever waits for it must be told
            self._tell(self._end, _innermost(error))
        else:
            self._tell(self._end, None)

    async def _serve(self) -> None:
        from sgnus.adapters.gossip.node import GossipNode, quiet_library_logs

        quiet_library_logs()
        node = GossipNode(self._settings, self._counters, self._events.put, self._note_failure)
        async with node.running() as addresses:
            self._tell(self._started.set_result, addresses)
            await self._commands.serve(node, self._counters)

    def _tell(self, function: Callable[..., Any], argument: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:
            return  # the loop is closed: nobody waits

    def _end(self, error: BaseException | None) -> None:
        if error is not None and not self._started.done():
            self._started.set_exception(error)
        self._ended.set()

    def _note_failure(self, address: PeerAddress, reason: str) -> None:
        failures = {key: value for key, value in self.failures.items() if key != str(address)}
        failures[str(address)] = reason
        while len(failures) > GOSSIP_TARGETS_MAX:
            del failures[next(iter(failures))]
        self.failures = failures  # replaced whole: the loop's thread reads it


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
