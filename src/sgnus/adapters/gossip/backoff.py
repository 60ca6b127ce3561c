"""When to dial again: exponential back-off with jitter from given dice, so that a network does not redial in
step.
"""

from __future__ import annotations

from random import Random

from sgnus.messages.limits import GOSSIP_REDIAL_MS_MAX, GOSSIP_REDIAL_MS_MIN


class RedialBackoff:
    """Doubles from 250 ms to 30 s; each wait is drawn from the upper half of its step."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._step_ms = GOSSIP_REDIAL_MS_MIN

    def next_ms(self) -> int:
        step_ms = self._step_ms
        self._step_ms = min(GOSSIP_REDIAL_MS_MAX, step_ms * 2)
        return max(GOSSIP_REDIAL_MS_MIN, self._dice.randint(step_ms // 2, step_ms))

    def reset(self) -> None:
        self._step_ms = GOSSIP_REDIAL_MS_MIN
