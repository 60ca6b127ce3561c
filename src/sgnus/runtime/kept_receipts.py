"""The receipts that a SGNUS node keeps on disk, until their jobs expire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.core.settlement_events import OPEN, RECEIPTS
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import RECEIPTS_LISTED_MAX, SETTLED_RECEIPTS_BYTES_MAX
from sgnus.ports import Store

PLACES: Final = "settlement-place"
"""Namespace of where a receipt lies among RECEIPTS, by digest."""
JOBS: Final = "settlement-job"
"""Namespace of what is kept of each job: when it expires, how many bytes."""
NUMBER_BYTES: Final = 8


@dataclass(slots=True)
class KeptJob:
    """When its entry expires, and how much of it is kept."""

    expires_ms: int
    held_bytes: int = 0

    def pack(self) -> bytes:
        return self.expires_ms.to_bytes(NUMBER_BYTES, "big") + self.held_bytes.to_bytes(NUMBER_BYTES, "big")

    @staticmethod
    def unpack(data: bytes) -> KeptJob:
        return KeptJob(int.from_bytes(data[:NUMBER_BYTES], "big"), int.from_bytes(data[NUMBER_BYTES:], "big"))


class KeptReceipts:
    """All of them. Bounded in bytes; what goes beyond is WorldFault, for the peer to bring again."""

    def __init__(self, store: Store, bytes_max: int = SETTLED_RECEIPTS_BYTES_MAX) -> None:
        self._store = store
        self._bytes_max = bytes_max
        self._jobs: dict[BlockId, KeptJob] = {}
        self._held_bytes = 0

    async def load(self) -> None:
        """Read what there is."""
        kept = await self._store.facts(JOBS)
        self._jobs = {BlockId(job): KeptJob.unpack(value) for job, value in kept.items()}
        self._held_bytes = sum(job.held_bytes for job in self._jobs.values())

    async def opened(self) -> list[tuple[BlockId, int]]:
        """The microjobs that are not settled yet."""
        places = (key.split("/") for key in await self._store.facts(OPEN))
        return [(BlockId(job), int(microjob)) for job, microjob in places]

    async def keep(self, facts: Mapping[str, bytes], job: BlockId, expires_ms: int) -> None:
        """Receipts of one job, durably. WorldFault when there is no room, or the disk refuses."""
        size = sum(map(len, facts.values()))
        if self._held_bytes + size > self._bytes_max:
            raise WorldFault("this SGNUS node keeps as many receipts as it may")
        kept = self._jobs.setdefault(job, KeptJob(expires_ms))
        kept.held_bytes += size
        self._held_bytes += size
        await self._store.put_facts(JOBS, {job: kept.pack()})
        await self._store.put_facts(PLACES, {_digest_in(key): key.encode() for key in facts})
        await self._store.put_facts(RECEIPTS, facts)

    async def forget(self, keys: Sequence[str]) -> None:
        """These are not needed any more. (Their bytes count as long as their job is kept.)"""
        await self._store.delete_facts(RECEIPTS, keys=keys)
        await self._store.delete_facts(PLACES, keys=[_digest_in(key) for key in keys])

    async def of(self, job: BlockId, microjob: int) -> list[bytes]:
        """The receipts of one microjob."""
        return list((await self._store.facts(RECEIPTS, f"{job}/{microjob}/")).values())

    async def get(self, digest: bytes) -> bytes:
        """The receipt of that digest. PeerFault if it is not kept here."""
        name = digest.hex()
        place = (await self._store.facts(PLACES, name)).get(name, b"").decode()
        data = (await self._store.facts(RECEIPTS, place)).get(place) if place else None
        if data is None:
            raise PeerFault("no receipt of that digest is kept here")
        return data

    async def digests(self, job: BlockId) -> list[bytes]:
        """Those of a job, the first so many."""
        if job not in self._jobs:
            return []
        keys = list(await self._store.facts(RECEIPTS, f"{job}/"))[:RECEIPTS_LISTED_MAX]
        return [bytes.fromhex(_digest_in(key)) for key in keys]

    async def expire(self, now_ms: int) -> list[BlockId]:
        """Forget all about jobs that have expired; returns which."""
        gone = [job for job, kept in self._jobs.items() if kept.expires_ms < now_ms]
        for job in gone:
            keys = list(await self._store.facts(RECEIPTS, f"{job}/"))
            await self.forget(keys)
            await self._store.delete_facts(OPEN, f"{job}/")
            await self._store.delete_facts(JOBS, keys=(job,))
            self._held_bytes -= self._jobs.pop(job).held_bytes
        return gone


def _digest_in(key: str) -> str:
    """Of a key `<job>/<microjob>/<digest>`."""
    return key.rpartition("/")[2]
