"""Entries of the job database: signed, content-addressed, canonical.

An entry is the dag-cbor map `{v, kind, author, seq, expires, job, body, sig}`; its CID is over all of it, its signature
over `domain || network id || the same map without sig`. Rules: docs/protocol/database.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cbor2

from sgnus.crypto.identity import Identity, public_key_of, verify_key
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import ENTRY_BYTES_MAX
from sgnus.messages.v1.types import (
    CancelBody,
    DoneBody,
    Entry,
    EntryKind,
    FraudBody,
    JobBody,
    ReviseBody,
    RoomBody,
    SettledBody,
    TakenBody,
)
from sgnus.wire.codec import from_map, to_map
from sgnus.wire.dagcbor import cid_of_digest, decode_canonical, digest_of, digest_of_cid, encode_dagcbor

ENTRY_VERSION: Final = 1
ENTRY_DOMAIN: Final = b"sgnus/1/entry\x00"
SIGNATURE_BYTES: Final = 64
NETWORK_ID_BYTES: Final = 16
EXPIRES_MAX: Final = 2**63 - 1
SEQ_MAX: Final = 2**63 - 1
ID_BYTES: Final = 40
NETWORKS_CACHED_MAX: Final = 64

Body = JobBody | ReviseBody | CancelBody | TakenBody | DoneBody | RoomBody | SettledBody | FraudBody

BODIES: Final[dict[EntryKind, type[Message]]] = {
    EntryKind.JOB: JobBody,
    EntryKind.REVISE: ReviseBody,
    EntryKind.CANCEL: CancelBody,
    EntryKind.TAKEN: TakenBody,
    EntryKind.DONE: DoneBody,
    EntryKind.ROOM: RoomBody,
    EntryKind.SETTLED: SettledBody,
    EntryKind.FRAUD: FraudBody,
}
_KEY_SET: Final = frozenset(("v", "kind", "author", "seq", "expires", "job", "body", "sig"))
_KINDS: Final = frozenset(int(kind) for kind in BODIES)
_UNSIGNED_HEAD: Final = b"\xa7"
_BODY_KEY: Final = b"\x64body"
_SIGNATURE_PART_BYTES: Final = len(b"\x63sig\x58\x40") + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """An entry whose form is right. Its signature is not checked by opening it: see `check_signature`."""

    cid: BlockId
    digest: bytes
    entry: Entry
    body: Any
    """The typed body: one of `Body`, as the entry's kind says."""
    raw: bytes
    signed: bytes
    """What the signature is over."""
    id: bytes
    """40 bytes: big-endian expiry in ms, digest. The order in which databases are compared."""
    job_digest: bytes
    """The sha2-256 digest of the JOB entry that this is, or is about."""

    @property
    def job(self) -> BlockId:
        """The BLOCKID of the job that this entry is, or is about."""
        return BlockId(self.entry.job) if self.entry.job else self.cid

    @property
    def author(self) -> PeerId:
        """Who signed."""
        return PeerId(self.entry.author)


def seal_entry(
    identity: Identity,
    network: NetworkId,
    kind: EntryKind,
    job: BlockId | None,
    body: Message,
    *,
    seq: int,
    expires: int,
) -> bytes:
    """The bytes of a new entry, signed. OurFault when a part breaks the rules."""
    if type(body) is not BODIES.get(kind):
        raise OurFault(f"an entry {kind.name} holds no {type(body).__name__}")
    if (job is None) != (kind is EntryKind.JOB):
        raise OurFault(f"an entry {kind.name} {'names no job' if job is None else 'names a job'}")
    if not 0 <= seq <= SEQ_MAX or not 0 <= expires <= EXPIRES_MAX:
        raise OurFault("seq and expires of an entry are unsigned integers of 63 bits")
    fields: dict[str, Any] = {
        "v": ENTRY_VERSION,
        "kind": int(kind),
        "author": str(identity.peer_id),
        "seq": seq,
        "expires": expires,
        "job": job or "",
        "body": to_map(body),
    }
    signature = identity.sign(_domain(network) + encode_dagcbor(fields))
    data = encode_dagcbor({**fields, "sig": signature})
    if len(data) > ENTRY_BYTES_MAX:
        raise OurFault(f"an entry of {len(data)} bytes; at most {ENTRY_BYTES_MAX} are allowed")
    return data


