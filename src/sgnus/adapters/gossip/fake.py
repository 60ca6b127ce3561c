"""Gossip in memory, with the contract of the real one: what tests and the simulator of whole nodes run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sgnus.adapters.gossip.addresses import PeerAddress, parse_address
from sgnus.adapters.gossip.counters import Counters
from sgnus.messages.errors import OurFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import GOSSIP_BYTES_MAX
from sgnus.ports import GossipEvent, GossipReceived, NeighbourConnected, NeighbourLost


class FakeGossipHub:
    """The network between fakes: who is linked to whom. Messages flood over links, as in a gossip mesh."""

    def __init__(self) -> None:
        self._nodes: dict[PeerId, FakeGossip] = {}
        self._links: dict[PeerId, dict[PeerId, None]] = {}

    def enter(self, node: FakeGossip) -> str:
        self._nodes[node.peer_id] = node
        self._links[node.peer_id] = {}
        for other in list(self._nodes.values()):
            if other is not node and other.keeps(node.peer_id):
                self.link(other.peer_id, node.peer_id)
        return f"/ip4/127.0.0.1/tcp/{len(self._nodes)}/p2p/{node.peer_id}"

    def leave(self, peer: PeerId) -> None:
        for other in list(self._links.get(peer, ())):
            self.cut(peer, other)
        self._nodes.pop(peer, None)
        self._links.pop(peer, None)

    def is_there(self, node: FakeGossip) -> bool:
        return self._nodes.get(node.peer_id) is node

    def link(self, one: PeerId, other: PeerId) -> None:
        """Connect two nodes, when both are there."""
        if other not in self._nodes or other in self._links[one] or one == other:
            return
        self._links[one][other] = None
        self._links[other][one] = None
        self._nodes[one].tell(NeighbourConnected(other))
        self._nodes[other].tell(NeighbourConnected(one))

    def cut(self, one: PeerId, other: PeerId) -> None:
        """Break the link between two nodes: a test's partition; `heal` mends it."""
        if other not in self._links.get(one, ()):
            return
        del self._links[one][other]
        del self._links[other][one]
        self._nodes[one].tell(NeighbourLost(other))
        self._nodes[other].tell(NeighbourLost(one))

    def heal(self) -> None:
        """Everybody redials whom it keeps."""
        for node in list(self._nodes.values()):
            for other in list(self._nodes.values()):
                if node.keeps(other.peer_id):
                    self.link(node.peer_id, other.peer_id)

    def neighbours(self, peer: PeerId) -> Sequence[PeerId]:
        return tuple(self._links.get(peer, ()))

    def publish(self, author: PeerId, topic: str, payload: bytes) -> None:
        """Flood over links between subscribers; the author itself need not be one."""
        reached: dict[PeerId, None] = {author: None}
        frontier = [author]
        while frontier:
            deliverer = frontier.pop(0)
            for peer in list(self._links.get(deliverer, ())):
                if peer in reached or not self._nodes[peer].has_subscribed(topic):
                    continue
                reached[peer] = None
                frontier.append(peer)
                self._nodes[peer].tell(GossipReceived(topic, payload, deliverer, author))


class FakeGossip:
    """One node on a hub. Deliveries happen inside the call that causes them: deterministic, no thread, no
    clock.
    """

    def __init__(self, hub: FakeGossipHub, peer_id: PeerId) -> None:
        self.peer_id = peer_id
        self._hub = hub
        self._topics: dict[str, None] = {}
        self._kept: dict[PeerId, None] = {}
        self._counters = Counters()
        self._deliver: Callable[[GossipEvent], bool] | None = None

    async def start(self, deliver: Callable[[GossipEvent], bool]) -> Sequence[str]:
        if self._deliver is not None:
            raise OurFault("gossip was started twice")
        self._deliver = deliver
        return [self._hub.enter(self)]

    def subscribe(self, topic: str) -> None:
        self._topics[topic] = None

    def unsubscribe(self, topic: str) -> None:
        self._topics.pop(topic, None)

    def publish(self, topic: str, payload: bytes) -> None:
        if len(payload) > GOSSIP_BYTES_MAX:
            raise OurFault(f"a gossip message of {len(payload)} bytes: at most {GOSSIP_BYTES_MAX} allowed")
        self._counters.add("published")
        self._hub.publish(self.peer_id, topic, bytes(payload))

    def connect(self, multiaddr: str) -> None:
        address: PeerAddress = parse_address(multiaddr)
        if address.peer == self.peer_id:
            self._counters.add("dials_of_self")
            return
        self._kept[address.peer] = None
        self._hub.link(self.peer_id, address.peer)

    def disconnect(self, peer: PeerId) -> None:
        self._kept.pop(peer, None)
        self._hub.cut(self.peer_id, peer)

    def neighbours(self) -> Sequence[PeerId]:
        return self._hub.neighbours(self.peer_id)

    @property
    def is_listening(self) -> bool:
        return self._hub.is_there(self)

    def counters(self) -> Mapping[str, int]:
        return self._counters.snapshot()

    async def stop(self) -> None:
        self._hub.leave(self.peer_id)
        self._topics.clear()

    # ---- for the hub ---------------------------------------------------------------------------------------
    def keeps(self, peer: PeerId) -> bool:
        return peer in self._kept

    def has_subscribed(self, topic: str) -> bool:
        return topic in self._topics

    def tell(self, event: GossipEvent) -> None:
        if self._deliver is None:
            return
        is_taken = self._deliver(event)
        if isinstance(event, GossipReceived):
            self._counters.add("received" if is_taken else "dropped_inbound_full")
