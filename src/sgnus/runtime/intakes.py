"""How many new entries one peer may say or bring: each costs a signature to check, a place on disk, and a look at its job.

What gossip brings beyond that is left to reconciliation; what a reconciliation brings is taken later. Nobody is held to
account for it: an honest neighbour passes on what others say.
"""

from __future__ import annotations

from collections.abc import Callable

from sgnus.adapters.overruns import monotonic_ms
from sgnus.adapters.remembered import Remembered
from sgnus.adapters.tokens import TokenBucket
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    COMPARED_ENTRIES_BURST,
    COMPARED_ENTRIES_PER_S,
    COMPARED_REST_S_MAX,
    COMPARED_WHILE_BUSY,
    GOSSIP_BUDGETS_MAX,
)


class Comparisons:
    """How long to rest after each lot of entries that a comparison with a peer brought. `is_busy` says whether this node has a
    job to work on: then it spends `COMPARED_WHILE_BUSY` of its time on them, in rests that no partner takes for silence.
    """

    def __init__(self) -> None:
        self.is_busy: Callable[[], bool] = lambda: False
        self._budget = EntryBudget(COMPARED_ENTRIES_PER_S, COMPARED_ENTRIES_BURST)

    def rest_s(self, neighbour: PeerId, new: int, spent_s: float) -> float:
        """`new` of them were new, and took us so long."""
        rest_s = self._budget.owe(neighbour, new) / 1000
        if not new or not self.is_busy():
            return rest_s
        return max(rest_s, min(COMPARED_REST_S_MAX, spent_s * (1 / COMPARED_WHILE_BUSY - 1)))


class EntryBudget:
    """A bucket each."""

    def __init__(self, per_s: int, burst: int, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self._clock_ms = clock_ms
        self._buckets = Remembered[PeerId, TokenBucket](
            GOSSIP_BUDGETS_MAX, lambda _: TokenBucket(per_s, burst, clock_ms())
        )

    def has_room(self, peer: PeerId) -> bool:
        """Whether more may come of it now."""
        return self._buckets.of(peer).has(1, self._clock_ms())

    def owe(self, peer: PeerId, entries: int) -> int:
        """Charge so many new ones (below 0: give so many back); how many ms until it owes nothing."""
        return self._buckets.of(peer).owe(entries, self._clock_ms())
