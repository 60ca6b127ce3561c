"""Who may connect, and where peers are reached: a bounded set of valid address records."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sgnus.adapters.peers.certificates import authority_pem
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import ADDRESS_ENDPOINTS_MAX, PEERS_ADMITTED_MAX
from sgnus.messages.v1.types import AddressRecord, Endpoint, SignedEnvelope
from sgnus.wire.envelope import VerifyCache, is_newer, open_address

SHUT_OUT: Final = "you asked for too much, and are shut out for a while"


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A valid address record, opened and as it was signed."""

    record: AddressRecord
    envelope: SignedEnvelope


class Directory:
    """Valid address records of this network, the least recently used forgotten first, those in use never.

    The TLS side asks `changed_roots` from a thread of gRPC at every handshake; all else belongs to the event loop.
    """

    def __init__(
        self,
        network: NetworkId,
        now_ms: Callable[[], int],
        is_in_use: Callable[[PeerId], bool],
        is_shut_out: Callable[[PeerId], bool] = lambda _: False,
        capacity: int = PEERS_ADMITTED_MAX,
    ) -> None:
        self._network = network
        self._now_ms = now_ms
        self._is_in_use = is_in_use
        self.is_shut_out = is_shut_out
        self._waiting: OrderedDict[PeerId, KnownPeer] = OrderedDict()
        self._capacity = capacity
        self._known: OrderedDict[PeerId, KnownPeer] = OrderedDict()
        self._verify = VerifyCache()
        self._lock = threading.Lock()
        self._changed: tuple[PeerId, ...] | None = None

    def admit(self, envelope: SignedEnvelope) -> bool:
        """Whether the record told something new that counts from now on: that of a peer that is shut out waits until it is
        not. PeerFault when it is not valid, or all places are in use.
        """
        record = open_address(envelope, self._network, self._now_ms(), verify=self._verify)
        if len(record.endpoints) > ADDRESS_ENDPOINTS_MAX:
            raise PeerFault(f"an address record with {len(record.endpoints)} endpoints")
        peer = PeerId(record.peer)
        if self.is_shut_out(peer):
            waiting = self._waiting.get(peer)
            if waiting is None or is_newer(record, waiting.record):
                self._wait(peer, KnownPeer(record, envelope))
            return False
        known = self._known.get(peer)
        if not is_newer(record, known.record if known else None):
            return False
        if known is None and len(self._known) >= self._capacity:
            self._make_room()
        self._known[peer] = KnownPeer(record, envelope)
        self._known.move_to_end(peer)
        if known is None:
            self._tell_tls()
        return True

    def remove(self, peer: PeerId) -> None:
        """Forget a peer."""
        if self._known.pop(peer, None) is not None:
            self._tell_tls()

    def shut_out(self, peer: PeerId) -> None:
        """Forget a peer until `readmit`, but not its certificate: a handshake that fails is followed by the next at once, while
        calls can be held before they are refused.
        """
        known = self._known.get(peer)
        if known is not None:
            self._wait(peer, known)
        self.remove(peer)

    def readmit(self, peer: PeerId) -> None:
        """It is not shut out any more. A record that has expired meanwhile is left out: the peer tells another."""
        waiting = self._waiting.pop(peer, None)
        if waiting is not None:
            with contextlib.suppress(PeerFault):
                self.admit(waiting.envelope)
            self._tell_tls()

    def _wait(self, peer: PeerId, known: KnownPeer) -> None:
        self._waiting[peer] = known
        if len(self._waiting) > self._capacity:
            self._waiting.popitem(last=False)
        self._tell_tls()

    def is_admitted(self, peer: PeerId) -> bool:
        """Whether the peer may call; counts as a use."""
        if peer not in self._known:
            return False
        self._known.move_to_end(peer)
        return True

    def endpoints(self, peer: PeerId) -> tuple[Endpoint, ...]:
        """Where the peer listens; empty when we do not know."""
        known = self._known.get(peer)
        return known.record.endpoints if known else ()

    def endpoint(self, peer: PeerId, attempt: int = 0) -> Endpoint:
        """One of the peer's endpoints, in turn by attempt; WorldFault when we know none."""
        endpoints = self.endpoints(peer)
        if not endpoints:
            raise WorldFault(f"no address of {peer} is known")
        return endpoints[attempt % len(endpoints)]

    def changed_roots(self) -> bytes | None:
        """The CA certificates of all admitted peers, if they changed since the last call. Called from any thread."""
        with self._lock:
            peers, self._changed = self._changed, None
        return None if peers is None else roots_of(peers)

    def _make_room(self) -> None:
        for peer in self._known:
            if not self._is_in_use(peer):
                del self._known[peer]
                return
        raise PeerFault(f"all {self._capacity} places for peers are in use")

    def _tell_tls(self) -> None:
        with self._lock:
            self._changed = tuple(dict.fromkeys((*self._known, *self._waiting)))


def roots_of(peers: tuple[PeerId, ...]) -> bytes:
    """CA certificates in PEM, one after the other."""
    return b"".join(authority_pem(peer) for peer in peers)
