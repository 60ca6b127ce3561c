"""A budget over time, in whole numbers."""

from __future__ import annotations

from typing import Final

_MS_PER_S: Final = 1_000


class TokenBucket:
    """Integer token bucket: `rate_per_s` tokens flow in, at most `burst` are kept."""

    def __init__(self, rate_per_s: int, burst: int, now_ms: int) -> None:
        self._rate_per_s = rate_per_s
        self._milli_burst = burst * _MS_PER_S
        self._milli_tokens = self._milli_burst
        self._filled_ms = now_ms

    def take(self, tokens: int, now_ms: int) -> bool:
        """Spend `tokens` if they are there; spend nothing otherwise."""
        if not self.has(tokens, now_ms):
            return False
        self._milli_tokens -= tokens * _MS_PER_S
        return True

    def has(self, tokens: int, now_ms: int) -> bool:
        """Whether so many are there."""
        self._fill(now_ms)
        return tokens * _MS_PER_S <= self._milli_tokens

    def owe(self, tokens: int, now_ms: int) -> int:
        """Spend `tokens` whether they are there or not; after how many ms they will have flowed in."""
        self._fill(now_ms)
        self._milli_tokens -= tokens * _MS_PER_S
        return max(0, -(self._milli_tokens // self._rate_per_s))

    def afford(self, things: int, tokens: int, now_ms: int) -> int:
        """Spend `tokens` for each of as many of these things as there are tokens for; how many those are."""
        self._fill(now_ms)
        paid = max(0, min(things, self._milli_tokens // (tokens * _MS_PER_S)))
        self._milli_tokens -= paid * tokens * _MS_PER_S
        return paid

    def _fill(self, now_ms: int) -> None:
        elapsed_ms = max(0, now_ms - self._filled_ms)
        self._filled_ms = max(now_ms, self._filled_ms)
        self._milli_tokens = min(self._milli_burst, self._milli_tokens + elapsed_ms * self._rate_per_s)
