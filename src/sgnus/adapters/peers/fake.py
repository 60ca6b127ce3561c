"""`Peers` in memory: the same contract without sockets, for tests of the runtime."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from sgnus.adapters.peers.directory import Directory
from sgnus.adapters.peers.events import Events
from sgnus.adapters.peers.fake_calls import FakeCalls
from sgnus.adapters.peers.fake_settlement import FakeSettlement
from sgnus.adapters.peers.node import Self
from sgnus.messages.errors import OurFault, PeerFault, UserFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    ADDRESS_LIFE_MS_MAX,
    PEER_MESSAGE_BYTES_MAX,
    PEER_QUEUE_BYTES_MAX,
    PEER_QUEUE_ITEMS_MAX,
    REDIAL_MS_MIN,
)
from sgnus.messages.v1.types import Endpoint, SignedEnvelope
from sgnus.ports import PeerConnected, PeerEvent, PeerLost, PeerSent, PeerService
from sgnus.ports.settlement import SettlementService
from sgnus.wire.envelope import seal_address

_FIRST_PORT: Final = 1024


class FakePeerHub:
    """What stands for the network: who listens, and where."""

    def __init__(self) -> None:
        self._nodes: dict[PeerId, FakePeers] = {}
        self._ports: dict[int, PeerId] = {}

    def listen(self, node: FakePeers, port: int) -> int:
        """Take a port, any free one for 0; UserFault when another node has it."""
        if port in self._ports:
            raise UserFault(f"cannot listen on port {port}: another program has it; choose another port")
        while port == 0 or port in self._ports:
            port = max(self._ports, default=_FIRST_PORT) + 1
        self._ports[port] = node.peer
        self._nodes[node.peer] = node
        return port

    def leave(self, node: FakePeers) -> None:
        """Give the port back."""
        if self._nodes.get(node.peer) is node:
            del self._nodes[node.peer]
        self._ports = {port: peer for port, peer in self._ports.items() if peer != node.peer}

    def node(self, peer: PeerId) -> FakePeers | None:
        """The node of `peer`, if it runs."""
        return self._nodes.get(peer)

    def at(self, peer: PeerId, caller: FakePeers, method: str) -> FakePeers:
        """The node of `peer`, if it lets `caller` make this call; WorldFault or PeerFault as over gRPC."""
        node = self.reached(peer, caller)
        if not node.service.may_call(caller.peer, method):
            raise PeerFault(f"refused: you may not call {method} now")
        return node

    def reached(self, peer: PeerId, caller: FakePeers) -> FakePeers:
        """The node of `peer`, if it knows `caller`; WorldFault or PeerFault as over gRPC."""
        if not caller.directory.endpoints(peer):
            raise WorldFault(f"no address of {peer} is known")
        node = self._nodes.get(peer)
        if node is None or node.own.network != caller.own.network:
            raise WorldFault("unreachable")
        if not node.directory.is_admitted(caller.peer):
            raise PeerFault("refused: this node does not know you (any more)")
        return node


class FakeLine:
    """One direction of a stream: a bounded queue that empties into the receiver's events."""

    def __init__(self, sender: PeerId, receiver: Events) -> None:
        self._sender = sender
        self._receiver = receiver
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._timer: asyncio.Handle | None = None

    def put(self, message: bytes) -> bool:
        """Whether there was room."""
        if len(self._queue) >= PEER_QUEUE_ITEMS_MAX or self._bytes + len(message) > PEER_QUEUE_BYTES_MAX:
            return False
        self._queue.append(message)
        self._bytes += len(message)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self._pump)
        return True

    def flush(self) -> None:
        """Deliver what is queued, now."""
        while self._queue:
            self._receiver.tell(PeerSent(self._sender, self._queue.popleft()))
        self.drop()

    def drop(self) -> None:
        """Deliver nothing more."""
        self._queue.clear()
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self) -> None:
        self._timer = None
        while self._queue and self._receiver.is_empty:
            message = self._queue.popleft()
            self._bytes -= len(message)
            self._receiver.tell(PeerSent(self._sender, message))
        if self._queue:
            self._timer = asyncio.get_running_loop().call_later(0.005, self._pump)


