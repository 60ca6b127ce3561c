"""`Libp2pGossip`: the asyncio side of the Gossip port. libp2p runs in a thread of its own, under trio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from sgnus.adapters.gossip.addresses import parse_address
from sgnus.adapters.gossip.budget import NeighbourAllowance
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.queues import CommandQueue, EventQueue
from sgnus.adapters.gossip.thread import GossipThread, NodeSettings
from sgnus.adapters.overruns import Overruns
from sgnus.crypto.identity import Identity, public_key_of
from sgnus.messages.errors import OurFault, UserFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    GOSSIP_BYTES_MAX,
    GOSSIP_CONNECTIONS_MAX,
    GOSSIP_TOPIC_CHARS_MAX,
)
from sgnus.ports import GossipEvent, NeighbourConnected, NeighbourLost

if TYPE_CHECKING:
    from sgnus.adapters.gossip.node import GossipNode

_PSK_BYTES = 32


class Libp2pGossip:
    """The Gossip port over py-libp2p.

    `seed`: 32-byte Ed25519 seed. `listen`: host and port, 0 for a free one. `psk`: 32-byte key of a private
    network; peers without it never get a connection. `jitter`: dice for redial times, seeded in tests.
    `overruns`: shared with whoever else meets the same peers; who is shut out there is here, too.
    """

    def __init__(
        self,
        seed: bytes,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        *,
        psk: bytes | None = None,
        max_connections: int = GOSSIP_CONNECTIONS_MAX,
        allowance: NeighbourAllowance | None = None,
        jitter: Random | None = None,
        overruns: Overruns | None = None,
    ) -> None:
        if psk is not None and len(psk) != _PSK_BYTES:
            raise UserFault(f"the network's pre-shared key has {len(psk)} bytes: it must have {_PSK_BYTES}")
        self.peer_id = Identity.from_seed(seed).peer_id
        self._counters = Counters()
        overruns = overruns or Overruns()
        self._settings = NodeSettings(
            seed,
            *listen,
            psk,
            max_connections,
            allowance or NeighbourAllowance(),
            jitter or SystemRandom(),
            overruns,
        )
        overruns.followers.append(self._shut_out)
        self._commands = CommandQueue()
        self._neighbours: dict[PeerId, None] = {}
        self._thread: GossipThread | None = None

    async def start(self, deliver: Callable[[GossipEvent], bool]) -> Sequence[str]:
        """Listen; return our full multiaddrs. UserFault when the port is taken."""
        if self._thread is not None:
            raise OurFault("gossip was started twice")
        events = EventQueue(asyncio.get_running_loop(), partial(self._hand_over, deliver), self._counters)
        self._thread = GossipThread(self._settings, self._commands, events, self._counters)
        return await self._thread.start()

    def subscribe(self, topic: str) -> None:
        _check_topic(topic)
        self._command(lambda node: node.subscribe(topic))

    def unsubscribe(self, topic: str) -> None:
        self._command(lambda node: node.unsubscribe(topic))

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to all subscribers; what does not fit into the queue is dropped and counted."""
        _check_topic(topic)
        if len(payload) > GOSSIP_BYTES_MAX:
            raise OurFault(f"a gossip message of {len(payload)} bytes: at most {GOSSIP_BYTES_MAX} allowed")
        if not self._commands.put(partial(_publish, topic, bytes(payload)), len(payload)):
            self._counters.add("dropped_publish_full")

    def connect(self, multiaddr: str) -> None:
        """Keep a connection to this full multiaddr; UserFault when it is none. Why dials fail:
        `dial_failures`.
        """
        address = parse_address(multiaddr)
        self._command(lambda node: node.connect(address))

    def disconnect(self, peer: PeerId) -> None:
        public_key_of(peer)
        self._command(lambda node: node.disconnect(peer))

    def _shut_out(self, peer: PeerId) -> None:
        """From whichever thread noted it: the connections end, and no new one is kept."""
        self._commands.put(lambda node: node.disconnect(peer))

    def neighbours(self) -> Sequence[PeerId]:
        return tuple(self._neighbours)

    @property
    def is_listening(self) -> bool:
        """See `Gossip`."""
        return self._thread is not None and self._thread.is_listening

    def counters(self) -> Mapping[str, int]:
        """What was received, sent, refused and dropped so far."""
        return self._counters.snapshot()

    def dial_failures(self) -> Mapping[str, str]:
        """Multiaddr -> why the last dial of it failed; bounded, newest last."""
        return {} if self._thread is None else dict(self._thread.failures)

    async def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._thread is not None:
            await self._thread.stop()
        self._neighbours.clear()

    def _command(self, command: Callable[[GossipNode], Awaitable[None]]) -> None:
        if not self._commands.put(command):
            raise OurFault("the gossip thread is thousands of commands behind")

    def _hand_over(self, deliver: Callable[[GossipEvent], bool], event: GossipEvent) -> bool:
        # Before it is told: whoever hears of a neighbour counts all of them. Told again when it could not be.
        if isinstance(event, NeighbourConnected):
            self._neighbours[event.peer] = None
        elif isinstance(event, NeighbourLost):
            self._neighbours.pop(event.peer, None)
        return deliver(event)


async def _publish(topic: str, payload: bytes, node: GossipNode) -> None:
    await node.publish(topic, payload)


def _check_topic(topic: str) -> None:
    if not 0 < len(topic) <= GOSSIP_TOPIC_CHARS_MAX:
        raise OurFault(f"a topic of {len(topic)} characters: 1 to {GOSSIP_TOPIC_CHARS_MAX} are allowed")
