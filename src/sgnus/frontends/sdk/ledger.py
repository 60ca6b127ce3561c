"""What the network's SGNUS nodes settled, as the local node has heard it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from sgnus.frontends.sdk.transport import Transport
from sgnus.frontends.sdk.views import Settlement, Share, view
from sgnus.messages.v1 import sgnus_pb2

SETTLEMENTS_A_PAGE: Final = 1000


class Ledger:
    """Reads all pages."""

    _transport: Transport

    async def settlements(self, job: str | None = None) -> list[Settlement]:
        """What SGNUS nodes settled, of one job or of all, as far as the local node has heard."""
        return [view(Settlement, one) async for page in self._pages(job) for one in page.settlements]

    async def credits(self, job: str | None = None) -> list[Share]:
        """How many settled chunks each peer made and checked, by peer."""
        sums: dict[str, tuple[int, int]] = {}
        async for page in self._pages(job):
            for one in page.credits:
                made, checked = sums.get(one.peer, (0, 0))
                sums[one.peer] = (made + one.made, checked + one.checked)
        return [Share(peer, *sums[peer]) for peer in sorted(sums)]

    async def _pages(self, job: str | None) -> AsyncIterator[Any]:
        after: str | None = None
        while True:
            request = sgnus_pb2.ListSettlementsRequest(job=job, after=after, limit=SETTLEMENTS_A_PAGE)
            reply = await self._transport.call("ListSettlements", request)
            yield reply
            after = reply.next
            if not after:
                return