class FakeStreams:
    """The streams of one node, wanted and standing."""

    def __init__(self, node: FakePeers, hub: FakePeerHub) -> None:
        self._node = node
        self._hub = hub
        self.lines: dict[PeerId, FakeLine] = {}
        self._waiting: dict[PeerId, list[bytes]] = {}
        self._timers: dict[PeerId, asyncio.TimerHandle] = {}

    def want(self, peer: PeerId, delay_ms: int = 0) -> None:
        """Try to connect soon, and again until it stands."""
        self._waiting.setdefault(peer, [])
        self._stop_timer(peer)
        loop = asyncio.get_running_loop()
        self._timers[peer] = loop.call_later(delay_ms / 1000, self._try, peer)

    def learnt(self, peer: PeerId) -> None:
        """There is an address: try at once, if wanted."""
        if peer in self._waiting:
            self.want(peer)

    def unwant(self, peer: PeerId) -> None:
        """Send what is queued, then end."""
        self._stop_timer(peer)
        waited = self._waiting.pop(peer, None)
        if peer in self.lines:
            self.lines[peer].flush()
            self.end(peer, "closed here", "closed by the peer")
        elif waited is not None:
            self._node.events.tell(PeerLost(peer, "closed here"))

    def unwant_all(self) -> None:
        """End all."""
        for peer in [*self._waiting, *self.lines]:
            self.unwant(peer)

    def send(self, peer: PeerId, message: bytes) -> bool:
        """See `Peers.send`."""
        line, waiting = self.lines.get(peer), self._waiting.get(peer)
        if line is None:
            if waiting is None:
                return False
            waiting.append(message)
            return True
        if line.put(message):
            return True
        self.end(peer, "its queue overflowed", "the connection broke")
        return False

    def end(self, peer: PeerId, reason: str, their_reason: str) -> None:
        """End the stream on both sides."""
        other = self._hub.node(peer)
        self.lost(peer, reason)
        if other is not None:
            other.streams.lost(self._node.peer, their_reason)

    def lost(self, peer: PeerId, reason: str) -> None:
        """This side's half of an end."""
        line = self.lines.pop(peer, None)
        if line is None:
            return
        line.drop()
        self._node.events.tell(PeerLost(peer, reason))
        if peer in self._waiting:
            self.want(peer, REDIAL_MS_MIN)

    def connected(self, other: FakePeers) -> None:
        """This side's half of a beginning; what waited goes out."""
        line = self.lines[other.peer] = FakeLine(self._node.peer, other.events)
        self._node.events.tell(PeerConnected(other.peer, other.own.boot))
        for message in self._waiting.get(other.peer, []):
            line.put(message)
        if other.peer in self._waiting:
            self._waiting[other.peer] = []

    def _try(self, peer: PeerId) -> None:
        if peer in self.lines or not self._node.directory.endpoints(peer):
            return
        try:
            other = self._hub.at(peer, self._node, "Exchange")
        except (WorldFault, PeerFault) as error:
            self._waiting[peer] = []
            self._node.events.tell(PeerLost(peer, str(error)))
            self.want(peer, REDIAL_MS_MIN)
            return
        other.directory.admit(self._node.address)
        other.streams.connected(self._node)
        self.connected(other)

    def _stop_timer(self, peer: PeerId) -> None:
        timer = self._timers.pop(peer, None)
        if timer is not None:
            timer.cancel()


class FakePeers:
    """Implements `Peers` within one loop."""

    def __init__(self, own: Self, hub: FakePeerHub) -> None:
        self.own = own
        self.peer = own.identity.peer_id
        self._hub = hub
        self.events = Events()
        self.streams = FakeStreams(self, hub)
        self.directory = Directory(own.network, own.now_ms, lambda peer: peer in self.streams.lines)
        self._calls = FakeCalls(self.peer, lambda peer, method: hub.at(peer, self, method).service)
        self._service: PeerService | None = None
        self.settles: SettlementService | None = None
        self._address: SignedEnvelope | None = None

    async def start(
        self,
        service: PeerService,
        deliver: Callable[[PeerEvent], bool],
        *,
        host: str,
        port: int,
        settlement: SettlementService | None = None,
    ) -> Endpoint:
        """See `Peers`."""
        endpoint = Endpoint(host=host, port=self._hub.listen(self, port))
        self._service = service
        self.settles = settlement
        self.events.deliver_to(deliver)
        now_ms = self.own.now_ms()
        self._address = seal_address(
            self.own.identity,
            self.own.network,
            endpoints=(endpoint,),
            sequence=now_ms,
            expires_ms=now_ms + ADDRESS_LIFE_MS_MAX,
        )
        return endpoint

    @property
    def service(self) -> PeerService:
        """What this node does for its peers."""
        assert self._service is not None
        return self._service

    @property
    def calls(self) -> FakeCalls:
        """See `Peers`."""
        return self._calls

    @property
    def settlement(self) -> FakeSettlement:
        """See `Peers`."""
        return FakeSettlement(self.peer, lambda node: self._hub.reached(node, self).settles)

    @property
    def address(self) -> SignedEnvelope:
        """See `Peers`."""
        if self._address is None:
            raise OurFault("peers were asked for the address before start")
        return self._address

    def announce(self, record: SignedEnvelope) -> None:
        """See `Peers`."""
        self._address = record

    def admit(self, record: SignedEnvelope) -> bool:
        """See `Peers`."""
        peer = PeerId(record.author)
        if peer == self.peer or not self.directory.admit(record):
            return False
        self.streams.learnt(peer)
        return True

    def remove(self, peer: PeerId) -> None:
        """See `Peers`."""
        self.directory.remove(peer)
        if peer in self.streams.lines:
            self.streams.lines[peer].drop()
        self.streams.unwant(peer)

    def open(self, peer: PeerId) -> None:
        """See `Peers`."""
        if peer != self.peer:
            self.streams.want(peer)

    def close(self, peer: PeerId) -> None:
        """See `Peers`."""
        self.streams.unwant(peer)

    def send(self, peer: PeerId, message: bytes, *, urgent: bool = False) -> bool:
        """See `Peers`."""
        if not 0 < len(message) <= PEER_MESSAGE_BYTES_MAX:
            raise OurFault(f"a message of {len(message)} bytes to a peer")
        return self.streams.send(peer, message)

    def connected(self) -> Sequence[PeerId]:
        """See `Peers`."""
        return list(self.streams.lines)

    @property
    def is_listening(self) -> bool:
        """See `Peers`."""
        return self._hub.node(self.peer) is self

    async def stop(self) -> None:
        """See `Peers`."""
        self.streams.unwant_all()
        self._hub.leave(self)
        self.events.stop()
