"""Calls of peers: who is it, may it, what does it want; in this order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from sgnus.adapters.peers.authority import Gate, OverBudget
from sgnus.adapters.peers.budget import ReadBudget
from sgnus.adapters.peers.channels import SERVICE
from sgnus.adapters.peers.wires import FinalRefusal, ServerWire
from sgnus.messages.errors import OurFault, PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import DATA_BYTES_MAX, HELLO_MS_MAX, PEER_CALL_MS_MAX, PEER_STREAM_MS_MAX
from sgnus.messages.v1.types import (
    ExchangeAddressesRequest,
    OutputsHeader,
    ReadBlobRequest,
    ReadBranchRequest,
    ReadChunksRequest,
    ReconcileReply,
    ReconcileRequest,
    ReconcileStep,
    WriteOutputsRequest,
)
from sgnus.ports import PeerService, Piece
from sgnus.wire.codec import decode, encode
from sgnus.wire.frames import data_bytes, output_piece_of

Context = Any
Code = grpc.StatusCode
Serve = Callable[[PeerId, Any, Context], Awaitable[Any]]
Handle = Callable[[Any, Context], Awaitable[Any]]
MayCall = Callable[[PeerId, str], bool]
ExchangeServed = Callable[[PeerId, ServerWire], Awaitable[str | None]]


class ServedReconciliation:
    """The callee's end of a reconciliation. Anybody may ask for one, as often as it likes: what it is sent is paced."""

    def __init__(self, context: Context, peer: PeerId, budget: ReadBudget) -> None:
        self._wire = ServerWire(context)
        self._peer = peer
        self._budget = budget

    async def begin(self) -> None:
        """See `ServerWire`."""
        await self._wire.begin()

    async def send(self, step: ReconcileStep) -> None:
        """See `Duplex`."""
        data = encode(ReconcileReply(step=step))
        await self._budget.spend(self._peer, len(data))
        await self._wire.write(data)

    async def receive(self) -> ReconcileStep | None:
        """See `Duplex`."""
        data = await self._wire.read()
        return None if data is None else decode(ReconcileRequest, data).step


