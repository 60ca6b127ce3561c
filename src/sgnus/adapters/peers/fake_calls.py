"""`PeerCalls` in memory: a call is a call, its messages pass through the codec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from sgnus.messages.errors import OurFault, PeerFault, WorldFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import DATA_BYTES_MAX
from sgnus.messages.v1.types import (
    ExchangeAddressesReply,
    ExchangeAddressesRequest,
    OutputsHeader,
    ReadBlobRequest,
    ReadBranchReply,
    ReadBranchRequest,
    ReadChunksRequest,
    ReconcileStep,
    WriteOutputsReply,
)
from sgnus.ports import Duplex, PeerService, Piece
from sgnus.wire.codec import decode, encode

MessageT = TypeVar("MessageT", bound=Message)
Find = Callable[[PeerId, str], PeerService]


def carried(message: MessageT) -> MessageT:
    """What arrives of `message`."""
    return decode(type(message), encode(message))


class FakeDuplex:
    """One end of a reconciliation; `None` in a queue is the end of the other side."""

    def __init__(
        self, out: asyncio.Queue[ReconcileStep | None], into: asyncio.Queue[ReconcileStep | None]
    ) -> None:
        self._out = out
        self._into = into

    async def send(self, step: ReconcileStep) -> None:
        """See `Duplex`."""
        self._out.put_nowait(carried(step))

    async def receive(self) -> ReconcileStep | None:
        """See `Duplex`."""
        return await self._into.get()

    def end(self) -> None:
        """Nothing more is sent."""
        self._out.put_nowait(None)


class FakeCalls:
    """Implements `PeerCalls`. `find` gives the service of a peer that lets us make a call."""

    def __init__(self, own: PeerId, find: Find) -> None:
        self._own = own
        self._find = find

    async def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[bytes]:
        """See `PeerCalls`."""
        pieces = self._find(peer, "ReadChunks").read_chunks(self._own, carried(request))
        async for piece in _refusing(pieces):
            yield piece

    async def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[bytes]:
        """See `PeerCalls`."""
        pieces = self._find(peer, "ReadBlob").read_blob(self._own, carried(request))
        async for piece in _refusing(pieces):
            yield piece

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[Piece]
    ) -> WriteOutputsReply:
        """See `PeerCalls`."""
        service = self._find(peer, "WriteOutputs")
        with refusals():
            return carried(await service.write_outputs(self._own, carried(header), _as_bytes(pieces)))

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply:
        """See `PeerCalls`."""
        service = self._find(peer, "ReadBranch")
        with refusals():
            return carried(await service.read_branch(self._own, carried(request)))

    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply:
        """See `PeerCalls`."""
        service = self._find(peer, "ExchangeAddresses")
        with refusals():
            return carried(await service.exchange_addresses(self._own, carried(request)))

    @asynccontextmanager
    async def reconcile(self, peer: PeerId) -> AsyncIterator[Duplex]:
        """See `PeerCalls`."""
        service = self._find(peer, "Reconcile")
        there: asyncio.Queue[ReconcileStep | None] = asyncio.Queue()
        back: asyncio.Queue[ReconcileStep | None] = asyncio.Queue()
        ours, theirs = FakeDuplex(there, back), FakeDuplex(back, there)
        serving = asyncio.create_task(_serve(service, self._own, theirs))
        try:
            yield ours
            ours.end()
            with refusals():
                await serving
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@contextmanager
def refusals() -> Iterator[None]:
    """What a service raises, as its caller sees it."""
    try:
        yield
    except PeerFault as error:
        raise PeerFault(f"refused: {error}") from None
    except OurFault:
        raise WorldFault("INTERNAL: a fault of this node") from None


async def _serve(service: PeerService, caller: PeerId, duplex: FakeDuplex) -> None:
    try:
        await service.reconcile(caller, duplex)
    finally:
        duplex.end()


async def _refusing(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    with refusals():
        async for piece in _as_bytes(pieces):
            yield piece


async def _as_bytes(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if len(piece) > DATA_BYTES_MAX:
            raise OurFault(f"a piece of {len(piece)} bytes")
        yield bytes(piece)
