"""What the runtime asks of the world: one Protocol each, one adapter each, one contract suite in tests/ports each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import CHUNK_MS_MAX
from sgnus.messages.v1.types import (
    Endpoint,
    ExchangeAddressesReply,
    ExchangeAddressesRequest,
    OutputsHeader,
    ReadBlobRequest,
    ReadBranchReply,
    ReadBranchRequest,
    ReadChunksRequest,
    SignedEnvelope,
    WriteOutputsReply,
)
from sgnus.ports.duplex import Duplex as Duplex
from sgnus.ports.listening import Listening
from sgnus.ports.settlement import Settlement, SettlementService


# ---- gossip ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class GossipReceived:
    """`payload` arrived on `topic`; `neighbour` delivered it, and `author` signed the message (but maybe not what is in it)."""

    topic: str
    payload: bytes
    neighbour: PeerId
    author: PeerId


@dataclass(frozen=True, slots=True)
class NeighbourConnected:
    """A gossip connection to `peer` stands (noise-authenticated)."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class NeighbourLost:
    """The last gossip connection to `peer` is gone."""

    peer: PeerId


GossipEvent = GossipReceived | NeighbourConnected | NeighbourLost


class Gossip(Listening, Protocol):
    """Publish/subscribe among peers. Callbacks run on the asyncio loop that called `start`; none of the plain methods blocks."""

    async def start(self, deliver: Callable[[GossipEvent], bool]) -> Sequence[str]:
        """Listen; return our full multiaddrs (`/ip4/../tcp/../p2p/<peer id>`). `deliver` returns False when it is full."""

    def subscribe(self, topic: str) -> None: ...

    def unsubscribe(self, topic: str) -> None: ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to all subscribers; over `GOSSIP_BYTES_MAX` is OurFault. Our own messages are not delivered to us."""

    def connect(self, multiaddr: str) -> None:
        """Keep a connection to this full multiaddr: dial now, redial with back-off when lost."""

    def disconnect(self, peer: PeerId) -> None:
        """Drop connections to `peer` (its heartbeats stopped) and stop redialling it."""

    def neighbours(self) -> Sequence[PeerId]: ...

    async def stop(self) -> None: ...


# ---- peers ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PeerConnected:
    """The one stream to `peer` stands in both directions; `boot` differs with each start of its process."""

    peer: PeerId
    boot: int


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The stream to `peer` ended, or an attempt to open it failed. What was still queued for it is gone."""

    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class PeerSent:
    """An encoded PeerMessage of `peer`, not decoded yet, at most `PEER_MESSAGE_BYTES_MAX`."""

    peer: PeerId
    payload: bytes


@dataclass(frozen=True, slots=True)
class PeerRefused:
    """`peer` asked for a stream and was turned away (another network, another protocol version, no right to it)."""

    peer: PeerId
    reason: str


PeerEvent = PeerConnected | PeerLost | PeerSent | PeerRefused
Piece = bytes | memoryview


class PeerService(Protocol):
    """What this node does for its peers; the runtime implements it. PeerFault refuses a call with its sentence."""

    def may_call(self, peer: PeerId, method: str) -> bool:
        """Whether `peer` may make this call now (`Exchange`, `ReadChunks`, ...); asked at every call."""

    def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[Piece]: ...

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[bytes]
    ) -> WriteOutputsReply: ...

    def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[Piece]: ...

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply: ...

    async def reconcile(self, peer: PeerId, duplex: Duplex) -> None:
        """Answer steps until the other side ends; returning ends the call."""

    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply: ...


class PeerCalls(Protocol):
    """Calls to a peer whose address is admitted. WorldFault: out of reach, too late. PeerFault: it refused, or answered badly."""

    def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[bytes]: ...

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[Piece]
    ) -> WriteOutputsReply: ...

    def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[bytes]: ...

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply: ...

    def reconcile(self, peer: PeerId) -> AbstractAsyncContextManager[Duplex]:
        """A reconciliation with `peer`; leaving the block ends it."""

    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply: ...