class PeerServer:
    """The methods of the Peer service over raw bytes; the runtime's `PeerService` behind them."""

    def __init__(
        self, service: PeerService, gate: Gate, budget: ReadBudget, exchange: ExchangeServed
    ) -> None:
        self._service = service
        self._gate = gate
        self._budget = budget
        self._exchange = exchange

    def handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        """All methods, for the gRPC server."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        both = grpc.stream_stream_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Exchange": both(self._streamed("Exchange", self._serve_exchange, None)),
                "Reconcile": both(self._streamed("Reconcile", self._reconcile, PEER_STREAM_MS_MAX)),
                "WriteOutputs": grpc.stream_unary_rpc_method_handler(
                    self._streamed("WriteOutputs", self._write_outputs, PEER_STREAM_MS_MAX)
                ),
                "ReadChunks": stream(self._streamed("ReadChunks", self._read_chunks, PEER_STREAM_MS_MAX)),
                "ReadBlob": stream(self._streamed("ReadBlob", self._read_blob, PEER_STREAM_MS_MAX)),
                "ReadBranch": unary(self._streamed("ReadBranch", self._read_branch, PEER_CALL_MS_MAX)),
                "ExchangeAddresses": unary(
                    self._streamed("ExchangeAddresses", self._exchange_addresses, PEER_CALL_MS_MAX)
                ),
            },
        )

    def _streamed(self, method: str, serve: Serve, limit_ms: int | None) -> Handle:
        return guarded(self._gate, (method, self._service.may_call), serve, limit_ms)

    async def _serve_exchange(self, peer: PeerId, _: Any, context: Context) -> None:
        wire = ServerWire(context)
        async with asyncio.timeout(HELLO_MS_MAX / 1000):
            await wire.begin()
        refusal = await self._exchange(peer, wire)
        if refusal is not None:
            await context.abort(Code.ALREADY_EXISTS, refusal)

    async def _read_chunks(self, peer: PeerId, request: bytes, context: Context) -> None:
        pieces = self._service.read_chunks(peer, decode(ReadChunksRequest, request))
        await self._send_pieces(peer, pieces, context)

    async def _read_blob(self, peer: PeerId, request: bytes, context: Context) -> None:
        pieces = self._service.read_blob(peer, decode(ReadBlobRequest, request))
        await self._send_pieces(peer, pieces, context)

    async def _send_pieces(self, peer: PeerId, pieces: AsyncIterator[Piece], context: Context) -> None:
        wire = ServerWire(context)
        await wire.begin()
        async for piece in pieces:
            if len(piece) > DATA_BYTES_MAX:
                raise OurFault(f"a piece of {len(piece)} bytes")
            await self._budget.spend(peer, len(piece))
            await wire.write(data_bytes(piece))

    async def _write_outputs(self, peer: PeerId, _: Any, context: Context) -> bytes:
        wire = ServerWire(context)
        first = await wire.read()
        header = None if first is None else decode(WriteOutputsRequest, first).header
        if not isinstance(header, OutputsHeader):
            raise PeerFault("outputs begin with their header")
        return encode(await self._service.write_outputs(peer, header, _pieces_of(wire)))

    async def _read_branch(self, peer: PeerId, request: bytes, _: Context) -> bytes:
        return encode(await self._service.read_branch(peer, decode(ReadBranchRequest, request)))

    async def _reconcile(self, peer: PeerId, _: Any, context: Context) -> None:
        served = ServedReconciliation(context, peer, self._budget)
        await served.begin()
        await self._service.reconcile(peer, served)

    async def _exchange_addresses(self, peer: PeerId, request: bytes, _: Context) -> bytes:
        asked = decode(ExchangeAddressesRequest, request)
        return encode(await self._service.exchange_addresses(peer, asked))


def guarded(gate: Gate, asked: tuple[str, MayCall], serve: Serve, limit_ms: int | None) -> Handle:
    """A method with its checks around it: who calls, may it (`asked`: the method, and who decides), within its time."""

    async def handle(request: Any, context: Context) -> Any:
        try:
            async with gate.admitted(context, *asked) as peer:
                async with asyncio.timeout(None if limit_ms is None else limit_ms / 1000):
                    return await serve(peer, request, context)
        except (PeerFault, WorldFault, OurFault, TimeoutError) as error:
            await refuse(context, error)

    return handle


class NoSuchMethod(PeerFault):
    """A method that this node does not have."""


class OtherMethods(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Whatever else is called, asked last. gRPC itself would answer without asking who calls, however often."""

    def __init__(self, gate: Gate) -> None:
        handle = guarded(
            gate, ("a method that there is not", lambda *_: True), self._refuse, PEER_CALL_MS_MAX
        )
        self._handler = grpc.stream_stream_rpc_method_handler(handle)

    def service(self, _details: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """See gRPC."""
        return self._handler

    @staticmethod
    async def _refuse(_peer: PeerId, _request: Any, _context: Context) -> None:
        raise NoSuchMethod("this node has no such method")


async def _pieces_of(wire: ServerWire) -> AsyncIterator[bytes]:
    while (data := await wire.read()) is not None:
        piece = output_piece_of(data)
        if len(piece) > DATA_BYTES_MAX:
            raise PeerFault(f"a piece of {len(piece)} bytes")
        yield piece


CODES: Final = (
    (FinalRefusal, Code.FAILED_PRECONDITION),
    (NoSuchMethod, Code.UNIMPLEMENTED),
    (PeerFault, Code.PERMISSION_DENIED),
    (OverBudget, Code.RESOURCE_EXHAUSTED),
    (WorldFault, Code.UNAVAILABLE),
    (TimeoutError, Code.DEADLINE_EXCEEDED),
    (OurFault, Code.INTERNAL),
)


async def refuse(context: Context, error: Exception) -> NoReturn:
    """End a call with the status that says whose fault it is. A fault of ours is told to our log, not to strangers."""
    if isinstance(error, OurFault):
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "a peer's call met a fault of ours", "exception": error})
    code = next(code for kind, code in CODES if isinstance(error, kind))
    await context.abort(code, "a fault of this node" if code is Code.INTERNAL else str(error))
    raise AssertionError("abort returns never")
