"""The publisher's private share: some of what it receives is run again here, by dice that nobody else sees."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, Rechecked
from sgnus.messages.errors import OurFault, PeerFault, WorldFault
from sgnus.messages.ids import InstanceId
from sgnus.messages.limits import RECHECKS_WAITING_MAX
from sgnus.runtime.jobs import JobBook
from sgnus.runtime.work import Hands, Worker

LOG: Final = logging.getLogger("sgnus.rechecks")
BENCH: Final = InstanceId("publisher")


class Rechecks:
    """One at a time, so that rounds and leases never wait for more than one of them. `permille` of all chunks; `put` gives
    inputs to the core.
    """

    def __init__(
        self,
        jobs: JobBook,
        worker: Worker,
        hands: Hands,
        put: Callable[[Input], bool],
        *,
        permille: int,
        dice: random.Random | None = None,
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._hands = hands
        self._put = put
        self._permille = permille
        self._dice = dice or random.SystemRandom()
        self._turn = asyncio.Lock()
        self._waiting = 0

    def draw(self, chunks: Sequence[int]) -> tuple[int, ...]:
        """Which of these chunks are run again: each by its own throw."""
        return tuple(chunk for chunk in chunks if self._dice.randrange(1000) < self._permille)

    def run(self, asked: fx.Recheck) -> None:
        """Start; ends in Rechecked."""
        if self._waiting >= RECHECKS_WAITING_MAX:
            about = {"job": asked.job}
            LOG.warning(
                "too many results wait to be run again: one of %s is left out", asked.job, extra=about
            )
            self._put(Rechecked(asked.job, asked.microjob, asked.sub_block, asked.chunks, None))
            return
        self._waiting += 1
        self._hands.spawn(self._run(asked))

    async def _run(self, asked: fx.Recheck) -> None:
        digests: bytes | None = None
        try:
            async with self._turn:
                job = self._jobs.get(asked.job)
                if job is not None and job.files is not None:
                    digests = await self._worker.digests(job, BENCH, asked.chunks)
        except (PeerFault, OurFault, WorldFault) as fault:
            about = {"job": asked.job, "microjob": asked.microjob}
            LOG.warning("chunks %s cannot be run again: %s", list(asked.chunks[:8]), fault, extra=about)
        except Exception:
            # The microjob must not wait for what nobody does any more.
            LOG.exception("chunks %s cannot be run again", list(asked.chunks[:8]))
        finally:
            self._waiting -= 1
        self._put(Rechecked(asked.job, asked.microjob, asked.sub_block, asked.chunks, digests))
