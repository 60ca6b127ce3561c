"""The stream of one pair of peers: who dials, which stream lives, when to try again. Pure.

Decides which of several streams between us and one other peer is *the* stream. A dialled stream is the pair's only
once its acceptor has answered with Hello, so the question is settled before the first message flows, and settling
it loses none. States: IDLE (no stream, none wanted), WAITING (wanted, for the timer or an address), DIALLING (an
attempt is under way; perhaps a stream of the other side is parked meanwhile), ACTIVE.

- Both dial at once: the stream dialled by the smaller peer id lives. The larger accepts it and abandons its own
  attempt; the smaller parks the other's until its own attempt ends, at most `PARKED_MS_MAX`, and takes it if that
  failed.
- Nobody dials while it has a stream; so a stream that arrives while we have one says that the other side lost it:
  the new one replaces the old, unless it is of an older boot, or of an attempt that was given up meanwhile and
  comes late. Attempts are counted, and both Hellos say how far: that tells a late one from a new one.
- It must never forget a parked stream, leave DIALLING without an end of the attempt or a timer, or change streams
  without telling PeerLost.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

from sgnus.adapters.peers.pairing_steps import (
    Abandon,
    Accept,
    AddressLearnt,
    Arrived,
    Dial,
    DialAnswered,
    DialFailed,
    Effect,
    Ended,
    Finish,
    Input,
    Refuse,
    Reset,
    SetTimer,
    StopTimer,
    TellConnected,
    TellLost,
    TimerFired,
    Unwanted,
    Use,
    Wanted,
)
from sgnus.messages.errors import OurFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import DIAL_DOUBLINGS_MAX, DIAL_MS_MIN, PARKED_MS_MAX, REDIAL_MS_MAX, REDIAL_MS_MIN

# A stream that lived this long was a good one: its successor is dialled at once.
STEADY_MS: Final = 1_000


class Phase(enum.Enum):
    """Where the pair stands."""

    IDLE = "idle"
    WAITING = "waiting"
    DIALLING = "dialling"
    ACTIVE = "active"


class Pair:
    """The machine. One door, `handle`; its handlers are the functions in TABLE."""

    def __init__(self, own: PeerId, remote: PeerId, dials: int = 0) -> None:
        self.is_smaller = own < remote
        self.phase = Phase.IDLE
        self.is_wanted = False
        self.stream = 0
        self.boot = 0
        self.given_up = 0
        self.parked: Arrived | None = None
        # Our attempts since our boot; an earlier machine for the same peer may have made some.
        self.dials = dials
        self.failures = 0
        self.active_since_ms = 0

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """The effects of one input, to be performed in order."""
        step = TABLE.get((self.phase, type(event)))
        if step is None:
            if (self.phase, type(event)) not in IGNORED:
                raise OurFault(f"{type(event).__name__} in {self.phase.name} is in no table")
            return []
        return step(self, event, now_ms)

    @property
    def is_forgettable(self) -> bool:
        """Whether nothing would be lost with this object."""
        return self.phase is Phase.IDLE and not self.is_wanted

    def check(self) -> None:
        """The invariants; AssertionError if one is broken."""
        assert (self.stream != 0) == (self.phase in (Phase.DIALLING, Phase.ACTIVE))
        assert self.parked is None or (self.phase is Phase.DIALLING and self.is_smaller)
        assert self.is_wanted or self.phase in (Phase.IDLE, Phase.ACTIVE)
        assert not self.is_wanted or self.phase is not Phase.IDLE
        assert self.phase is not Phase.DIALLING or self.stream < 0

    def dial(self) -> list[Effect]:
        """Begin an attempt, under a number that was never used."""
        self.dials += 1
        self.phase, self.stream = Phase.DIALLING, -self.dials
        # On a machine with too much to do, attempts that all fail in time would fail for ever.
        return [StopTimer(), Dial(self.stream, DIAL_MS_MIN << min(self.failures, DIAL_DOUBLINGS_MAX))]

    def activate(self, taken: Arrived | DialAnswered, now_ms: int) -> list[Effect]:
        """Take a stream as the pair's."""
        self.phase, self.stream, self.active_since_ms, self.parked = Phase.ACTIVE, taken.stream, now_ms, None
        given_up = taken.attempt if isinstance(taken, Arrived) else taken.given_up
        self.given_up = max(given_up, self.given_up) if taken.boot == self.boot else given_up
        self.boot = taken.boot
        accept = isinstance(taken, Arrived)
        use = Accept(taken.stream, self.dials) if accept else Use(taken.stream)
        return [StopTimer(), use, TellConnected(taken.boot)]

    def is_late(self, event: Arrived) -> bool:
        """Whether this attempt of theirs was given up before it came here."""
        return event.boot < self.boot or (event.boot == self.boot and event.attempt <= self.given_up)

    def retreat(self, wait_ms: int) -> list[Effect]:
        """Without a stream or an attempt: wait if one is wanted."""
        self.stream = 0
        self.phase = Phase.WAITING if self.is_wanted else Phase.IDLE
        return [SetTimer(wait_ms)] if self.is_wanted else [StopTimer()]

    def back_off_ms(self) -> int:
        """How long to wait after one more failure: doubling, within its bounds."""
        self.failures += 1
        return min(REDIAL_MS_MAX, REDIAL_MS_MIN << min(self.failures - 1, 16))


