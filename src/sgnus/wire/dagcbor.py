"""Canonical dag-cbor and its content ids: one value has one encoding, and every other one is refused.

What is taken: integers of 64 bits, bytes, text, booleans, null, lists, maps with text keys. No tags: an entry names
others in text, so not even links are needed, and all that makes a CBOR decoder dangerous (bignums, decimals, regular
expressions, shared references) is a tag. Source: IPLD, DAG-CBOR specification, "Strictness".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Final

import cbor2

from sgnus.messages.errors import OurFault, PeerFault

DEPTH_MAX: Final = 8
DIGEST_BYTES: Final = 32
CID_CHARS: Final = 59
# CIDv1, codec dag-cbor (0x71), multihash sha2-256 (0x12) of 32 bytes.
_CID_PREFIX: Final = bytes((0x01, 0x71, 0x12, DIGEST_BYTES))
_SCALARS: Final = frozenset((int, bytes, str, bool, type(None)))


def _refuse(*_: object) -> Any:
    raise ValueError("a tag")


# The tags that cbor2 interprets by itself, each with work that its sender chooses.
_TAG_NUMBERS: Final = (
    *range(6),
    25,
    28,
    29,
    30,
    35,
    36,
    37,
    52,
    54,
    100,
    256,
    258,
    260,
    261,
    1004,
    43000,
    55799,
)
_TAGS: Final = dict.fromkeys(_TAG_NUMBERS, _refuse)


def encode_dagcbor(value: object) -> bytes:
    """The one encoding of `value`; OurFault for a type that dag-cbor has not."""
    _check_types(value, OurFault)
    return cbor2.dumps(value, canonical=True)


def decode_dagcbor(data: bytes) -> Any:
    """The value of canonical bytes; PeerFault for anything else, in time linear in their length."""
    value = decode_canonical(data)
    _check_types(value, PeerFault)
    return value


def decode_canonical(data: bytes) -> Any:
    """As `decode_dagcbor`, but floats and CBOR's own simple values pass: for callers that check each type themselves."""
    try:
        value = cbor2.loads(
            data,
            tag_hook=_refuse,
            semantic_decoders=_TAGS,
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError, EOFError, TypeError, OverflowError, MemoryError) as error:
        raise PeerFault(f"no dag-cbor: {error}") from None
    if cbor2.dumps(value, canonical=True) != data:
        raise PeerFault("dag-cbor, but not in its canonical form")
    return value


def _check_types(value: object, fault: type[Exception]) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind in _SCALARS:
            continue
        if kind is list:
            pending.extend(item)  # type: ignore[arg-type]
        elif kind is dict:
            for key in item:  # type: ignore[attr-defined]
                if type(key) is not str:
                    raise fault(f"dag-cbor has no map keys of type {type(key).__name__}")
            pending.extend(item.values())  # type: ignore[attr-defined]
        else:
            raise fault(f"dag-cbor has no {kind.__name__} here")


def digest_of(data: bytes) -> bytes:
    """sha2-256 of an entry's bytes."""
    return hashlib.sha256(data).digest()


def cid_of_digest(digest: bytes) -> str:
    """CIDv1 (dag-cbor, sha2-256) in base32, `bafyrei...`."""
    if len(digest) != DIGEST_BYTES:
        raise OurFault(f"a sha2-256 digest has {DIGEST_BYTES} bytes, not {len(digest)}")
    return "b" + base64.b32encode(_CID_PREFIX + digest).decode().rstrip("=").lower()


def digest_of_cid(cid: str) -> bytes:
    """The sha2-256 digest inside a CID of an entry; PeerFault for any other string."""
    if len(cid) != CID_CHARS or not cid.startswith("b") or cid != cid.lower():
        raise PeerFault(f"not the CID of an entry: {cid[:80]!r}")
    try:
        raw = base64.b32decode(cid[1:].upper() + "=" * (-(CID_CHARS - 1) % 8))
    except (binascii.Error, ValueError):
        raise PeerFault(f"not base32: {cid[:80]!r}") from None
    if not raw.startswith(_CID_PREFIX) or cid_of_digest(raw[len(_CID_PREFIX) :]) != cid:
        raise PeerFault(f"not the CID of an entry: {cid[:80]!r}")
    return raw[len(_CID_PREFIX) :]
