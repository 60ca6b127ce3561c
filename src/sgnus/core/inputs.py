"""Everything that can happen to the core. Peers' messages come with their authenticated sender."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sgnus.core.terms import Terms
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    JoinRequest,
    Opening,
    ReturnReason,
    RoomAnnouncement,
    SignedEnvelope,
)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What the core must know of a job: from its entry, its plan and its fold. `sub_blocks` counts those of the whole job."""

    job: BlockId
    publisher: PeerId
    address: SignedEnvelope | None
    processor: str
    sub_blocks: int
    microjobs: int
    deadline_ms: int
    terms: Terms | None = None
    """How it is verified; None: not at all."""
    priority: int = 0
    open: bool = True
    paused: bool = False
    taken: frozenset[int] = frozenset()
    """Needs no room any more."""
    settled: frozenset[int] = frozenset()
    """Of these, what a SGNUS node settled after a full audit, and the publisher has not taken."""
    banned: tuple[PeerId, ...] = ()
    """Convicted by the publisher, with their own signatures."""
    created_ms: int = 0
    is_fresh: bool = True

    def sub_blocks_of(self, microjob: int) -> int:
        """Ten, but for the last microjob."""
        return min(10, self.sub_blocks - 10 * microjob)


@dataclass(frozen=True, slots=True)
class JobChanged:
    """The fold of a job's entries changed (also at its first sight)."""

    facts: JobFacts


@dataclass(frozen=True, slots=True)
class JobForgotten:
    """The database holds nothing of this job any more, or we left its lobby and know nothing else of it."""

    job: BlockId


@dataclass(frozen=True, slots=True)
class RoomHeard:
    """An announcement in a lobby, or a ROOM entry; the signature has been checked."""

    host: PeerId
    announcement: RoomAnnouncement


@dataclass(frozen=True, slots=True)
class SeatAsked:
    """A join request on a room's topic; the signature has been checked."""

    peer: PeerId
    request: JoinRequest
    envelope: SignedEnvelope


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A stream with `peer` stands."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The stream with `peer` broke."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerSaid:
    """`peer` sent `message` over its stream (authenticated, decoded; nested signatures are not checked yet)."""

    peer: PeerId
    message: Message


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: `wake_ms` of the core was reached."""


@dataclass(frozen=True, slots=True)
class SubBlockComputed:
    """Our worker (or app) finished a leased sub-block; its outputs are kept by the runtime until `DropOutputs`."""

    instance: InstanceId
    sub_block: int
    chunks: int
    root: bytes
    elapsed_ms: int
    opening: Opening | None = None
    """What the root hides."""


@dataclass(frozen=True, slots=True)
class SubBlockFailed:
    """Our worker could not finish a leased sub-block."""

    instance: InstanceId
    sub_block: int
    reason: ReturnReason
    detail: str


@dataclass(frozen=True, slots=True)
class DeliveryEnded:
    """The publisher answered to our outputs: with HELD (ours or another member's), or not at all (`held` is None)."""

    instance: InstanceId
    sub_block: int
    held: SignedEnvelope | None


@dataclass(frozen=True, slots=True)
class OutputsStored:
    """Outputs of a job of ours lie on our disk, their root recomputed; `token` gets the HELD answer."""

    token: int
    job: BlockId
    microjob: int
    instance: InstanceId
    sub_block: int
    member: PeerId
    root: bytes
    record: SignedEnvelope | None = None
    opening: Opening | None = None
    recheck: tuple[int, ...] = ()
    """The chunks that our private dice chose to be run again here, rising."""


@dataclass(frozen=True, slots=True)
class HeldLoaded:
    """At start: HELD envelopes of a job of ours, from disk."""

    job: BlockId
    held: tuple[SignedEnvelope, ...]
    openings: tuple[tuple[int, Opening], ...] = ()
    """By microjob."""
    receipts: tuple[tuple[int, bytes], ...] = ()
    """Digests of checked receipts, by microjob."""
    turns: tuple[tuple[int, int, int], ...] = ()
    """(microjob, sub-block, how often it was held and found false)."""
    spoken: tuple[tuple[str, SignedEnvelope], ...] = ()
    """What we said as beacon, by instance."""


@dataclass(frozen=True, slots=True)
class ReceiptFetched:
    """The receipt of a microjob of ours that a SGNUS node settled; its bytes are not checked yet."""

    job: BlockId
    microjob: int
    receipt: bytes


@dataclass(frozen=True, slots=True)
class PublisherRan:
    """We, the publisher, ran an abandoned sub-block ourselves; with `error` it failed here too. Outputs are stored by then."""

    job: BlockId
    microjob: int
    sub_block: int
    root: bytes
    error: str
    chunks: int = 0
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Reexecuted:
    """Chunks were run again here, for the round of `instance`: their digests end to end, or None if they could not be run."""

    instance: InstanceId
    chunks: tuple[int, ...]
    digests: bytes | None


@dataclass(frozen=True, slots=True)
class Rechecked:
    """Chunks of a result that we hold were run again here: their digests end to end, or None if they give none."""

    job: BlockId
    microjob: int
    sub_block: int
    chunks: tuple[int, ...]
    digests: bytes | None


@dataclass(frozen=True, slots=True)
class PeersRefused:
    """Who gets no seat from this node in any job: all of them, convicted or authors of false accusations, as proven here."""

    peers: tuple[PeerId, ...]


@dataclass(frozen=True, slots=True)
class AppJoins:
    """An app wants a seat in this room, to process itself."""

    token: int
    job: BlockId
    microjob: int


@dataclass(frozen=True, slots=True)
class AppHosts:
    """An app asks this node to host: that room after its host is gone, or (None) the next microjob without a room."""

    token: int
    job: BlockId
    microjob: int | None


@dataclass(frozen=True, slots=True)
class AppLeaves:
    """The app gives its seat back."""

    token: int
    job: BlockId
    microjob: int


@dataclass(frozen=True, slots=True)
class NeighboursChanged:
    """Peers of the network that we see, ourselves included: staggers founding, so that not everyone founds at once."""

    peers: tuple[PeerId, ...]


@dataclass(frozen=True, slots=True)
class RecordsChanged:
    """How many valid rooms each peer has worked or verified in, as far as this node knows."""

    records: Mapping[PeerId, int]


@dataclass(frozen=True, slots=True)
class Stopping:
    """This node is told to stop: it leaves its room in order. A second time: at once."""


Input = (
    JobChanged
    | JobForgotten
    | RoomHeard
    | SeatAsked
    | PeerConnected
    | PeerLost
    | PeerSaid
    | Tick
    | SubBlockComputed
    | SubBlockFailed
    | DeliveryEnded
    | OutputsStored
    | HeldLoaded
    | ReceiptFetched
    | PublisherRan
    | Reexecuted
    | Rechecked
    | PeersRefused
    | AppJoins
    | AppHosts
    | AppLeaves
    | NeighboursChanged
    | RecordsChanged
    | Stopping
)
