"""The pubsub service, rebuilt where a peer's bytes come in: nothing that a peer sends can raise, block or
grow it. All checks are synchronous: the library's asynchronous validators deliver twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import trio
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

from sgnus.adapters.gossip.budget import NeighbourAllowance
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.frames import FrameReader, MalformedFrame
from sgnus.adapters.gossip.gate import OVER_BUDGET, SIGNING_PREFIX, MessageGate, message_id
from sgnus.adapters.gossip.router import GossipRouter
from sgnus.adapters.gossip.rpc_queue import FrameQueue, frame_of
from sgnus.adapters.overruns import Overruns
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    GOSSIP_HELLO_MS_MAX,
    GOSSIP_TOPIC_CHARS_MAX,
    GOSSIP_TOPICS_PER_NEIGHBOUR_MAX,
)
from sgnus.ports import GossipEvent, GossipReceived, NeighbourConnected, NeighbourLost

# What an entry of a control list costs us beside its bytes (a task, a set entry, a look-up).
_ENTRY_BYTES: Final = 64
_OVERRUN_PAUSE_S: Final = 0.1


class GossipPubsub(Pubsub):  # type: ignore[misc]
    """Strictly signed pubsub among Ed25519 peers."""

    def __init__(
        self,
        host: Any,
        router: GossipRouter,
        identity: Identity,
        *,
        allowance: NeighbourAllowance,
        overruns: Overruns,
        counters: Counters,
        tell: Callable[[GossipEvent], None],
    ) -> None:
        super().__init__(
            host,
            router,
            strict_signing=True,
            msg_id_constructor=message_id,
            max_subscriptions_per_rpc=GOSSIP_TOPICS_PER_NEIGHBOUR_MAX,
            max_subscriptions_per_peer=GOSSIP_TOPICS_PER_NEIGHBOUR_MAX,
        )
        _stop_sweeping(self)
        self._gate = MessageGate(self.my_id, self.subscribed_topics_receive, allowance, overruns)
        self.seen_messages: Any = self._gate.seen
        # Counting from whole seconds repeats numbers after a restart, and neighbours drop repeats.
        self.counter = time.time_ns()
        self._identity = identity
        self._counters = counters
        self._tell = tell
        self._greeted: set[ID] = set()
        self._inbound = InboundStreams()

    # ---- our own messages ----------------------------------------------------------------------------------
    async def publish(self, topic_id: str | list[str], data: bytes) -> None:
        """Sign and send; our own messages are not delivered to us."""
        topics = [topic_id] if isinstance(topic_id, str) else topic_id
        message = rpc_pb2.Message(
            data=data, topicIDs=topics, from_id=self.my_id.to_bytes(), seqno=self._next_seqno()
        )
        message.signature = self._identity.sign(SIGNING_PREFIX + message.SerializeToString())
        self._gate.note(message)
        self._counters.add("published")
        await self.router.publish(self.my_id, message)

    # ---- a neighbour's stream ------------------------------------------------------------------------------
    async def stream_handler(self, stream: Any) -> None:
        """Read one neighbour's RPCs until its stream ends; no input of a peer may raise out of here."""
        peer = stream.muxed_conn.peer_id
        older = self._inbound.enter(peer, stream)
        try:
            if older is not None:
                super()._forget_all_subscriptions(peer)
                await _reset(older)
            await self._read_frames(stream, peer)
        except MalformedFrame:
            self._counters.add("dropped_malformed")
        except StreamError:
            pass  # the neighbour closed or reset it, or its connection is gone
        except Exception:  # noqa: BLE001 - the libp2p border: nothing of a peer may end the service
            self._counters.fault("handler_errors")
        finally:
            is_last = self._inbound.leave(peer, stream)
        with trio.move_on_after(1):
            await _reset(stream)
        if is_last:
            self._handle_dead_peer(peer)

    async def _read_frames(self, stream: Any, peer: ID) -> None:
        reader = FrameReader(stream)
        while True:
            frame = await reader.next()
            if frame is None:
                return
            if not await self._take_frame(frame, peer):
                # What is not read fills the neighbour's own queue: a flood costs us ten looks a second.
                await trio.sleep(_OVERRUN_PAUSE_S)

    async def _take_frame(self, frame: bytes, peer: ID) -> bool:
        """False once the neighbour is over its budget; what is left of the frame is not looked at then."""
        rpc = rpc_pb2.RPC()
        if not self._gate.allows_frame(peer, len(frame)):
            self._counters.add(OVER_BUDGET)
            return False
        try:
            rpc.ParseFromString(frame)
        except Exception as error:  # protobuf has several classes for "cannot be parsed", by backend
            raise MalformedFrame("not an RPC") from error
        if not self._gate.allows_frame(peer, _entries(rpc) * _ENTRY_BYTES):
            self._counters.add(OVER_BUDGET)
            return False
        for message in rpc.publish:
            if await self.push_msg(peer, message) == OVER_BUDGET:
                return False
        for subscription in rpc.subscriptions:
            if len(subscription.topicid) <= GOSSIP_TOPIC_CHARS_MAX:
                self.handle_subscription(peer, subscription)
        if rpc.HasField("control"):
            await self.router.handle_rpc(rpc, peer)
        return True

    async def push_msg(self, msg_forwarder: ID, msg: Any) -> str | None:
        """Check one message that `msg_forwarder` delivered; deliver it and send it on, or tell the counter of its refusal.
        Never raises.
        """
        try:
            refusal = self._gate.refusal(msg_forwarder, msg)
            if refusal is not None:
                self._counters.add(refusal)
                return refusal
            self._gate.note(msg)
            self._counters.add("received")
            neighbour, author = PeerId(msg_forwarder.to_base58()), PeerId(ID(msg.from_id).to_base58())
            self._tell(GossipReceived(msg.topicIDs[0], msg.data, neighbour, author))
            await self.router.publish(msg_forwarder, msg)
        except Exception:  # noqa: BLE001 - the libp2p border: one bad message must not end the service
            self._counters.add("dropped_malformed")
        return None

    # ---- neighbours come and go ----------------------------------------------------------------------------
    async def _handle_new_peer_with_retry(self, peer_id: ID, timeout: float | None = None) -> None:
        """Open our stream to a new neighbour; a connection that never speaks gossip only takes a slot, so it
        ends.
        """
        await super()._handle_new_peer_with_retry(peer_id, GOSSIP_HELLO_MS_MAX / 1000)
        if peer_id not in self.peers and self._peer_is_connected(peer_id):
            self._counters.add("connections_silent")
            for connection in list(self.host.get_network().connections.get(peer_id, ())):
                await connection.muxed_conn.abort()

    async def _handle_new_peer(self, peer_id: ID) -> None:
        if peer_id in self.peers or peer_id in self._greeted:
            return  # another task is at it, and retries by itself
        self._greeted.add(peer_id)
        try:
            stream = await self.host.new_stream(peer_id, self.protocols)
            await stream.write(frame_of(self.get_hello_packet()))
        finally:
            self._greeted.discard(peer_id)
        self.router.add_peer(peer_id, stream.get_protocol())
        self.peers[peer_id] = stream
        queue = FrameQueue()
        self.peer_queues[peer_id] = queue
        self.manager.run_task(self.handle_sending_messages, peer_id, stream, queue)
        self._tell(NeighbourConnected(PeerId(peer_id.to_base58())))
        await self._greet(peer_id)

    async def _greet(self, peer: ID) -> None:
        """Its subscriptions may have come before our stream stood: mesh with it, and send what it missed."""
        for topic in [topic for topic, peers in self.peer_topics.items() if peer in peers]:
            await self.router.on_peer_subscribed(peer, topic)
            await self._replay_recent_messages(peer, topic)

    def _handle_dead_peer(self, peer_id: ID) -> None:
        was_neighbour = peer_id in self.peers
        super()._handle_dead_peer(peer_id)
        if was_neighbour:
            self._tell(NeighbourLost(PeerId(peer_id.to_base58())))

    def _forget_all_subscriptions(self, peer_id: ID) -> None:
        """A neighbour's subscriptions last as long as the stream that told them, whatever becomes of ours to
        it.
        """
        if not self._inbound.has(peer_id):
            super()._forget_all_subscriptions(peer_id)

    def replace(self, peer_id: ID, lost: list[Any]) -> None:
        """The muxers `lost` to a neighbour were replaced by a newer connection: speak and listen there."""
        self._inbound.drop(peer_id, lost)
        self._handle_dead_peer(peer_id)

    async def handle_sending_messages(self, peer_id: ID, stream: Any, queue: FrameQueue) -> None:
        """All that waits goes out in one write."""
        try:
            while (frames := await queue.pop_frames()) is not None:
                await stream.write(frames)
        except Exception:  # noqa: BLE001 - the libp2p border: any failed write means that the stream is gone
            if self.peer_queues.get(peer_id) is queue:
                self._handle_dead_peer(peer_id)

    # ---- no signed peer record in any RPC: it would be signed, sent and verified with each -----------------
    def get_hello_packet(self) -> Any:
        subscriptions = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in self.topic_ids]
        return rpc_pb2.RPC(subscriptions=subscriptions)

    def _build_announce_rpc(self, topic_id: str, subscribe: bool) -> tuple[Any, Any]:
        subscription = rpc_pb2.RPC.SubOpts(subscribe=subscribe, topicid=topic_id)
        return rpc_pb2.RPC(subscriptions=[subscription]), subscription


