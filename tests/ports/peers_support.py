"""What tests of peers share: a service that answers, a listener, nodes of either kind, waiting with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sgnus.adapters.peers.budget import ReadBudget
from sgnus.adapters.peers.fake import FakePeerHub, FakePeers
from sgnus.adapters.peers.node import GrpcPeers, Self
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import (
    ExchangeAddressesReply,
    ExchangeAddressesRequest,
    OutputsHeader,
    ReadBlobRequest,
    ReadBranchReply,
    ReadBranchRequest,
    ReadChunksRequest,
    SignedEnvelope,
    SignedKind,
    WriteOutputsReply,
)
from sgnus.ports import Duplex, PeerConnected, PeerEvent, PeerLost, PeerRefused, Peers, PeerSent

NETWORK = NetworkId("17" * 16)
DEADLINE_S = 30.0
CHUNKS = ReadChunksRequest(job="j", microjob=1, instance="i", sub_block=2, output=False)
HEADER = OutputsHeader(
    record=SignedEnvelope(kind=SignedKind.RECORD, author="x", payload=b"p", signature=b"s"),
    salt_seed=b"salt",
    digests=b"d" * 32,
)


async def until(is_true: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition; the deadline is generous, for a machine under load."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not is_true():
        assert loop.time() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.002)


def identity(number: int) -> Identity:
    return Identity.from_seed(bytes([number]) * 32)


class Service:
    """Answers everything; `refused` lists methods that nobody may call."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.asked: list[tuple[PeerId, str]] = []
        self.pieces: list[bytes] = [b"one", b"", b"three" * 100_000]
        self.written: list[bytes] = []
        self.answers_early = False
        self.fault: Exception | None = None

    def may_call(self, peer: PeerId, method: str) -> bool:
        self.asked.append((peer, method))
        return method not in self.refused

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def read_chunks(
        self, peer: PeerId, request: ReadChunksRequest
    ) -> AsyncIterator[bytes | memoryview]:
        self._fail()
        assert request == CHUNKS
        for piece in self.pieces:
            yield memoryview(piece)

    async def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[bytes | memoryview]:
        if not request.digest:
            raise PeerFault("no such blob")
        for piece in self.pieces:
            yield piece

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[bytes]
    ) -> WriteOutputsReply:
        assert header == HEADER
        if self.answers_early:
            return WriteOutputsReply(refused="had it already")
        async for piece in pieces:
            self.written.append(bytes(piece))
        return WriteOutputsReply(held=HEADER.record)

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply:
        self._fail()
        return ReadBranchReply(digests=request.job.encode(), path=(b"path",))

    async def reconcile(self, peer: PeerId, duplex: Duplex) -> None:
        while (step := await duplex.receive()) is not None:
            await duplex.send(step)

    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply:
        return ExchangeAddressesReply(records=(request.own,) if request.own else ())


class Party:
    """A node under test, with what it was told."""

    def __init__(self, peers: Peers, peer: PeerId) -> None:
        self.peers = peers
        self.peer = peer
        self.service = Service()
        self.events: list[PeerEvent] = []
        self.is_full = False
        self.is_fickle = False
        self.offers = 0

    def deliver(self, event: PeerEvent) -> bool:
        self.offers += 1
        if self.is_full or (self.is_fickle and self.offers % 3 == 0):
            return False
        self.events.append(event)
        return True

    async def start(self, port: int = 0) -> None:
        await self.peers.start(self.service, self.deliver, host="127.0.0.1", port=port)

    def told(self, kind: type[PeerEvent], peer: PeerId | None = None) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind) and peer in (None, e.peer)]

    def messages(self, peer: PeerId) -> list[bytes]:
        return [event.payload for event in self.told(PeerSent, peer)]

    def reasons(self, peer: PeerId) -> list[str]:
        return [
            event.reason
            for event in self.events
            if isinstance(event, PeerLost | PeerRefused) and event.peer == peer
        ]

    def is_connected(self, other: Party) -> bool:
        return other.peer in self.peers.connected()

    def check_order(self, peer: PeerId) -> None:
        """Connected and lost alternate (but for failed attempts), and messages come only in between."""
        is_up = False
        for event in self.events:
            if event.peer != peer:
                continue
            if isinstance(event, PeerConnected):
                assert not is_up, "connected twice"
                is_up = True
            elif isinstance(event, PeerSent):
                assert is_up, "a message without a stream"
            elif isinstance(event, PeerLost):
                is_up = False


P = TypeVar("P", bound=Party)


class Nodes:
    """Makes nodes of one kind and stops them at the end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.hub = FakePeerHub()
        self.parties: list[Party] = []

    async def add(self, number: int, *, boot: int = 1, port: int = 0, network: NetworkId = NETWORK) -> Party:
        return await self.start(Party, number, boot=boot, port=port, network=network)

    async def start(
        self,
        make: type[P],
        number: int,
        *,
        boot: int = 1,
        port: int = 0,
        network: NetworkId = NETWORK,
        budget: ReadBudget | None = None,
        **more: Any,
    ) -> P:
        own = Self(
            identity=identity(number), network=network, boot=boot, budget=budget or ReadBudget(), **more
        )
        peers: Peers = FakePeers(own, self.hub) if self.kind == "fake" else GrpcPeers(own)
        party = make(peers, own.identity.peer_id)
        await party.start(port)
        self.parties.append(party)
        return party

    async def two(self) -> tuple[Party, Party]:
        """Two nodes that know each other."""
        one, other = await self.add(1), await self.add(2)
        introduce(one, other)
        return one, other

    async def stop(self) -> None:
        for party in self.parties:
            await party.peers.stop()


def introduce(*parties: Party) -> None:
    """Each learns the address of each other."""
    for one in parties:
        for other in parties:
            one.peers.admit(other.peers.address)


@asynccontextmanager
async def nodes_of(kind: str) -> AsyncIterator[Nodes]:
    nodes = Nodes(kind)
    try:
        yield nodes
    finally:
        await nodes.stop()


async def connect(one: Party, other: Party) -> None:
    """A stream, seen from both sides."""
    one.peers.open(other.peer)
    await until(lambda: one.is_connected(other) and other.is_connected(one), "a stream")


class Greeter(Party):
    """Greets each peer at each connection, as whoever lost a stream must."""

    def deliver(self, event: PeerEvent) -> bool:
        if isinstance(event, PeerConnected):
            asyncio.get_running_loop().call_soon(self.peers.send, event.peer, f"from {self.peer}".encode())
        return super().deliver(event)

    def has_met(self, peers: Iterable[PeerId]) -> bool:
        """Whether it has a stream with, and was greeted by, all of these but itself."""
        connected = set(self.peers.connected())
        return all(
            peer in connected and f"from {peer}".encode() in self.messages(peer)
            for peer in peers
            if peer != self.peer
        )
