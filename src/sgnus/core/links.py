"""Which peers we want a stream with, and until when: rooms and publications say whom they need, the rest lingers briefly.

A stream is closed only after `LINGER_MS` without need, so that last words (a removal, an answer) still arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ADDRESSES_MAX, LINGER_MS
from sgnus.messages.v1.types import SignedEnvelope


@dataclass(slots=True)
class Links:
    """Streams wanted and streams that stand."""

    me: PeerId
    addresses: dict[PeerId, SignedEnvelope] = field(default_factory=dict)
    wanted: dict[PeerId, int | None] = field(default_factory=dict)
    connected: list[PeerId] = field(default_factory=list)
    needed: list[PeerId] | None = None
    """Who was needed last, while nothing lingers: as long as that is so, a step has nothing to do here."""

    def learn(self, peer: PeerId, address: SignedEnvelope | None) -> None:
        if address is not None:
            self.addresses.pop(peer, None)
            self.addresses[peer] = address
        if len(self.addresses) > ADDRESSES_MAX:
            oldest = next(
                (known for known in self.addresses if known not in self.wanted), next(iter(self.addresses))
            )
            del self.addresses[oldest]

    def open(self, peer: PeerId, address: SignedEnvelope | None, now_ms: int) -> list[fx.Effect]:
        """Want a stream for a while, beside what rooms need."""
        if peer == self.me:
            return []
        self.learn(peer, address)
        self.needed = None
        is_new = peer not in self.wanted
        if is_new or self.wanted[peer] is not None:
            self.wanted[peer] = now_ms + LINGER_MS
        return [fx.Open(peer, self.addresses.get(peer))] if is_new or address is not None else []

    def need(self, peers: list[PeerId], now_ms: int) -> list[fx.Effect]:
        """Exactly these are needed now: open what is new, let the rest linger, close what lingered long enough."""
        if peers == self.needed:
            return []
        needed = dict.fromkeys(peer for peer in peers if peer != self.me)
        effects: list[fx.Effect] = []
        for peer in needed:
            if peer not in self.wanted:
                effects.append(fx.Open(peer, self.addresses.get(peer)))
            self.wanted[peer] = None
        for peer, until_ms in list(self.wanted.items()):
            if peer in needed:
                continue
            if until_ms is None:
                self.wanted[peer] = now_ms + LINGER_MS
            elif until_ms <= now_ms:
                del self.wanted[peer]
                self.addresses.pop(peer, None)
                effects.append(fx.Close(peer))
        self.needed = peers if len(self.wanted) == len(needed) else None
        return effects

    def next_ms(self) -> int | None:
        """When a lingering stream is to be closed."""
        if self.needed is not None:
            return None
        return min((until for until in self.wanted.values() if until is not None), default=None)
