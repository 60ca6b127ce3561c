"""Signing and opening for the core, with Ed25519. What was opened once is not verified or decoded again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final, TypeVar

from sgnus.crypto.identity import Identity
from sgnus.crypto.vrf import VrfKey, verify, vrf_seed_of
from sgnus.messages.fields import Message
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import SignedEnvelope, SignedKind
from sgnus.wire.envelope import open_envelope, seal

M = TypeVar("M", bound=Message)
OPENED_BYTES_MAX: Final = 1 << 18
"""Of payload. A member list of eleven has 8 kB, most else some hundred bytes; opened, either takes about five times as much."""
PROVEN_MAX: Final = 1_024


class EnvelopePen:
    """The `Pen` of a running node."""

    def __init__(self, identity: Identity, network: NetworkId) -> None:
        self._identity = identity
        self._network = network
        self._vrf = VrfKey.from_seed(vrf_seed_of(identity.seed))
        self._proven: OrderedDict[tuple[bytes, bytes, bytes], bytes | None] = OrderedDict()
        self._opened: OrderedDict[tuple[bytes, str, bytes], Message] = OrderedDict()
        self._opened_bytes = 0

    @property
    def peer(self) -> PeerId:
        return self._identity.peer_id

    @property
    def vrf_key(self) -> bytes:
        return self._vrf.public_key

    def prove(self, alpha: bytes) -> bytes:
        """Our VRF proof over `alpha`."""
        return self._vrf.prove(alpha)

    def check_proof(self, key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
        """The output of a proof by the holder of `key`, or None; what was checked once is not checked again."""
        checked = (key, alpha, proof)
        if checked not in self._proven:
            self._proven[checked] = verify(key, alpha, proof)
            if len(self._proven) > PROVEN_MAX:
                self._proven.popitem(last=False)
        return self._proven[checked]

    def sign(self, kind: SignedKind, message: Message) -> SignedEnvelope:
        """`message`, signed by this node for its network."""
        envelope = seal(self._identity, self._network, kind, message)
        self._remember(envelope, message)
        return envelope

    def open(self, envelope: SignedEnvelope, kind: SignedKind, of: type[M]) -> M:
        """The signed message. Faults: PeerFault."""
        known = self._opened.get((envelope.signature, envelope.author, envelope.payload))
        if known is not None and envelope.kind is kind and isinstance(known, of):
            return known
        message = open_envelope(envelope, self._network, kind, of)
        self._remember(envelope, message)
        return message

    def digest(self, envelope: SignedEnvelope) -> bytes:
        """sha256 over author, payload and signature."""
        parts = (envelope.author.encode(), envelope.payload, envelope.signature)
        return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()

    def _remember(self, envelope: SignedEnvelope, message: Message) -> None:
        key = (envelope.signature, envelope.author, envelope.payload)
        if key not in self._opened:
            self._opened_bytes += len(envelope.payload)
        self._opened[key] = message
        while self._opened_bytes > OPENED_BYTES_MAX:
            (_, _, payload), _ = self._opened.popitem(last=False)
            self._opened_bytes -= len(payload)
