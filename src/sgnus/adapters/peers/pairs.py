"""All pairs of a node."""

from __future__ import annotations

from collections.abc import Sequence

from sgnus.adapters.peers.link import Wire
from sgnus.adapters.peers.pair import PeerPair
from sgnus.adapters.peers.pairing_steps import (
    AddressLearnt,
    Arrived,
    Input,
    Unwanted,
)
from sgnus.adapters.peers.streams import Greet, Surroundings
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Hello


class Pairs:
    """One `PeerPair` a peer, while there is something to remember of it."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._pairs: dict[PeerId, PeerPair] = {}
        self._guests = 0
        # The highest number of an attempt that a forgotten pair made: numbers never come twice.
        self._dials = 0

    def __contains__(self, peer: PeerId) -> bool:
        pair = self._pairs.get(peer)
        return pair is not None and not pair.is_forgettable

    def want(self, peer: PeerId) -> None:
        """See `Peers.open`."""
        self._pair(peer).want()

    def unwant(self, peer: PeerId) -> None:
        """See `Peers.close`."""
        self._feed(peer, Unwanted())

    def learnt(self, peer: PeerId) -> None:
        """There is a new address of `peer`."""
        self._feed(peer, AddressLearnt())

    def drop(self, peer: PeerId, reason: str) -> None:
        """End all with `peer` at once."""
        pair = self._pairs.get(peer)
        if pair is not None:
            pair.drop(reason)
            self._forget(pair)

    def send(self, peer: PeerId, message: bytes, *, urgent: bool) -> bool:
        """See `Peers.send`."""
        pair = self._pairs.get(peer)
        return pair is not None and pair.send(message, urgent=urgent)

    def connected(self) -> Sequence[PeerId]:
        """See `Peers.connected`."""
        return [peer for peer, pair in self._pairs.items() if pair.is_connected]

    async def serve(self, peer: PeerId, wire: Wire, hello: Hello, greet: Greet) -> str | None:
        """Serve a stream that `peer` opened to its end; returns why it was refused, or None."""
        self._guests += 1
        pair = self._pair(peer)
        arrived = Arrived(self._guests, hello.boot, hello.attempt)
        try:
            return await pair.streams.serve(arrived, wire, greet)
        finally:
            self._forget(pair)

    async def stop(self, within_s: float) -> None:
        """End all streams, those with something queued after it is sent, within a time."""
        for peer in list(self._pairs):
            self.unwant(peer)
        await self._around.tasks.stop(within_s)

    def _pair(self, peer: PeerId) -> PeerPair:
        pair = self._pairs.get(peer)
        if pair is None:
            pair = self._pairs[peer] = PeerPair(peer, self._around, self._dials)
        return pair

    def _feed(self, peer: PeerId, event: Input) -> None:
        pair = self._pairs.get(peer)
        if pair is not None:
            pair.feed(event)
            self._forget(pair)

    def _forget(self, pair: PeerPair) -> None:
        if pair.is_forgettable and self._pairs.get(pair.peer) is pair:
            self._dials = max(self._dials, pair.machine.dials)
            del self._pairs[pair.peer]
