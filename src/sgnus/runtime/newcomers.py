"""When this node looks at jobs that are new to it: at once, as long as their publisher brings few.

To look at a job costs its plan and a place in memory; a peer may sign hundreds a second. Publishers in touch with us have a
budget each. All others share one: names cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sgnus.adapters.overruns import monotonic_ms
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import NEW_JOBS_BURST, NEW_JOBS_PER_S, NEW_JOBS_WAIT_MS_MAX
from sgnus.runtime.intakes import EntryBudget

_OTHERS: Final = PeerId("")


class Newcomers:
    """Decides only. `is_near` says who is in touch with us."""

    def __init__(self, is_near: Callable[[PeerId], bool], clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self._is_near = is_near
        self._clock_ms = clock_ms
        self._budget = EntryBudget(NEW_JOBS_PER_S, NEW_JOBS_BURST, clock_ms)
        self._due_ms: dict[BlockId, int] = {}

    def wait_ms(self, job: BlockId, author: PeerId) -> int | None:
        """How long to put off a look at this job: 0 is now. None: so many wait that this one is left until there is room."""
        now_ms = self._clock_ms()
        if job in self._due_ms:
            wait_ms = max(0, self._due_ms[job] - now_ms)
            if not wait_ms:
                del self._due_ms[job]
            return wait_ms
        name = author if self._is_near(author) else _OTHERS
        wait_ms = self._budget.owe(name, 1)
        if wait_ms > NEW_JOBS_WAIT_MS_MAX:
            self._budget.owe(name, -1)
            return None
        if wait_ms:
            self._due_ms[job] = now_ms + wait_ms
        return wait_ms

    def forget(self, job: BlockId) -> None:
        """It is over."""
        self._due_ms.pop(job, None)
