"""One ordered stream per pair of peers, as the driver of peers promises it.

A stream that is wanted is dialled until it stands; each failed attempt is a PeerLost. What is sent while a wanted stream
does not stand yet waits for it. PeerConnected and PeerLost alternate. A partition stalls a stream, and breaks it later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sgnus.core.inputs import Input, PeerConnected, PeerLost, PeerSaid
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.sim.agenda import Agenda
from sgnus.sim.peer import Peer
from sgnus.sim.weather import Weather

DIAL_MS_MAX = 3_000
REDIAL_MS_MIN = 100
REDIAL_MS_MAX = 2_000
STALL_MS_MAX = 12_000
Way = tuple[PeerId, PeerId]
Parts = tuple[Agenda, Weather, dict[PeerId, Peer], Callable[[Peer, Input], None]]


class Ways:
    """What is on its way between two peers, in order; `numbers` says which stream of a pair stands."""

    def __init__(self, parts: Parts) -> None:
        self.numbers: dict[Way, int] = {}
        self._agenda, self._weather, self._peers, self._give = parts
        self._last_ms: dict[Way, int] = {}
        self._stalled: list[tuple[Way, int, Input]] = []

    def carry(self, way: Way, number: int, given: Input) -> None:
        """It arrives if that stream still stands then."""
        self._agenda.after(self._turn_ms(way), self._arrive, way, number, given)

    def tell(self, way: Way, given: Input) -> None:
        """To the far end of `way`, behind all that is on it. It belongs to the process that runs there now."""
        peer = self._peers[way[1]]
        self._agenda.after(self._turn_ms(way), self._give_to_run, peer, peer.run, given)

    def left_ms(self, way: Way) -> int:
        """Until the last of what is on this way has arrived."""
        return max(0, self._last_ms.get(way, 0) - self._agenda.now_ms)

    def flow(self) -> None:
        """What stalled arrives."""
        stalled, self._stalled = self._stalled, []
        for way, number, given in stalled:
            self.carry(way, number, given)

    def _turn_ms(self, way: Way) -> int:
        at_ms = max(self._last_ms.get(way, 0), self._agenda.now_ms + self._weather.delay_ms())
        self._last_ms[way] = at_ms
        return at_ms - self._agenda.now_ms

    def _arrive(self, way: Way, number: int, given: Input) -> None:
        if self.numbers.get(pair(*way)) != number:
            return
        if not self._weather.reaches(*way):
            self._stalled.append((way, number, given))
            return
        self._give(self._peers[way[1]], given)

    def _give_to_run(self, peer: Peer, run: int, given: Input) -> None:
        if peer.run == run:
            self._give(peer, given)


@dataclass(slots=True)
class Wish:
    """A stream that one side wants, and what it would say."""

    waiting: list[Message] = field(default_factory=list)
    redial_ms: int = REDIAL_MS_MIN


class Streams:
    """All streams of a world."""

    def __init__(self, parts: Parts) -> None:
        self._agenda, self._weather, self._peers, _give = parts
        self._ways = Ways(parts)
        self._wishes: dict[Way, Wish] = {}
        self._count = 0

    # ---- what a peer wants
    def open(self, me: PeerId, other: PeerId) -> None:
        """Want a stream: dial now, and again until `close`. A name that is nobody's answers no dial."""
        if other not in self._peers:
            return
        if (me, other) not in self._wishes:
            self._wishes[me, other] = Wish()
        if not self.stands(me, other):
            self._agenda.after(self._weather.delay_ms(), self._dial, me, other, self._wishes[me, other])

    def close(self, me: PeerId, other: PeerId) -> None:
        """What was sent still arrives, then the stream ends for both; the other side may open one again."""
        self._wishes.pop((me, other), None)
        number = self._ways.numbers.get(pair(me, other))
        if number is not None:
            self._agenda.after(self._ways.left_ms((me, other)) + 1, self._end, me, other, number)

    def send(self, me: PeerId, other: PeerId, message: Message) -> None:
        """In order, while a stream stands or is wanted; else it is nothing."""
        number = self._ways.numbers.get(pair(me, other))
        if number is not None:
            self._ways.carry((me, other), number, PeerSaid(me, message))
        elif (me, other) in self._wishes:
            self._wishes[me, other].waiting.append(message)

    def stands(self, one: PeerId, other: PeerId) -> bool:
        return pair(one, other) in self._ways.numbers

    # ---- what the world does
    def crash(self, me: PeerId, *, is_silent: bool = False) -> None:
        """Its streams are reset, where the reset gets through; a machine without power sends none."""
        for way in [way for way in self._wishes if way[0] == me]:
            del self._wishes[way]
        for one, other in [pair for pair in self._ways.numbers if me in pair]:
            far = other if one == me else one
            number = self._ways.numbers[one, other]
            if not is_silent and self._weather.reaches(me, far):
                self._break(me, far)
            else:
                self._agenda.after(STALL_MS_MAX, self._end, me, far, number)

    def shake(self, one: PeerId, other: PeerId) -> None:
        """A stream breaks for no reason that anybody knows."""
        if self.stands(one, other):
            self._break(one, other)

    def part(self) -> None:
        """A partition begins: streams across it stall, and break if it lasts."""
        for (one, other), number in self._ways.numbers.items():
            if not self._weather.meets(one, other):
                self._agenda.after(STALL_MS_MAX, self._end, one, other, number, True)

    def heal(self) -> None:
        """What stalled arrives."""
        self._ways.flow()

    # ---- inner
    def _dial(self, me: PeerId, other: PeerId, wish: Wish) -> None:
        mine, far = self._peers[me], self._peers[other]
        if self._wishes.get((me, other)) is not wish or self.stands(me, other) or mine.process is None:
            return
        if far.process is None and self._weather.meets(me, other):
            self._fail(me, other, wish)
        elif not far.is_up or mine.frozen or not self._weather.meets(me, other):
            self._agenda.after(DIAL_MS_MAX, self._retry_or_fail, me, other, wish)
        else:
            self._connect(me, other)

    def _retry_or_fail(self, me: PeerId, other: PeerId, wish: Wish) -> None:
        far = self._peers[other]
        if far.is_up and self._weather.meets(me, other):
            self._dial(me, other, wish)
        elif self._wishes.get((me, other)) is wish and not self.stands(me, other):
            self._fail(me, other, wish)

    def _fail(self, me: PeerId, other: PeerId, wish: Wish) -> None:
        wish.waiting.clear()
        self._ways.tell((other, me), PeerLost(other))
        self._agenda.after(wish.redial_ms, self._dial, me, other, wish)
        wish.redial_ms = min(REDIAL_MS_MAX, 2 * wish.redial_ms)

    def _connect(self, me: PeerId, other: PeerId) -> None:
        self._count += 1
        self._ways.numbers[pair(me, other)] = self._count
        for way in ((me, other), (other, me)):
            self._ways.tell(way, PeerConnected(way[0]))
        for way in ((me, other), (other, me)):
            wish = self._wishes.get(way)
            if wish is not None:
                wish.redial_ms = REDIAL_MS_MIN
                waiting, wish.waiting = wish.waiting, []
                for message in waiting:
                    self._ways.carry(way, self._count, PeerSaid(way[0], message))

    def _end(self, one: PeerId, other: PeerId, number: int, only_parted: bool = False) -> None:
        is_that = self._ways.numbers.get(pair(one, other)) == number
        if is_that and not (only_parted and self._weather.meets(one, other)):
            self._break(one, other)

    def _break(self, one: PeerId, other: PeerId) -> None:
        del self._ways.numbers[pair(one, other)]
        for me, far in ((one, other), (other, one)):
            self._ways.tell((far, me), PeerLost(far))
            wish = self._wishes.get((me, far))
            if wish is not None:
                self._agenda.after(self._weather.delay_ms() + 20, self._dial, me, far, wish)


def pair(one: PeerId, other: PeerId) -> Way:
    return (one, other) if one < other else (other, one)
