"""How many new entries one peer may say or bring: each costs a signature to check, a place on disk, and a look at its job.

What gossip brings beyond that is left to reconciliation; what a reconciliation brings is taken later. Nobody is held to
account for it: an honest neighbour passes on what others say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from sgnus.adapters.overruns import monotonic_ms
from sgnus.adapters.tokens import TokenBucket
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import GOSSIP_BUDGETS_MAX


class EntryBudget:
    """Of each neighbour, the least recently used forgotten first."""

    def __init__(self, per_s: int, burst: int, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self._per_s, self._burst = per_s, burst
        self._clock_ms = clock_ms
        self._buckets: OrderedDict[PeerId, TokenBucket] = OrderedDict()

    def has_room(self, neighbour: PeerId) -> bool:
        """Whether more may come of it now."""
        return self._of(neighbour).has(1, self._clock_ms())

    def owe(self, neighbour: PeerId, entries: int) -> int:
        """Charge so many new ones (below 0: give so many back); how many ms until it owes nothing."""
        return self._of(neighbour).owe(entries, self._clock_ms())

    def _of(self, neighbour: PeerId) -> TokenBucket:
        if neighbour not in self._buckets:
            self._buckets[neighbour] = TokenBucket(self._per_s, self._burst, self._clock_ms())
            if len(self._buckets) > GOSSIP_BUDGETS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(neighbour)
        return self._buckets[neighbour]
