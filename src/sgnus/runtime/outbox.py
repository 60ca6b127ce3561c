"""Our own entries on their way to gossip: many to a message, few messages a second, the rest left to reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sgnus.messages.limits import GOSSIP_BYTES_MAX
from sgnus.messages.v1.types import EntryBatch, EntryKind, GossipMessage
from sgnus.wire.codec import encode

FLUSH_MS: Final = 50
# Once half of the credit is spent, batches wait longer: one message costs the whole network far more than its bytes.
FLUSH_BUSY_MS: Final = 500
CREDIT_MS_MAX: Final = 1_000
MESSAGES_PER_SECOND_MAX: Final = 5
BATCH_ENTRIES_MAX: Final = 1_024
# Tags and lengths: a few bytes an entry, and as many for the message.
ENTRY_OVERHEAD_BYTES: Final = 6
MESSAGE_OVERHEAD_BYTES: Final = 16
ALWAYS_BATCHED: Final = frozenset((EntryKind.ROOM, EntryKind.TAKEN, EntryKind.SETTLED))


class Outbox:
    """Collects entries and publishes them. A message waits for its turn; what does not fit in it is left out."""

    def __init__(self, publish: Callable[[bytes], None], clock_ms: Callable[[], int]) -> None:
        self._publish = publish
        self._clock_ms = clock_ms
        self._waiting: list[bytes] = []
        self._bytes = MESSAGE_OVERHEAD_BYTES
        self._credit_ms = CREDIT_MS_MAX
        self._counted_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self.left_out = 0
        self.sent = 0

    def add(self, kind: EntryKind, raw: bytes) -> None:
        """Send an entry soon: at once when little is going on, within `FLUSH_MS` else, or by reconciliation."""
        size = len(raw) + ENTRY_OVERHEAD_BYTES
        if self._bytes + size > GOSSIP_BYTES_MAX or len(self._waiting) >= BATCH_ENTRIES_MAX:
            self._flush()
        if self._bytes + size > GOSSIP_BYTES_MAX or len(self._waiting) >= BATCH_ENTRIES_MAX:
            self.left_out += 1
            return
        self._waiting.append(raw)
        self._bytes += size
        if self._timer is None:
            is_urgent = kind not in ALWAYS_BATCHED and self._credit() >= CREDIT_MS_MAX
            self._arm(0 if is_urgent else self._pause_ms())

    def close(self) -> None:
        """Send what waits, if a message may be sent; nothing is sent later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()

    def _arm(self, delay_ms: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush()
        if self._waiting:
            self._arm(self._pause_ms())

    def _pause_ms(self) -> int:
        return FLUSH_MS if self._credit() >= CREDIT_MS_MAX // 2 else FLUSH_BUSY_MS

    def _flush(self) -> None:
        cost_ms = 1000 // MESSAGES_PER_SECOND_MAX
        if not self._waiting or self._credit() < cost_ms:
            return
        self._credit_ms -= cost_ms
        entries, self._waiting, self._bytes = tuple(self._waiting), [], MESSAGE_OVERHEAD_BYTES
        self._publish(encode(GossipMessage(body=EntryBatch(entries=entries))))
        self.sent += 1

    def _credit(self) -> int:
        """Milliseconds of credit: a message costs a fifth of a second's worth, and a second's worth is the most."""
        now_ms = self._clock_ms()
        passed_ms = max(0, now_ms - self._counted_ms)
        self._counted_ms = now_ms
        self._credit_ms = min(CREDIT_MS_MAX, self._credit_ms + passed_ms)
        return self._credit_ms
