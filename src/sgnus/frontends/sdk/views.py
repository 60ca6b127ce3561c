"""What the node tells, as frozen values with plain Python types; states are the words for a job."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args, get_type_hints

ENDED: Final = ("completed", "failed", "cancelled")
STATES: Final = ("unknown", "pending", "queued", "running", "verifying", *ENDED)
RESULT_STATES: Final = ("unknown", "unverified", "provisional", "verified")
REMOVALS: Final = ("unknown", "left", "disconnected", "silent", "strikes", "host failed", "banned")
AUDITS: Final = ("unknown", "not due", "done", "owed", "unproven")

ViewT = TypeVar("ViewT")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job becomes: counts, bytes, the cut that was chosen, who will see the plaintext, and whom it would wait for now
    (empty if for nobody).
    """

    chunks: int
    sub_blocks: int
    microjobs: int
    input_bytes: int
    upload_bytes: int
    output_bytes: int
    tile: tuple[int, ...]
    halo: tuple[int, ...]
    visible_to: str
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Shape and numpy dtype of an array in C order."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class RoomSummary:
    """A room, or (hosted is False) a microjob that has none yet."""

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


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job and how far it is. `state` is one of pending, queued, running, verifying, completed, failed, cancelled."""

    job: str
    name: str
    author: str
    processor: str
    state: str
    reason: str
    chunks: int
    sub_blocks: int
    microjobs: int
    delivered: int
    taken: int
    output_bytes: int
    array: ArraySpec
    output: ArraySpec
    created_ms: int
    expires_ms: int
    own: bool
    rooms: tuple[RoomSummary, ...]
    takeovers: int
    removals: int

    @property
    def has_ended(self) -> bool:
        """Completed, failed or cancelled."""
        return self.state in ENDED

    @property
    def progress(self) -> Progress:
        """Delivered of all sub-blocks."""
        return Progress(self.delivered, self.sub_blocks, self.state)


@dataclass(frozen=True, slots=True)
class Progress:
    """Delivered sub-blocks of all, and the job's state."""

    delivered: int
    sub_blocks: int
    state: str

    @property
    def fraction(self) -> float:
        """0.0 to 1.0."""
        return self.delivered / self.sub_blocks if self.sub_blocks else float(self.state == "completed")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a peer's gRPC listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PeerSummary:
    """A peer that the node knows."""

    peer: str
    connected: bool
    endpoints: tuple[Endpoint, ...]
    gossip: bool


@dataclass(frozen=True, slots=True)
class Counter:
    """A named count, such as dropped messages."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class ParameterCard:
    """A parameter of a processor that ships."""

    name: str
    standard: str
    summary: str


@dataclass(frozen=True, slots=True)
class ProcessorCard:
    """A processor that ships."""

    name: str
    summary: str
    dtypes: tuple[str, ...]
    parameters: tuple[ParameterCard, ...]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The local node."""

    peer: str
    version: str
    protocol: int
    network: str
    network_name: str
    multiaddrs: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    peers: int
    jobs: int
    workers: int
    hardening: tuple[str, ...]
    uptime_ms: int
    counters: tuple[Counter, ...]
    processors: tuple[ProcessorCard, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """A member that was removed, why, and the sub-blocks that it had."""

    peer: str
    reason: str
    sub_blocks: tuple[int, ...]
    silent_ms: int


@dataclass(frozen=True, slots=True)
class HostChanged:
    """Another member hosts the room, or a room was founded."""

    job: str
    microjob: int
    instance: str
    epoch: int
    host: str


@dataclass(frozen=True, slots=True)
class PeerListChanged:
    """The room has other members."""

    job: str
    microjob: int
    instance: str
    members: tuple[str, ...]
    removals: tuple[Removal, ...]


@dataclass(frozen=True, slots=True)
class ProcessingStarted:
    """A member was leased a sub-block, `elapsed_ms` ago."""

    job: str
    microjob: int
    instance: str
    sub_block: int
    member: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Processed:
    """A member processed a sub-block; `held` once the publisher has it."""

    job: str
    microjob: int
    instance: str
    sub_block: int
    member: str
    held: bool


@dataclass(frozen=True, slots=True)
class Share:
    """How many settled chunks a peer made as a worker, and how many it ran again as a verifier."""

    peer: str
    made: int
    checked: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """A SGNUS node's word that a microjob is complete and verified. `receipt` is the receipt's digest in hexadecimal;
    `rerun` counts the chunks that the SGNUS node ran again. `audit` is what the local node makes of its proof: `not due`,
    `done`, `owed` (it had to run chunks again, and did not) or `unproven`.
    """

    job: str
    microjob: int
    receipt: str
    node: str
    audited: bool
    rerun: int
    shares: tuple[Share, ...]
    audit: str


Event = JobStatus | HostChanged | PeerListChanged | ProcessingStarted | Processed

EVENTS: Final[dict[str, type[Any]]] = {
    "job": JobStatus,
    "host_changed": HostChanged,
    "peer_list_changed": PeerListChanged,
    "started": ProcessingStarted,
    "processed": Processed,
}
_WORDS: Final[dict[tuple[type[Any], str], tuple[str, ...]]] = {
    (JobStatus, "state"): STATES,
    (Removal, "reason"): REMOVALS,
    (Settlement, "audit"): AUDITS,
}


def view(kind: type[ViewT], message: Any) -> ViewT:
    """The protobuf message as a value of `kind`, field by field of the same names."""
    fields = {}
    for name, hint in _hints(kind).items():
        value = getattr(message, name)
        words = _WORDS.get((kind, name))
        fields[name] = word(words, value) if words else _plain(hint, value)
    return kind(**fields)


def word(words: tuple[str, ...], number: int) -> str:
    """The word for an enum's number; a later version's numbers are unknown."""
    return words[number] if 0 <= number < len(words) else "unknown"


def _plain(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return view(hint, value)  # type: ignore[arg-type]
    arguments = get_args(hint)
    if not arguments:
        return value.hex() if isinstance(value, bytes) and hint is str else value
    return tuple(_plain(arguments[0], item) for item in value)


_HINTS: Final[dict[type[Any], dict[str, Any]]] = {}


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind)
    return _HINTS[kind]
