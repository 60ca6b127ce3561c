"""Verifiable randomness: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381 (suite 0x03) on libsodium's points.

For one key and one alpha there is one output beta. Its owner alone can compute it, and its proof shows anybody that it
is the one: so nobody chooses its place in the draw (docs/protocol/verification.md). Section numbers below are the RFC's.

The output is unique, its proof is not: an owner that takes another nonce shows another proof. Compare outputs alone.

Stricter than the RFC: keys and gammas with a low-order part are refused, where section 5.4.5 refuses keys of low order
alone. No honest prover makes them, and libsodium multiplies points of the main subgroup alone.

Trying and incrementing takes a time that depends on alpha (section 5.4.1.1): alpha must be public, and here it is.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import RuntimeError as NotOnTheCurve

from sgnus.messages.errors import OurFault

SEED_BYTES: Final = 32
KEY_BYTES: Final = 32
PROOF_BYTES: Final = 80
OUTPUT_BYTES: Final = 64
_CHALLENGE_BYTES: Final = 16
_SUITE: Final = b"\x03"
_FIELD: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_IDENTITY: Final = b"\x01" + bytes(31)


def vrf_seed_of(identity_seed: bytes) -> bytes:
    """The 32-byte VRF seed of a node's 32-byte identity seed.

    Never the identity's own: with one key, a signature over the 32 bytes of the curve point would use the nonce of the
    proof, and the two together give the key away.
    """
    if len(identity_seed) != SEED_BYTES:
        raise OurFault(f"an identity seed has {SEED_BYTES} bytes, not {len(identity_seed)}")
    return hmac.digest(identity_seed, b"sgnus/v1/vrf", hashlib.sha256)


@dataclass(frozen=True, slots=True)
class VrfKey:
    """The secret that proves outputs, and the public key that they are checked with."""

    seed: bytes = field(repr=False)
    public_key: bytes
    _scalar: bytes = field(repr=False, compare=False)
    _nonce_key: bytes = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> VrfKey:
        """The key of a 32-byte seed, expanded and clamped as in RFC 8032 section 5.1.5."""
        if len(seed) != SEED_BYTES:
            raise OurFault(f"a VRF seed has {SEED_BYTES} bytes, not {len(seed)}")
        expanded = hashlib.sha512(seed).digest()
        scalar = bytes((expanded[0] & 248, *expanded[1:31], expanded[31] & 127 | 64))
        return cls(bytes(seed), crypto_scalarmult_ed25519_base_noclamp(scalar), scalar, expanded[32:])

    def prove(self, alpha: bytes) -> bytes:
        """The 80-byte proof of this key's output for `alpha`; the same each time (sections 5.1 and 5.4.2.2)."""
        point = _encode_to_curve(self.public_key, alpha)
        gamma = crypto_scalarmult_ed25519_noclamp(self._scalar, point)
        nonce = crypto_core_ed25519_scalar_reduce(hashlib.sha512(self._nonce_key + point).digest())
        by_base = crypto_scalarmult_ed25519_base_noclamp(nonce)
        by_point = crypto_scalarmult_ed25519_noclamp(nonce, point)
        challenge = _challenge(self.public_key, point, gamma, by_base, by_point)
        product = crypto_core_ed25519_scalar_mul(_scalar_of(challenge), self._scalar)
        return gamma + challenge + crypto_core_ed25519_scalar_add(nonce, product)