def open_entry(data: bytes, network: NetworkId) -> OpenedEntry:
    """The entry in `data`, its form checked but not its signature. PeerFault says what is wrong with it."""
    if len(data) > ENTRY_BYTES_MAX:
        raise PeerFault(f"an entry of {len(data)} bytes; at most {ENTRY_BYTES_MAX} are allowed")
    # Types are checked field by field below and in `from_map`.
    fields = decode_canonical(data)
    if type(fields) is not dict or fields.keys() != _KEY_SET:
        raise PeerFault("an entry is a map of exactly v, kind, author, seq, expires, job, body, sig")
    _check_fields(fields)
    return _opened(bytes(data), network, fields)


def reopen_entry(data: bytes, network: NetworkId) -> OpenedEntry:
    """An entry that `open_entry` has opened before, and our own disk has kept: its form is not checked again."""
    return _opened(data, network, cbor2.loads(data))


def _opened(data: bytes, network: NetworkId, fields: dict[str, Any]) -> OpenedEntry:
    kind = EntryKind(fields["kind"])
    body = from_map(BODIES[kind], fields["body"])
    head, tail = _around_signature_and_body(fields)
    digest = digest_of(data)
    entry = Entry(
        v=fields["v"],
        kind=kind,
        author=fields["author"],
        seq=fields["seq"],
        expires=fields["expires"],
        job=fields["job"],
        body=data[head + _SIGNATURE_PART_BYTES + len(_BODY_KEY) : len(data) - tail],
        sig=fields["sig"],
    )
    unsigned = _UNSIGNED_HEAD + data[1:head] + data[head + _SIGNATURE_PART_BYTES :]
    return OpenedEntry(
        cid=BlockId(cid_of_digest(digest)),
        digest=digest,
        entry=entry,
        body=body,
        raw=data,
        signed=_domain(network) + unsigned,
        id=entry.expires.to_bytes(8, "big") + digest,
        job_digest=digest_of_cid(entry.job) if entry.job else digest,
    )


def _around_signature_and_body(fields: dict[str, Any]) -> tuple[int, int]:
    """Bytes before the signature and behind the body.

    Canonical order puts the keys in the order v, job, seq, sig, body, kind, author, expires: so what was signed, and the
    body's own bytes, are slices of the entry, and need no second encoding.
    """
    head = cbor2.dumps({key: fields[key] for key in ("v", "job", "seq")})
    tail = cbor2.dumps({key: fields[key] for key in ("kind", "author", "expires")})
    return len(head), len(tail) - 1


def check_signature(opened: OpenedEntry) -> bool:
    """Whether the author signed it. Slow (Ed25519) and safe to call in threads."""
    try:
        key = public_key_of(opened.entry.author)
    except PeerFault:
        return False
    return verify_key(key, opened.signed, opened.entry.sig)


@lru_cache(maxsize=NETWORKS_CACHED_MAX)
def _domain(network: NetworkId) -> bytes:
    network_id = bytes.fromhex(network)
    if len(network_id) != NETWORK_ID_BYTES:
        raise OurFault(f"a network id has {NETWORK_ID_BYTES} bytes, not {len(network_id)}")
    return ENTRY_DOMAIN + network_id


def _check_fields(fields: dict[str, Any]) -> None:
    if type(fields["v"]) is not int or fields["v"] != ENTRY_VERSION:
        raise PeerFault("an entry of an unknown version")
    kind, author, job, sig = fields["kind"], fields["author"], fields["job"], fields["sig"]
    if type(kind) is not int or kind not in _KINDS:
        raise PeerFault("an entry of an unknown kind")
    if type(author) is not str or type(job) is not str or type(sig) is not bytes:
        raise PeerFault("author and job of an entry are text, its signature is bytes")
    if len(sig) != SIGNATURE_BYTES:
        raise PeerFault(f"a signature of {len(sig)} bytes")
    for name, highest in (("seq", SEQ_MAX), ("expires", EXPIRES_MAX)):
        if type(fields[name]) is not int or not 0 <= fields[name] <= highest:
            raise PeerFault(f"{name} of an entry is an unsigned integer of 63 bits")
    if (job == "") != (kind == EntryKind.JOB):
        raise PeerFault("a JOB entry names no job, every other entry names one")
    public_key_of(author)
