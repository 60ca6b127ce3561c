"""Signatures that cost little: a keyed hash in place of Ed25519. Payloads are really encoded and decoded.

Keys follow from the peer's name, so nothing here is secret: forgery is what a hostile test does on purpose, with a
signature that does not fit. What was opened once is remembered, since opening is a pure function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import AddressRecord, SignedEnvelope, SignedKind
from sgnus.wire.codec import decode, encode

M = TypeVar("M", bound=Message)
Opened = dict[tuple[str, bytes, bytes], Message]


def signature_of(author: str, kind: SignedKind, payload: bytes) -> bytes:
    """What `author` would sign."""
    key = hashlib.blake2b(author.encode(), digest_size=32).digest()
    return hashlib.blake2b(bytes([int(kind)]) + payload, key=key, digest_size=64).digest()


def digest_of(envelope: SignedEnvelope) -> bytes:
    """Names exactly this signed thing."""
    return hashlib.sha256(envelope.author.encode() + envelope.signature + envelope.payload).digest()


class CheapPen:
    """A `Pen`. `opened` may be shared by all pens of a world; `signed` hears of every signature."""

    def __init__(
        self,
        peer: PeerId,
        opened: Opened | None = None,
        signed: Callable[[PeerId, SignedEnvelope, Message], None] | None = None,
    ) -> None:
        self._peer = peer
        self._opened: Opened = {} if opened is None else opened
        self._signed = signed

    @property
    def peer(self) -> PeerId:
        return self._peer

    @property
    def vrf_key(self) -> bytes:
        return hashlib.blake2b(b"vrf" + self._peer.encode(), digest_size=32).digest()

    def prove(self, alpha: bytes) -> bytes:
        """A keyed hash of `alpha`: whoever knows the key could compute it, but nobody in the simulation does."""
        return hashlib.blake2b(alpha, key=self.vrf_key, digest_size=64).digest()

    def check_proof(self, key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
        """The proof itself, if it is right."""
        return proof if proof == hashlib.blake2b(alpha, key=key, digest_size=64).digest() else None

    def sign(self, kind: SignedKind, message: Message) -> SignedEnvelope:
        """`message`, signed by this peer."""
        payload = encode(message)
        envelope = SignedEnvelope(
            kind=kind,
            author=self._peer,
            payload=payload,
            signature=signature_of(self._peer, kind, payload),
        )
        if self._signed is not None:
            self._signed(self._peer, envelope, message)
        return envelope

    def open(self, envelope: SignedEnvelope, kind: SignedKind, of: type[M]) -> M:
        """The signed message. Faults: PeerFault."""
        if envelope.kind is not kind:
            raise PeerFault(f"a signed {envelope.kind.name} where {kind.name} is due")
        key = (envelope.author, envelope.payload, envelope.signature)
        known = self._opened.get(key)
        if isinstance(known, of):
            return known
        if signature_of(envelope.author, kind, envelope.payload) != envelope.signature:
            raise PeerFault("a signature that does not fit")
        message = decode(of, envelope.payload)
        self._opened[key] = message
        return message

    def digest(self, envelope: SignedEnvelope) -> bytes:
        """Names exactly this signed thing."""
        return digest_of(envelope)


def address_of(pen: CheapPen) -> SignedEnvelope:
    """An address record of this peer."""
    record = AddressRecord(peer=pen.peer, endpoints=(), multiaddrs=(), sequence=1, expires_ms=0, protocol=1)
    return pen.sign(SignedKind.ADDRESS, record)
