"""The network's SGNUS nodes, as this node reaches them: over the network, or in its own process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sgnus.crypto.vrf import VrfKey, vrf_seed_of
from sgnus.messages.errors import PeerFault, UserFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import (
    GetReceiptReply,
    GetReceiptRequest,
    ListReceiptsReply,
    ListReceiptsRequest,
    SubmitReceiptReply,
    SubmitReceiptRequest,
)
from sgnus.ports import Peers
from sgnus.ports.settlement import Settlement, SettlementService
from sgnus.runtime.addresses import AddressBook
from sgnus.runtime.home import NodeHome
from sgnus.runtime.network_file import NetworkFile, SgnusNode


class SgnusNodes:
    """Implements `Settlement`. `own` is our own service, if we are one."""

    def __init__(self, network: NetworkFile, me: PeerId, peers: Peers, addresses: AddressBook) -> None:
        self.network = NetworkId(network.id)
        self.listed: Sequence[PeerId] = [PeerId(node.peer) for node in network.sgnus_nodes]
        self.own: SettlementService | None = None
        self._me = me
        self._peers = peers
        self._addresses = addresses

    def chosen(self, named: PeerId) -> PeerId | None:
        """Where a receipt goes: to the node that its job names, if this network lists it; else to the first one."""
        return named if named in self.listed else next(iter(self.listed), None)

    async def submit_receipt(self, node: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        """See `Settlement`."""
        if node == self._me:
            return await self._ours().submit_receipt(self._me, request)
        return await self._reach(node).submit_receipt(node, request)

    async def get_receipt(self, node: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        """See `Settlement`."""
        if node == self._me:
            return await self._ours().get_receipt(self._me, request)
        return await self._reach(node).get_receipt(node, request)

    async def list_receipts(self, node: PeerId, request: ListReceiptsRequest) -> ListReceiptsReply:
        """See `Settlement`."""
        if node == self._me:
            return await self._ours().list_receipts(self._me, request)
        return await self._reach(node).list_receipts(node, request)

    def _ours(self) -> SettlementService:
        if self.own is None:
            raise PeerFault("this node is listed as a SGNUS node, but was not started with --settle")
        return self.own

    def _reach(self, node: PeerId) -> Settlement:
        """Its address may have been forgotten among those of other peers."""
        known = self._addresses.of(node)
        if known is not None:
            self._peers.admit(known[1])
        return self._peers.settlement


def sgnus_node_of(home: Path) -> SgnusNode:
    """The SGNUS node that the node of this home can be; its key is made at first. UserFault for a home that cannot be."""
    identity = NodeHome(home).identity()
    return SgnusNode(identity.peer_id, VrfKey.from_seed(vrf_seed_of(identity.seed)).public_key.hex())


def check_listed(network: NetworkFile, me: PeerId, vrf_key: bytes) -> None:
    """UserFault unless the network lists this node, with its own VRF key, as a SGNUS node."""
    known = next((node for node in network.sgnus_nodes if node.peer == me), None)
    if known is None:
        raise UserFault(
            f"--settle: the network {network.name!r} does not list this node ({me}) as a SGNUS node, so nobody would"
            " heed it. Create the network on this home with: sgnus network create NAME --settle"
        )
    if known.vrf_key != vrf_key.hex():
        raise UserFault(
            f"--settle: the network {network.name!r} lists this node with another VRF key than its own; create the"
            " network again on this home with: sgnus network create NAME --settle --force"
        )
