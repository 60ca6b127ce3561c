"""The port of settlement: what a SGNUS node does for its peers, and how they ask it."""

from __future__ import annotations

from typing import Protocol

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)


class SettlementService(Protocol):
    """What a SGNUS node does for its peers, any of which may call. PeerFault refuses a call; WorldFault: not now."""

    async def submit_receipt(self, peer: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply: ...

    async def get_receipt(self, peer: PeerId, request: GetReceiptRequest) -> GetReceiptReply: ...

    async def list_receipts(self, peer: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply: ...


class Settlement(Protocol):
    """Calls to a SGNUS node. WorldFault: out of reach, too late, or not now. PeerFault: it refused, or is none."""

    async def submit_receipt(self, node: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        """Idempotent: what was answered lies on the node's disk."""

    async def get_receipt(self, node: PeerId, request: GetReceiptRequest) -> GetReceiptReply: ...

    async def list_receipts(self, node: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply: ...
