"""Address records: our own, told to all; others', checked, bounded, newest first to count. Peer exchange draws on them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import AddressRecord, Endpoint, SignedEnvelope
from sgnus.wire.envelope import is_newer, open_address, seal_address

ADDRESSES_MAX: Final = 4_096
RECORD_LIFE_MS: Final = 24 * 3600 * 1000


class AddressBook:
    """All address records that this node knows. `on_learned` hears of each new or newer one."""

    def __init__(
        self,
        identity: Identity,
        network: NetworkId,
        clock_ms: Callable[[], int],
        on_learned: Callable[[AddressRecord, SignedEnvelope], None],
    ) -> None:
        self._identity = identity
        self._network = network
        self._clock_ms = clock_ms
        self._on_learned = on_learned
        self._known: OrderedDict[PeerId, tuple[AddressRecord, SignedEnvelope]] = OrderedDict()
        self.own: SignedEnvelope | None = None
        self._multiaddrs: tuple[str, ...] = ()
        self._endpoints: tuple[Endpoint, ...] = ()

    def announce(self, endpoints: tuple[Endpoint, ...], multiaddrs: tuple[str, ...]) -> SignedEnvelope:
        """Our own record, anew. The sequence is the wall clock's: it rises from start to start."""
        now_ms = self._clock_ms()
        self._endpoints, self._multiaddrs = endpoints, multiaddrs
        self.own = seal_address(
            self._identity,
            self._network,
            endpoints=endpoints,
            multiaddrs=multiaddrs,
            sequence=now_ms,
            expires_ms=now_ms + RECORD_LIFE_MS,
        )
        return self.own

    def renew(self) -> SignedEnvelope | None:
        """Our own record with a later expiry; None before the first one."""
        return self.announce(self._endpoints, self._multiaddrs) if self.own is not None else None

    def own_multiaddrs(self) -> tuple[str, ...]:
        """Where our gossip listens; this is what bootstraps others."""
        return self._multiaddrs

    def learn(self, envelope: SignedEnvelope) -> bool:
        """Keep a valid and newer record. Faults: PeerFault."""
        if envelope.author == self._identity.peer_id:
            return False
        known = self._known.get(PeerId(envelope.author))
        if known is not None and known[1] == envelope:
            return False
        record = open_address(envelope, self._network, self._clock_ms())
        if not is_newer(record, known[0] if known else None):
            return False
        peer = PeerId(record.peer)
        self._known[peer] = (record, envelope)
        self._known.move_to_end(peer)
        if len(self._known) > ADDRESSES_MAX:
            self._known.popitem(last=False)
        self._on_learned(record, envelope)
        return True

    def try_learn(self, envelope: SignedEnvelope | None) -> bool:
        """Like `learn`, for records that came inside another message: a bad one is just not kept."""
        if envelope is None:
            return False
        try:
            return self.learn(envelope)
        except PeerFault:
            return False

    def of(self, peer: PeerId) -> tuple[AddressRecord, SignedEnvelope] | None:
        return self._known.get(peer)

    def some(self, limit: int) -> tuple[SignedEnvelope, ...]:
        """The newest records, ours first."""
        others = [envelope for _record, envelope in reversed(self._known.values())]
        own = [self.own] if self.own is not None else []
        return tuple((own + others)[: max(0, min(limit, 256))])

    def all(self) -> list[AddressRecord]:
        return [record for record, _envelope in self._known.values()]
