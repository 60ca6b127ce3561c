"""How many new entries one neighbour may bring: each costs a signature to check, a place on disk, and a look at its job.

What gossip brings beyond that is left to reconciliation; what a reconciliation brings is taken later. Nobody is held to
account for it: an honest neighbour passes on what others say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from sgnus.adapters.tokens import TokenBucket
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    COMPARED_ENTRIES_BURST,
    COMPARED_ENTRIES_PER_S,
    GOSSIP_BUDGETS_MAX,
    GOSSIPED_ENTRIES_BURST,
    GOSSIPED_ENTRIES_PER_S,
)


class Intakes:
    """Of each neighbour, the least recently used forgotten first."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._buckets: OrderedDict[PeerId, tuple[TokenBucket, TokenBucket]] = OrderedDict()

    def allows(self, neighbour: PeerId, entries: int) -> bool:
        """Charge so many new entries that gossip brought; False: too many."""
        gossiped, _ = self._of(neighbour)
        return gossiped.take(entries, self._clock_ms())

    def owe(self, neighbour: PeerId, entries: int) -> int:
        """Charge so many that a reconciliation brought; how many ms to wait before more are taken."""
        _, compared = self._of(neighbour)
        return compared.owe(entries, self._clock_ms())

    def _of(self, neighbour: PeerId) -> tuple[TokenBucket, TokenBucket]:
        if neighbour not in self._buckets:
            now_ms = self._clock_ms()
            self._buckets[neighbour] = (
                TokenBucket(GOSSIPED_ENTRIES_PER_S, GOSSIPED_ENTRIES_BURST, now_ms),
                TokenBucket(COMPARED_ENTRIES_PER_S, COMPARED_ENTRIES_BURST, now_ms),
            )
            if len(self._buckets) > GOSSIP_BUDGETS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(neighbour)
        return self._buckets[neighbour]
