"""Receipts on their way to the SGNUS node: on disk from the moment that they are ours until it has answered.

What it answered lies on its disk: nothing is sent again then, whatever it does with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sgnus.core import effects as fx
from sgnus.core.claims import SUBMISSIONS
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    SUBMISSIONS_BYTES_MAX,
    SUBMISSIONS_KEPT_MAX,
    SUBMIT_AGAIN_MS_MAX,
    SUBMIT_AGAIN_MS_MIN,
)
from sgnus.messages.v1.types import SettlementState, SubmitReceiptRequest
from sgnus.ports import Store
from sgnus.runtime.sgnus_nodes import SgnusNodes

if TYPE_CHECKING:
    from sgnus.runtime.database import Database

LOG: Final = logging.getLogger("sgnus.receipts")
FAULTS_A_ROUND_MAX: Final = 3


class ReceiptOutbox:
    """Sends one after the other, and begins again after a while with what it could not send."""

    def __init__(self, nodes: SgnusNodes, store: Store, database: Database) -> None:
        self._nodes = nodes
        self._store = store
        self._database = database
        self._sizes: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._again_ms = SUBMIT_AGAIN_MS_MIN
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many receipts no SGNUS node has answered yet."""
        return len(self._sizes)

    async def start(self) -> None:
        """Go on with what is on disk."""
        kept = await self._store.facts(SUBMISSIONS)
        self._sizes = {key: len(data) for key, data in kept.items()}
        await self._bound()
        self._wake.set()
        self._task = asyncio.create_task(self._run(), name="receipt outbox")

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def submit(self, asked: fx.SubmitReceipt) -> None:
        """One more; it is on disk by now."""
        self._sizes[asked.key] = len(asked.receipt)
        self._again_ms = SUBMIT_AGAIN_MS_MIN
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._bound()
                is_done = await self._send_all()
            except WorldFault as fault:
                LOG.warning("%s", fault)
                is_done = False
            if is_done:
                self._again_ms = SUBMIT_AGAIN_MS_MIN
                continue
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(self._again_ms / 1000, self._wake.set)
            self._again_ms = min(SUBMIT_AGAIN_MS_MAX, 2 * self._again_ms)

    async def _send_all(self) -> bool:
        """Whether nothing is left. The first few faults end the attempt: who cannot be reached for one cannot for others."""
        faults = 0
        for key in list(self._sizes):
            if faults >= FAULTS_A_ROUND_MAX:
                break
            try:
                await self._send(key)
            except (PeerFault, WorldFault) as fault:
                LOG.info("a receipt waits for the SGNUS node: %s", fault)
                faults += 1
                self._sizes[key] = self._sizes.pop(
                    key
                )  # Behind the others, so that none keeps them from being sent.
        return not self._sizes

    async def _send(self, key: str) -> None:
        job, _microjob, _digest, named = key.split("/", 3)
        node = self._nodes.chosen(PeerId(named))
        data = (await self._store.facts(SUBMISSIONS, key)).get(key)
        if node is None or not data or await self._database.job(BlockId(job)) is None:
            await self._forget(key)  # Its job expired, or no SGNUS node is listed here: nobody settles it.
            return
        reply = await self._nodes.submit_receipt(node, SubmitReceiptRequest(receipt=data))
        if reply.state is SettlementState.REFUSED:
            LOG.warning("the SGNUS node refuses the receipt %s: %s", key, reply.detail)
        await self._forget(key)

    async def _bound(self) -> None:
        """What is too much on disk goes, the oldest first."""
        while self._sizes and (
            len(self._sizes) > SUBMISSIONS_KEPT_MAX or sum(self._sizes.values()) > SUBMISSIONS_BYTES_MAX
        ):
            oldest = next(iter(self._sizes))
            LOG.warning("too many receipts wait for the SGNUS node: %s is not submitted from here", oldest)
            await self._forget(oldest)

    async def _forget(self, key: str) -> None:
        self._sizes.pop(key, None)
        await self._store.delete_facts(SUBMISSIONS, keys=(key,))