class Peers(Listening, Protocol):
    """Direct, mutually authenticated links: one stream per pair, and calls. None of the plain methods blocks.

    For each peer, PeerConnected and PeerLost alternate, but for the PeerLost of each failed attempt to connect.
    """

    async def start(
        self,
        service: PeerService,
        deliver: Callable[[PeerEvent], bool],
        *,
        host: str,
        port: int,
        settlement: SettlementService | None = None,
    ) -> Endpoint:
        """Listen (port 0: any free one); UserFault when the port is taken. `deliver` returns False when it is full. Without
        `settlement` this is no SGNUS node.
        """

    @property
    def calls(self) -> PeerCalls: ...

    @property
    def settlement(self) -> Settlement: ...

    @property
    def address(self) -> SignedEnvelope:
        """Our own address record as told to others: at first the endpoint of `start`."""

    def announce(self, record: SignedEnvelope) -> None:
        """Tell this record of ours from now on."""

    def admit(self, record: SignedEnvelope) -> bool:
        """Learn how to reach a peer, and let it call us. False if we know as new a one; PeerFault if it is not valid."""

    def remove(self, peer: PeerId) -> None:
        """Forget `peer`: its stream ends, its calls are refused, open connections included, until it is admitted again."""

    def open(self, peer: PeerId) -> None:
        """Want a stream to `peer`: dial now, redial with back-off until `close`."""

    def close(self, peer: PeerId) -> None:
        """Send what is queued, end the stream, and stop redialling. The peer may open one again."""

    def send(self, peer: PeerId, message: bytes, *, urgent: bool = False) -> bool:
        """Queue an encoded PeerMessage; `urgent` is not held back for coalescing. False: no stream, and none wanted.

        What is accepted is written, or PeerLost follows. A queue that overflows resets its connection.
        """

    def connected(self) -> Sequence[PeerId]: ...

    async def stop(self) -> None: ...


# ---- processors -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChunkTask:
    """One chunk to run: what the processor must know beside the bytes. All shapes in items (array elements), C order.

    `input` holds the region of the array that lies inside it (clipped at the array's border), C-contiguous;
    `clipped_before[a] + input_shape[a] + clipped_after[a]` is the full size that the module sees on axis `a`:
    the missing margin is filled by `edge` ("reflect", "nearest", "wrap" or "constant" = zeros).
    """

    input: memoryview | bytes
    dtype: str
    input_shape: tuple[int, ...]
    clipped_before: tuple[int, ...]
    clipped_after: tuple[int, ...]
    halo: tuple[int, ...]
    output_shape: tuple[int, ...]
    output_start: tuple[int, ...]
    array_shape: tuple[int, ...]
    output_bytes: int
    edge: str = "reflect"


@dataclass(frozen=True, slots=True)
class ProcessorLimits:
    """Pinned by the processor's profile, so that a trap is the same on every machine."""

    fuel_per_chunk: int = 2_000_000_000_000
    memory_bytes: int = 256 * 1024 * 1024
    chunk_ms_max: int = CHUNK_MS_MAX
    compile_ms_max: int = 10_000


@dataclass(frozen=True, slots=True)
class SubBlockTask:
    """A sub-block: one module, one set of parameters, several chunks; goes to a child in one round trip."""

    module: bytes
    parameters: Mapping[str, str]
    chunks: Sequence[ChunkTask]
    limits: ProcessorLimits = field(default_factory=ProcessorLimits)


@dataclass(frozen=True, slots=True)
class Computed:
    """Outputs of the chunks, in order."""

    outputs: Sequence[bytes]
    cpu_ms: int


@dataclass(frozen=True, slots=True)
class Trapped:
    """The module trapped on chunk `chunk` (index in the task): deterministic, every honest machine sees the same `reason`."""

    chunk: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """No verifiable answer (time-out, out of memory, stack overflow, the child died): another machine may succeed."""

    reason: str


Outcome = Computed | Trapped | Abandoned


