"""Everything the core can ask for. The runtime performs effects in order: what stands first is durable or sent first."""

from __future__ import annotations

from dataclasses import dataclass

from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import EntryKind, GossipMessage, Opening, Removal, RoomJoinStatus, SignedEnvelope


@dataclass(frozen=True, slots=True)
class Persist:
    """Make a fact durable before anything after it happens."""

    namespace: str
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """One message to each of `peers` over their streams, encoded once."""

    peers: tuple[PeerId, ...]
    message: Message


@dataclass(frozen=True, slots=True)
class Gossip:
    topic: str
    message: GossipMessage


@dataclass(frozen=True, slots=True)
class Subscribe:
    topic: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    topic: str


@dataclass(frozen=True, slots=True)
class Open:
    """Want a stream with `peer`; `address` is its signed address record, if one is known."""

    peer: PeerId
    address: SignedEnvelope | None


@dataclass(frozen=True, slots=True)
class Close:
    """The stream with `peer` is no longer wanted."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class Process:
    """Fetch the inputs of a leased sub-block and run it; ends in SubBlockComputed or SubBlockFailed."""

    job: BlockId
    microjob: int
    instance: InstanceId
    sub_block: int
    by_app: bool


@dataclass(frozen=True, slots=True)
class StopProcessing:
    """Somebody else delivered it, or the seat is gone."""

    instance: InstanceId
    sub_block: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send the kept outputs and salts to the publisher; ends in DeliveryEnded."""

    job: BlockId
    microjob: int
    instance: InstanceId
    sub_block: int
    publisher: PeerId
    record: SignedEnvelope


@dataclass(frozen=True, slots=True)
class DropOutputs:
    """The publisher holds them: ours are no longer needed."""

    instance: InstanceId
    sub_block: int


@dataclass(frozen=True, slots=True)
class AnswerHeld:
    """Answer a member's WriteOutputs: `held` is the HELD that counts for this sub-block, or None if it was refused."""

    token: int
    held: SignedEnvelope | None
    refused: str


@dataclass(frozen=True, slots=True)
class RunHere:
    """We are the publisher: run this abandoned sub-block ourselves and store it; ends in PublisherRan."""

    job: BlockId
    microjob: int
    sub_block: int


@dataclass(frozen=True, slots=True)
class Reexecute:
    """Run these chunks of the job again, from inputs read anew, for a round of verification; ends in Reexecuted."""

    job: BlockId
    microjob: int
    instance: InstanceId
    chunks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recheck:
    """We are the publisher: run these chunks of a result that we hold again, when there is time; ends in Rechecked."""

    job: BlockId
    microjob: int
    sub_block: int
    chunks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Accuse:
    """Publish the proof that `accused` signed a false digest of this chunk, with all that convicts it.

    `founder` and `nonce` are those of the room that the verdict names.
    """

    job: BlockId
    microjob: int
    accused: PeerId
    chunk: int
    record: SignedEnvelope
    opening: Opening
    verdict: SignedEnvelope
    founder: PeerId
    nonce: int


@dataclass(frozen=True, slots=True)
class Voided:
    """We are the publisher: a sub-block's outputs were false, and are no result any more."""

    job: BlockId
    microjob: int
    sub_block: int


@dataclass(frozen=True, slots=True)
class Verified:
    """We are the publisher: the receipt of this digest verifies the microjob."""

    job: BlockId
    microjob: int
    receipt: bytes


@dataclass(frozen=True, slots=True)
class SubmitReceipt:
    """Bring a receipt to the SGNUS node, however long that takes; its bytes are on disk by now, as the fact `key`."""

    node: PeerId
    job: BlockId
    key: str
    receipt: bytes


@dataclass(frozen=True, slots=True)
class PublishEntry:
    """Sign an entry into the job database."""

    kind: EntryKind
    job: BlockId
    body: Message


@dataclass(frozen=True, slots=True)
class AnswerApp:
    """Answer to AppJoins, AppHosts or AppLeaves."""

    token: int
    status: RoomJoinStatus
    host: str
    microjob: int
    detail: str


@dataclass(frozen=True, slots=True)
class Blame:
    """A peer did what it may not: count and score it."""

    peer: PeerId
    reason: str


# ---- what is told to apps and kept in stories
@dataclass(frozen=True, slots=True)
class HostChanged:
    job: BlockId
    microjob: int
    instance: InstanceId
    epoch: int
    host: PeerId


@dataclass(frozen=True, slots=True)
class PeersChanged:
    job: BlockId
    microjob: int
    instance: InstanceId
    members: tuple[PeerId, ...]
    removals: tuple[Removal, ...]


@dataclass(frozen=True, slots=True)
class ProcessingStarted:
    job: BlockId
    microjob: int
    instance: InstanceId
    sub_block: int
    member: PeerId
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Processed:
    """`held`: the publisher has it."""

    job: BlockId
    microjob: int
    instance: InstanceId
    sub_block: int
    member: PeerId
    held: bool


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """This node's seat in a room ended; `why` is a sentence."""

    job: BlockId
    microjob: int
    instance: InstanceId
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the story, in words."""

    job: BlockId
    line: str


Effect = (
    Persist
    | Send
    | Gossip
    | Subscribe
    | Unsubscribe
    | Open
    | Close
    | Process
    | StopProcessing
    | Deliver
    | DropOutputs
    | AnswerHeld
    | RunHere
    | Reexecute
    | Recheck
    | Accuse
    | Voided
    | Verified
    | SubmitReceipt
    | PublishEntry
    | AnswerApp
    | Blame
    | HostChanged
    | PeersChanged
    | ProcessingStarted
    | Processed
    | RoomLeft
    | Told
)
