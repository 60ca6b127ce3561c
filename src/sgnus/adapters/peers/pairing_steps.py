"""What a pair's machine is told, and what it wants done. Streams have numbers: ours below zero, theirs above."""

from __future__ import annotations

from dataclasses import dataclass


# ---- inputs
@dataclass(frozen=True, slots=True)
class Wanted:
    """A stream is wanted; `is_reachable` says whether an address is known."""

    is_reachable: bool


@dataclass(frozen=True, slots=True)
class Unwanted:
    """No stream is wanted any more; `at_once`: what is queued is not even sent."""

    reason: str = "closed here"
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class AddressLearnt:
    """There is a new address to dial."""


@dataclass(frozen=True, slots=True)
class DialAnswered:
    """The acceptor of our attempt said Hello: it took the stream as the pair's, and gave up its attempts so far."""

    stream: int
    boot: int
    given_up: int


@dataclass(frozen=True, slots=True)
class DialFailed:
    """Our attempt came to nothing; `is_final`: trying soon again is pointless (another network or version)."""

    stream: int
    reason: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """The other side dialled, for the `attempt`th time since its boot, and its Hello is right."""

    stream: int
    boot: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream of theirs, or the pair's stream, is over."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time of the last SetTimer has come."""


Input = Wanted | Unwanted | AddressLearnt | DialAnswered | DialFailed | Arrived | Ended | TimerFired


# ---- effects
@dataclass(frozen=True, slots=True)
class Dial:
    """Begin an attempt. DialAnswered or DialFailed follows within `limit_ms`, unless it is abandoned."""

    stream: int
    limit_ms: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """End our attempt; nothing is to follow."""

    stream: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer Hello on a stream of theirs and use it; Ended follows some day. Our attempts so far are given up."""

    stream: int
    given_up: int


@dataclass(frozen=True, slots=True)
class Use:
    """Use our answered attempt; Ended follows some day."""

    stream: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """End a stream of theirs that was not accepted."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reset:
    """End the pair's stream at once; no Ended follows."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Send what is queued, then end the stream; no Ended follows."""

    stream: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire once, in `ms`, in place of any earlier timer."""

    ms: int


@dataclass(frozen=True, slots=True)
class StopTimer:
    """No timer any more."""


@dataclass(frozen=True, slots=True)
class TellConnected:
    """The pair has a stream."""

    boot: int


@dataclass(frozen=True, slots=True)
class TellLost:
    """The pair's stream ended or an attempt failed; the queue is emptied."""

    reason: str


Effect = (
    Dial | Abandon | Accept | Use | Refuse | Reset | Finish | SetTimer | StopTimer | TellConnected | TellLost
)
