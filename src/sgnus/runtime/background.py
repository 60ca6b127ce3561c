"""What a node does on its own account beside the engine: work under way, the watch over jobs, meeting peers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from sgnus.adapters import heap
from sgnus.messages.ids import NetworkId
from sgnus.runtime.acquaintance import Acquaintance
from sgnus.runtime.clearing import Clearing
from sgnus.runtime.inquiries import Inquiries
from sgnus.runtime.job_watch import JobWatch
from sgnus.runtime.meeting import Meeting
from sgnus.runtime.records import Records
from sgnus.runtime.serving import NodeService
from sgnus.runtime.work import Hands

if TYPE_CHECKING:
    from sgnus.adapters.discovery import MdnsDiscovery
    from sgnus.runtime.node import NodeParts


class Background:
    """Stops in the order in which nothing is missed."""

    def __init__(
        self,
        hands: Hands,
        watch: JobWatch,
        service: NodeService,
        acquaintance: Acquaintance,
        *,
        inquiries: Inquiries,
        clearing: Clearing,
        records: Records,
    ) -> None:
        self.records = records
        self.inquiries = inquiries
        self.clearing = clearing
        self.hands = hands
        self.watch = watch
        self.service = service
        self.acquaintance = acquaintance
        self._meeting: Meeting | None = None
        self._trimming: asyncio.Task[None] | None = None
        self._discovery: MdnsDiscovery | None = None

    async def meet(self, parts: NodeParts, bootstrap: tuple[str, ...]) -> None:
        """Begin to look for peers, and to keep house. WorldFault when discovery is asked for and cannot be had."""
        self._meeting = Meeting(parts, bootstrap)
        self._meeting.start()
        self._trimming = asyncio.create_task(heap.give_back_for_ever())
        if parts.options.discover:
            from sgnus.adapters.discovery import MdnsDiscovery

            network = NetworkId(parts.network.id)
            ours = parts.addresses.own_multiaddrs()
            self._discovery = MdnsDiscovery(network, ours, parts.drivers.gossip.connect)
            await self._discovery.start()

    async def stop(self) -> None:
        if self._trimming is not None:
            self._trimming.cancel()
            with suppress(asyncio.CancelledError):
                await self._trimming
        if self._discovery is not None:
            await self._discovery.stop()
        if self._meeting is not None:
            await self._meeting.stop()
        await self.watch.stop()
        await self.clearing.stop()
        await self.records.stop()
        await self.inquiries.stop()
        await self.hands.close()
