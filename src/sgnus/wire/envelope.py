"""Signed envelopes: bytes as sent, their author, and its signature over domain, network and bytes.

Decides whether an envelope is what it claims to be. Never decodes before the signature is right, and never
re-encodes: what was signed are the payload's bytes as sent. docs/protocol/peer.md.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from sgnus.crypto import identity as ed25519
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import (
    ADDRESS_BYTES_MAX,
    ADDRESS_LIFE_MS_MAX,
    CLOCK_SKEW_MS_MAX,
    GRPC_MESSAGE_BYTES_MAX,
    PROTOCOL_VERSION,
    VERIFIED_MAX,
)
from sgnus.messages.v1.types import AddressRecord, Endpoint, SignedEnvelope, SignedKind
from sgnus.wire.codec import decode, encode

NETWORK_BYTES: Final = 16
MessageT = TypeVar("MessageT", bound=Message)


class Signer(Protocol):
    """Who seals: `sgnus.crypto.identity.Identity`, or a cheap stand-in of the simulator."""

    @property
    def peer_id(self) -> PeerId: ...

    def sign(self, message: bytes, /) -> bytes: ...


class Verifier(Protocol):
    """Whether `signature` over `message` is by `peer_id`; False for whatever is no peer id."""

    def __call__(self, peer_id: str, message: bytes, signature: bytes, /) -> bool: ...


class VerifyCache:
    """Remembers the signatures that were right, the newest `capacity`, so that a relayed record costs one check.

    Only what was right is remembered: a flood of wrong signatures evicts nothing.
    """

    def __init__(self, verify: Verifier = ed25519.verify, capacity: int = VERIFIED_MAX) -> None:
        self._verify = verify
        self._capacity = capacity
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def __call__(self, peer_id: str, message: bytes, signature: bytes, /) -> bool:
        key = sha256(b"%b\0%b\0%b" % (peer_id.encode(), sha256(message).digest(), signature)).digest()
        if key in self._right:
            self._right.move_to_end(key)
            return True
        if not self._verify(peer_id, message, signature):
            return False
        self._right[key] = None
        if len(self._right) > self._capacity:
            self._right.popitem(last=False)
        return True

    def __len__(self) -> int:
        return len(self._right)


def signed_bytes(network: NetworkId, kind: SignedKind, payload: bytes) -> bytes:
    """What is signed: `sgnus/v1/<kind>`, a zero byte, the 16 bytes of the network id, the payload.

    The zero ends the name and the id has a fixed length, so no two triples give the same bytes.
    """
    try:
        name = bytes.fromhex(network)
    except ValueError:
        name = b""
    if len(name) != NETWORK_BYTES:
        raise OurFault(f"a network id is {NETWORK_BYTES} bytes in hex, not {network!r}")
    return b"sgnus/v1/" + kind.name.lower().encode() + b"\0" + name + payload


def seal(identity: Signer, network: NetworkId, kind: SignedKind, message: Message) -> SignedEnvelope:
    """`message` in an envelope signed by `identity` for `network`."""
    payload = encode(message)
    signature = identity.sign(signed_bytes(network, kind, payload))
    return SignedEnvelope(kind=kind, author=identity.peer_id, payload=payload, signature=signature)


def open_envelope(
    envelope: SignedEnvelope,
    network: NetworkId,
    kind: SignedKind,
    message_type: type[MessageT],
    *,
    verify: Verifier = ed25519.verify,
) -> MessageT:
    """The message in `envelope`. PeerFault when it is of another kind, not signed by its author, or malformed."""
    if envelope.kind is not kind:
        raise PeerFault(f"an envelope of kind {envelope.kind.name} where {kind.name} belongs")
    if len(envelope.payload) > GRPC_MESSAGE_BYTES_MAX:
        raise PeerFault(f"{kind.name}: a payload of {len(envelope.payload)} bytes")
    ed25519.public_key_of(envelope.author)
    if not verify(envelope.author, signed_bytes(network, kind, envelope.payload), envelope.signature):
        raise PeerFault(f"{kind.name}: the signature is not by {envelope.author} for this network")
    return decode(message_type, envelope.payload)


def seal_address(
    identity: Signer,
    network: NetworkId,
    *,
    endpoints: tuple[Endpoint, ...],
    multiaddrs: tuple[str, ...] = (),
    sequence: int,
    expires_ms: int,
) -> SignedEnvelope:
    """The address record of `identity`, signed. `sequence` must rise with each; `expires_ms` is Unix time."""
    record = AddressRecord(
        peer=identity.peer_id,
        endpoints=endpoints,
        multiaddrs=multiaddrs,
        sequence=sequence,
        expires_ms=expires_ms,
        protocol=PROTOCOL_VERSION,
    )
    return seal(identity, network, SignedKind.ADDRESS, record)


def open_address(
    envelope: SignedEnvelope, network: NetworkId, now_ms: int, *, verify: Verifier = ed25519.verify
) -> AddressRecord:
    """The valid address record in `envelope`: by the peer it names, not expired, not of the far future."""
    if len(envelope.payload) > ADDRESS_BYTES_MAX:
        raise PeerFault(f"an address record of {len(envelope.payload)} bytes")
    record = open_envelope(envelope, network, SignedKind.ADDRESS, AddressRecord, verify=verify)
    if record.peer != envelope.author:
        raise PeerFault(f"{envelope.author} signed an address of {record.peer}")
    if record.expires_ms + CLOCK_SKEW_MS_MAX <= now_ms:
        raise PeerFault(f"the address record of {record.peer} has expired")
    if record.expires_ms > now_ms + ADDRESS_LIFE_MS_MAX + CLOCK_SKEW_MS_MAX:
        raise PeerFault(f"the address record of {record.peer} expires too far in the future")
    return record


def is_newer(record: AddressRecord, known: AddressRecord | None) -> bool:
    """Whether `record` replaces `known`: the highest sequence wins."""
    return known is None or record.sequence > known.sequence
