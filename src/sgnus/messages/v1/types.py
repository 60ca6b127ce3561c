"""Every enum and message of the protocol. Generated from api/sgnus.yaml by `make generate`. Do not edit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from sgnus.messages.fields import Field, Kind, Message


class SignedKind(IntEnum):
    """What is signed; part of the signature's domain."""

    UNSPECIFIED = 0
    ADDRESS = 1
    ANNOUNCEMENT = 2
    JOIN = 3
    LIST = 4
    VOTE = 5
    RECORD = 6
    HELD = 7
    LEAVE = 8
    SUSPICION = 9
    SEAL = 10
    REVEAL = 11
    BEACON = 12
    VERDICT = 13
    OPENING = 14
    PROPOSAL = 15
    BEACON_MISSED = 16


class Edge(IntEnum):
    """How the halo is filled beyond the array's border."""

    UNSPECIFIED = 0
    REFLECT = 1
    NEAREST = 2
    WRAP = 3
    CONSTANT = 4


class Verify(IntEnum):
    """How results are verified."""

    UNSPECIFIED = 0
    NONE = 1
    SAMPLE = 2
    FULL = 3


class EntryKind(IntEnum):
    """Kinds of entries of the job database."""

    UNSPECIFIED = 0
    JOB = 1
    REVISE = 2
    CANCEL = 3
    TAKEN = 4
    DONE = 5
    ROOM = 6
    SETTLED = 7
    FRAUD = 8


class DoneStatus(IntEnum):
    """How a job ended."""

    UNSPECIFIED = 0
    COMPLETED = 1
    FAILED = 2