def _late(stream: int) -> Refuse:
    return Refuse(stream, "a later attempt was made")


def _want(pair: Pair, event: Wanted, now_ms: int) -> list[Effect]:
    pair.is_wanted = True
    if event.is_reachable:
        return pair.dial()
    pair.phase = Phase.WAITING
    return []


def _want_active(pair: Pair, event: Wanted, now_ms: int) -> list[Effect]:
    pair.is_wanted = True
    return []


def _stop_waiting(pair: Pair, event: Unwanted, now_ms: int) -> list[Effect]:
    pair.is_wanted, pair.failures = False, 0
    return [*pair.retreat(0), TellLost(event.reason)]


def _stop_dialling(pair: Pair, event: Unwanted, now_ms: int) -> list[Effect]:
    pair.is_wanted, pair.failures = False, 0
    abandon = Abandon(pair.stream)
    if pair.parked is not None:
        return [abandon, *pair.activate(pair.parked, now_ms)]
    return [abandon, *pair.retreat(0), TellLost(event.reason)]


def _finish(pair: Pair, event: Unwanted, now_ms: int) -> list[Effect]:
    pair.is_wanted, pair.failures = False, 0
    end = Reset(pair.stream, event.reason) if event.at_once else Finish(pair.stream)
    return [end, *pair.retreat(0), TellLost(event.reason)]


def _redial(pair: Pair, event: AddressLearnt | TimerFired, now_ms: int) -> list[Effect]:
    if isinstance(event, AddressLearnt):
        pair.failures = 0
    return pair.dial()


def _answered(pair: Pair, event: DialAnswered, now_ms: int) -> list[Effect]:
    if event.stream != pair.stream:
        return []
    refuse: list[Effect] = [Refuse(pair.parked.stream, "we have a stream")] if pair.parked else []
    return [*refuse, *pair.activate(event, now_ms)]


def _failed(pair: Pair, event: DialFailed, now_ms: int) -> list[Effect]:
    if event.stream != pair.stream:
        return []
    if pair.parked is not None:
        return pair.activate(pair.parked, now_ms)
    wait_ms = pair.back_off_ms()
    return [*pair.retreat(REDIAL_MS_MAX if event.is_final else wait_ms), TellLost(event.reason)]


def _accept(pair: Pair, event: Arrived, now_ms: int) -> list[Effect]:
    return [_late(event.stream)] if pair.is_late(event) else pair.activate(event, now_ms)


