"""When this node looks at jobs that are new to it: at once, as long as their publisher brings few.

To look at a job costs its plan, a lobby and a place in memory; a peer may sign hundreds a second. Publishers in touch with us
have a budget each. All others share one: names cost nothing. A node that has work of its own looks at fewer, from budgets
apart: it will need another job only later, and then at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from sgnus.adapters.overruns import monotonic_ms
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    FAR_JOB_WHILE_BUSY,
    NEW_JOB_WHILE_BUSY,
    NEW_JOBS_BURST,
    NEW_JOBS_PER_S,
    NEW_JOBS_WAIT_MS_MAX,
)
from sgnus.runtime.intakes import EntryBudget

_OTHERS: Final = PeerId("")


class Newcomers:
    """Decides only. `is_near` says who is in touch with us, `is_busy` whether this node has a job to work on."""

    def __init__(
        self,
        is_near: Callable[[PeerId], bool],
        is_busy: Callable[[], bool],
        clock_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._is_near = is_near
        self.is_busy = is_busy
        self._clock_ms = clock_ms
        self._budgets = {
            is_busy: EntryBudget(NEW_JOBS_PER_S, NEW_JOBS_BURST, clock_ms) for is_busy in (False, True)
        }
        self._due: dict[BlockId, tuple[int, bool]] = {}
        """When, and whether we were busy then: who has nothing to do any more waits for nothing that was put off before."""

    def wait_ms(self, job: BlockId, author: PeerId) -> int | None:
        """How long to put off a look at this job: 0 is now. None: so many wait that this one is left until there is room."""
        now_ms, is_busy = self._clock_ms(), self.is_busy()
        due_ms, was_busy = self._due.get(job, (None, False))
        if due_ms is not None and due_ms <= now_ms:
            del self._due[job]
            return 0
        left_ms = None if due_ms is None else due_ms - now_ms
        if left_ms is not None and was_busy <= is_busy:
            return left_ms
        wait_ms = self._charged(author, NEW_JOBS_WAIT_MS_MAX if left_ms is None else left_ms, is_busy=is_busy)
        if wait_ms is None:
            return left_ms
        self._due.pop(job, None)
        if wait_ms:
            self._due[job] = now_ms + wait_ms, is_busy
        return wait_ms

    def _charged(self, author: PeerId, longest_ms: int, *, is_busy: bool) -> int | None:
        """How long until this one more is paid for. None, and nothing is charged, if that is longer than so long."""
        is_near, budget = self._is_near(author), self._budgets[is_busy]
        cost = (NEW_JOB_WHILE_BUSY if is_near else FAR_JOB_WHILE_BUSY) if is_busy else 1
        name = author if is_near else _OTHERS
        wait_ms = budget.owe(name, cost)
        if wait_ms <= longest_ms:
            return wait_ms
        budget.owe(name, -cost)
        return None

    def forget(self, job: BlockId) -> None:
        """It is over."""
        self._due.pop(job, None)


class Looks:
    """The jobs that are looked at next, each once, and whether to look for others as well: there is room in the lobbies, or some
    were left that were too many then.
    """

    def __init__(self, newcomers: Newcomers) -> None:
        self.newcomers = newcomers
        self._pending: dict[BlockId, None] = {}
        self._waiting: dict[BlockId, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._is_search_due = self._was_busy = False
        self._left: asyncio.TimerHandle | None = None

    def add(self, job: BlockId) -> None:
        """Soon."""
        self._pending[job] = None
        self._wake.set()

    def search(self) -> None:
        """Look for others soon."""
        if self._left is not None:
            self._left.cancel()
        self._is_search_due, self._left = True, None
        self._wake.set()

    def has_to_search(self) -> bool:
        """Whether to look for others now. Asked once for each search."""
        is_due, self._is_search_due = self._is_search_due, False
        return is_due

    async def next(self) -> Iterable[BlockId]:
        """All that there are, once there are some, or others have to be looked for. When our work has ended, also all that were
        put off.
        """
        await self._wake.wait()
        self._wake.clear()
        was_busy, self._was_busy = self._was_busy, self.newcomers.is_busy()
        if was_busy and not self._was_busy:
            self._pending.update(dict.fromkeys(self._waiting))
            self.search()
            self._wake.clear()
        pending, self._pending = self._pending, {}
        return pending

    def put_off(self, job: BlockId, author: PeerId) -> bool:
        """Whether a job that is new to us has to wait; it comes again, or is found by a search."""
        wait_ms = self.newcomers.wait_ms(job, author)
        loop = asyncio.get_running_loop()
        if job in self._waiting:
            self._waiting.pop(job).cancel()
        if wait_ms is None and self._left is None:
            self._left = loop.call_later(NEW_JOBS_WAIT_MS_MAX / 1000, self.search)
        elif wait_ms:
            self._waiting[job] = loop.call_later(wait_ms / 1000, self._come, job)
        return wait_ms != 0

    def _come(self, job: BlockId) -> None:
        self._waiting.pop(job, None)
        self.add(job)
