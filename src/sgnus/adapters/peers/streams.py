"""The streams between us and one peer, as tasks: our attempt, their guests, and the link that is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from sgnus.adapters.peers.budget import StreamBudget
from sgnus.adapters.peers.events import Events
from sgnus.adapters.peers.link import Link, Wire
from sgnus.adapters.peers.outbox import Outbox
from sgnus.adapters.peers.pairing_steps import (
    Abandon,
    Accept,
    Arrived,
    Dial,
    DialAnswered,
    DialFailed,
    Ended,
    Finish,
    Input,
    Refuse,
    Reset,
    Use,
)
from sgnus.adapters.peers.tasks import Tasks
from sgnus.adapters.peers.wires import ClientWire, FinalRefusal
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Hello
from sgnus.ports import PeerSent

BROKEN: Final = "the connection broke"
OWING_MS: Final = 1_000
"""Who owes for longer is over its budget in each of these seconds: one frame may cost many."""


Greet = Callable[[int], bytes]
"""A frame with our Hello, given the number of our attempts so far."""


class Dialler(Protocol):
    """Opens a stream to a peer and exchanges Hellos; returns the wire and the other side's Hello."""

    async def __call__(self, peer: PeerId, attempt: int, /) -> tuple[ClientWire, Hello]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all pairs of a node share."""

    own: PeerId
    events: Events
    dial: Dialler
    is_reachable: Callable[[PeerId], bool]
    count: Callable[[str], None]
    budget: StreamBudget
    tasks: Tasks = field(default_factory=Tasks)


@dataclass(frozen=True, slots=True)
class Guest:
    """A stream of theirs whose fate is open: it becomes a Link, or is refused for a reason."""

    wire: Wire
    greet: Greet
    verdict: asyncio.Future[Link | str]


class PairInbox:
    """Tells the messages of one peer."""

    def __init__(self, peer: PeerId, around: Surroundings) -> None:
        self._peer = peer
        self._around = around

    def tell(self, message: bytes) -> None:
        """See `Inbox`."""
        self._around.events.tell(PeerSent(self._peer, message))

    async def drained(self, messages: int, size: int) -> None:
        """See `Inbox`."""
        budget = self._around.budget
        wait_ms = budget.owe(self._peer, messages, size)
        if wait_ms:
            self._around.count("frames read later")
        while wait_ms > 0:
            await asyncio.sleep(min(wait_ms, OWING_MS) / 1000)
            wait_ms -= OWING_MS
            if wait_ms > 0:
                budget.owes_still(self._peer)
        await self._around.events.drained()


class Streams:
    """Does what the machine decided, and feeds it what came of it. A stream that is over feeds what is ignored."""

    def __init__(self, peer: PeerId, around: Surroundings, feed: Callable[[Input], None]) -> None:
        self._peer = peer
        self._around = around
        self._feed = feed
        self._inbox = PairInbox(peer, around)
        self.outbox = Outbox()
        self._link: Link | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._answered: ClientWire | None = None
        self._guests: dict[int, Guest] = {}

    async def serve(self, arrived: Arrived, wire: Wire, greet: Greet) -> str | None:
        """Serve a stream of theirs to its end; returns why it was refused, or None."""
        number = arrived.stream
        verdict: asyncio.Future[Link | str] = asyncio.get_running_loop().create_future()
        self._guests[number] = Guest(wire, greet, verdict)
        reason = BROKEN
        try:
            self._feed(arrived)
            link = await verdict
            if isinstance(link, str):
                return link
            reason = await link.run()
        finally:
            self._guests.pop(number, None)
            self._feed(Ended(number, reason))
        return None

    async def attempt(self, number: int, limit_ms: int) -> None:
        """Dial; if it was answered in time and is still wanted, carry the stream to its end."""
        failed: DialFailed | None = DialFailed(number, "a fault of this node")
        try:
            wire, hello = await self._dial_in_time(number, limit_ms)
            failed = None
        except (PeerFault, WorldFault) as error:
            failed = DialFailed(number, str(error), isinstance(error, FinalRefusal))
            return
        finally:
            # Whatever happened, the machine must not wait for this attempt for ever.
            if failed is not None:
                self._feed(failed)
        reason = BROKEN
        try:
            self._answered = wire
            self._feed(DialAnswered(number, hello.boot, hello.attempt))
            self._answered = None
            if self._link is not None and self._link.wire is wire:
                reason = await self._link.run()
        finally:
            self._feed(Ended(number, reason))
            await wire.close()

    async def _dial_in_time(self, number: int, limit_ms: int) -> tuple[ClientWire, Hello]:
        try:
            async with asyncio.timeout(limit_ms / 1000):
                return await self._around.dial(self._peer, -number)
        except TimeoutError:
            raise WorldFault(f"no answer within {limit_ms} ms") from None

    def dial(self, effect: Dial) -> None:
        """Begin an attempt."""
        self._attempt = self._around.tasks.spawn(self.attempt(effect.stream, effect.limit_ms))

    def abandon(self, _: Abandon) -> None:
        """End our attempt."""
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None

    def use(self, _: Use) -> None:
        """Take our answered attempt as the link."""
        assert self._answered is not None
        self._link = Link(self._answered, self.outbox, self._inbox)
        self._attempt = None

    def accept(self, effect: Accept) -> None:
        """Take a guest as the link."""
        guest = self._guests[effect.stream]
        self._link = Link(guest.wire, self.outbox, self._inbox, guest.greet(effect.given_up))
        self._judge(effect.stream, self._link)

    def refuse(self, effect: Refuse) -> None:
        """Send a guest away."""
        self._judge(effect.stream, effect.reason)

    def reset(self, _: Reset | None = None) -> None:
        """End the link at once."""
        if self._link is not None:
            self._link.reset()

    def finish(self, _: Finish) -> None:
        """Let the link send what is queued, and end."""
        if self._link is not None:
            self._link.finish()

    def lose(self) -> None:
        """The link is over; what is queued from now on belongs to the next one."""
        self._link = None
        self.outbox = Outbox()

    def turn_away(self, reason: str) -> list[int]:
        """Refuse all guests; returns their numbers."""
        numbers = list(self._guests)
        for number in numbers:
            self._judge(number, reason)
        return numbers

    def _judge(self, number: int, verdict: Link | str) -> None:
        guest = self._guests.pop(number, None)
        if guest is not None and not guest.verdict.done():
            guest.verdict.set_result(verdict)