class JoinReason(IntEnum):
    """Why a seat was given or refused."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    FULL = 2
    DONE = 3
    BANNED = 4
    UNSUITABLE = 5
    STALE = 6


class RemovalReason(IntEnum):
    """Why a member was removed."""

    UNSPECIFIED = 0
    LEFT = 1
    DISCONNECTED = 2
    SILENT = 3
    STRIKES = 4
    HOST_FAILED = 5
    BANNED = 6


class ReturnReason(IntEnum):
    """Why a lease was given back."""

    UNSPECIFIED = 0
    ABANDONED = 1
    TRAPPED = 2
    INPUT_MISSING = 3
    LEAVING = 4


class CloseReason(IntEnum):
    """Why a room ended."""

    UNSPECIFIED = 0
    TAKEN = 1
    MERGED = 2
    CANCELLED = 3
    FAILED = 4
    EXPIRED = 5


class RoomJoinStatus(IntEnum):
    """What became of the request for a seat."""

    UNSPECIFIED = 0
    OK = 1
    FULL = 2
    ROOM_DOES_NOT_EXIST = 3
    DONE = 4
    REFUSED = 5
    BUSY = 6


class DataStatus(IntEnum):
    """What the answer holds."""

    UNSPECIFIED = 0
    DATA = 1
    NOTHING_LEFT = 2
    HOST_GONE = 3
    NOT_JOINED = 4
    WAIT = 5


class JobState(IntEnum):
    """The words for a job."""

    UNSPECIFIED = 0
    PENDING = 1
    QUEUED = 2
    RUNNING = 3
    VERIFYING = 4
    COMPLETED = 5
    FAILED = 6
    CANCELLED = 7


class ResultState(IntEnum):
    """How sure the bytes are."""

    UNSPECIFIED = 0
    UNVERIFIED = 1
    PROVISIONAL = 2
    VERIFIED = 3


class AuditState(IntEnum):
    """What this node makes of a SGNUS node's proof by the VRF key of its network file. NOT_DUE - it did not
    have to run anything again, and did not; DONE - it did; OWED - it had to, and did not; UNPROVEN - the
    proof does not hold.
    """

    UNSPECIFIED = 0
    NOT_DUE = 1
    DONE = 2
    OWED = 3
    UNPROVEN = 4


class SettlementState(IntEnum):
    """What the SGNUS node knows of a receipt."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    DUPLICATE = 2
    REFUSED = 3
    AUDITING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Message):
    """An error, as JSON, for the HTTP face."""

    code: str
    """A gRPC status name such as NOT_FOUND."""
    message: str
    """One sentence."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="code", number=1, kind=Kind.STRING, required=True),
        Field(name="message", number=2, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnvelope(Message):
    """Bytes as sent, their author, and its Ed25519 signature over domain, network id and bytes."""

    kind: SignedKind
    author: str
    """Peer id of the signer."""
    payload: bytes
    """The encoded message of that kind."""
    signature: bytes
    """64 bytes."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="kind", number=1, kind=Kind.ENUM, type=SignedKind, required=True),
        Field(name="author", number=2, kind=Kind.STRING, required=True, size_max=64),
        Field(name="payload", number=3, kind=Kind.BYTES, required=True),
        Field(name="signature", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Message):
    """Where a peer's gRPC listens."""

    host: str
    port: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="host", number=1, kind=Kind.STRING, required=True, size_max=255),
        Field(name="port", number=2, kind=Kind.UINT32, required=True, minimum=1, maximum=65535),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRecord(Message):
    """Where a peer is reached; signed by itself, the highest sequence counts."""

    peer: str
    endpoints: tuple[Endpoint, ...] = ()
    multiaddrs: tuple[str, ...] = ()
    sequence: int
    expires_ms: int
    """Unix time in ms; coarse."""
    protocol: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="peer", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(
            name="endpoints",
            number=2,
            kind=Kind.MESSAGE,
            type=Endpoint,
            repeated=True,
            required=True,
            items_max=8,
        ),
        Field(
            name="multiaddrs",
            number=3,
            kind=Kind.STRING,
            repeated=True,
            required=True,
            items_max=8,
            size_max=255,
        ),
        Field(name="sequence", number=4, kind=Kind.UINT64, required=True),
        Field(name="expires_ms", number=5, kind=Kind.INT64, required=True),
        Field(name="protocol", number=6, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Message):
    """One parameter of a processor."""

    name: str
    value: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="name", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="value", number=2, kind=Kind.STRING, required=True, size_max=1024),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor(Message):
    """The program that turns one input chunk into one output chunk."""

    id: str
    """`builtin:<name>@<version>`, `wasm:<hex of the module's BLAKE3>` or `app:<name>`."""
    parameters: tuple[Parameter, ...] = ()
    profile: int
    """Pinned engine major version and settings; 0 for apps."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="id", number=1, kind=Kind.STRING, required=True, size_max=128),
        Field(
            name="parameters",
            number=2,
            kind=Kind.MESSAGE,
            type=Parameter,
            repeated=True,
            required=True,
            items_max=64,
        ),
        Field(name="profile", number=3, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec(Message):
    """An array in C order."""

    shape: tuple[int, ...] = ()
    dtype: str
    """A numpy name such as uint8."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="shape", number=1, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="dtype", number=2, kind=Kind.STRING, required=True, size_max=16),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Message):
    """How the array is cut into tiles, and tiles are grouped."""

    tile: tuple[int, ...] = ()
    """Items an axis."""
    halo: tuple[int, ...] = ()
    """Items an axis, on both sides."""
    edge: Edge
    chunks_per_sub_block: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="tile", number=1, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="halo", number=2, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="edge", number=3, kind=Kind.ENUM, type=Edge, required=True),
        Field(name="chunks_per_sub_block", number=4, kind=Kind.UINT32, required=True, minimum=1, maximum=64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec(Message):
    """What an output chunk looks like. Without chunk_bytes it has its tile's shape, in this dtype."""

    dtype: str
    chunk_bytes: int | None = None
    """A fixed number of bytes for each chunk; the output is then an array of tiles by bytes."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="dtype", number=1, kind=Kind.STRING, required=True, size_max=16),
        Field(name="chunk_bytes", number=2, kind=Kind.INT64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(Message):
    """byte(k, r) = offset + k * block_stride + r * line_stride, width bytes each, for lines r < height and
    blocks k < count.
    """

    chunk_id: int
    offset: int
    width: int
    height: int
    line_stride: int
    block_stride: int
    count: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="chunk_id", number=1, kind=Kind.INT64, required=True),
        Field(name="offset", number=2, kind=Kind.INT64, required=True),
        Field(name="width", number=3, kind=Kind.INT64, required=True),
        Field(name="height", number=4, kind=Kind.INT64, required=True),
        Field(name="line_stride", number=5, kind=Kind.INT64, required=True),
        Field(name="block_stride", number=6, kind=Kind.INT64, required=True),
        Field(name="count", number=7, kind=Kind.INT64, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPair(Message):
    """An input chunk and the output chunk that is made of it."""

    input: Chunk
    output: Chunk

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="input", number=1, kind=Kind.MESSAGE, type=Chunk, required=True),
        Field(name="output", number=2, kind=Kind.MESSAGE, type=Chunk, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplicitChunks(Message):
    """Chunks that an app gives itself, instead of a cut. A blob; the job names its digest."""

    pairs: tuple[ChunkPair, ...] = ()
    output_bytes: int
    """Length of the output stream."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="pairs",
            number=1,
            kind=Kind.MESSAGE,
            type=ChunkPair,
            repeated=True,
            required=True,
            items_max=1000000,
        ),
        Field(name="output_bytes", number=2, kind=Kind.INT64, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Message):
    """The job's choices for verification. In a request, what is 0 or unspecified is chosen by the node:
    sample (none for what an app processes), 100 permille, 1 verifier, and 2 members, or as many as
    verifiers.
    """

    verify: Verify
    samples_permille: int
    verifiers: int
    min_members: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="verify", number=1, kind=Kind.ENUM, type=Verify, required=True),
        Field(name="samples_permille", number=2, kind=Kind.UINT32, required=True, maximum=1000),
        Field(name="verifiers", number=3, kind=Kind.UINT32, required=True, maximum=11),
        Field(name="min_members", number=4, kind=Kind.UINT32, required=True, maximum=11),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Message):
    """One signed node of the job database, in dag-cbor a canonical map of these fields, at most 64 KiB.
    `body` is there the map of the kind's body; here it is that map's dag-cbor bytes. The CID of a JOB
    entry is the BLOCKID.
    """

    v: int
    kind: EntryKind
    author: str
    seq: int
    expires: int
    """Unix time in ms."""
    job: str
    """BLOCKID; empty in a JOB entry."""
    body: bytes
    sig: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="v", number=1, kind=Kind.UINT32, required=True),
        Field(name="kind", number=2, kind=Kind.ENUM, type=EntryKind, required=True),
        Field(name="author", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="seq", number=4, kind=Kind.UINT64, required=True),
        Field(name="expires", number=5, kind=Kind.INT64, required=True),
        Field(name="job", number=6, kind=Kind.STRING, required=True, size_max=80),
        Field(name="body", number=7, kind=Kind.BYTES, required=True),
        Field(name="sig", number=8, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBody(Message):
    """Body of a JOB entry; the whole plan follows from it."""

    name: str
    processor: Processor
    array: ArraySpec
    cut: Cut
    output: OutputSpec
    explicit_digest: bytes | None = None
    """Digest of an ExplicitChunks blob; the cut then says only chunks_per_sub_block."""
    manifest_root: bytes
    """Root of the Merkle tree over microjobs over input chunk digests."""
    module_digest: bytes | None = None
    """BLAKE3 of the module."""
    deadline_ms: int
    policy: Policy
    beacon: str | None = None
    """Peer id of the job's one beacon."""
    beacon_vrf_key: bytes | None = None
    settlement: str | None = None
    """Peer id of the job's SGNUS node."""
    settlement_vrf_key: bytes | None = None
    nonce: bytes
    """16 bytes, so that two like jobs differ."""
    created_ms: int
    address: bytes | None = None
    """The publisher's encoded, signed address record."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="name", number=1, kind=Kind.STRING, required=True, size_max=128),
        Field(name="processor", number=2, kind=Kind.MESSAGE, type=Processor, required=True),
        Field(name="array", number=3, kind=Kind.MESSAGE, type=ArraySpec, required=True),
        Field(name="cut", number=4, kind=Kind.MESSAGE, type=Cut, required=True),
        Field(name="output", number=5, kind=Kind.MESSAGE, type=OutputSpec, required=True),
        Field(name="explicit_digest", number=6, kind=Kind.BYTES),
        Field(name="manifest_root", number=7, kind=Kind.BYTES, required=True),
        Field(name="module_digest", number=8, kind=Kind.BYTES),
        Field(name="deadline_ms", number=9, kind=Kind.UINT32, required=True, minimum=100, maximum=86400000),
        Field(name="policy", number=10, kind=Kind.MESSAGE, type=Policy, required=True),
        Field(name="beacon", number=11, kind=Kind.STRING, size_max=64),
        Field(name="beacon_vrf_key", number=12, kind=Kind.BYTES),
        Field(name="settlement", number=13, kind=Kind.STRING, size_max=64),
        Field(name="settlement_vrf_key", number=14, kind=Kind.BYTES),
        Field(name="nonce", number=15, kind=Kind.BYTES, required=True),
        Field(name="created_ms", number=16, kind=Kind.INT64, required=True),
        Field(name="address", number=17, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseBody(Message):
    """Priority and pause of a job; the highest seq counts."""

    priority: int
    paused: bool

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="priority", number=1, kind=Kind.INT32, required=True, minimum=-100, maximum=100),
        Field(name="paused", number=2, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBody(Message):
    """The author cancels its job."""

    reason: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="reason", number=1, kind=Kind.STRING, required=True, size_max=256),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBody(Message):
    """The publisher has all outputs of a microjob."""

    microjob: int
    root: bytes
    """Merkle root over the HELD records."""
    receipt: bytes | None = None
    """Digest of the receipt; absent with verify none."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="microjob", number=1, kind=Kind.UINT32, required=True),
        Field(name="root", number=2, kind=Kind.BYTES, required=True),
        Field(name="receipt", number=3, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneBody(Message):
    """The job ended."""

    status: DoneStatus
    reason: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="status", number=1, kind=Kind.ENUM, type=DoneStatus, required=True),
        Field(name="reason", number=2, kind=Kind.STRING, required=True, size_max=512),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomBody(Message):
    """A host's short advisory claim that a room exists."""

    microjob: int
    instance: str
    epoch: int
    address: bytes
    """The host's encoded, signed address record."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="microjob", number=1, kind=Kind.UINT32, required=True),
        Field(name="instance", number=2, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=3, kind=Kind.UINT32, required=True),
        Field(name="address", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Message):
    """How many chunks of a receipt a peer made as a worker, and how many it ran again as a verifier."""

    peer: str
    made: int
    checked: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="peer", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="made", number=2, kind=Kind.UINT32, required=True),
        Field(name="checked", number=3, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledBody(Message):
    """A SGNUS node records that a microjob is complete and verified."""

    microjob: int
    receipt: bytes
    """Its digest."""
    audited: bool
    """The SGNUS node ran chunks of it again."""
    audit_proof: bytes | None = None
    """The SGNUS node's VRF proof over the receipt's digest, which decides whether it had to be audited."""
    shares: tuple[Share, ...] = ()
    """Who made and checked how many chunks, by peer."""
    rerun: int | None = None
    """How many chunks the SGNUS node ran again; all of them in a full audit."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="microjob", number=1, kind=Kind.UINT32, required=True),
        Field(name="receipt", number=2, kind=Kind.BYTES, required=True),
        Field(name="audited", number=3, kind=Kind.BOOL, required=True),
        Field(name="audit_proof", number=4, kind=Kind.BYTES),
        Field(name="shares", number=5, kind=Kind.MESSAGE, type=Share, repeated=True, items_max=33),
        Field(name="rerun", number=6, kind=Kind.UINT32),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudBody(Message):
    """A self-contained proof that a peer signed a falsehood."""

    accused: str
    proof: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="accused", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="proof", number=2, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryBatch(Message):
    """Whole entries of the job database, each its dag-cbor bytes."""

    entries: tuple[bytes, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="entries", number=1, kind=Kind.BYTES, repeated=True, required=True, items_max=1024),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipMessage(Message):
    """What travels on a topic."""

    body: EntryBatch | SignedEnvelope

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="entries", number=1, kind=Kind.MESSAGE, type=EntryBatch),
        Field(name="signed", number=2, kind=Kind.MESSAGE, type=SignedEnvelope),
    )
    ONEOF: ClassVar[str] = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAnnouncement(Message):
    """A host says in the lobby that its room exists."""

    job: str
    microjob: int
    instance: str
    epoch: int
    members: int
    seats: int
    """Free seats."""
    sub_blocks: int
    unleased: int
    delivered: int
    address: SignedEnvelope
    waiting: bool
    """True while the room only waits (min_members, or an absent publisher)."""
    sequence: int
    """Rises with every announcement of this host."""
    closing: bool
    """True in the last announcement of a room."""
    fingerprint: bytes | None = None
    """Digest of the current member list."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=4, kind=Kind.UINT32, required=True),
        Field(name="members", number=5, kind=Kind.UINT32, required=True, maximum=11),
        Field(name="seats", number=6, kind=Kind.UINT32, required=True, maximum=11),
        Field(name="sub_blocks", number=7, kind=Kind.UINT32, required=True, maximum=10),
        Field(name="unleased", number=8, kind=Kind.UINT32, required=True, maximum=10),
        Field(name="delivered", number=9, kind=Kind.UINT32, required=True, maximum=10),
        Field(name="address", number=10, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="waiting", number=11, kind=Kind.BOOL, required=True),
        Field(name="sequence", number=12, kind=Kind.UINT64, required=True),
        Field(name="closing", number=13, kind=Kind.BOOL, required=True),
        Field(name="fingerprint", number=14, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest(Message):
    """A node asks for a seat, on the room's topic."""

    job: str
    microjob: int
    instance: str
    epoch: int
    workers: int
    address: SignedEnvelope
    nonce: int
    """Rises with every request of this node; a lower one is a replay."""
    vrf_key: bytes | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=4, kind=Kind.UINT32, required=True),
        Field(name="workers", number=5, kind=Kind.UINT32, required=True, maximum=64),
        Field(name="address", number=6, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="nonce", number=7, kind=Kind.UINT64, required=True),
        Field(name="vrf_key", number=8, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Message):
    """First in both directions of a stream."""

    protocol: int
    network: str
    boot: int
    """Differs with each start of the process."""
    address: SignedEnvelope
    attempt: int
    """The sender's last attempt to open a stream to this peer: of a caller, this one; of a callee, all of its
    own up to it are given up.
    """

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="protocol", number=1, kind=Kind.UINT32, required=True),
        Field(name="network", number=2, kind=Kind.STRING, required=True, size_max=64),
        Field(name="boot", number=3, kind=Kind.UINT64, required=True),
        Field(name="address", number=4, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="attempt", number=5, kind=Kind.UINT64, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer(Message):
    """The host's ACCEPT (with the signed list) or REJECT(reason)."""

    job: str
    microjob: int
    instance: str
    nonce: int
    """Of the request."""
    reason: JoinReason
    list: SignedEnvelope | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="nonce", number=4, kind=Kind.UINT64, required=True),
        Field(name="reason", number=5, kind=Kind.ENUM, type=JoinReason, required=True),
        Field(name="list", number=6, kind=Kind.MESSAGE, type=SignedEnvelope),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession(Message):
    """One election of a room's host - the list that it stood on and the votes, which name epoch and host."""

    base: SignedEnvelope
    votes: tuple[SignedEnvelope, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="base", number=1, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(
            name="votes",
            number=2,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=11,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnHostChanged(Message):
    """A claim to host - the list it stands on and the votes of more than half of its members other than the
    suspected host. A base list of a later epoch than the first says nothing by itself, so the elections
    before it come along.
    """

    job: str
    microjob: int
    instance: str
    epoch: int
    host: str
    base: SignedEnvelope
    votes: tuple[SignedEnvelope, ...] = ()
    list: SignedEnvelope
    """The first list of the new epoch."""
    before: tuple[Succession, ...] = ()
    """How the base's host was elected, from the first epoch on; the oldest comes first."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=4, kind=Kind.UINT32, required=True),
        Field(name="host", number=5, kind=Kind.STRING, required=True, size_max=64),
        Field(name="base", number=6, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(
            name="votes",
            number=7,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=11,
        ),
        Field(name="list", number=8, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="before", number=9, kind=Kind.MESSAGE, type=Succession, repeated=True, items_max=6),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPeerListChanged(Message):
    """The host's new list. A list of a new instance from the host of the old one moves its members on."""

    list: SignedEnvelope
    moves_from: str | None = None
    """The instance that these members leave for this one."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="list", number=1, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="moves_from", number=2, kind=Kind.STRING, size_max=64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSubBlockProcessingStarted(Message):
    """The host leased a sub-block; to the lessee it is the lease itself."""

    instance: str
    epoch: int
    sub_block: int
    member: str
    elapsed_ms: int
    """Since the lease was given; not clock time."""
    deadline_ms: int
    """From the lease on."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=2, kind=Kind.UINT32, required=True),
        Field(name="sub_block", number=3, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="member", number=4, kind=Kind.STRING, required=True, size_max=64),
        Field(name="elapsed_ms", number=5, kind=Kind.UINT32, required=True),
        Field(name="deadline_ms", number=6, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnProcessed(Message):
    """A member processed a sub-block."""

    record: SignedEnvelope

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="record", number=1, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest(Message):
    """A member can take work; after a change of host it also says what it works on."""

    instance: str
    epoch: int
    free: int
    working_on: tuple[int, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=2, kind=Kind.UINT32, required=True),
        Field(name="free", number=3, kind=Kind.UINT32, required=True, maximum=64),
        Field(name="working_on", number=4, kind=Kind.UINT32, repeated=True, required=True, items_max=10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReturned(Message):
    """A member gives a sub-block back undone."""

    instance: str
    epoch: int
    sub_block: int
    reason: ReturnReason
    detail: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=2, kind=Kind.UINT32, required=True),
        Field(name="sub_block", number=3, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="reason", number=4, kind=Kind.ENUM, type=ReturnReason, required=True),
        Field(name="detail", number=5, kind=Kind.STRING, required=True, size_max=256),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNotice(Message):
    """HELD of one or more sub-blocks."""

    held: tuple[SignedEnvelope, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="held",
            number=1,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=64,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Message):
    """I am alive, on this list, and know these records."""

    instance: str
    epoch: int
    sequence: int
    """Of the list."""
    records: bytes
    """Digest of the known records and HELDs."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=2, kind=Kind.UINT32, required=True),
        Field(name="sequence", number=3, kind=Kind.UINT64, required=True),
        Field(name="records", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsWanted(Message):
    """Digests differed; send what is not marked here."""

    instance: str
    processed: tuple[int, ...] = ()
    held: tuple[int, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="processed", number=2, kind=Kind.UINT32, repeated=True, required=True, items_max=10),
        Field(name="held", number=3, kind=Kind.UINT32, repeated=True, required=True, items_max=10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Records(Message):
    """Records and HELDs that the other side lacks."""

    instance: str
    processed: tuple[SignedEnvelope, ...] = ()
    held: tuple[SignedEnvelope, ...] = ()
    started: tuple[OnSubBlockProcessingStarted, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(
            name="processed",
            number=2,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=128,
        ),
        Field(
            name="held",
            number=3,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=128,
        ),
        Field(
            name="started",
            number=4,
            kind=Kind.MESSAGE,
            type=OnSubBlockProcessingStarted,
            repeated=True,
            required=True,
            items_max=128,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRequest(Message):
    """A candidate asks for votes, with the signed list that it stands on."""

    instance: str
    epoch: int
    base: SignedEnvelope

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=2, kind=Kind.UINT32, required=True),
        Field(name="base", number=3, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteGiven(Message):
    """A vote, to the candidate."""

    vote: SignedEnvelope

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="vote", number=1, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeft(Message):
    """A member leaves."""

    leave: SignedEnvelope

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="leave", number=1, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubBlockAbandoned(Message):
    """The host asks the publisher to run what members abandoned."""

    instance: str
    job: str
    microjob: int
    sub_block: int
    reason: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="job", number=2, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=3, kind=Kind.UINT32, required=True),
        Field(name="sub_block", number=4, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="reason", number=5, kind=Kind.STRING, required=True, size_max=256),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherView(Message):
    """The publisher tells members what it holds of a microjob and which instance goes on."""

    job: str
    microjob: int
    preferred: str
    """Empty while none has delivered."""
    held: tuple[SignedEnvelope, ...] = ()
    taken: bool

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="preferred", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(
            name="held",
            number=4,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=10,
        ),
        Field(name="taken", number=5, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomClosed(Message):
    """The host says that the room ended."""

    instance: str
    reason: CloseReason

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="reason", number=2, kind=Kind.ENUM, type=CloseReason, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptGiven(Message):
    """A receipt on its way to the members and the publisher."""

    instance: str
    receipt: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="receipt", number=2, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMessage(Message):
    """One message of a room, from the peer that the stream belongs to."""

    body: (
        JoinAnswer
        | OnHostChanged
        | OnPeerListChanged
        | OnSubBlockProcessingStarted
        | OnProcessed
        | LeaseRequest
        | LeaseReturned
        | HeldNotice
        | Heartbeat
        | RecordsWanted
        | Records
        | VoteRequest
        | VoteGiven
        | MemberLeft
        | SubBlockAbandoned
        | PublisherView
        | RoomClosed
        | SignedEnvelope
        | ReceiptGiven
    )

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="join_answer", number=1, kind=Kind.MESSAGE, type=JoinAnswer),
        Field(name="host_changed", number=2, kind=Kind.MESSAGE, type=OnHostChanged),
        Field(name="peer_list_changed", number=3, kind=Kind.MESSAGE, type=OnPeerListChanged),
        Field(name="started", number=4, kind=Kind.MESSAGE, type=OnSubBlockProcessingStarted),
        Field(name="processed", number=5, kind=Kind.MESSAGE, type=OnProcessed),
        Field(name="lease_request", number=6, kind=Kind.MESSAGE, type=LeaseRequest),
        Field(name="lease_returned", number=7, kind=Kind.MESSAGE, type=LeaseReturned),
        Field(name="held", number=8, kind=Kind.MESSAGE, type=HeldNotice),
        Field(name="heartbeat", number=9, kind=Kind.MESSAGE, type=Heartbeat),
        Field(name="records_wanted", number=10, kind=Kind.MESSAGE, type=RecordsWanted),
        Field(name="records", number=11, kind=Kind.MESSAGE, type=Records),
        Field(name="vote_request", number=12, kind=Kind.MESSAGE, type=VoteRequest),
        Field(name="vote", number=13, kind=Kind.MESSAGE, type=VoteGiven),
        Field(name="left", number=14, kind=Kind.MESSAGE, type=MemberLeft),
        Field(name="abandoned", number=15, kind=Kind.MESSAGE, type=SubBlockAbandoned),
        Field(name="view", number=16, kind=Kind.MESSAGE, type=PublisherView),
        Field(name="closed", number=17, kind=Kind.MESSAGE, type=RoomClosed),
        Field(name="verification", number=18, kind=Kind.MESSAGE, type=SignedEnvelope),
        Field(name="receipt", number=19, kind=Kind.MESSAGE, type=ReceiptGiven),
    )
    ONEOF: ClassVar[str] = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(Message):
    """All that was pending for a peer."""

    hello: Hello | None = None
    messages: tuple[PeerMessage, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="hello", number=1, kind=Kind.MESSAGE, type=Hello),
        Field(
            name="messages",
            number=2,
            kind=Kind.MESSAGE,
            type=PeerMessage,
            repeated=True,
            required=True,
            items_max=4096,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRequest(Message):
    """A frame of the caller."""

    frame: Frame

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="frame", number=1, kind=Kind.MESSAGE, type=Frame, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeReply(Message):
    """A frame of the callee."""

    frame: Frame

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="frame", number=1, kind=Kind.MESSAGE, type=Frame, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Message):
    """A member of a room."""

    peer: str
    workers: int
    address: SignedEnvelope
    join: SignedEnvelope | None = None
    """Its signed join request; absent for the founder."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="peer", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="workers", number=2, kind=Kind.UINT32, required=True, maximum=64),
        Field(name="address", number=3, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="join", number=4, kind=Kind.MESSAGE, type=SignedEnvelope),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal(Message):
    """A removal with what others can check it against - the sub-blocks of its strikes, or how long it was
    silent.
    """

    peer: str
    reason: RemovalReason
    sub_blocks: tuple[int, ...] = ()
    silent_ms: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="peer", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="reason", number=2, kind=Kind.ENUM, type=RemovalReason, required=True),
        Field(name="sub_blocks", number=3, kind=Kind.UINT32, repeated=True, required=True, items_max=10),
        Field(name="silent_ms", number=4, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberList(Message):
    """Who is in the room; signed by its host. Two lists with one sequence are proof of equivocation."""

    job: str
    microjob: int
    instance: str
    founder: str
    nonce: int
    """The founder's; instance = H(job, microjob, founder, nonce)."""
    epoch: int
    sequence: int
    previous: bytes
    """sha256 of the previous signed list; empty in the first."""
    members: tuple[Member, ...] = ()
    removals: tuple[Removal, ...] = ()
    """Since the previous list."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="founder", number=4, kind=Kind.STRING, required=True, size_max=64),
        Field(name="nonce", number=5, kind=Kind.UINT64, required=True),
        Field(name="epoch", number=6, kind=Kind.UINT32, required=True),
        Field(name="sequence", number=7, kind=Kind.UINT64, required=True),
        Field(name="previous", number=8, kind=Kind.BYTES, required=True),
        Field(
            name="members",
            number=9,
            kind=Kind.MESSAGE,
            type=Member,
            repeated=True,
            required=True,
            items_max=11,
        ),
        Field(
            name="removals",
            number=10,
            kind=Kind.MESSAGE,
            type=Removal,
            repeated=True,
            required=True,
            items_max=11,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Message):
    """A member's one vote of an epoch."""

    instance: str
    epoch: int
    candidate: str
    list: bytes
    """sha256 of the signed list that the candidate stands on."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="epoch", number=2, kind=Kind.UINT32, required=True),
        Field(name="candidate", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="list", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedRecord(Message):
    """A member's signed result of a sub-block - constant size; leaves and salts go to the publisher alone."""

    job: str
    microjob: int
    instance: str
    sub_block: int
    chunks: int
    root: bytes
    """Merkle root over the salted leaves."""
    elapsed_ms: int
    vrf_key: bytes | None = None
    """Who committed is drawn from, with this key; absent with verify none."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="sub_block", number=4, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="chunks", number=5, kind=Kind.UINT32, required=True, maximum=64),
        Field(name="root", number=6, kind=Kind.BYTES, required=True),
        Field(name="elapsed_ms", number=7, kind=Kind.UINT32, required=True),
        Field(name="vrf_key", number=8, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Message):
    """The publisher's signed word that the outputs of a sub-block lie on its disk."""

    job: str
    microjob: int
    instance: str
    """In which it was processed."""
    sub_block: int
    member: str
    root: bytes
    record: SignedEnvelope | None = None
    """The member's own record; absent with verify none."""
    turn: int | None = None
    """How often the sub-block was held before and found false; the highest counts."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="sub_block", number=4, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="member", number=5, kind=Kind.STRING, required=True, size_max=64),
        Field(name="root", number=6, kind=Kind.BYTES, required=True),
        Field(name="record", number=7, kind=Kind.MESSAGE, type=SignedEnvelope),
        Field(name="turn", number=8, kind=Kind.UINT32, maximum=1000),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Message):
    """A member's own signed word that it leaves."""

    instance: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChunksRequest(Message):
    """Which chunks. Inputs are for members with a lease and drawn verifiers."""

    job: str
    microjob: int
    instance: str
    sub_block: int
    output: bool
    """Outputs instead of inputs."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="sub_block", number=4, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="output", number=5, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChunksReply(Message):
    """The next bytes."""

    data: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="data", number=1, kind=Kind.BYTES, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsHeader(Message):
    """What the bytes are. Salts follow from the seed by HMAC-SHA256(seed, chunk)."""

    record: SignedEnvelope
    salt_seed: bytes
    digests: bytes
    """32 bytes a chunk."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="record", number=1, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="salt_seed", number=2, kind=Kind.BYTES, required=True),
        Field(name="digests", number=3, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutputsRequest(Message):
    """First the header, then data."""

    header: OutputsHeader | None = None
    data: bytes | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="header", number=1, kind=Kind.MESSAGE, type=OutputsHeader),
        Field(name="data", number=2, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutputsReply(Message):
    """HELD by whoever delivered first, which may be another member."""

    held: SignedEnvelope | None = None
    refused: str | None = None
    """Why it was not taken."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="held", number=1, kind=Kind.MESSAGE, type=SignedEnvelope),
        Field(name="refused", number=2, kind=Kind.STRING, size_max=256),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBlobRequest(Message):
    """A blob by its BLAKE3 digest."""

    digest: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="digest", number=1, kind=Kind.BYTES, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBlobReply(Message):
    """The next bytes."""

    data: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="data", number=1, kind=Kind.BYTES, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBranchRequest(Message):
    """A microjob of a job."""

    job: str
    microjob: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBranchReply(Message):
    """Digests of the microjob's input chunks and the path from their root to the manifest's root."""

    digests: bytes
    """32 bytes a chunk."""
    path: tuple[bytes, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="digests", number=1, kind=Kind.BYTES, required=True),
        Field(name="path", number=2, kind=Kind.BYTES, repeated=True, required=True, items_max=64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRange(Message):
    """A range of the sorted (expiry, digest) space that ends before `upper` (empty means the end); starts
    where the one before ended.
    """

    upper: bytes
    """40 bytes - big-endian expiry in ms and sha256 - or empty."""
    fingerprint: bytes | None = None
    """sha256 over the sorted ids of the range."""
    ids: bytes | None = None
    """All ids of the range, 40 bytes each."""
    skip: bool
    """Equal; nothing to do."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="upper", number=1, kind=Kind.BYTES, required=True),
        Field(name="fingerprint", number=2, kind=Kind.BYTES),
        Field(name="ids", number=3, kind=Kind.BYTES),
        Field(name="skip", number=4, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileStep(Message):
    """One step of either side."""

    ranges: tuple[SetRange, ...] = ()
    wanted: bytes | None = None
    """Ids whose entries are asked for."""
    entries: tuple[bytes, ...] = ()
    end: bool
    """Nothing more to ask."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="ranges",
            number=1,
            kind=Kind.MESSAGE,
            type=SetRange,
            repeated=True,
            required=True,
            items_max=4096,
        ),
        Field(name="wanted", number=2, kind=Kind.BYTES),
        Field(name="entries", number=3, kind=Kind.BYTES, repeated=True, required=True, items_max=1024),
        Field(name="end", number=4, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRequest(Message):
    """A step of the caller."""

    step: ReconcileStep

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="step", number=1, kind=Kind.MESSAGE, type=ReconcileStep, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReply(Message):
    """A step of the callee."""

    step: ReconcileStep

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="step", number=1, kind=Kind.MESSAGE, type=ReconcileStep, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAddressesRequest(Message):
    """How many, and the caller's own record."""

    limit: int
    own: SignedEnvelope | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="limit", number=1, kind=Kind.UINT32, required=True, maximum=256),
        Field(name="own", number=2, kind=Kind.MESSAGE, type=SignedEnvelope),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAddressesReply(Message):
    """Signed address records."""

    records: tuple[SignedEnvelope, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="records",
            number=1,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=256,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRoomListRequest(Message):
    """Filters; all rooms without any."""

    job: str | None = None
    processor: str | None = None
    """Such as app:<name>."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, size_max=80),
        Field(name="processor", number=2, kind=Kind.STRING, size_max=128),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSummary(Message):
    """A room, or a microjob that has none yet (hosted is then false)."""

    job: str
    microjob: int
    hosted: bool
    instance: str
    epoch: int
    host: str
    members: int
    seats: int
    sub_blocks: int
    delivered: int
    processor: str
    joined: bool
    """This node is a member."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="hosted", number=3, kind=Kind.BOOL, required=True),
        Field(name="instance", number=4, kind=Kind.STRING, required=True),
        Field(name="epoch", number=5, kind=Kind.UINT32, required=True),
        Field(name="host", number=6, kind=Kind.STRING, required=True),
        Field(name="members", number=7, kind=Kind.UINT32, required=True),
        Field(name="seats", number=8, kind=Kind.UINT32, required=True),
        Field(name="sub_blocks", number=9, kind=Kind.UINT32, required=True),
        Field(name="delivered", number=10, kind=Kind.UINT32, required=True),
        Field(name="processor", number=11, kind=Kind.STRING, required=True),
        Field(name="joined", number=12, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRoomListReply(Message):
    """Rooms that are known now."""

    rooms: tuple[RoomSummary, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="rooms",
            number=1,
            kind=Kind.MESSAGE,
            type=RoomSummary,
            repeated=True,
            required=True,
            items_max=10000,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomJoinRequest(Message):
    """Which room."""

    job: str
    microjob: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomJoinReply(Message):
    """Seated or not."""

    status: RoomJoinStatus
    detail: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="status", number=1, kind=Kind.ENUM, type=RoomJoinStatus, required=True),
        Field(name="detail", number=2, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProcessingDataRequest(Message):
    """Of which room, and how long to wait for a sub-block."""

    job: str
    microjob: int
    wait_ms: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="wait_ms", number=3, kind=Kind.UINT32, required=True, maximum=60000),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile(Message):
    """One chunk of a sub-block as a region of the array; all in items, C order."""

    index: int
    """Chunk number within the job."""
    input_start: tuple[int, ...] = ()
    input_shape: tuple[int, ...] = ()
    output_start: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    input_bytes: int
    output_bytes: int
    output_chunk: Chunk | None = None
    """Where its bytes belong in the output stream, in a job with explicit chunks; its region then says
    nothing.
    """

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="index", number=1, kind=Kind.UINT32, required=True),
        Field(name="input_start", number=2, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="input_shape", number=3, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="output_start", number=4, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="output_shape", number=5, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="input_bytes", number=6, kind=Kind.INT64, required=True),
        Field(name="output_bytes", number=7, kind=Kind.INT64, required=True),
        Field(name="output_chunk", number=8, kind=Kind.MESSAGE, type=Chunk),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProcessingDataReply(Message):
    """The first item has the status and, with DATA, sub-block, processor and tiles; the others bytes of the
    tiles, concatenated.
    """

    status: DataStatus
    sub_block: int | None = None
    processor: Processor | None = None
    array: ArraySpec | None = None
    output: OutputSpec | None = None
    cut: Cut | None = None
    tiles: tuple[Tile, ...] = ()
    data: bytes | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="status", number=1, kind=Kind.ENUM, type=DataStatus, required=True),
        Field(name="sub_block", number=2, kind=Kind.UINT32),
        Field(name="processor", number=3, kind=Kind.MESSAGE, type=Processor),
        Field(name="array", number=4, kind=Kind.MESSAGE, type=ArraySpec),
        Field(name="output", number=5, kind=Kind.MESSAGE, type=OutputSpec),
        Field(name="cut", number=6, kind=Kind.MESSAGE, type=Cut),
        Field(
            name="tiles", number=7, kind=Kind.MESSAGE, type=Tile, repeated=True, required=True, items_max=64
        ),
        Field(name="data", number=8, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishProcessingResultRequest(Message):
    """The first item names the sub-block; all may carry bytes of its outputs, concatenated."""

    job: str
    microjob: int
    sub_block: int
    data: bytes | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="sub_block", number=3, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="data", number=4, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishProcessingResultReply(Message):
    """Whether the publisher holds it."""

    held: bool
    detail: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="held", number=1, kind=Kind.BOOL, required=True),
        Field(name="detail", number=2, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishDataToProcessRequest(Message):
    """The room that lost its host; or a job of which a microjob without a room is to be hosted, the named one
    first.
    """

    job: str
    microjob: int | None = None
    """The one to try first; absent for the next without a room."""
    sub_blocks: tuple[int, ...] = ()
    """Must match the job's manifest; empty means all."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32),
        Field(name="sub_blocks", number=3, kind=Kind.UINT32, repeated=True, required=True, items_max=10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishDataToProcessReply(Message):
    """Who hosts which room now."""

    hosting: bool
    """This node is the host."""
    host: str
    """Empty while nobody hosts. After HOST_GONE the answer waits up to 25 s for a new host."""
    microjob: int
    detail: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="hosting", number=1, kind=Kind.BOOL, required=True),
        Field(name="host", number=2, kind=Kind.STRING, required=True),
        Field(name="microjob", number=3, kind=Kind.UINT32, required=True),
        Field(name="detail", number=4, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLeaveRequest(Message):
    """Which room."""

    job: str
    microjob: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLeaveReply(Message):
    """Whether there was a seat to give back."""

    left: bool

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="left", number=1, kind=Kind.BOOL, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest(Message):
    """What an app asks for."""

    name: str
    processor: str
    """A shipped processor's name, `app:<name>`, or `wasm` with the module in the stream."""
    parameters: tuple[Parameter, ...] = ()
    array: ArraySpec
    tile: tuple[int, ...] = ()
    """Empty means 256 by 256 or what fits."""
    halo: tuple[int, ...] = ()
    """Empty means what the processor needs."""
    edge: Edge
    chunks_per_sub_block: int
    """0 means the planner chooses."""
    output: OutputSpec | None = None
    """For a module of one's own; absent means like the input."""
    explicit: ExplicitChunks | None = None
    deadline_ms: int
    """0 means 60 s."""
    policy: Policy
    lifetime_ms: int
    """Until the job expires; 0 means a day."""
    expected_members: int | None = None
    """Peers that may help; 0 means what the node sees."""
    outside_beacon: bool | None = None
    """The network's SGNUS node is the beacon of the job's draws, not its publisher."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="name", number=1, kind=Kind.STRING, required=True, size_max=128),
        Field(name="processor", number=2, kind=Kind.STRING, required=True, size_max=128),
        Field(
            name="parameters",
            number=3,
            kind=Kind.MESSAGE,
            type=Parameter,
            repeated=True,
            required=True,
            items_max=64,
        ),
        Field(name="array", number=4, kind=Kind.MESSAGE, type=ArraySpec, required=True),
        Field(name="tile", number=5, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="halo", number=6, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="edge", number=7, kind=Kind.ENUM, type=Edge, required=True),
        Field(name="chunks_per_sub_block", number=8, kind=Kind.UINT32, required=True, maximum=64),
        Field(name="output", number=9, kind=Kind.MESSAGE, type=OutputSpec),
        Field(name="explicit", number=10, kind=Kind.MESSAGE, type=ExplicitChunks),
        Field(name="deadline_ms", number=11, kind=Kind.UINT32, required=True, maximum=86400000),
        Field(name="policy", number=12, kind=Kind.MESSAGE, type=Policy, required=True),
        Field(name="lifetime_ms", number=13, kind=Kind.INT64, required=True),
        Field(name="expected_members", number=14, kind=Kind.UINT32, maximum=1000000),
        Field(name="outside_beacon", number=15, kind=Kind.BOOL),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJobRequest(Message):
    """The job to plan."""

    job: JobRequest

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.MESSAGE, type=JobRequest, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJobReply(Message):
    """What it becomes."""

    chunks: int
    sub_blocks: int
    microjobs: int
    """Rooms that it fills."""
    input_bytes: int
    """Of the stream."""
    upload_bytes: int
    """Of all input chunks, halo included."""
    output_bytes: int
    tile: tuple[int, ...] = ()
    halo: tuple[int, ...] = ()
    visible_to: str
    """Who will see the plaintext."""
    waits_for: str | None = None
    """Whom it would wait for, by the peers that the node knows now; empty if for nobody."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="chunks", number=1, kind=Kind.INT64, required=True),
        Field(name="sub_blocks", number=2, kind=Kind.INT64, required=True),
        Field(name="microjobs", number=3, kind=Kind.INT64, required=True),
        Field(name="input_bytes", number=4, kind=Kind.INT64, required=True),
        Field(name="upload_bytes", number=5, kind=Kind.INT64, required=True),
        Field(name="output_bytes", number=6, kind=Kind.INT64, required=True),
        Field(name="tile", number=7, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="halo", number=8, kind=Kind.INT64, repeated=True, required=True, items_max=8),
        Field(name="visible_to", number=9, kind=Kind.STRING, required=True),
        Field(name="waits_for", number=10, kind=Kind.STRING),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJobRequest(Message):
    """First the job, then the module (if any), then the input stream."""

    job: JobRequest | None = None
    module: bytes | None = None
    data: bytes | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.MESSAGE, type=JobRequest),
        Field(name="module", number=2, kind=Kind.BYTES),
        Field(name="data", number=3, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJobReply(Message):
    """The job is on disk and signed."""

    job: str
    """BLOCKID."""
    plan: PlanJobReply

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="plan", number=2, kind=Kind.MESSAGE, type=PlanJobReply, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus(Message):
    """A job and how far it is."""

    job: str
    """BLOCKID."""
    name: str
    author: str
    processor: str
    state: JobState
    reason: str
    """Of failure, cancelling or waiting."""
    chunks: int
    sub_blocks: int
    microjobs: int
    delivered: int
    """Sub-blocks."""
    taken: int
    """Microjobs."""
    output_bytes: int
    array: ArraySpec
    """Of the input."""
    output: ArraySpec
    """Of the output."""
    created_ms: int
    expires_ms: int
    own: bool
    """This node published it."""
    rooms: tuple[RoomSummary, ...] = ()
    takeovers: int
    """Changes of host that the publisher saw."""
    removals: int
    """Members removed, as the publisher saw."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="name", number=2, kind=Kind.STRING, required=True),
        Field(name="author", number=3, kind=Kind.STRING, required=True),
        Field(name="processor", number=4, kind=Kind.STRING, required=True),
        Field(name="state", number=5, kind=Kind.ENUM, type=JobState, required=True),
        Field(name="reason", number=6, kind=Kind.STRING, required=True),
        Field(name="chunks", number=7, kind=Kind.INT64, required=True),
        Field(name="sub_blocks", number=8, kind=Kind.INT64, required=True),
        Field(name="microjobs", number=9, kind=Kind.INT64, required=True),
        Field(name="delivered", number=10, kind=Kind.INT64, required=True),
        Field(name="taken", number=11, kind=Kind.INT64, required=True),
        Field(name="output_bytes", number=12, kind=Kind.INT64, required=True),
        Field(name="array", number=13, kind=Kind.MESSAGE, type=ArraySpec, required=True),
        Field(name="output", number=14, kind=Kind.MESSAGE, type=ArraySpec, required=True),
        Field(name="created_ms", number=15, kind=Kind.INT64, required=True),
        Field(name="expires_ms", number=16, kind=Kind.INT64, required=True),
        Field(name="own", number=17, kind=Kind.BOOL, required=True),
        Field(
            name="rooms",
            number=18,
            kind=Kind.MESSAGE,
            type=RoomSummary,
            repeated=True,
            required=True,
            items_max=10000,
        ),
        Field(name="takeovers", number=19, kind=Kind.UINT32, required=True),
        Field(name="removals", number=20, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetJobRequest(Message):
    """By BLOCKID."""

    job: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetJobReply(Message):
    """The job."""

    status: JobStatus

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="status", number=1, kind=Kind.MESSAGE, type=JobStatus, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobsRequest(Message):
    """Filters."""

    own: bool
    """This node's jobs only."""
    open: bool
    """Open jobs only."""
    limit: int
    """0 means 100."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="own", number=1, kind=Kind.BOOL, required=True),
        Field(name="open", number=2, kind=Kind.BOOL, required=True),
        Field(name="limit", number=3, kind=Kind.UINT32, required=True, maximum=1000),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobsReply(Message):
    """Jobs, newest first."""

    jobs: tuple[JobStatus, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="jobs",
            number=1,
            kind=Kind.MESSAGE,
            type=JobStatus,
            repeated=True,
            required=True,
            items_max=1000,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJobRequest(Message):
    """Which job, and why."""

    job: str
    reason: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="reason", number=2, kind=Kind.STRING, required=True, size_max=256),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJobReply(Message):
    """Its state now."""

    state: JobState

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="state", number=1, kind=Kind.ENUM, type=JobState, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResultsRequest(Message):
    """Of which job, and after which item."""

    job: str
    after: int
    """Cursor of the last item that the app has; 0 from the start."""
    provisional: bool
    """Also what is not verified yet."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="after", number=2, kind=Kind.UINT64, required=True),
        Field(name="provisional", number=3, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResultsReply(Message):
    """A piece of the outputs of a sub-block. The last piece has the cursor to resume after."""

    cursor: int
    sub_block: int
    """Number within the job."""
    tiles: tuple[Tile, ...] = ()
    """In the first piece."""
    data: bytes
    last: bool
    """Last piece of this sub-block."""
    state: ResultState
    receipt: bytes | None = None
    """Digest of the receipt that verifies it."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="cursor", number=1, kind=Kind.UINT64, required=True),
        Field(name="sub_block", number=2, kind=Kind.INT64, required=True),
        Field(
            name="tiles", number=3, kind=Kind.MESSAGE, type=Tile, repeated=True, required=True, items_max=64
        ),
        Field(name="data", number=4, kind=Kind.BYTES, required=True),
        Field(name="last", number=5, kind=Kind.BOOL, required=True),
        Field(name="state", number=6, kind=Kind.ENUM, type=ResultState, required=True),
        Field(name="receipt", number=7, kind=Kind.BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEventsRequest(Message):
    """Of which job; all without."""

    job: str | None = None
    follow: bool
    """Go on until the job ends, else only what is known now."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, size_max=80),
        Field(name="follow", number=2, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent(Message):
    """OnHostChanged, for apps."""

    job: str
    microjob: int
    instance: str
    epoch: int
    host: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True),
        Field(name="epoch", number=4, kind=Kind.UINT32, required=True),
        Field(name="host", number=5, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerListEvent(Message):
    """OnPeerListChanged, for apps."""

    job: str
    microjob: int
    instance: str
    members: tuple[str, ...] = ()
    removals: tuple[Removal, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True),
        Field(name="members", number=4, kind=Kind.STRING, repeated=True, required=True, items_max=11),
        Field(
            name="removals",
            number=5,
            kind=Kind.MESSAGE,
            type=Removal,
            repeated=True,
            required=True,
            items_max=11,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedEvent(Message):
    """OnSubBlockProcessingStarted, for apps."""

    job: str
    microjob: int
    instance: str
    sub_block: int
    member: str
    elapsed_ms: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True),
        Field(name="sub_block", number=4, kind=Kind.UINT32, required=True),
        Field(name="member", number=5, kind=Kind.STRING, required=True),
        Field(name="elapsed_ms", number=6, kind=Kind.UINT32, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedEvent(Message):
    """OnProcessed and HELD, for apps."""

    job: str
    microjob: int
    instance: str
    sub_block: int
    member: str
    held: bool
    """The publisher has it."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True),
        Field(name="sub_block", number=4, kind=Kind.UINT32, required=True),
        Field(name="member", number=5, kind=Kind.STRING, required=True),
        Field(name="held", number=6, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEventsReply(Message):
    """One event."""

    body: JobStatus | HostEvent | PeerListEvent | StartedEvent | ProcessedEvent

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.MESSAGE, type=JobStatus),
        Field(name="host_changed", number=2, kind=Kind.MESSAGE, type=HostEvent),
        Field(name="peer_list_changed", number=3, kind=Kind.MESSAGE, type=PeerListEvent),
        Field(name="started", number=4, kind=Kind.MESSAGE, type=StartedEvent),
        Field(name="processed", number=5, kind=Kind.MESSAGE, type=ProcessedEvent),
    )
    ONEOF: ClassVar[str] = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStoryRequest(Message):
    """Of which job."""

    job: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStoryReply(Message):
    """Lines, oldest first."""

    lines: tuple[str, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="lines", number=1, kind=Kind.STRING, repeated=True, required=True, items_max=10000),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReceiptsRequest(Message):
    """Of which job."""

    job: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReceiptsReply(Message):
    """Canonical receipts."""

    receipts: tuple[bytes, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="receipts", number=1, kind=Kind.BYTES, repeated=True, required=True, items_max=1024),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettlementsRequest(Message):
    """Of one job, or of all that this node knows; a page at a time."""

    job: str | None = None
    """Absent - of all jobs."""
    after: str | None = None
    """The `next` of the page before."""
    limit: int | None = None
    """At most so many; absent or 0 - 100."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, size_max=80),
        Field(name="after", number=2, kind=Kind.STRING, size_max=128),
        Field(name="limit", number=3, kind=Kind.UINT32, maximum=1000),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledMicrojob(Message):
    """A SGNUS node's word that a microjob is complete and verified, once for good."""

    job: str
    microjob: int
    receipt: bytes
    """The receipt's digest."""
    node: str
    """Peer id of the SGNUS node."""
    audited: bool
    rerun: int
    """How many chunks the SGNUS node ran again."""
    shares: tuple[Share, ...] = ()
    audit: AuditState

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="receipt", number=3, kind=Kind.BYTES, required=True),
        Field(name="node", number=4, kind=Kind.STRING, required=True),
        Field(name="audited", number=5, kind=Kind.BOOL, required=True),
        Field(name="rerun", number=6, kind=Kind.UINT32, required=True),
        Field(
            name="shares", number=7, kind=Kind.MESSAGE, type=Share, repeated=True, required=True, items_max=33
        ),
        Field(name="audit", number=8, kind=Kind.ENUM, type=AuditState, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettlementsReply(Message):
    """A page, by job and microjob."""

    settlements: tuple[SettledMicrojob, ...] = ()
    credits: tuple[Share, ...] = ()
    """The shares of these settlements, added up by peer."""
    next: str | None = None
    """Asks for the next page; absent after the last one."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="settlements",
            number=1,
            kind=Kind.MESSAGE,
            type=SettledMicrojob,
            repeated=True,
            required=True,
            items_max=1000,
        ),
        Field(
            name="credits",
            number=2,
            kind=Kind.MESSAGE,
            type=Share,
            repeated=True,
            required=True,
            items_max=33000,
        ),
        Field(name="next", number=3, kind=Kind.STRING),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProofsRequest(Message):
    """Of which job."""

    job: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProofsReply(Message):
    """A piece of an encoded FraudProof. Of a job of this node it is complete; else as the job database has
    it, without input and module.
    """

    data: bytes
    """At most 1 MiB."""
    last: bool
    """Last piece of this proof."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="data", number=1, kind=Kind.BYTES, required=True),
        Field(name="last", number=2, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNodeRequest(Message):
    """Nothing to say."""

    FIELDS: ClassVar[tuple[Field, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Message):
    """A named count, such as dropped messages."""

    name: str
    value: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="name", number=1, kind=Kind.STRING, required=True),
        Field(name="value", number=2, kind=Kind.INT64, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCard(Message):
    """A parameter of a processor that ships."""

    name: str
    standard: str
    """The value when none is given."""
    summary: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="name", number=1, kind=Kind.STRING, required=True),
        Field(name="standard", number=2, kind=Kind.STRING, required=True),
        Field(name="summary", number=3, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCard(Message):
    """A processor that ships, as its documentation says it."""

    name: str
    summary: str
    dtypes: tuple[str, ...] = ()
    parameters: tuple[ParameterCard, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="name", number=1, kind=Kind.STRING, required=True),
        Field(name="summary", number=2, kind=Kind.STRING, required=True),
        Field(name="dtypes", number=3, kind=Kind.STRING, repeated=True, required=True, items_max=16),
        Field(
            name="parameters",
            number=4,
            kind=Kind.MESSAGE,
            type=ParameterCard,
            repeated=True,
            required=True,
            items_max=64,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNodeReply(Message):
    """This node."""

    peer: str
    version: str
    protocol: int
    network: str
    network_name: str
    multiaddrs: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    peers: int
    jobs: int
    """Open jobs in the database."""
    workers: int
    hardening: tuple[str, ...] = ()
    uptime_ms: int
    counters: tuple[Counter, ...] = ()
    processors: tuple[ProcessorCard, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="peer", number=1, kind=Kind.STRING, required=True),
        Field(name="version", number=2, kind=Kind.STRING, required=True),
        Field(name="protocol", number=3, kind=Kind.UINT32, required=True),
        Field(name="network", number=4, kind=Kind.STRING, required=True),
        Field(name="network_name", number=5, kind=Kind.STRING, required=True),
        Field(name="multiaddrs", number=6, kind=Kind.STRING, repeated=True, required=True, items_max=16),
        Field(
            name="endpoints",
            number=7,
            kind=Kind.MESSAGE,
            type=Endpoint,
            repeated=True,
            required=True,
            items_max=16,
        ),
        Field(name="peers", number=8, kind=Kind.UINT32, required=True),
        Field(name="jobs", number=9, kind=Kind.INT64, required=True),
        Field(name="workers", number=10, kind=Kind.UINT32, required=True),
        Field(name="hardening", number=11, kind=Kind.STRING, repeated=True, required=True, items_max=16),
        Field(name="uptime_ms", number=12, kind=Kind.INT64, required=True),
        Field(
            name="counters",
            number=13,
            kind=Kind.MESSAGE,
            type=Counter,
            repeated=True,
            required=True,
            items_max=256,
        ),
        Field(
            name="processors",
            number=14,
            kind=Kind.MESSAGE,
            type=ProcessorCard,
            repeated=True,
            required=True,
            items_max=64,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPeersRequest(Message):
    """Nothing to say."""

    FIELDS: ClassVar[tuple[Field, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSummary(Message):
    """A peer that this node knows."""

    peer: str
    connected: bool
    endpoints: tuple[Endpoint, ...] = ()
    gossip: bool
    """A gossip neighbour."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="peer", number=1, kind=Kind.STRING, required=True),
        Field(name="connected", number=2, kind=Kind.BOOL, required=True),
        Field(
            name="endpoints",
            number=3,
            kind=Kind.MESSAGE,
            type=Endpoint,
            repeated=True,
            required=True,
            items_max=8,
        ),
        Field(name="gossip", number=4, kind=Kind.BOOL, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPeersReply(Message):
    """Peers."""

    peers: tuple[PeerSummary, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(
            name="peers",
            number=1,
            kind=Kind.MESSAGE,
            type=PeerSummary,
            repeated=True,
            required=True,
            items_max=10000,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Message):
    """What a round seals - the members that are drawn from, and exactly one held record of each sub-block."""

    job: str
    microjob: int
    instance: str
    round: int
    attempt: int
    list: SignedEnvelope
    """The room's newest member list."""
    held: tuple[SignedEnvelope, ...] = ()
    """By sub-block, one each."""
    leaves: tuple[SignedEnvelope, ...] = ()
    suspicions: tuple[SignedEnvelope, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
        Field(name="microjob", number=2, kind=Kind.UINT32, required=True),
        Field(name="instance", number=3, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=4, kind=Kind.UINT32, required=True),
        Field(name="attempt", number=5, kind=Kind.UINT32, required=True, maximum=65535),
        Field(name="list", number=6, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(
            name="held",
            number=8,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=10,
        ),
        Field(
            name="leaves",
            number=9,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=22,
        ),
        Field(
            name="suspicions",
            number=10,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=462,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion(Message):
    """A member has not heard another one; never convicts."""

    instance: str
    round: int
    attempt: int
    silent: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=2, kind=Kind.UINT32, required=True),
        Field(name="attempt", number=3, kind=Kind.UINT32, required=True),
        Field(name="silent", number=4, kind=Kind.STRING, required=True, size_max=64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal(Message):
    """A member's one R of a round and attempt."""

    instance: str
    round: int
    attempt: int
    r: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=2, kind=Kind.UINT32, required=True),
        Field(name="attempt", number=3, kind=Kind.UINT32, required=True),
        Field(name="r", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal(Message):
    """A member's VRF over R."""

    instance: str
    round: int
    r: bytes
    proof: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=2, kind=Kind.UINT32, required=True),
        Field(name="r", number=3, kind=Kind.BYTES, required=True),
        Field(name="proof", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconOutput(Message):
    """The beacon's VRF over R and the reveals."""

    instance: str
    round: int
    reveals: tuple[SignedEnvelope, ...] = ()
    proof: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=2, kind=Kind.UINT32, required=True),
        Field(
            name="reveals",
            number=3,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=22,
        ),
        Field(name="proof", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconMissed(Message):
    """A member has all reveals of a sealed attempt, and has waited in vain for the beacon."""

    instance: str
    round: int
    r: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=2, kind=Kind.UINT32, required=True),
        Field(name="r", number=3, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Message):
    """The verifier's own digests of the samples, signed before anything is opened."""

    instance: str
    round: int
    chunks: tuple[int, ...] = ()
    digests: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="round", number=2, kind=Kind.UINT32, required=True),
        Field(name="chunks", number=3, kind=Kind.UINT32, repeated=True, required=True, items_max=640),
        Field(name="digests", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Message):
    """What a commit hid."""

    instance: str
    sub_block: int
    salt_seed: bytes
    digests: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="instance", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="sub_block", number=2, kind=Kind.UINT32, required=True, maximum=9),
        Field(name="salt_seed", number=3, kind=Kind.BYTES, required=True),
        Field(name="digests", number=4, kind=Kind.BYTES, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Message):
    """All that is needed to check offline that a microjob is complete and verified. Its digest is sha256 of
    these bytes.
    """

    network: str
    job: bytes
    """The JOB entry, as it is in the database."""
    microjob: int
    proposal: SignedEnvelope
    seals: tuple[SignedEnvelope, ...] = ()
    """By author."""
    beacon: SignedEnvelope | None = None
    """Absent: none spoke, and `reveals` and `missed` stand for it. Such a receipt is provisional until
    audited in full.
    """
    suspicions: tuple[SignedEnvelope, ...] = ()
    """Of verifiers that were passed over, by author and suspect."""
    verdicts: tuple[SignedEnvelope, ...] = ()
    """By author."""
    openings: tuple[Opening, ...] = ()
    """By sub-block, one each."""
    reveals: tuple[SignedEnvelope, ...] = ()
    """By author; only without a beacon, whose output holds them."""
    missed: tuple[SignedEnvelope, ...] = ()
    """By author, just more than half; only without a beacon."""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="network", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="job", number=2, kind=Kind.BYTES, required=True),
        Field(name="microjob", number=3, kind=Kind.UINT32, required=True),
        Field(name="proposal", number=4, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(
            name="seals",
            number=5,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=22,
        ),
        Field(name="beacon", number=6, kind=Kind.MESSAGE, type=SignedEnvelope),
        Field(
            name="suspicions",
            number=7,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=462,
        ),
        Field(
            name="verdicts",
            number=8,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=462,
        ),
        Field(
            name="openings",
            number=9,
            kind=Kind.MESSAGE,
            type=Opening,
            repeated=True,
            required=True,
            items_max=10,
        ),
        Field(
            name="reveals",
            number=10,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=22,
        ),
        Field(
            name="missed",
            number=11,
            kind=Kind.MESSAGE,
            type=SignedEnvelope,
            repeated=True,
            required=True,
            items_max=22,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudProof(Message):
    """Two signed digests of one chunk that cannot both be right. Whoever runs the chunk knows whose signature
    is the false one. `input` and `module` are left out in the database.
    """

    network: str
    job: bytes
    """The JOB entry, as it is in the database."""
    chunk: int
    """Number within the job."""
    record: SignedEnvelope
    """The worker's commit."""
    opening: Opening
    """What the commit hid."""
    verdict: SignedEnvelope
    """The verifier's digests."""
    branch: bytes
    """Digests of the microjob's input chunks."""
    path: tuple[bytes, ...] = ()
    """From the branch to the job's manifest root."""
    input: bytes | None = None
    """The chunk's input."""
    module: bytes | None = None
    """The processor, if it does not ship."""
    founder: str
    """With nonce: shows that the verdict's instance is of this job and microjob."""
    nonce: int

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="network", number=1, kind=Kind.STRING, required=True, size_max=64),
        Field(name="job", number=2, kind=Kind.BYTES, required=True),
        Field(name="chunk", number=3, kind=Kind.UINT64, required=True),
        Field(name="record", number=4, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="opening", number=5, kind=Kind.MESSAGE, type=Opening, required=True),
        Field(name="verdict", number=6, kind=Kind.MESSAGE, type=SignedEnvelope, required=True),
        Field(name="branch", number=7, kind=Kind.BYTES, required=True),
        Field(name="path", number=8, kind=Kind.BYTES, repeated=True, required=True, items_max=32),
        Field(name="input", number=9, kind=Kind.BYTES),
        Field(name="module", number=10, kind=Kind.BYTES),
        Field(name="founder", number=11, kind=Kind.STRING, required=True, size_max=64),
        Field(name="nonce", number=12, kind=Kind.UINT64, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReceiptRequest(Message):
    """A canonical receipt."""

    receipt: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="receipt", number=1, kind=Kind.BYTES, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReceiptReply(Message):
    """Its state."""

    state: SettlementState
    detail: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="state", number=1, kind=Kind.ENUM, type=SettlementState, required=True),
        Field(name="detail", number=2, kind=Kind.STRING, required=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReceiptRequest(Message):
    """By digest."""

    digest: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="digest", number=1, kind=Kind.BYTES, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReceiptReply(Message):
    """The receipt."""

    receipt: bytes

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(name="receipt", number=1, kind=Kind.BYTES, required=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReceiptsRequest(Message):
    """Of a job."""

    job: str

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="job", number=1, kind=Kind.STRING, required=True, size_max=80),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReceiptsReply(Message):
    """Digests."""

    digests: tuple[bytes, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(name="digests", number=1, kind=Kind.BYTES, repeated=True, required=True, items_max=32768),
    )


MESSAGES: Final[tuple[type[Message], ...]] = (
    Problem,
    SignedEnvelope,
    Endpoint,
    AddressRecord,
    Parameter,
    Processor,
    ArraySpec,
    Cut,
    OutputSpec,
    Chunk,
    ChunkPair,
    ExplicitChunks,
    Policy,
    Entry,
    JobBody,
    ReviseBody,
    CancelBody,
    TakenBody,
    DoneBody,
    RoomBody,
    Share,
    SettledBody,
    FraudBody,
    EntryBatch,
    GossipMessage,
    RoomAnnouncement,
    JoinRequest,
    Hello,
    JoinAnswer,
    Succession,
    OnHostChanged,
    OnPeerListChanged,
    OnSubBlockProcessingStarted,
    OnProcessed,
    LeaseRequest,
    LeaseReturned,
    HeldNotice,
    Heartbeat,
    RecordsWanted,
    Records,
    VoteRequest,
    VoteGiven,
    MemberLeft,
    SubBlockAbandoned,
    PublisherView,
    RoomClosed,
    ReceiptGiven,
    PeerMessage,
    Frame,
    ExchangeRequest,
    ExchangeReply,
    Member,
    Removal,
    MemberList,
    Vote,
    ProcessedRecord,
    Held,
    Leave,
    ReadChunksRequest,
    ReadChunksReply,
    OutputsHeader,
    WriteOutputsRequest,
    WriteOutputsReply,
    ReadBlobRequest,
    ReadBlobReply,
    ReadBranchRequest,
    ReadBranchReply,
    SetRange,
    ReconcileStep,
    ReconcileRequest,
    ReconcileReply,
    ExchangeAddressesRequest,
    ExchangeAddressesReply,
    GetRoomListRequest,
    RoomSummary,
    GetRoomListReply,
    RoomJoinRequest,
    RoomJoinReply,
    RequestProcessingDataRequest,
    Tile,
    RequestProcessingDataReply,
    PublishProcessingResultRequest,
    PublishProcessingResultReply,
    PublishDataToProcessRequest,
    PublishDataToProcessReply,
    RoomLeaveRequest,
    RoomLeaveReply,
    JobRequest,
    PlanJobRequest,
    PlanJobReply,
    SubmitJobRequest,
    SubmitJobReply,
    JobStatus,
    GetJobRequest,
    GetJobReply,
    ListJobsRequest,
    ListJobsReply,
    CancelJobRequest,
    CancelJobReply,
    StreamResultsRequest,
    StreamResultsReply,
    StreamEventsRequest,
    HostEvent,
    PeerListEvent,
    StartedEvent,
    ProcessedEvent,
    StreamEventsReply,
    GetStoryRequest,
    GetStoryReply,
    GetReceiptsRequest,
    GetReceiptsReply,
    ListSettlementsRequest,
    SettledMicrojob,
    ListSettlementsReply,
    GetProofsRequest,
    GetProofsReply,
    GetNodeRequest,
    Counter,
    ParameterCard,
    ProcessorCard,
    GetNodeReply,
    ListPeersRequest,
    PeerSummary,
    ListPeersReply,
    Proposal,
    Suspicion,
    Seal,
    Reveal,
    BeaconOutput,
    BeaconMissed,
    Verdict,
    Opening,
    Receipt,
    FraudProof,
    SubmitReceiptRequest,
    SubmitReceiptReply,
    GetReceiptRequest,
    GetReceiptReply,
    ListReceiptsRequest,
    ListReceiptsReply,
)
