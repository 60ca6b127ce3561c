"""What a peer may ask of us: bytes that it reads and messages that it streams are paced, calls are counted."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sgnus.adapters.overruns import Overruns, monotonic_ms
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


class ReadBudget:
    """One bucket a peer, the least recently used forgotten first. Who empties it waits."""

    def __init__(self, bytes_per_s: int = READ_BYTES_PER_S, burst_bytes: int = READ_BURST_BYTES) -> None:
        self._rate = bytes_per_s
        self._burst = burst_bytes
        self._left: OrderedDict[PeerId, tuple[int, int]] = OrderedDict()

    async def spend(self, peer: PeerId, size: int) -> None:
        """Take `size` bytes; when the bucket is empty, wait until it would be full enough."""
        loop = asyncio.get_running_loop()
        now_us = int(loop.time() * 1_000_000)
        left, at_us = self._left.get(peer, (self._burst, now_us))
        left = min(self._burst, left + (now_us - at_us) * self._rate // 1_000_000) - size
        self._left[peer] = (left, now_us)
        self._left.move_to_end(peer)
        if len(self._left) > 2 * PEERS_ADMITTED_MAX:
            self._left.popitem(last=False)
        if left < 0:
            await asyncio.sleep(-left / self._rate)


class CallBudget:
    """How often a peer may call what anybody may call, and how often anything that it has no right to.

    Reading inputs and writing outputs have no rate of their own: a member does so as fast as it works. What bounds them is
    that a sub-block is served to a peer a few times only (`SUB_BLOCK_CALLS_MAX`), and refused after that.
    """

    def __init__(self, overruns: Overruns, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self._overruns = overruns
        self._clock_ms = clock_ms
        self._buckets: OrderedDict[tuple[PeerId, str], TokenBucket] = OrderedDict()

    def allows(self, peer: PeerId, method: str) -> bool:
        """Charge a call. False, and an overrun, if it is one too many, or follows too many that were refused."""
        now_ms = self._clock_ms()
        is_allowed = self._bucket(peer, _REFUSED, now_ms).has(1, now_ms)
        if is_allowed and method in PEER_CALLS_PER_S:
            is_allowed = self._bucket(peer, method, now_ms).take(1, now_ms)
        if not is_allowed:
            self._overruns.note(peer)
        return is_allowed

    def refused(self, peer: PeerId) -> None:
        """A call of `peer` was refused."""
        now_ms = self._clock_ms()
        if not self._bucket(peer, _REFUSED, now_ms).take(1, now_ms):
            self._overruns.note(peer)

    def _bucket(self, peer: PeerId, method: str, now_ms: int) -> TokenBucket:
        key = peer, method
        if key not in self._buckets:
            rate = PEER_CALLS_PER_S.get(method, REFUSED_CALLS_PER_S)
            self._buckets[key] = TokenBucket(rate, PEER_CALLS_BURST.get(method, REFUSED_CALLS_BURST), now_ms)
            if len(self._buckets) > _BUCKETS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return self._buckets[key]


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
        self._buckets: OrderedDict[PeerId, tuple[TokenBucket, TokenBucket]] = OrderedDict()

    def owe(self, peer: PeerId, messages: int, size: int) -> int:
        """Charge a frame; how many ms to wait before the next one is read. More than none is an overrun."""
        now_ms = self._clock_ms()
        counted, sized = self._of(peer, now_ms)
        wait_ms = max(counted.owe(messages, now_ms), sized.owe(size, now_ms))
        if wait_ms:
            self._overruns.note(peer)
        return wait_ms

    def _of(self, peer: PeerId, now_ms: int) -> tuple[TokenBucket, TokenBucket]:
        if peer not in self._buckets:
            allowed = self._allowance
            self._buckets[peer] = (
                TokenBucket(allowed.messages_per_s, allowed.messages_burst, now_ms),
                TokenBucket(allowed.bytes_per_s, allowed.bytes_burst, now_ms),
            )
            if len(self._buckets) > 2 * PEERS_ADMITTED_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(peer)
        return self._buckets[peer]
