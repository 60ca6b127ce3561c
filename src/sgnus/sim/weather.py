"""The network's weather: how long a message takes, what is lost, who cannot reach whom. All of it from seeded dice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from sgnus.messages.ids import PeerId

PERMILLE: Final = 1_000
RESEND_MS: Final = 200
"""After which a stream sends again what was lost; doubled each time (RFC 6298 has a second, Linux this)."""
RESENDS_MAX: Final = 5


@dataclass(slots=True)
class Weather:
    """Delays in ms, rates in per mille. `cut` are the peers on one side of a partition, `deaf` the ways (from, to) on which
    nothing arrives, `lost` the peers that nobody reaches any more.
    """

    dice: random.Random
    delay_ms_max: int = 10
    gossip_ms_max: int = 40
    loss_permille: int = 0
    duplicate_permille: int = 0
    cut: dict[PeerId, None] = field(default_factory=dict)
    deaf: dict[tuple[PeerId, PeerId], None] = field(default_factory=dict)
    lost: dict[PeerId, None] = field(default_factory=dict)

    def calm(self) -> None:
        """Fair weather from now on, for all that are not lost."""
        self.delay_ms_max, self.gossip_ms_max = 10, 40
        self.loss_permille = self.duplicate_permille = 0
        self.cut = {}
        self.deaf = {}

    @property
    def is_whole(self) -> bool:
        """Nobody is cut off, but for those that are lost."""
        return not self.cut and not self.deaf

    def reaches(self, one: PeerId, other: PeerId) -> bool:
        """What one sends arrives at the other."""
        if one in self.lost or other in self.lost:
            return one == other
        return (one in self.cut) == (other in self.cut) and (one, other) not in self.deaf

    def meets(self, one: PeerId, other: PeerId) -> bool:
        """Both reach each other."""
        return self.reaches(one, other) and self.reaches(other, one)

    def delay_ms(self) -> int:
        """Of a message on a stream: what is lost is sent again, later."""
        delay_ms = self.dice.randint(1, self.delay_ms_max)
        if self.loss_permille:
            for again in range(RESENDS_MAX):
                if self.dice.randrange(PERMILLE) >= self.loss_permille:
                    break
                delay_ms += RESEND_MS << again
        return delay_ms

    def gossip_delays_ms(self) -> list[int]:
        """When the copies of one gossip message arrive at one peer, in any order: none if it is lost."""
        if self.dice.randrange(PERMILLE) < self.loss_permille:
            return []
        copies = 2 if self.dice.randrange(PERMILLE) < self.duplicate_permille else 1
        return [self.dice.randint(1, self.gossip_ms_max) for _ in range(copies)]