def _glare(pair: Pair, event: Arrived, now_ms: int) -> list[Effect]:
    if pair.is_late(event):
        return [_late(event.stream)]
    if not pair.is_smaller:
        abandon = Abandon(pair.stream)
        return [abandon, *pair.activate(event, now_ms)]
    if pair.parked is None:
        pair.parked = event
        return [SetTimer(PARKED_MS_MAX)]
    if (event.boot, event.attempt) < (pair.parked.boot, pair.parked.attempt):
        return [_late(event.stream)]
    older, pair.parked = pair.parked, event
    return [_late(older.stream)]


def _replace(pair: Pair, event: Arrived, now_ms: int) -> list[Effect]:
    if pair.is_late(event):
        return [_late(event.stream)]
    reason = "replaced by a newer stream" if event.boot == pair.boot else "the peer was started again"
    reset = Reset(pair.stream, reason)
    return [reset, TellLost(reason), *pair.activate(event, now_ms)]


def _take_parked(pair: Pair, event: TimerFired, now_ms: int) -> list[Effect]:
    if pair.parked is None:
        return []
    abandon = Abandon(pair.stream)
    return [abandon, *pair.activate(pair.parked, now_ms)]


def _unpark(pair: Pair, event: Ended, now_ms: int) -> list[Effect]:
    if pair.parked is None or event.stream != pair.parked.stream:
        return []
    pair.parked = None
    return [StopTimer()]


def _lost(pair: Pair, event: Ended, now_ms: int) -> list[Effect]:
    if event.stream != pair.stream:
        return []
    lost = TellLost(event.reason)
    if now_ms - pair.active_since_ms >= STEADY_MS:
        pair.failures = 0
        return [lost, *(pair.dial() if pair.is_wanted else pair.retreat(0))]
    return [lost, *pair.retreat(pair.back_off_ms())]


TABLE: Final[dict[tuple[Phase, type[Input]], Callable[[Pair, Any, int], list[Effect]]]] = {
    (Phase.IDLE, Wanted): _want,
    (Phase.IDLE, Arrived): _accept,
    (Phase.WAITING, Unwanted): _stop_waiting,
    (Phase.WAITING, AddressLearnt): _redial,
    (Phase.WAITING, TimerFired): _redial,
    (Phase.WAITING, Arrived): _accept,
    (Phase.DIALLING, Unwanted): _stop_dialling,
    (Phase.DIALLING, DialAnswered): _answered,
    (Phase.DIALLING, DialFailed): _failed,
    (Phase.DIALLING, Arrived): _glare,
    (Phase.DIALLING, Ended): _unpark,
    (Phase.DIALLING, TimerFired): _take_parked,
    (Phase.ACTIVE, Wanted): _want_active,
    (Phase.ACTIVE, Unwanted): _finish,
    (Phase.ACTIVE, Arrived): _replace,
    (Phase.ACTIVE, Ended): _lost,
}

_LATE: Final = "of an attempt that was abandoned"
_OVER: Final = "of a stream that was refused, reset or finished"
IGNORED: Final[dict[tuple[Phase, type[Input]], str]] = {
    (Phase.IDLE, Unwanted): "none is wanted already",
    (Phase.IDLE, AddressLearnt): "none is wanted",
    (Phase.IDLE, DialAnswered): _LATE,
    (Phase.IDLE, DialFailed): _LATE,
    (Phase.IDLE, Ended): _OVER,
    (Phase.IDLE, TimerFired): "stopped as it fired",
    (Phase.WAITING, Wanted): "wanted already",
    (Phase.WAITING, DialAnswered): _LATE,
    (Phase.WAITING, DialFailed): _LATE,
    (Phase.WAITING, Ended): _OVER,
    (Phase.DIALLING, Wanted): "wanted already",
    (Phase.DIALLING, AddressLearnt): "the attempt ends by itself; the next one takes the new address",
    (Phase.ACTIVE, AddressLearnt): "there is a stream",
    (Phase.ACTIVE, DialAnswered): _LATE,
    (Phase.ACTIVE, DialFailed): _LATE,
    (Phase.ACTIVE, TimerFired): "stopped as it fired",
}
