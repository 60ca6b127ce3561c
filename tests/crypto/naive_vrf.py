"""The proving side of RFC 9381 on integers, word for word and slow: what the real one is compared with.

Affine points of Edwards25519 from RFC 8032 section 5.1. The published vectors fix every value that a proof passes through.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    t = D * x1 * x2 * y1 * y2 % P
    inverse = pow(1 - t * t, -1, P)
    return (x1 * y2 + x2 * y1) * (1 - t) * inverse % P, (y1 * y2 + x1 * x2) * (1 + t) * inverse % P


def times(scalar: int, point: Point) -> Point:
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(string: bytes) -> Point | None:
    """RFC 8032 section 5.1.3."""
    sign, y = divmod(int.from_bytes(string, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y


def decoded(string: bytes) -> Point:
    point = decode(string)
    assert point is not None
    return point


BASE = decoded(b"\x58" + b"\x66" * 31)


def encode_to_curve(public_key: bytes, alpha: bytes) -> tuple[int, Point]:
    """The counter that succeeded, and the point."""
    for counter in range(256):
        string = b"\x03\x01" + public_key + alpha + bytes([counter]) + b"\0"
        point = decode(hashlib.sha512(string).digest()[:32])
        if point is not None and times(8, point) != IDENTITY:
            return counter, times(8, point)
    raise AssertionError("not in 256 attempts")


def challenge(public_key: bytes, h: Point, gamma: bytes, u: Point, v: Point) -> int:
    string = b"\x03\x02" + public_key + encode(h) + gamma + encode(u) + encode(v) + b"\0"
    return int.from_bytes(hashlib.sha512(string).digest()[:16], "little")


def packed(gamma: bytes, c: int, s: int) -> bytes:
    return gamma + c.to_bytes(16, "little") + s.to_bytes(32, "little")


@dataclass(frozen=True)
class Values:
    """All that appendix B.3 prints of one proof."""

    public_key: bytes
    x: bytes
    counter: int
    h: bytes
    k: bytes
    u: bytes
    v: bytes
    pi: bytes
    beta: bytes


def prove(seed: bytes, alpha: bytes) -> Values:
    expanded = hashlib.sha512(seed).digest()
    x = int.from_bytes(expanded[:32], "little") & (2**254 - 8) | 2**254
    public_key = encode(times(x, BASE))
    counter, h = encode_to_curve(public_key, alpha)
    gamma = times(x, h)
    k_string = hashlib.sha512(expanded[32:] + encode(h)).digest()
    k = int.from_bytes(k_string, "little") % Q
    u, v = times(k, BASE), times(k, h)
    c = challenge(public_key, h, encode(gamma), u, v)
    return Values(
        public_key=public_key,
        x=x.to_bytes(32, "little"),
        counter=counter,
        h=encode(h),
        k=k_string,
        u=encode(u),
        v=encode(v),
        pi=packed(encode(gamma), c, (k + c * x) % Q),
        beta=hashlib.sha512(b"\x03\x03" + encode(times(8, gamma)) + b"\0").digest(),
    )


def forge(public_key: bytes, alpha: bytes, x: int, *, torsion: Point, gamma: bytes | None = None) -> bytes:
    """A proof whose equations hold though key and gamma = xH + torsion have parts of low order.

    The nonce is turned until the challenge is a multiple of 8, which makes those parts vanish. `gamma` spells the point
    in another way.
    """
    _, h = encode_to_curve(public_key, alpha)
    spelt = gamma or encode(add(times(x, h), torsion))
    k, u, v = 1, BASE, h
    while (c := challenge(public_key, h, spelt, u, v)) % 8:
        k, u, v = k + 1, add(u, BASE), add(v, h)
    return packed(spelt, c, (k + c * x) % Q)
