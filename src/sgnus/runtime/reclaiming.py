"""A publisher that was away when its microjob was settled asks the SGNUS node for the receipt, and takes it as any other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sgnus.core.inputs import Input, ReceiptFetched
from sgnus.core.receipt import digest_of
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import RECLAIM_MS_MAX, RECLAIM_MS_MIN
from sgnus.messages.v1.types import GetReceiptRequest
from sgnus.runtime.jobs import unix_ms

if TYPE_CHECKING:
    from sgnus.core.shelf import Settled
    from sgnus.runtime.jobs import Job
    from sgnus.runtime.sgnus_nodes import SgnusNodes
    from sgnus.runtime.work import Hands

LOG: Final = logging.getLogger("sgnus.receipts")
AT_ONCE_MAX: Final = 64


class Reclaiming:
    """Follows the jobs that this node publishes."""

    def __init__(self, nodes: SgnusNodes, hands: Hands, put: Callable[[Input], bool]) -> None:
        self._nodes = nodes
        self._hands = hands
        self._put = put
        self._waits_ms: dict[tuple[str, int], int] = {}

    def look(self, job: Job) -> None:
        """Ask for what was settled and not taken. More than a few at once wait for the next look."""
        if job.files is None or job.terms is None:
            return
        for microjob in job.untaken():
            key = (job.view.block_id, microjob)
            if key not in self._waits_ms and len(self._waits_ms) < AT_ONCE_MAX:
                self._waits_ms[key] = RECLAIM_MS_MIN
                self._hands.spawn(self._reclaim(job, key))

    async def _reclaim(self, job: Job, key: tuple[str, int]) -> None:
        """Until it is taken, or the job is over: each time in a row that it is not, the wait doubles."""
        try:
            while _is_open(job) and (settled := job.untaken().get(key[1])) is not None:
                await self._fetch(job, key[1], settled)
                await asyncio.sleep(self._waits_ms[key] / 1000)
                self._waits_ms[key] = min(RECLAIM_MS_MAX, 2 * self._waits_ms[key])
        finally:
            del self._waits_ms[key]

    async def _fetch(self, job: Job, microjob: int, settled: Settled) -> None:
        block_id, digest = BlockId(job.view.block_id), settled.body.receipt
        try:
            reply = await self._nodes.get_receipt(settled.node, GetReceiptRequest(digest=digest))
            if digest_of(reply.receipt) != digest:
                raise PeerFault("the SGNUS node gave another receipt than it was asked for")
            self._put(ReceiptFetched(block_id, microjob, reply.receipt))
        except (PeerFault, WorldFault) as fault:
            LOG.info("the receipt of microjob %s of %s cannot be had: %s", microjob, block_id, fault)


def _is_open(job: Job) -> bool:
    return job.view.is_open and job.view.expires_ms > unix_ms()
