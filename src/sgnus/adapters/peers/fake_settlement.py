"""`Settlement` in memory: a call is a call, its messages pass through the codec."""

from __future__ import annotations

from collections.abc import Callable

from sgnus.adapters.peers.fake_calls import carried, refusals
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)
from sgnus.ports.settlement import SettlementService


class FakeSettlement:
    """Implements `Settlement`. `find` gives the service of a peer within reach; None if it is no SGNUS node."""

    def __init__(self, own: PeerId, find: Callable[[PeerId], SettlementService | None]) -> None:
        self._own = own
        self._find = find

    async def submit_receipt(self, node: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        """See `Settlement`."""
        service = self._at(node)
        with refusals():
            return carried(await service.submit_receipt(self._own, carried(request)))

    async def get_receipt(self, node: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        """See `Settlement`."""
        service = self._at(node)
        with refusals():
            return carried(await service.get_receipt(self._own, carried(request)))

    async def list_receipts(self, node: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply:
        """See `Settlement`."""
        service = self._at(node)
        with refusals():
            return carried(await service.list_receipts(self._own, carried(request)))

    def _at(self, node: PeerId) -> SettlementService:
        service = self._find(node)
        if service is None:
            raise PeerFault("refused: this is no SGNUS node")
        return service
