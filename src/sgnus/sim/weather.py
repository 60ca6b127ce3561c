"""The network's weather: how long a message takes, what is lost, who cannot reach whom. All of it from seeded dice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sgnus.messages.ids import PeerId


@dataclass(slots=True)
class Weather:
    """Delays in ms, rates in per mille. `cut` are the two sides of a partition, by peer."""

    dice: random.Random
    delay_ms_max: int = 10
    gossip_ms_max: int = 40
    loss_permille: int = 0
    duplicate_permille: int = 0
    cut: dict[PeerId, None] = field(default_factory=dict)

    def calm(self) -> None:
        """Fair weather from now on."""
        self.delay_ms_max, self.gossip_ms_max = 10, 40
        self.loss_permille = self.duplicate_permille = 0
        self.cut = {}

    def reaches(self, one: PeerId, other: PeerId) -> bool:
        return (one in self.cut) == (other in self.cut)

    def delay_ms(self) -> int:
        return self.dice.randint(1, self.delay_ms_max)

    def gossip_delays_ms(self) -> list[int]:
        """When the copies of one gossip message arrive at one peer: none if it is lost."""
        if self.dice.randrange(1000) < self.loss_permille:
            return []
        copies = 2 if self.dice.randrange(1000) < self.duplicate_permille else 1
        return [self.dice.randint(1, self.gossip_ms_max) for _ in range(copies)]
