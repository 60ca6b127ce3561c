"""The Settlement service beside the peers' own: a SGNUS node's side, and calls to one."""

from __future__ import annotations

from typing import Any, Final

import grpc
import grpc.aio

from sgnus.adapters.peers.authority import Gate
from sgnus.adapters.peers.budget import ReadBudget
from sgnus.adapters.peers.calls import Channels
from sgnus.adapters.peers.channels import SETTLEMENT, path
from sgnus.adapters.peers.server import Context, guarded
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import PEER_CALL_MS_MAX, SUBMITTED_BURST_BYTES, SUBMITTED_BYTES_PER_S
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)
from sgnus.ports.settlement import SettlementService
from sgnus.wire.codec import decode, encode

CALLS: Final = ("SubmitReceipt", "GetReceipt", "ListReceipts")


def anybody(_peer: PeerId, _method: str) -> bool:
    """Any peer of the network may call a SGNUS node."""
    return True


class SettlementServer:
    """Its methods over raw bytes. What a peer submits is paced, for it costs us a check; what it reads, like all reads."""

    def __init__(self, service: SettlementService, gate: Gate, reads: ReadBudget) -> None:
        self._service = service
        self._gate = gate
        self._reads = reads
        self._submissions = ReadBudget(SUBMITTED_BYTES_PER_S, SUBMITTED_BURST_BYTES)

    def handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        """All methods, for the gRPC server."""
        serving = (self._submit, self._get, self._list)
        return grpc.method_handlers_generic_handler(
            SETTLEMENT,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    guarded(self._gate, (name, anybody), serve, PEER_CALL_MS_MAX)
                )
                for name, serve in zip(CALLS, serving, strict=True)
            },
        )

    async def _submit(self, peer: PeerId, request: bytes, _: Context) -> bytes:
        await self._submissions.spend(peer, len(request))
        return encode(await self._service.submit_receipt(peer, decode(SubmitReceiptRequest, request)))

    async def _get(self, peer: PeerId, request: bytes, _: Context) -> bytes:
        answer = encode(await self._service.get_receipt(peer, decode(GetReceiptRequest, request)))
        await self._reads.spend(peer, len(answer))
        return answer

    async def _list(self, peer: PeerId, request: bytes, _: Context) -> bytes:
        answer = encode(await self._service.list_receipts(peer, decode(ListReceiptsRequest, request)))
        await self._reads.spend(peer, len(answer))
        return answer


class GrpcSettlement:
    """Implements `Settlement`."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def submit_receipt(self, node: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        """See `Settlement`."""
        return decode(SubmitReceiptReply, await self._channels.ask(node, _path(0), request))

    async def get_receipt(self, node: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        """See `Settlement`."""
        return decode(GetReceiptReply, await self._channels.ask(node, _path(1), request))

    async def list_receipts(self, node: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply:
        """See `Settlement`."""
        return decode(ListReceiptsReply, await self._channels.ask(node, _path(2), request))


def _path(number: int) -> str:
    return path(CALLS[number], SETTLEMENT)
