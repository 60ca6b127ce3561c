"""The real parts that a node stands on: network, disk, sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.messages.ids import PeerId
from sgnus.ports import Gossip, Peers, Store
from sgnus.runtime.database import Database


@dataclass(frozen=True, slots=True)
class Drivers:
    """One driver for each port, and the database on its store. A node that only serves apps has no pool."""

    gossip: Gossip
    peers: Peers
    store: Store
    database: Database
    pool: ProcessorPool | None
    counters: Mapping[str, Callable[[], Mapping[str, int]]] = field(default_factory=dict)
    """What the drivers of the network count, by driver: name -> count, of fixed names."""
    charge: Callable[[PeerId, int], object] = lambda _peer, _messages: None
    """A message on the stream of a pair counts as so many more."""

    def is_near(self, peer: PeerId) -> bool:
        """Whether it is in touch with us."""
        return peer in self.gossip.neighbours() or peer in self.peers.connected()
