"""A machine's own monotonic clock: it began at another moment than others, runs faster or slower, and may leap ahead."""

from __future__ import annotations

from dataclasses import dataclass

RATE = 1_000
"""Its own milliseconds in a true second, where it is right."""


@dataclass(slots=True)
class Clock:
    """`base_ms` is what it says at the true time `since_ms`; from there it runs at `rate` per mille."""

    base_ms: int
    since_ms: int = 0
    rate: int = RATE

    def says(self, now_ms: int) -> int:
        """What it shows at the true time `now_ms`."""
        return self.base_ms + (now_ms - self.since_ms) * self.rate // RATE

    def until_ms(self, own_ms: int, now_ms: int) -> int:
        """How long it truly takes, from `now_ms`, until it says `own_ms`."""
        return -(-(own_ms - self.says(now_ms)) * RATE // self.rate)

    def run_at(self, rate: int, now_ms: int) -> None:
        """From now on it runs at this rate."""
        self.base_ms, self.since_ms, self.rate = self.says(now_ms), now_ms, rate

    def leap(self, ahead_ms: int) -> None:
        """It is suddenly later, as after a machine slept. A monotonic clock never goes back."""
        self.base_ms += ahead_ms
