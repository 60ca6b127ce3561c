"""The Store port in memory: for tests, simulations, and nodes that need not remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sgnus.ports import FACTS_OF_JOBS, EntryRow, JobRow, StoreChange, StoreCounts
from sgnus.wire.dagcbor import cid_of_digest


class FakeStore:
    """Behaves as the SQLite store does, without a disk. It survives close and open, as a file would."""

    def __init__(self) -> None:
        self._entries: dict[bytes, EntryRow] = {}
        self._jobs: dict[bytes, JobRow] = {}
        self._gone: dict[bytes, bytes] = {}
        self._facts: dict[str, dict[str, bytes]] = {}
        self.durable_commits = 0

    async def open(self) -> Sequence[str]:
        """Nothing to open, nothing to say."""
        return ()

    async def apply(self, change: StoreChange, *, durable: bool) -> None:
        """See `Store.apply`."""
        for entry_id in change.removes:
            self._entries.pop(entry_id, None)
        for row in change.puts:
            self._entries.setdefault(row.id, row)
        for job in change.gone_jobs:
            if job in self._jobs:
                self._gone[job] = self._jobs.pop(job).id[:8]
            for entry_id in [row.id for row in self._entries.values() if row.job == job]:
                del self._entries[entry_id]
        for view in change.jobs:
            self._jobs[view.job] = view
            self._gone.pop(view.job, None)
        self.durable_commits += durable

    async def entries_of(self, jobs: Sequence[bytes]) -> Sequence[EntryRow]:
        """See `Store.entries_of`."""
        wanted = frozenset(jobs)
        return sorted((row for row in self._entries.values() if row.job in wanted), key=lambda row: row.id)

    async def bodies(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        """See `Store.bodies`."""
        return [self._entries[entry_id].raw for entry_id in ids if entry_id in self._entries]

    async def ids(self) -> bytes:
        """See `Store.ids`."""
        return b"".join(sorted(self._entries))

    async def open_jobs(self, limit: int) -> Sequence[bytes]:
        """See `Store.open_jobs`."""
        rows = sorted(
            (row for row in self._jobs.values() if row.is_open), key=lambda row: (-row.priority, row.id)
        )
        return [row.job for row in rows[:limit]]

    async def jobs_of(self, author: str | None) -> Sequence[bytes]:
        """See `Store.jobs_of`."""
        rows = [row for row in self._jobs.values() if author in (None, row.author)]
        return [row.job for row in sorted(rows, key=lambda row: row.id)]

    async def jobs_with(self, kind: int, after: bytes, limit: int) -> Sequence[bytes]:
        """See `Store.jobs_with`."""
        found = {row.job for row in self._entries.values() if row.kind == kind and row.job > after}
        return sorted(found)[:limit]

    async def expire(self, below_ms: int, facts_below_ms: int) -> Sequence[bytes]:
        """See `Store.expire`."""
        floor, facts_floor = (floor_ms.to_bytes(8, "big") for floor_ms in (below_ms, facts_below_ms))
        gone = sorted(entry_id for entry_id in self._entries if entry_id < floor)
        jobs = sorted({self._entries[entry_id].job for entry_id in gone})
        for entry_id in gone:
            del self._entries[entry_id]
        for job in jobs:
            if job in self._jobs and self._jobs[job].id < floor:
                self._gone[job] = self._jobs.pop(job).id[:8]
        for job in [job for job, expires in self._gone.items() if expires < facts_floor]:
            del self._gone[job]
            _forget_facts(self._facts, job)
        return jobs

    async def counts(self) -> StoreCounts:
        """See `Store.counts`."""
        return StoreCounts(
            len(self._entries), len(self._jobs), sum(row.is_open for row in self._jobs.values())
        )

    async def put_facts(self, namespace: str, facts: Mapping[str, bytes], *, durable: bool = True) -> None:
        """See `Store.put_facts`."""
        self._facts.setdefault(namespace, {}).update(facts)
        self.durable_commits += durable

    async def facts(self, namespace: str, prefix: str = "") -> Mapping[str, bytes]:
        """See `Store.facts`."""
        held = self._facts.get(namespace, {})
        return {key: held[key] for key in sorted(held) if key.startswith(prefix)}

    async def delete_facts(self, namespace: str, prefix: str = "", keys: Sequence[str] | None = None) -> None:
        """See `Store.delete_facts`."""
        held = self._facts.get(namespace, {})
        for key in [key for key in held if key.startswith(prefix)] if keys is None else keys:
            held.pop(key, None)

    async def close(self) -> None:
        """Nothing to close."""


def _forget_facts(facts: dict[str, dict[str, bytes]], job: bytes) -> None:
    for namespace in FACTS_OF_JOBS:
        held = facts.get(namespace, {})
        for key in [key for key in held if key.startswith(f"{cid_of_digest(job)}/")]:
            del held[key]
