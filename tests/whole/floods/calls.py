"""Floods of calls."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import ReadBlobRequest, ReadChunksRequest, ReconcileStep, SubmitReceiptRequest
from tests.whole.floods.gossip import jobs

RECEIPT_BYTES: Final = 4_096
ENTRIES_A_STEP: Final = 64


async def reconciliations(parts: Any, peer: PeerId) -> None:
    """A comparison that is begun, and left in the middle."""
    async with parts.drivers.peers.calls.reconcile(peer) as duplex:
        await duplex.send(ReconcileStep(ranges=(), wanted=None, entries=(), end=False))
        await duplex.receive()


async def entries(parts: Any, peer: PeerId) -> None:
    """A comparison that brings jobs without end, each in another name."""
    keys = [Identity.from_seed(secrets.token_bytes(32)) for _ in range(ENTRIES_A_STEP)]
    async with parts.drivers.peers.calls.reconcile(peer) as duplex:
        while True:
            brought = jobs(NetworkId(parts.network.id), keys)
            await duplex.send(ReconcileStep(ranges=(), wanted=None, entries=brought, end=False))


async def reads(parts: Any, peer: PeerId) -> None:
    """The input of the first sub-block of a job, as a member of its room if it is one."""
    room = parts.core.room
    job = next(iter(parts.core.jobs), "bafyrei" + 52 * "a")
    instance = room.seat.instance if room is not None else secrets.token_hex(32)
    microjob = room.seat.microjob if room is not None else 0
    await _drain(
        parts.drivers.peers.calls.read_chunks(
            peer,
            ReadChunksRequest(job=job, microjob=microjob, instance=instance, sub_block=0, output=False),
        )
    )


async def blobs(parts: Any, peer: PeerId) -> None:
    """The module of a job."""
    found = [job.body.module_digest for job in parts.jobs._jobs.values() if job.body.module_digest]
    wanted = found[0] if found else secrets.token_bytes(32)
    await _drain(parts.drivers.peers.calls.read_blob(peer, ReadBlobRequest(digest=wanted)))


async def receipts(parts: Any, peer: PeerId) -> None:
    """What is no receipt, but has to be looked at."""
    request = SubmitReceiptRequest(receipt=secrets.token_bytes(RECEIPT_BYTES))
    await parts.drivers.peers.settlement.submit_receipt(peer, request)


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    async for _ in pieces:
        pass
