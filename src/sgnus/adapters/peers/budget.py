"""What a peer may ask of us: bytes that it reads and messages that it streams are paced, calls are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sgnus.adapters.overruns import Overruns, monotonic_ms
from sgnus.adapters.remembered import Remembered
from sgnus.adapters.tokens import TokenBucket
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    PEER_CALLS_BURST,
    PEER_CALLS_PER_S,
    PEERS_ADMITTED_MAX,
    READ_BURST_BYTES,
    READ_BYTES_PER_S,
    REFUSED_CALLS_BURST,
    REFUSED_CALLS_PER_S,
    STREAM_BYTES_BURST,
    STREAM_BYTES_PER_S,
    STREAM_MESSAGES_BURST,
    STREAM_MESSAGES_PER_S,
)

_BUCKETS_MAX: Final = 16 * PEERS_ADMITTED_MAX
_REFUSED: Final = "refused"


@dataclass(slots=True)
class _Left:
    """Bytes that a peer may still read, as of a moment of the loop's clock; below 0 if it owes some."""

    size: int
    at_us: int


class ReadBudget:
    """What each peer reads. Who empties its bucket waits."""

    def __init__(self, bytes_per_s: int = READ_BYTES_PER_S, burst_bytes: int = READ_BURST_BYTES) -> None:
        self._rate = bytes_per_s
        self._burst = burst_bytes
        self._left = Remembered[PeerId, _Left](
            2 * PEERS_ADMITTED_MAX, lambda _: _Left(burst_bytes, _now_us())
        )

    async def spend(self, peer: PeerId, size: int) -> None:
        """Take `size` bytes; when the bucket is empty, wait until it would be full enough."""
        left, now_us = self._left.of(peer), _now_us()
        left.size = min(self._burst, left.size + (now_us - left.at_us) * self._rate // 1_000_000) - size
        left.at_us = now_us
        if left.size < 0:
            await asyncio.sleep(-left.size / self._rate)


def _now_us() -> int:
    return int(asyncio.get_running_loop().time() * 1_000_000)


class CallBudget:
    """How often a peer may call what anybody may call, and how often anything that it has no right to.

    Reading inputs and writing outputs have no rate of their own: a member does so as fast as it works. What bounds them is
    that a sub-block is served to a peer a few times only (`SUB_BLOCK_CALLS_MAX`), and refused after that.
    """

    def __init__(self, overruns: Overruns, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self._overruns = overruns
        self._clock_ms = clock_ms
        self._buckets = Remembered[tuple[PeerId, str], TokenBucket](_BUCKETS_MAX, self._bucket)

    def allows(self, peer: PeerId, method: str) -> bool:
        """Charge a call. False, and an overrun, if it is one too many, or follows too many that were refused."""
        now_ms = self._clock_ms()
        is_allowed = self._buckets.of((peer, _REFUSED)).has(1, now_ms)
        if is_allowed and method in PEER_CALLS_PER_S:
            is_allowed = self._buckets.of((peer, method)).take(1, now_ms)
        if not is_allowed:
            self._overruns.note(peer)
        return is_allowed

    def refused(self, peer: PeerId) -> None:
        """A call of `peer` was refused."""
        now_ms = self._clock_ms()
        if not self._buckets.of((peer, _REFUSED)).take(1, now_ms):
            self._overruns.note(peer)

    def _bucket(self, key: tuple[PeerId, str]) -> TokenBucket:
        rate = PEER_CALLS_PER_S.get(key[1], REFUSED_CALLS_PER_S)
        return TokenBucket(rate, PEER_CALLS_BURST.get(key[1], REFUSED_CALLS_BURST), self._clock_ms())


@dataclass(frozen=True, slots=True)
class StreamAllowance:
    """What one peer's stream may bring; see `messages/limits.py`."""

    messages_per_s: int = STREAM_MESSAGES_PER_S
    messages_burst: int = STREAM_MESSAGES_BURST
    bytes_per_s: int = STREAM_BYTES_PER_S
    bytes_burst: int = STREAM_BYTES_BURST


class StreamBudget:
    """Of each peer, the messages on its streams. Nothing of a stream may be dropped: who brings too much is read later."""

    def __init__(
        self,
        overruns: Overruns,
        allowance: StreamAllowance | None = None,
        clock_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._overruns = overruns
        self._allowance = allowance or StreamAllowance()
        self._clock_ms = clock_ms
        self._buckets = Remembered[PeerId, tuple[TokenBucket, TokenBucket]](
            2 * PEERS_ADMITTED_MAX, self._counted_and_sized
        )

    def owe(self, peer: PeerId, messages: int, size: int) -> int:
        """Charge a frame; how many ms to wait before the next one is read. More than none is an overrun."""
        now_ms = self._clock_ms()
        counted, sized = self._buckets.of(peer)
        wait_ms = max(counted.owe(messages, now_ms), sized.owe(size, now_ms))
        if wait_ms:
            self._overruns.note(peer)
        return wait_ms

    def owes_still(self, peer: PeerId) -> None:
        """Another second has passed, and the peer is not yet read again: an overrun."""
        self._overruns.note(peer)

    def _counted_and_sized(self, _: PeerId) -> tuple[TokenBucket, TokenBucket]:
        allowed, now_ms = self._allowance, self._clock_ms()
        return (
            TokenBucket(allowed.messages_per_s, allowed.messages_burst, now_ms),
            TokenBucket(allowed.bytes_per_s, allowed.bytes_burst, now_ms),
        )
