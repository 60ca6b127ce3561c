"""gossipsub with the parameters under which it does not lose messages, and without the parts that strangers
could use.
"""

from __future__ import annotations

import time
from typing import Any, Final

import trio
from libp2p.abc import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2

from sgnus.adapters.gossip.budget import NeighbourAllowance, NeighbourBudget
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.rpc_queue import frame_of
from sgnus.adapters.overruns import monotonic_ms
from sgnus.messages import limits

MESHSUB: Final = TProtocol("/meshsub/1.1.0")
_DEGREE: Final = 11
_DEGREE_HIGH_MIN: Final = 64
_CONTROLS_PER_S: Final = 200.0


class GossipRouter(GossipSub):  # type: ignore[misc]
    """meshsub 1.1 alone; every neighbour of a topic stays in its mesh."""

    def __init__(self, connections_max: int, counters: Counters) -> None:
        super().__init__(
            [MESHSUB],
            degree=_DEGREE,
            degree_low=_DEGREE,
            # A mesh that prunes collapses: the bound on connections bounds the mesh instead.
            degree_high=max(_DEGREE_HIGH_MIN, connections_max + 1),
            heartbeat_interval=1,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
            prune_back_off=5,
            unsubscribe_back_off=1,
            do_px=False,
        )
        self.graft_flood_threshold = 0.0
        self.max_iwant_requests_per_second = _CONTROLS_PER_S
        self.max_ihave_messages_per_second = _CONTROLS_PER_S
        # Our own budget per neighbour stands in for scores, which would punish neighbours that share an IP
        # address.
        self.scorer = None
        self._counters = counters
        self._last_frame: tuple[Any, bytes] = (None, b"")
        self._relayed: dict[ID, NeighbourBudget] = {}

    async def publish(self, msg_forwarder: ID, pubsub_msg: Any) -> None:
        """Send a checked message on. No record of ours rides along: address records are messages of their
        own.
        """
        self.mcache.put(pubsub_msg)
        rpc = rpc_pb2.RPC(publish=[pubsub_msg])
        origin = ID(pubsub_msg.from_id)
        is_own = msg_forwarder == self.pubsub.my_id
        for peer in self._get_peers_to_send(pubsub_msg.topicIDs, msg_forwarder=msg_forwarder, origin=origin):
            if is_own or self._may_relay(peer, rpc.ByteSize()):
                self.send_rpc(peer, rpc)
        for topic in pubsub_msg.topicIDs:
            self.time_since_last_publish[topic] = int(time.time())

    def remove_peer(self, peer_id: ID) -> None:
        super().remove_peer(peer_id)
        self._relayed.pop(peer_id, None)

    def _may_relay(self, peer: ID, frame_bytes: int) -> bool:
        """Whether that neighbour has room for one more of others' messages: what exceeds its budget would be held against
        us. Whoever floods us would else have us shut out by all others.
        """
        now_ms = monotonic_ms()
        if peer not in self._relayed:
            allowance = NeighbourAllowance(
                messages_per_s=limits.GOSSIP_RELAYED_PER_S,
                messages_burst=limits.GOSSIP_RELAYED_BURST,
                bytes_per_s=limits.GOSSIP_RELAYED_BYTES_PER_S,
                bytes_burst=limits.GOSSIP_RELAYED_BYTES_BURST,
            )
            self._relayed[peer] = NeighbourBudget(allowance, now_ms)
        budget = self._relayed[peer]
        is_allowed = budget.allows_frame(frame_bytes, now_ms) and budget.allows_message(now_ms)
        if not is_allowed:
            self._counters.add("dropped_relayed")
        return is_allowed

    def send_rpc(self, peer_id: ID, rpc: Any, priority: bool = False) -> None:
        queue = self.pubsub.peer_queues.get(peer_id)
        if queue is None:
            return
        if peer_id in self._pending_control or rpc.ByteSize() > queue.max_message_size:
            super().send_rpc(peer_id, rpc, priority)
        elif not queue.push_frame(self._frame(rpc), priority):
            self._handle_dropped_rpc(peer_id, rpc, "queue_full")

    def _frame(self, rpc: Any) -> bytes:
        if self._last_frame[0] is not rpc:
            self._last_frame = (rpc, frame_of(rpc))
        return self._last_frame[1]

    def _handle_dropped_rpc(self, peer_id: ID, rpc: Any, reason: str) -> None:
        self._counters.add("dropped_outbound_full")
        super()._handle_dropped_rpc(peer_id, rpc, reason)

    async def emit_control_message(self, control_msg: Any, to_peer: ID) -> None:
        self.send_rpc(to_peer, rpc_pb2.RPC(control=control_msg), priority=True)

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """To a neighbour that just subscribed: what it missed while the connection was being set up, as far as it has room."""
        for message_id in self.mcache.window(topic):
            message = self.mcache.get(message_id)
            if message is None:
                continue
            rpc = rpc_pb2.RPC(publish=[message])
            if message.from_id == self.pubsub.my_id.to_bytes() or self._may_relay(peer_id, rpc.ByteSize()):
                self.send_rpc(peer_id, rpc)

    async def handle_rpc(self, rpc: Any, sender_peer_id: ID) -> None:
        rpc.ClearField("senderRecord")
        await super().handle_rpc(rpc, sender_peer_id)

    async def handle_prune(self, prune_msg: Any, sender_peer_id: ID) -> None:
        # A prune of a topic that we are not in would only leave a name of the sender's choice in our tables.
        if prune_msg.topicID in self.mesh:
            del prune_msg.peers[:]
            await super().handle_prune(prune_msg, sender_peer_id)

    async def _do_px(self, px_peers: Any) -> None:
        """Peers are exchanged above, by signed address records."""

    async def flush_pending_messages(self, peer_id: ID) -> None:
        """Nothing is ever pending: what a new neighbour missed is sent when it subscribes."""

    async def heartbeat(self) -> None:
        while True:
            try:
                await super().heartbeat()
            except Exception:  # noqa: BLE001 - the libp2p border: without a heartbeat no mesh is ever mended
                self._counters.fault("task_errors")
                await trio.sleep(self.heartbeat_interval)

    def mesh_heartbeat(self) -> Any:
        now = int(time.time())
        for topic in list(self.back_off):
            waits = {peer: until for peer, until in self.back_off[topic].items() if until > now}
            self.back_off[topic] = waits
            if not waits:
                del self.back_off[topic]
        return super().mesh_heartbeat()