class Processors(Protocol):
    """A pool of hardened children that run wasm."""

    async def start(self) -> None: ...

    async def run(self, task: SubBlockTask) -> Outcome:
        """Run one sub-block on a free child (waits for one). Cancelling kills and replaces the child."""

    async def check_module(self, module: bytes) -> None:
        """UserFault with one sentence when `module` cannot be a processor (compiled in a child, within its time)."""

    async def warm(self) -> None:
        """Have a child ready for work that is about to come; a hint that may do nothing."""

    async def hardening(self) -> Mapping[str, str]:
        """What holds a child in: step -> "on" or "off: reason"."""

    async def stop(self) -> None: ...


# ---- store ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it is kept. `id` is expiry and digest (40 bytes), `job` the digest of the job that it is or is about."""

    id: bytes
    job: bytes
    kind: int
    author: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class JobRow:
    """What is looked up about a job without folding it. `id` is that of its JOB entry."""

    job: bytes
    id: bytes
    author: str
    is_open: bool
    priority: int


FACTS_OF_OWN_JOBS: Final = ("held", "outputs", "opening", "receipt", "turn", "verified")
FACTS_OF_JOBS: Final = (*FACTS_OF_OWN_JOBS, "beacon", "vote", "seal", "reveal", "fraud", "settling")
"""Namespaces of facts about one job each: `<BLOCKID>/` begins their keys."""


@dataclass(frozen=True, slots=True)
class StoreChange:
    """One transaction: entries that come and go, and the rows of the jobs that this changes."""

    puts: Sequence[EntryRow] = ()
    removes: Sequence[bytes] = ()
    jobs: Sequence[JobRow] = ()
    gone_jobs: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How much the store holds."""

    entries: int
    jobs: int
    open_jobs: int


class Store(Protocol):
    """The durable part of a node. Every coroutine returns after the commit; writes take effect in the order of the calls.

    Failures of disk or file are WorldFault with a sentence that names the file.
    """

    async def open(self) -> Sequence[str]:
        """Open or create; returns sentences that the operator must read (a corrupt file was set aside, say)."""

    async def apply(self, change: StoreChange, *, durable: bool) -> None:
        """Commit. `durable`: it survives power loss when this returns; otherwise peers can give it again."""

    async def entries_of(self, jobs: Sequence[bytes]) -> Sequence[EntryRow]:
        """All entries of these jobs, each job's JOB entry included, by id."""

    async def bodies(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        """The raw entries of those ids that are there, in the order of `ids`."""

    async def ids(self) -> bytes:
        """All ids, sorted, end to end."""

    async def open_jobs(self, limit: int) -> Sequence[bytes]:
        """Digests of open jobs: highest priority first, then first to expire."""

    async def jobs_of(self, author: str | None) -> Sequence[bytes]:
        """Digests of the jobs of one author, or of all (None), first to expire first."""

    async def jobs_with(self, kind: int, after: bytes, limit: int) -> Sequence[bytes]:
        """Digests, in order, of the first `limit` jobs beyond `after` about which an entry of this kind is held."""

    async def expire(self, below_ms: int, facts_below_ms: int) -> Sequence[bytes]:
        """Remove every entry that expires below `below_ms`; returns the digests of all jobs concerned. Of JOBs that are gone, and
        did not come back, the `FACTS_OF_JOBS` go once they expire below `facts_below_ms`.
        """

    async def counts(self) -> StoreCounts: ...

    async def put_facts(self, namespace: str, facts: Mapping[str, bytes], *, durable: bool = True) -> None:
        """Small records of other parts of the node (votes, HELD, sequences): written together or not at all."""

    async def facts(self, namespace: str, prefix: str = "") -> Mapping[str, bytes]:
        """The facts whose key begins with `prefix`, by key."""

    async def delete_facts(self, namespace: str, prefix: str = "", keys: Sequence[str] | None = None) -> None:
        """Forget the facts with these keys, or else all whose key begins with `prefix`."""

    async def close(self) -> None: ...
