"""One pair of peers at work: its machine, its streams and its timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sgnus.adapters.peers import pairing
from sgnus.adapters.peers.pairing_steps import (
    Abandon,
    Accept,
    Dial,
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
from sgnus.adapters.peers.streams import Streams, Surroundings
from sgnus.messages.ids import PeerId
from sgnus.ports import PeerConnected, PeerLost

OVERFLOW: Final = "its queue overflowed"


class PeerPair:
    """The only one who feeds the machine; performs its effects in order, at once."""

    def __init__(self, peer: PeerId, around: Surroundings, dials: int = 0) -> None:
        self.peer = peer
        self.machine = pairing.Pair(around.own, peer, dials)
        self.streams = Streams(peer, around, self.feed)
        self._around = around
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, event: Input) -> None:
        """Give one input to the machine."""
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        for effect in self.machine.handle(event, now_ms):
            PERFORM[type(effect)](self, effect)

    def want(self) -> None:
        """A stream is wanted."""
        self.feed(Wanted(self._around.is_reachable(self.peer)))

    def send(self, message: bytes, *, urgent: bool) -> bool:
        """Queue a message for the stream, or for the one that is wanted."""
        if self.machine.phase is pairing.Phase.IDLE:
            return False
        if self.streams.outbox.put(message, urgent=urgent):
            return True
        self._around.count("overflows")
        if self.is_connected:
            self.streams.reset()
            self.feed(Ended(self.machine.stream, OVERFLOW))
        else:
            self.tell_lost(TellLost(OVERFLOW))
        return False

    @property
    def is_connected(self) -> bool:
        """Whether the stream stands."""
        return self.machine.phase is pairing.Phase.ACTIVE

    @property
    def is_forgettable(self) -> bool:
        """Whether nothing would be lost with this object; what lingers holds itself."""
        return self.machine.is_forgettable

    def drop(self, reason: str) -> None:
        """End all at once: the peer was removed, or we stop."""
        for number in self.streams.turn_away(reason):
            self.feed(Ended(number, reason))
        self.feed(Unwanted(reason, at_once=True))

    def tell_connected(self, effect: TellConnected) -> None:
        """Tell the runtime."""
        self._around.events.tell(PeerConnected(self.peer, effect.boot))

    def tell_lost(self, effect: TellLost) -> None:
        """Tell the runtime, and drop what was queued."""
        self.streams.lose()
        self._around.events.tell(PeerLost(self.peer, effect.reason))

    def set_timer(self, effect: SetTimer | StopTimer) -> None:
        """Replace the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if isinstance(effect, SetTimer):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(effect.ms / 1000, self.feed, TimerFired())


PERFORM: Final[dict[type[Effect], Callable[[PeerPair, Any], None]]] = {
    Dial: lambda pair, effect: pair.streams.dial(effect),
    Abandon: lambda pair, effect: pair.streams.abandon(effect),
    Use: lambda pair, effect: pair.streams.use(effect),
    Accept: lambda pair, effect: pair.streams.accept(effect),
    Refuse: lambda pair, effect: pair.streams.refuse(effect),
    Reset: lambda pair, effect: pair.streams.reset(effect),
    Finish: lambda pair, effect: pair.streams.finish(effect),
    SetTimer: PeerPair.set_timer,
    StopTimer: PeerPair.set_timer,
    TellConnected: PeerPair.tell_connected,
    TellLost: PeerPair.tell_lost,
}
