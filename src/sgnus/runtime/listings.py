"""The explicit chunks of strangers' jobs, read beside everything else: a publisher may take as long over its list as it likes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sgnus.core.shelf import JobView
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.runtime.jobs import JobBook, unix_ms

LOG: Final = logging.getLogger("sgnus.jobs")
AT_ONCE: Final = 3
"""Each may bring 256 MiB (EXPLICIT_BYTES_MAX)."""
FETCH_S_MAX: Final = 60.0
RETRY_S: Final = 2.0
RETRY_S_MAX: Final = 60.0
QUEUED_MAX: Final = 512
RETRIED_MAX: Final = 512


class Listings:
    """At most `AT_ONCE` at a time, one of each publisher, in the order in which they were wanted. `again` is told of each job
    once its list is here. Beyond its bounds a job is left until it changes.
    """

    def __init__(self, jobs: JobBook, again: Callable[[BlockId], None]) -> None:
        self._jobs = jobs
        self._again = again
        self._queue: dict[BlockId, JobView] = {}
        self._tasks: dict[PeerId, asyncio.Task[None]] = {}
        self._waits_s: dict[BlockId, float] = {}
        self._timers: dict[BlockId, asyncio.TimerHandle] = {}
        self._is_stopped = False

    def fetch(self, view: JobView) -> None:
        """Once its turn comes."""
        if view.block_id in self._queue or len(self._queue) < QUEUED_MAX:
            self._queue[view.block_id] = view
            self._begin()
        else:
            self._waits_s.pop(view.block_id, None)

    async def stop(self) -> None:
        """Leave off."""
        self._is_stopped = True
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        for job, view in list(self._queue.items()):
            if self._is_stopped or len(self._tasks) >= AT_ONCE:
                return
            if view.author not in self._tasks:
                del self._queue[job]
                self._tasks[view.author] = asyncio.create_task(self._fetch(view))

    async def _fetch(self, view: JobView) -> None:
        job = view.block_id
        wait_s = self._waits_s.pop(job, RETRY_S)
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                await self._jobs.update(view)
        except PeerFault as fault:
            LOG.info("job %s cannot be: %s", job, fault, extra={"job": job})
        except (WorldFault, TimeoutError) as fault:
            LOG.info("job %s: %s", job, fault or "its list took too long", extra={"job": job})
            self._later(view, wait_s)
        except Exception:
            LOG.exception("job %s could not be looked at", job, extra={"job": job})
        else:
            self._again(job)
        finally:
            del self._tasks[view.author]
            self._begin()

    def _later(self, view: JobView, wait_s: float) -> None:
        """Each time twice as late, and not beyond its life."""
        job = view.block_id
        if view.expires_ms <= unix_ms() or job in self._timers or len(self._timers) >= RETRIED_MAX:
            return
        self._waits_s[job] = min(RETRY_S_MAX, 2 * wait_s)
        self._timers[job] = asyncio.get_running_loop().call_later(wait_s, self._retry, view)

    def _retry(self, view: JobView) -> None:
        del self._timers[view.block_id]
        self.fetch(view)
