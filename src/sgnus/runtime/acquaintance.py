"""Getting to know peers: who may call us, with whom we gossip, and telling all where we are."""

from __future__ import annotations

import logging
from typing import Final

from sgnus.messages.errors import UserFault
from sgnus.messages.ids import PeerId
from sgnus.messages.topics import ADDRESS_TOPIC
from sgnus.messages.v1.types import AddressRecord, GossipMessage, SignedEnvelope
from sgnus.runtime.drivers import Drivers
from sgnus.wire.codec import encode

LOG: Final = logging.getLogger("sgnus.acquaintance")
CONNECTIONS_WANTED_MAX: Final = 16


class Acquaintance:
    """What follows from an address record."""

    def __init__(self, me: PeerId, drivers: Drivers) -> None:
        self._me = me
        self._peers = drivers.peers
        self._gossip = drivers.gossip

    def learned(self, record: AddressRecord, envelope: SignedEnvelope) -> None:
        """A new address: its peer may call us, and becomes a gossip neighbour while we have few."""
        self._peers.admit(envelope)
        self.meet(record)

    def meet(self, record: AddressRecord, *, in_any_case: bool = False) -> None:
        """Keep a gossip connection to this peer. Of two that know each other the lower peer id dials, so that dials do not
        cross; the other one does `in_any_case` when that has not happened for a while (it may be the only one that can).
        """
        neighbours = self._gossip.neighbours()
        if not record.multiaddrs or record.peer in neighbours or len(neighbours) >= CONNECTIONS_WANTED_MAX:
            return
        if not in_any_case and self._me > record.peer:
            return
        # Its peer signed them, but what they say is a stranger's word: any text, or a place in another peer's name.
        own = [each for each in record.multiaddrs if each.endswith(f"/p2p/{record.peer}")]
        if len(own) < len(record.multiaddrs):
            LOG.info("%s tells an address that is not its own", record.peer, extra={"peer": record.peer})
        # A record holds as many as the dialler keeps. It tries the newest first, and the peer named its best one first.
        for multiaddr in reversed(own):
            try:
                self._gossip.connect(multiaddr)
            except UserFault as fault:
                LOG.info("%s: %s", record.peer, fault, extra={"peer": record.peer})

    def tell(self, own: SignedEnvelope | None) -> None:
        """Our own address record, to all."""
        if own is not None:
            self._gossip.publish(ADDRESS_TOPIC, encode(GossipMessage(body=own)))
