"""The explicit chunks of strangers' jobs, read beside everything else: a publisher may take as long over its list as it likes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sgnus.core.shelf import JobView
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.runtime.jobs import JobBook

LOG: Final = logging.getLogger("sgnus.jobs")
AT_ONCE: Final = 8
FETCH_S_MAX: Final = 60.0
RETRY_S: Final = 2.0
RETRY_S_MAX: Final = 60.0
WAITS_KEPT_MAX: Final = 512


class Listings:
    """At most `AT_ONCE` at a time, one of each publisher. `again` is told of each job once its list is here, or to ask anew."""

    def __init__(self, jobs: JobBook, again: Callable[[BlockId], None]) -> None:
        self._jobs = jobs
        self._again = again
        self._tasks: dict[PeerId, asyncio.Task[None]] = {}
        self._waits_s: dict[BlockId, float] = {}
        self._waiting: dict[BlockId, None] = {}

    def fetch(self, view: JobView) -> None:
        """Begin, or come to it later if its publisher or too many others are being asked."""
        if view.author in self._tasks or len(self._tasks) >= AT_ONCE:
            self._later(view.block_id)
        else:
            self._tasks[view.author] = asyncio.create_task(self._fetch(view))

    async def stop(self) -> None:
        """Leave off."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, view: JobView) -> None:
        job = view.block_id
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                await self._jobs.update(view)
        except PeerFault as fault:
            LOG.info("job %s cannot be: %s", job, fault, extra={"job": job})
            self._waits_s.pop(job, None)
        except (WorldFault, TimeoutError) as fault:
            LOG.info("job %s: %s", job, fault or "its list took too long", extra={"job": job})
            self._later(job)
        except Exception:
            LOG.exception("job %s could not be looked at", job, extra={"job": job})
        else:
            self._waits_s.pop(job, None)
            self._again(job)
        finally:
            del self._tasks[view.author]

    def _later(self, job: BlockId) -> None:
        """Each time twice as late."""
        if job in self._waiting:
            return
        self._waiting[job] = None
        wait_s = self._waits_s.pop(job, RETRY_S)
        self._waits_s[job] = min(RETRY_S_MAX, 2 * wait_s)
        while len(self._waits_s) > WAITS_KEPT_MAX:
            del self._waits_s[next(iter(self._waits_s))]
        asyncio.get_running_loop().call_later(wait_s, self._come, job)

    def _come(self, job: BlockId) -> None:
        self._waiting.pop(job, None)
        self._again(job)
