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
    FAR_ENTRIES_BURST,
    FAR_ENTRIES_PER_S,
    FAR_ENTRY_WHILE_BUSY,
    GOSSIP_BUDGETS_MAX,
    GOSSIPED_ENTRIES_BURST,
    GOSSIPED_ENTRIES_PER_S,
    NEAR_ENTRY_WHILE_BUSY,
)


class Comparisons:
    """How long to rest after each lot of entries that a comparison with a peer brought. `is_busy` says whether this node has a
    job to work on: then it spends `COMPARED_WHILE_BUSY` of its time on them, in rests that no partner takes for silence.
    """

    def __init__(self) -> None:
        self.is_busy: Callable[[], bool] = lambda: False
        self._budget = EntryBudget(COMPARED_ENTRIES_PER_S, COMPARED_ENTRIES_BURST)

    def rest_s(self, neighbour: PeerId, looked_at: int, spent_s: float) -> float:
        """So many had to be looked at, and took us so long."""
        rest_s = self._budget.owe(neighbour, looked_at) / 1000
        if not looked_at or not self.is_busy():
            return rest_s
        return max(rest_s, min(COMPARED_REST_S_MAX, spent_s * (1 / COMPARED_WHILE_BUSY - 1)))


class GossipedEntries:
    """Who pays for entries that are gossiped: their author, where it is in touch with us; else the neighbour that brings them,
    from a budget apart from that of its own words: it passes on what any flooder says in ever new names. While `is_busy`, all
    count more, those most: a node that has work needs other jobs only later. Whom it `works_for` tells it of that very work.
    """

    def __init__(self, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self.is_busy: Callable[[], bool] = lambda: False
        self.works_for: Callable[[PeerId], bool] = lambda _author: False
        self._said = EntryBudget(GOSSIPED_ENTRIES_PER_S, GOSSIPED_ENTRIES_BURST, clock_ms)
        self._brought = EntryBudget(FAR_ENTRIES_PER_S, FAR_ENTRIES_BURST, clock_ms)

    def afford(self, entries: int, author: PeerId, neighbour: PeerId, *, is_near: bool) -> int:
        """How many of so many entries of this author, which this neighbour brought, are paid for. Nobody ever owes: a single
        message would make us deaf for minutes.
        """
        is_busy = self.is_busy()
        if is_near:
            is_other = is_busy and not self.works_for(author)
            return self._said.afford(author, entries, NEAR_ENTRY_WHILE_BUSY if is_other else 1)
        return self._brought.afford(neighbour, entries, FAR_ENTRY_WHILE_BUSY if is_busy else 1)


class EntryBudget:
    """A bucket each."""

    def __init__(self, per_s: int, burst: int, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self._clock_ms = clock_ms
        self._buckets = Remembered[PeerId, TokenBucket](
            GOSSIP_BUDGETS_MAX, lambda _: TokenBucket(per_s, burst, clock_ms())
        )

    def afford(self, peer: PeerId, entries: int, cost: int = 1) -> int:
        """Charge as many of these as there is room for, at `cost` each; how many those are."""
        return self._buckets.of(peer).afford(entries, cost, self._clock_ms())

    def owe(self, peer: PeerId, entries: int) -> int:
        """Charge so many new ones (below 0: give so many back); how many ms until it owes nothing."""
        return self._buckets.of(peer).owe(entries, self._clock_ms())