class InboundStreams:
    """The one stream on which each neighbour speaks to us."""

    def __init__(self) -> None:
        self._streams: dict[ID, Any] = {}

    def enter(self, peer: ID, stream: Any) -> Any:
        """Note the newest stream; return the one that it replaces."""
        older = self._streams.get(peer)
        self._streams[peer] = stream
        return older

    def leave(self, peer: ID, stream: Any) -> bool:
        """Whether `stream` was the neighbour's current one."""
        if self._streams.get(peer) is not stream:
            return False
        del self._streams[peer]
        return True

    def has(self, peer: ID) -> bool:
        return peer in self._streams

    def drop(self, peer: ID, muxers: list[Any]) -> None:
        """Forget the neighbour's stream when it ran over one of `muxers`."""
        if peer in self._streams and self._streams[peer].muxed_conn in muxers:
            del self._streams[peer]


def _stop_sweeping(pubsub: Any) -> None:
    """End the thread that the library starts for its own cache of message ids."""
    pubsub.seen_messages.stop()


def _entries(rpc: Any) -> int:
    control = rpc.control
    listed = sum(len(item.messageIDs) for item in (*control.ihave, *control.iwant))
    return len(rpc.subscriptions) + len(control.graft) + len(control.prune) + listed


async def _reset(stream: Any) -> None:
    try:
        await stream.reset()
    except Exception:  # noqa: BLE001 - it is already gone
        return
