"""The machine that decides which stream is a pair's: its table, and two of them over a hostile network."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.adapters.peers.pairing import IGNORED, STEADY_MS, TABLE, Pair, Phase
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
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import DIAL_MS_MIN, PARKED_MS_MAX, REDIAL_MS_MAX, REDIAL_MS_MIN

SMALL, LARGE = PeerId("12D3KooWA"), PeerId("12D3KooWB")
INPUTS = (Wanted, Unwanted, AddressLearnt, DialAnswered, DialFailed, Arrived, Ended, TimerFired)


def test_each_phase_and_input_stands_in_exactly_one_table() -> None:
    for key in itertools.product(Phase, INPUTS):
        assert (key in TABLE) != (key in IGNORED), key
    assert len(TABLE) + len(IGNORED) == len(Phase) * len(INPUTS)


def test_the_table_in_the_document_is_the_code() -> None:
    rows = ["| input | " + " | ".join(phase.name for phase in Phase) + " |", "|---" * 5 + "|"]
    for kind in INPUTS:
        cells = []
        for phase in Phase:
            step = TABLE.get((phase, kind))
            cells.append(f"**{step.__name__.strip('_')}**" if step else IGNORED[phase, kind])
        rows.append(f"| {kind.__name__} | " + " | ".join(cells) + " |")
    document = Path(__file__).parents[2] / "docs" / "protocol" / "peer.md"
    assert "\n".join(rows) in document.read_text(), "\n".join(["the table is now:", *rows])


def dialling(own: PeerId, other: PeerId) -> Pair:
    pair = Pair(own, other)
    assert pair.handle(Wanted(True), 0) == [StopTimer(), Dial(-1, DIAL_MS_MIN)]
    return pair


def test_the_larger_takes_the_stream_of_the_smaller_and_abandons_its_own() -> None:
    pair = dialling(LARGE, SMALL)
    assert pair.handle(Arrived(1, 7, 1), 5) == [Abandon(-1), StopTimer(), Accept(1, 1), TellConnected(7)]


def test_the_smaller_parks_the_stream_of_the_larger_and_refuses_it_once_its_own_stands() -> None:
    pair = dialling(SMALL, LARGE)
    assert pair.handle(Arrived(1, 7, 1), 5) == [SetTimer(PARKED_MS_MAX)]
    effects = pair.handle(DialAnswered(-1, 7, 0), 6)
    assert effects == [Refuse(1, "we have a stream"), StopTimer(), Use(-1), TellConnected(7)]


def test_the_smaller_takes_the_parked_stream_when_its_own_attempt_fails() -> None:
    pair = dialling(SMALL, LARGE)
    pair.handle(Arrived(1, 7, 1), 5)
    assert pair.handle(DialFailed(-1, "no route"), 6) == [StopTimer(), Accept(1, 1), TellConnected(7)]


def test_the_smaller_takes_the_parked_stream_when_its_own_attempt_is_slow() -> None:
    pair = dialling(SMALL, LARGE)
    pair.handle(Arrived(1, 7, 1), 5)
    assert pair.handle(TimerFired(), 9) == [Abandon(-1), StopTimer(), Accept(1, 1), TellConnected(7)]


def test_a_parked_stream_that_ends_is_forgotten() -> None:
    pair = dialling(SMALL, LARGE)
    pair.handle(Arrived(1, 7, 1), 5)
    assert pair.handle(Ended(1, "gone"), 6) == [StopTimer()]
    assert pair.handle(DialFailed(-1, "no route"), 7) == [SetTimer(REDIAL_MS_MIN), TellLost("no route")]


def test_closing_while_a_stream_is_parked_takes_it() -> None:
    pair = dialling(SMALL, LARGE)
    pair.handle(Arrived(1, 7, 1), 5)
    assert pair.handle(Unwanted(), 6) == [Abandon(-1), StopTimer(), Accept(1, 1), TellConnected(7)]


@pytest.mark.parametrize(("own", "other"), [(SMALL, LARGE), (LARGE, SMALL)])
def test_a_newer_boot_replaces_and_an_older_one_is_refused(own: PeerId, other: PeerId) -> None:
    pair = Pair(own, other)
    pair.handle(Arrived(1, 7, 1), 0)
    again = "the peer was started again"
    assert pair.handle(Arrived(2, 8, 2), 5) == [
        Reset(1, again),
        TellLost(again),
        StopTimer(),
        Accept(2, 0),
        TellConnected(8),
    ]
    assert [type(effect) for effect in pair.handle(Arrived(3, 7, 3), 6)] == [Refuse]


def test_attempts_back_off_up_to_a_bound_and_start_afresh_after_a_steady_stream() -> None:
    pair = dialling(SMALL, LARGE)
    waits = []
    for attempt in range(1, 12):
        [timer, _] = pair.handle(DialFailed(-attempt, "no route"), 0)
        assert isinstance(timer, SetTimer)
        waits.append(timer.ms)
        pair.handle(TimerFired(), 0)
    assert waits[:3] == [100, 200, 400] and waits[-1] == REDIAL_MS_MAX
    pair.handle(DialAnswered(-12, 1, 0), 0)
    assert pair.handle(Ended(-12, "reset"), STEADY_MS) == [
        TellLost("reset"),
        StopTimer(),
        Dial(-13, DIAL_MS_MIN),
    ]


def test_a_stream_that_breaks_at_once_is_not_redialled_at_once() -> None:
    pair = dialling(SMALL, LARGE)
    pair.handle(DialAnswered(-1, 1, 0), 0)
    assert pair.handle(Ended(-1, "reset"), 5) == [TellLost("reset"), SetTimer(REDIAL_MS_MIN)]


def test_a_final_refusal_waits_longest() -> None:
    pair = dialling(SMALL, LARGE)
    effects = pair.handle(DialFailed(-1, "another network", is_final=True), 0)
    assert effects == [SetTimer(REDIAL_MS_MAX), TellLost("another network")]


# ---- two machines over a network that delays, loses and reorders
@dataclass
class Stream:
    """A stream on the network: dialled by `dialler` under `number`; the acceptor knows it by `guest`."""

    dialler: int
    number: int
    guest: int
    is_over: bool = False


@dataclass
class Weather:
    """How the network treats what is sent."""

    dice: Random
    loss_permille: int
    delays_ms: tuple[int, ...] = (0, 1, 5, 30, 200, 900)

    def delay(self) -> int:
        return self.dice.choice(self.delays_ms)

    def loses(self) -> bool:
        return self.dice.randrange(1000) < self.loss_permille


@dataclass
class World:
    """Two pairs, the streams between them, and a clock. What is under way are (time, tie, action) in `events`."""

    weather: Weather
    pairs: list[Pair] = field(default_factory=lambda: [Pair(SMALL, LARGE), Pair(LARGE, SMALL)])
    now: int = 0
    events: list[tuple[int, int, object]] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    timers: list[int] = field(default_factory=lambda: [0, 0])
    boots: list[int] = field(default_factory=lambda: [1, 1])
    told: list[list[bool]] = field(default_factory=lambda: [[False], [False]])
    ties: int = 0

    def later(self, ms: int, action: object) -> None:
        self.ties += 1
        self.events.append((self.now + ms, self.ties, action))

    def feed(self, side: int, event: Input) -> None:
        pair = self.pairs[side]
        effects = pair.handle(event, self.now)
        pair.check()
        for effect in effects:
            self.perform(side, effect)

    def perform(self, side: int, effect: Effect) -> None:
        if isinstance(effect, Dial):
            self.dial(side, effect.stream, effect.limit_ms)
        elif isinstance(effect, Abandon):
            self.end(self.find(side, effect.stream), side)
        elif isinstance(effect, Accept):
            stream = self.find(side, effect.stream)
            answer = DialAnswered(stream.number, self.boots[side], effect.given_up)
            self.later(self.weather.delay(), lambda: self.answer(stream, answer))
        elif isinstance(effect, Refuse):
            stream = self.find(side, effect.stream)
            self.later(self.weather.delay(), lambda: self.fail(stream, effect.reason))
        elif isinstance(effect, Reset | Finish):
            self.end(self.find(side, effect.stream), side)
        elif isinstance(effect, SetTimer | StopTimer):
            self.timers[side] += 1
            mark = self.timers[side]
            if isinstance(effect, SetTimer):
                self.later(
                    effect.ms, lambda: self.feed(side, TimerFired()) if self.timers[side] == mark else None
                )
        elif isinstance(effect, TellConnected | TellLost):
            is_up = isinstance(effect, TellConnected)
            assert not (is_up and self.told[side][-1]), "connected twice without a loss"
            self.told[side].append(is_up)

    def find(self, side: int, number: int) -> Stream:
        for stream in reversed(self.streams):
            if (stream.number if stream.dialler == side else stream.guest) == number:
                return stream
        raise AssertionError(f"no stream {number}")

    def dial(self, side: int, number: int, limit_ms: int) -> None:
        stream = Stream(side, number, len(self.streams) + 1)
        self.streams.append(stream)
        self.later(limit_ms, lambda: self.time_out(stream))
        if not self.weather.loses():
            boot = self.boots[side]
            self.later(
                self.weather.delay(), lambda: self.feed(1 - side, Arrived(stream.guest, boot, -number))
            )

    def answer(self, stream: Stream, answer: DialAnswered) -> None:
        if not stream.is_over:
            self.feed(stream.dialler, answer)

    def fail(self, stream: Stream, reason: str) -> None:
        if not stream.is_over:
            stream.is_over = True
            self.feed(stream.dialler, DialFailed(stream.number, reason))

    def time_out(self, stream: Stream) -> None:
        pair = self.pairs[stream.dialler]
        if not stream.is_over and (pair.phase, pair.stream) == (Phase.DIALLING, stream.number):
            self.fail(stream, "no answer")
            self.later(
                self.weather.delay(), lambda: self.feed(1 - stream.dialler, Ended(stream.guest, "cancelled"))
            )

    def end(self, stream: Stream, by: int) -> None:
        """One side ends a stream; the other side hears of it later, and after it heard of the stream."""
        stream.is_over = True
        other = 1 - by
        number = stream.number if stream.dialler == other else stream.guest
        self.later(1_000, lambda: self.feed(other, Ended(number, "ended by the other side")))

    def break_all(self) -> None:
        """The network resets every stream."""
        for stream in self.streams:
            if not stream.is_over:
                stream.is_over = True
                for side in (0, 1):
                    number = stream.number if stream.dialler == side else stream.guest
                    event: Input = Ended(number, "reset")
                    if stream.dialler == side and self.pairs[side].phase is Phase.DIALLING:
                        event = DialFailed(number, "reset")
                    self.later(1_000, lambda side=side, event=event: self.feed(side, event))

    def run(self, until: int) -> None:
        while self.events and min(self.events)[0] <= until:
            first = min(self.events, key=lambda item: item[:2])
            self.events.remove(first)
            self.now = max(self.now, first[0])
            first[2]()  # type: ignore[operator]
        self.now = until


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open 0", "open 1", "close 0", "close 1", "break", "address"]),
        st.sampled_from([0, 1, 10, 100, 1_000, 5_000]),
    ),
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**32), loss_permille=st.sampled_from([0, 300, 700]))
def test_whatever_happens_two_that_want_a_stream_end_with_the_same_one(
    steps: list[tuple[str, int]], seed: int, loss_permille: int
) -> None:
    world = World(Weather(Random(seed), loss_permille))
    for what, ms in steps:
        if what == "break":
            world.break_all()
        elif what == "address":
            world.feed(0, AddressLearnt())
        else:
            side = int(what[-1])
            world.feed(side, Wanted(True) if what.startswith("open") else Unwanted())
        world.run(world.now + ms)
    world.weather.loss_permille = 0
    for side in (0, 1):
        world.feed(side, Wanted(True))
    world.run(world.now + 60_000)
    assert [pair.phase for pair in world.pairs] == [Phase.ACTIVE, Phase.ACTIVE]
    streams = [world.find(side, world.pairs[side].stream) for side in (0, 1)]
    assert streams[0] is streams[1] and not streams[0].is_over
    assert world.told[0][-1] and world.told[1][-1]


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), apart_ms=st.sampled_from([0, 1, 5, 30, 200]))
def test_two_that_dial_at_once_lose_no_stream_in_settling_it(seed: int, apart_ms: int) -> None:
    world = World(Weather(Random(seed), 0, (0, 1, 5, 30, 200)))
    world.feed(seed % 2, Wanted(True))
    world.run(apart_ms)
    world.feed(1 - seed % 2, Wanted(True))
    world.run(10_000)
    assert world.told == [[False, True], [False, True]]
    assert world.find(0, world.pairs[0].stream) is world.find(1, world.pairs[1].stream)


def test_nothing_is_left_when_nobody_wants_a_stream() -> None:
    for own, other in ((SMALL, LARGE), (LARGE, SMALL)):
        pair = dialling(own, other)
        pair.handle(DialAnswered(-1, 1, 0), 0)
        pair.handle(Unwanted(), 1)
        assert pair.is_forgettable
        for late in (Ended(-1, "x"), TimerFired(), DialFailed(-1, "x"), DialAnswered(-1, 1, 0)):
            assert pair.handle(late, 2) == []
        assert Pair(own, other).is_forgettable