def verify(public_key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
    """The 64-byte output that `proof` proves for this key and `alpha`, or None (section 5.3).

    None for whatever bytes a stranger may send as key or proof, of any length; never an error.
    """
    parts = _decoded(proof)
    if parts is None or not _is_valid(public_key):
        return None
    gamma, challenge, response = parts
    point = _encode_to_curve(public_key, alpha)
    scalar = _scalar_of(challenge)
    by_base = crypto_core_ed25519_sub(
        crypto_scalarmult_ed25519_base_noclamp(response),
        crypto_scalarmult_ed25519_noclamp(scalar, public_key),
    )
    by_point = crypto_core_ed25519_sub(
        crypto_scalarmult_ed25519_noclamp(response, point), crypto_scalarmult_ed25519_noclamp(scalar, gamma)
    )
    if _challenge(public_key, point, gamma, by_base, by_point) != challenge:
        return None
    return _output(gamma)


def output_of(proof: bytes) -> bytes | None:
    """The 64-byte output that `proof` claims, or None if it is no encoding of a proof (section 5.2).

    It is not checked for any key: only for proofs of one's own, or after `verify`.
    """
    parts = _decoded(proof)
    return None if parts is None else _output(parts.gamma)


def curve_point_of(string: bytes) -> bytes | None:
    """Eight times the point that 32 bytes encode, or None for no point, another encoding of one, or low order.

    The body of the loop of section 5.4.1.1. libsodium multiplies points of the main subgroup alone, so the cofactor is
    cleared by three doublings; and its addition takes y >= p, so that is refused here (RFC 8032 section 5.1.3).
    """
    if int.from_bytes(string, "little") % 2**255 >= _FIELD:
        return None
    try:
        point = _times_cofactor(string)
    except NotOnTheCurve:
        return None
    return None if point == _IDENTITY else point


class _Proof(NamedTuple):
    """A decoded proof: a point of the main subgroup, 16 bytes and a reduced scalar of 32 bytes, none of them zero."""

    gamma: bytes
    challenge: bytes
    response: bytes


def _decoded(proof: bytes) -> _Proof | None:
    """The parts of a proof (section 5.4.4).

    A zero challenge or response, which libsodium would not multiply with, is refused too. To make one that holds, a
    prover needs a given value of the hash.
    """
    if len(proof) != PROOF_BYTES:
        return None
    gamma, rest = proof[:KEY_BYTES], proof[KEY_BYTES:]
    parts = _Proof(gamma, rest[:_CHALLENGE_BYTES], rest[_CHALLENGE_BYTES:])
    if not any(parts.challenge) or not 0 < int.from_bytes(parts.response, "little") < _ORDER:
        return None
    return parts if _is_valid(gamma) else None


def _is_valid(point: bytes) -> bool:
    """Whether these bytes are the one encoding of a point of the main subgroup other than the identity."""
    return len(point) == KEY_BYTES and crypto_core_ed25519_is_valid_point(point)


def _encode_to_curve(public_key: bytes, alpha: bytes) -> bytes:
    """The point of the main subgroup that `alpha` stands for under this key (section 5.4.1.1)."""
    for counter in range(256):
        attempt = b"".join((_SUITE, b"\x01", public_key, alpha, bytes((counter, 0))))
        point = curve_point_of(hashlib.sha512(attempt).digest()[:KEY_BYTES])
        if point is not None:
            return point
    # One attempt in two succeeds: this takes 2**256 tries of a liar.
    raise OurFault("no point for this alpha in 256 attempts")


def _challenge(*points: bytes) -> bytes:
    """The 16-byte challenge over key, point, gamma and the two commitments (section 5.4.3)."""
    return hashlib.sha512(b"".join((_SUITE, b"\x02", *points, b"\0"))).digest()[:_CHALLENGE_BYTES]


def _scalar_of(challenge: bytes) -> bytes:
    """The challenge as a 32-byte scalar, little-endian as all numbers of the suite."""
    return challenge + bytes(KEY_BYTES - _CHALLENGE_BYTES)


def _output(gamma: bytes) -> bytes:
    """The hash of gamma without its low-order part (section 5.2)."""
    return hashlib.sha512(b"".join((_SUITE, b"\x03", _times_cofactor(gamma), b"\0"))).digest()


def _times_cofactor(point: bytes) -> bytes:
    """Eight times a point, of the main subgroup or not."""
    for _ in range(3):
        point = crypto_core_ed25519_add(point, point)
    return point
