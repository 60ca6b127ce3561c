"""What a SGNUS node makes of the bytes that peers bring as receipts: its job, and what they claim, all of it checked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sgnus.core import claims, receipt
from sgnus.core.claims import Claim
from sgnus.core.terms import Terms
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import NetworkId
from sgnus.messages.limits import SUBMITTED_CHECKS_AT_ONCE_MAX
from sgnus.messages.v1.types import Receipt
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.receipts import open_job, reader

if TYPE_CHECKING:
    from sgnus.runtime.database import Database


class Refused(Exception):
    """A receipt that cannot be settled, whoever brings it and whenever; says why."""


class ReceiptDesk:
    """A few checks at a time, beside the loop."""

    def __init__(self, network: NetworkId, database: Database, jobs: JobBook) -> None:
        self._network = network
        self._database = database
        self._jobs = jobs
        self._checks = asyncio.Semaphore(SUBMITTED_CHECKS_AT_ONCE_MAX)

    async def job_of(self, data: bytes) -> tuple[Receipt, Job]:
        """The receipt's parts and its job, which our database then has. Refused, or WorldFault for not now."""
        try:
            parts = receipt.read(data)
            if parts.network != self._network:
                raise Refused("it is of another network")
            opened = open_job(parts.job, self._network)
            view = await self._database.job(opened.cid)
            if view is None:
                await self._database.receive([parts.job])
                view = await self._database.job(opened.cid)
            if view is None:
                raise Refused("its job has expired, or may not be in the database")
            return parts, await self._jobs.update(view)
        except PeerFault as fault:
            raise Refused(str(fault)) from fault

    async def claim(self, job: Job, data: bytes) -> Claim:
        """Checked offline. Refused if it does not hold."""
        terms = job.terms
        if terms is None:
            raise Refused("its job asks for no verification")
        try:
            async with self._checks:
                return await asyncio.to_thread(_read, self._network, terms, data)
        except PeerFault as fault:
            raise Refused(str(fault)) from fault


def _read(network: NetworkId, terms: Terms, data: bytes) -> Claim:
    """In a thread: with a pen of its own."""
    return claims.read(reader(network), terms, data)
