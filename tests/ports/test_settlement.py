"""The contract of `Settlement`, for the real driver and the fake."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import SUBMITTED_BURST_BYTES, SUBMITTED_BYTES_PER_S
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    SettlementState,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)
from tests.database_support import in_loop
from tests.ports.peers_support import Nodes, Party, introduce, nodes_of

KINDS = pytest.mark.parametrize("kind", ["fake", "grpc"])
RECEIPT = SubmitReceiptRequest(receipt=b"a receipt")


class Clerk:
    """A `SettlementService` that writes down who asked what."""

    def __init__(self) -> None:
        self.submitted: list[tuple[PeerId, bytes]] = []
        self.fault: Exception | None = None

    async def submit_receipt(self, peer: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        if self.fault is not None:
            raise self.fault
        self.submitted.append((peer, request.receipt))
        return SubmitReceiptReply(state=SettlementState.AUDITING, detail="it is audited")

    async def get_receipt(self, peer: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        if request.digest != b"d" * 32:
            raise PeerFault("no receipt of that digest is kept here")
        return GetReceiptReply(receipt=b"a receipt")

    async def list_receipts(self, peer: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply:
        return ListReceiptsReply(digests=(b"d" * 32, request.job.encode()))


class Settler(Party):
    """A SGNUS node."""

    def __init__(self, peers: Any, peer: PeerId) -> None:
        super().__init__(peers, peer)
        self.clerk = Clerk()

    async def start(self, port: int = 0) -> None:
        await self.peers.start(self.service, self.deliver, host="127.0.0.1", port=port, settlement=self.clerk)


async def met(nodes: Nodes) -> tuple[Party, Settler]:
    node, settler = await nodes.add(1), await nodes.start(Settler, 2)
    introduce(node, settler)
    return node, settler


@KINDS
@in_loop
async def test_a_receipt_arrives_with_its_sender_and_is_answered(kind: str) -> None:
    async with nodes_of(kind) as nodes:
        node, settler = await met(nodes)
        reply = await node.peers.settlement.submit_receipt(settler.peer, RECEIPT)
        assert reply == SubmitReceiptReply(state=SettlementState.AUDITING, detail="it is audited")
        assert settler.clerk.submitted == [(node.peer, b"a receipt")]


@KINDS
@in_loop
async def test_receipts_are_read_by_digest_and_listed_by_job(kind: str) -> None:
    async with nodes_of(kind) as nodes:
        node, settler = await met(nodes)
        calls = node.peers.settlement
        got = await calls.get_receipt(settler.peer, GetReceiptRequest(digest=b"d" * 32))
        assert got.receipt == b"a receipt"
        listed = await calls.list_receipts(settler.peer, ListReceiptsRequest(job="bafyjob"))
        assert listed.digests == (b"d" * 32, b"bafyjob")
        with pytest.raises(PeerFault, match="no receipt of that digest"):
            await calls.get_receipt(settler.peer, GetReceiptRequest(digest=b"x"))


@KINDS
@in_loop
async def test_a_node_that_is_no_sgnus_node_refuses(kind: str) -> None:
    async with nodes_of(kind) as nodes:
        node, settler = await met(nodes)
        with pytest.raises(PeerFault):
            await settler.peers.settlement.submit_receipt(node.peer, RECEIPT)


@KINDS
@in_loop
async def test_not_now_and_refused_are_told_apart(kind: str) -> None:
    async with nodes_of(kind) as nodes:
        node, settler = await met(nodes)
        settler.clerk.fault = WorldFault("there is no place for it now")
        with pytest.raises(WorldFault, match="no place"):
            await node.peers.settlement.submit_receipt(settler.peer, RECEIPT)
        settler.clerk.fault = PeerFault("that is no receipt")
        with pytest.raises(PeerFault, match="no receipt"):
            await node.peers.settlement.submit_receipt(settler.peer, RECEIPT)


@KINDS
@in_loop
async def test_out_of_reach_is_the_worlds_fault(kind: str) -> None:
    async with nodes_of(kind) as nodes:
        node, settler = await met(nodes)
        stranger = Identity.from_seed(bytes([9]) * 32).peer_id
        with pytest.raises(WorldFault):
            await node.peers.settlement.submit_receipt(stranger, RECEIPT)
        await settler.peers.stop()
        with pytest.raises(WorldFault):
            await node.peers.settlement.submit_receipt(settler.peer, RECEIPT)


@KINDS
@in_loop
async def test_a_peer_that_was_removed_is_refused(kind: str) -> None:
    async with nodes_of(kind) as nodes:
        node, settler = await met(nodes)
        await node.peers.settlement.submit_receipt(settler.peer, RECEIPT)
        settler.peers.remove(node.peer)
        with pytest.raises((PeerFault, WorldFault)):
            await node.peers.settlement.submit_receipt(settler.peer, RECEIPT)


@in_loop
async def test_who_submits_too_much_waits() -> None:
    async with nodes_of("grpc") as nodes:
        node, settler = await met(nodes)
        large = SubmitReceiptRequest(receipt=bytes(4_000_000))
        times = SUBMITTED_BURST_BYTES // 4_000_000 + 1
        begun = asyncio.get_running_loop().time()
        for _ in range(times):
            await node.peers.settlement.submit_receipt(settler.peer, large)
        waited_s = asyncio.get_running_loop().time() - begun
        assert waited_s > (times * 4_000_000 - SUBMITTED_BURST_BYTES) / SUBMITTED_BYTES_PER_S - 0.1
