"""The beginning of a stream, from either end: connection, Hello, Hello."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from sgnus.adapters.peers.certificates import Leaf
from sgnus.adapters.peers.channels import open_channel, path
from sgnus.adapters.peers.directory import Directory
from sgnus.adapters.peers.events import Events
from sgnus.adapters.peers.hello import Greeting
from sgnus.adapters.peers.pairs import Pairs
from sgnus.adapters.peers.wires import ClientWire, FinalRefusal, ServerWire
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import HELLO_MS_MAX
from sgnus.messages.v1.types import Hello
from sgnus.ports import PeerRefused


class Caller:
    """Opens streams to others."""

    def __init__(self, directory: Directory, greeting: Greeting, leaf: Leaf) -> None:
        self._directory = directory
        self._greeting = greeting
        self._leaf = leaf

    async def dial(self, peer: PeerId, attempt: int, /) -> tuple[ClientWire, Hello]:
        """A stream that `peer` took as the pair's, and its Hello. Each attempt has a connection of its own."""
        endpoint = self._directory.endpoint(peer, attempt - 1)
        channel = open_channel(peer, endpoint, self._leaf)
        wire = ClientWire(channel.stream_stream(path("Exchange"))(), channel.close)
        try:
            # When it ended before we were done, reading tells the status.
            with contextlib.suppress(WorldFault):
                await wire.write(self._greeting.frame(attempt))
            return wire, self._greeting.read(peer, await wire.read())
        except BaseException:
            await wire.close()
            raise


class Callee:
    """Takes the streams that others open."""

    def __init__(
        self, greeting: Greeting, pairs: Pairs, events: Events, count: Callable[[str], None]
    ) -> None:
        self._greeting = greeting
        self._pairs = pairs
        self._events = events
        self._count = count

    async def serve(self, peer: PeerId, wire: ServerWire) -> str | None:
        """Serve one stream to its end; returns why it was refused, or None. PeerFault when Hello is not right, WorldFault
        when none came.
        """
        try:
            hello = await self._hello(peer, wire)
        except PeerFault as error:
            self._count("foreign streams" if isinstance(error, FinalRefusal) else "bad hellos")
            self._events.tell(PeerRefused(peer, str(error)))
            raise
        except WorldFault:
            # An honest peer gives an attempt up when another one came first, or is cut off before it could speak.
            self._count("empty streams")
            raise
        return await self._pairs.serve(peer, wire, hello, self._greeting.frame)

    async def _hello(self, peer: PeerId, wire: ServerWire) -> Hello:
        try:
            async with asyncio.timeout(HELLO_MS_MAX / 1000):
                return self._greeting.read(peer, await wire.read())
        except TimeoutError:
            raise WorldFault(f"no Hello within {HELLO_MS_MAX} ms") from None
