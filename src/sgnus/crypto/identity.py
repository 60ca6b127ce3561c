"""Ed25519 identities and their libp2p peer ids, as pure functions.

A peer id is base58btc(identity multihash(protobuf PublicKey)): the key can be read back from the id, so a
signature is checked against the name alone. Source: libp2p specs, `peer-ids/peer-ids.md`. One library
(PyNaCl) verifies everywhere, because Ed25519 libraries disagree on edge cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import PeerId

SEED_BYTES: Final = 32
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
PEER_ID_CHARS: Final = 52
KEYS_CACHED_MAX: Final = 4096
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
# Identity multihash (0x00) of 36 bytes: protobuf {Type = Ed25519 (1), Data = 32 bytes}.
_PREFIX: Final = bytes((0x00, 0x24, 0x08, 0x01, 0x12, 0x20))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a node is: a signing key and the peer id that names it."""

    seed: bytes = field(repr=False)
    public_key: bytes
    peer_id: PeerId
    _key: SigningKey = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Identity:
        """The identity of a 32-byte Ed25519 seed."""
        if len(seed) != SEED_BYTES:
            raise OurFault(f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
        key = SigningKey(seed)
        public_key = bytes(key.verify_key)
        return cls(bytes(seed), public_key, peer_id_of(public_key), key)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        return self._key.sign(message).signature


def peer_id_of(public_key: bytes) -> PeerId:
    """The peer id of a 32-byte Ed25519 public key."""
    if len(public_key) != KEY_BYTES:
        raise OurFault(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(public_key)}")
    return PeerId(base58_encode(_PREFIX + public_key))


def peer_id_bytes(peer_id: PeerId) -> bytes:
    """The multihash that `peer_id` writes in base58 (38 bytes). PeerFault if it is no Ed25519 peer id."""
    return _PREFIX + public_key_of(peer_id)


@lru_cache(maxsize=KEYS_CACHED_MAX)
def public_key_of(peer_id: str) -> bytes:
    """The 32-byte Ed25519 public key inside a peer id; PeerFault for any other string."""
    if len(peer_id) != PEER_ID_CHARS:
        raise PeerFault(f"not an Ed25519 peer id: {peer_id[:64]!r}")
    raw = base58_decode(peer_id)
    if len(raw) != len(_PREFIX) + KEY_BYTES or not raw.startswith(_PREFIX):
        raise PeerFault(f"not an Ed25519 peer id: {peer_id!r}")
    return raw[len(_PREFIX) :]


def verify(peer_id: str, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` is by `peer_id`. A peer id that is none is False, not an error."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        VerifyKey(public_key_of(peer_id)).verify(message, signature)
    except (BadSignatureError, PeerFault):
        return False
    return True


def verify_key(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` is by the holder of this 32-byte public key."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != KEY_BYTES:
        return False
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True


def key_of_multihash(multihash: bytes) -> bytes | None:
    """The Ed25519 key inside a binary peer id, or None when it holds another kind of key."""
    if len(multihash) != len(_PREFIX) + KEY_BYTES or not multihash.startswith(_PREFIX):
        return None
    return multihash[len(_PREFIX) :]


def base58_encode(raw: bytes) -> str:
    """base58btc, leading zero bytes as leading ones."""
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    number = int.from_bytes(raw, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    return "1" * zeros + "".join(reversed(digits))


def base58_decode(text: str) -> bytes:
    """The bytes of a base58btc string; PeerFault on a foreign character. Quadratic: callers bound it."""
    number = 0
    for character in text:
        if character not in _VALUES:
            raise PeerFault(f"not base58: {text[:64]!r}")
        number = number * 58 + _VALUES[character]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
