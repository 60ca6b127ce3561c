"""Calls to peers, with deadlines; gRPC's errors as ours. Pieces of data never pass through message objects."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sgnus.adapters.peers.certificates import Leaf
from sgnus.adapters.peers.channels import EOF, Channel, open_call_channel, path
from sgnus.adapters.peers.directory import Directory
from sgnus.adapters.peers.wires import Unreachable, hang_up, within
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import DATA_BYTES_MAX, PEER_CALL_MS_MAX, PEER_STREAM_MS_MAX
from sgnus.messages.v1.types import (
    Endpoint,
    ExchangeAddressesReply,
    ExchangeAddressesRequest,
    OutputsHeader,
    ReadBlobRequest,
    ReadBranchReply,
    ReadBranchRequest,
    ReadChunksRequest,
    ReconcileReply,
    ReconcileRequest,
    ReconcileStep,
    WriteOutputsReply,
    WriteOutputsRequest,
)
from sgnus.ports import Duplex, Piece
from sgnus.wire.codec import decode, encode
from sgnus.wire.frames import data_of, output_piece_bytes

CHANNELS_MAX: Final = 32


class Channels:
    """One channel a peer for calls, opened at the first and closed when it is the least recently used of too many."""

    def __init__(self, directory: Directory, leaf: Leaf) -> None:
        self._directory = directory
        self._leaf = leaf
        self._open: OrderedDict[PeerId, tuple[Endpoint, Channel]] = OrderedDict()
        self._turns: dict[PeerId, int] = {}

    async def get(self, peer: PeerId) -> Channel:
        """The channel to `peer`; WorldFault when no address of it is known."""
        known = self._open.get(peer)
        if known is not None and known[0] in self._directory.endpoints(peer):
            self._open.move_to_end(peer)
            return known[1]
        await self.close(peer)
        endpoint = self._directory.endpoint(peer, self._turns.get(peer, 0))
        channel = open_call_channel(peer, endpoint, self._leaf)
        self._open[peer] = (endpoint, channel)
        if len(self._open) > CHANNELS_MAX:
            await self.close(next(iter(self._open)))
        return channel

    async def failed(self, peer: PeerId) -> None:
        """A call met no one: the next one takes the peer's next endpoint."""
        if len(self._turns) > CHANNELS_MAX:
            self._turns.clear()
        self._turns[peer] = self._turns.get(peer, 0) + 1
        await self.close(peer)

    @asynccontextmanager
    async def calling(self, peer: PeerId) -> AsyncIterator[Channel]:
        """The channel to `peer`, for a call. Faults: WorldFault."""
        channel = await self.get(peer)
        try:
            yield channel
        except Unreachable:
            await self.failed(peer)
            raise

    async def ask(self, peer: PeerId, name: str, request: Message) -> bytes:
        """One question, one answer, of the method of that full name. Faults: PeerFault, WorldFault."""
        async with self.calling(peer) as channel:
            call = channel.unary_unary(name)(encode(request), timeout=PEER_CALL_MS_MAX / 1000)
            answer: bytes = await within(PEER_CALL_MS_MAX, call)
            return answer

    async def close(self, peer: PeerId) -> None:
        """Close the channel to `peer`, if there is one."""
        known = self._open.pop(peer, None)
        if known is not None:
            await known[1].close()

    async def close_all(self) -> None:
        """Close all."""
        for peer in list(self._open):
            await self.close(peer)


class CalledReconciliation:
    """The caller's end of a reconciliation."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def send(self, step: ReconcileStep) -> None:
        """See `Duplex`."""
        await within(PEER_CALL_MS_MAX, self._call.write(encode(ReconcileRequest(step=step))))

    async def receive(self) -> ReconcileStep | None:
        """See `Duplex`."""
        data = await within(PEER_CALL_MS_MAX, self._call.read())
        return None if data is EOF else decode(ReconcileReply, data).step


class GrpcCalls:
    """Implements `PeerCalls`."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[bytes]:
        """See `PeerCalls`."""
        async for piece in self._pieces(peer, "ReadChunks", request):
            yield piece

    async def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[bytes]:
        """See `PeerCalls`."""
        async for piece in self._pieces(peer, "ReadBlob", request):
            yield piece

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[Piece]
    ) -> WriteOutputsReply:
        """See `PeerCalls`. The peer may answer before it has all pieces; the rest is then not sent."""
        async with self._channels.calling(peer) as channel:
            call = channel.stream_unary(path("WriteOutputs"))(timeout=PEER_STREAM_MS_MAX / 1000)
            try:
                await self._write_all(call, header, pieces)
                return decode(WriteOutputsReply, await within(PEER_CALL_MS_MAX, call))
            finally:
                hang_up(call)

    @staticmethod
    async def _write_all(call: Any, header: OutputsHeader, pieces: AsyncIterator[Piece]) -> None:
        try:
            await within(PEER_CALL_MS_MAX, call.write(encode(WriteOutputsRequest(header=header))))
            async for piece in pieces:
                await within(PEER_CALL_MS_MAX, call.write(output_piece_bytes(piece)))
            await within(PEER_CALL_MS_MAX, call.done_writing())
        except WorldFault:
            if not call.done():
                raise

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply:
        """See `PeerCalls`."""
        return decode(ReadBranchReply, await self._unary(peer, "ReadBranch", request))

    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply:
        """See `PeerCalls`."""
        return decode(ExchangeAddressesReply, await self._unary(peer, "ExchangeAddresses", request))

    @asynccontextmanager
    async def reconcile(self, peer: PeerId) -> AsyncIterator[Duplex]:
        """See `PeerCalls`."""
        async with self._channels.calling(peer) as channel:
            call = channel.stream_stream(path("Reconcile"))(timeout=PEER_STREAM_MS_MAX / 1000)
            try:
                yield CalledReconciliation(call)
                await within(PEER_CALL_MS_MAX, call.done_writing())
                while await within(PEER_CALL_MS_MAX, call.read()) is not EOF:
                    raise PeerFault("steps after the end of a reconciliation")
            finally:
                hang_up(call)

    async def _unary(self, peer: PeerId, method: str, request: Message) -> bytes:
        return await self._channels.ask(peer, path(method), request)

    async def _pieces(self, peer: PeerId, method: str, request: Message) -> AsyncIterator[bytes]:
        async with self._channels.calling(peer) as channel:
            call = channel.unary_stream(path(method))(encode(request), timeout=PEER_STREAM_MS_MAX / 1000)
            try:
                while (data := await within(PEER_CALL_MS_MAX, call.read())) is not EOF:
                    piece = data_of(data)
                    if len(piece) > DATA_BYTES_MAX:
                        raise PeerFault(f"a piece of {len(piece)} bytes")
                    yield piece
            finally:
                hang_up(call)
