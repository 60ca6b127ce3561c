"""The Store port on SQLite: one file in WAL mode, behind one thread (`thread.py`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sgnus.adapters.store.thread import StoreThread
from sgnus.ports import FACTS_OF_JOBS, EntryRow, JobRow, StoreChange, StoreCounts
from sgnus.wire.dagcbor import cid_of_digest

IDS_PER_QUERY_MAX: Final = 500
LAST_CHARACTER: Final = "\U0010ffff"
"""Behind every key that has a prefix; so the index serves, however much else is in the namespace."""
GONE: Final = "gone"
"""Namespace of jobs that are here no more, as long as facts about them are kept: keys are their expiry in hex, and BLOCKID."""
_ABOUT_A_JOB: Final = f"namespace IN ({','.join('?' * len(FACTS_OF_JOBS))}) AND key >= ? AND key < ?"


class SqliteStore:
    """See `Store`. One instance per file; two processes on one file is the caller's lock to prevent."""

    def __init__(self, path: Path) -> None:
        self._thread = StoreThread(path)

    async def open(self) -> Sequence[str]:
        """See `Store.open`. A corrupt file is renamed to `<name>.corrupt-<n>`, and an empty one begun."""
        return await self._thread.open()

    async def apply(self, change: StoreChange, *, durable: bool) -> None:
        """See `Store.apply`."""
        await self._thread.do(lambda connection: _apply(connection, change), durable=durable)

    async def entries_of(self, jobs: Sequence[bytes]) -> Sequence[EntryRow]:
        """See `Store.entries_of`."""
        rows = await self._thread.do(
            lambda connection: _select(
                connection, "SELECT id, job, kind, author, raw FROM entries WHERE job IN", jobs
            )
        )
        return sorted((EntryRow(*row) for row in rows), key=lambda row: row.id)

    async def bodies(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        """See `Store.bodies`."""
        rows = await self._thread.do(
            lambda connection: _select(connection, "SELECT id, raw FROM entries WHERE id IN", ids)
        )
        found = dict(rows)
        return [found[entry_id] for entry_id in ids if entry_id in found]

    async def ids(self) -> bytes:
        """See `Store.ids`."""
        return await self._thread.do(_all_ids)

    async def open_jobs(self, limit: int) -> Sequence[bytes]:
        """See `Store.open_jobs`."""
        query = "SELECT job FROM jobs WHERE open = 1 ORDER BY priority DESC, id LIMIT ?"
        return await self._thread.do(
            lambda connection: [row[0] for row in connection.execute(query, (limit,))]
        )

    async def jobs_of(self, author: str | None) -> Sequence[bytes]:
        """See `Store.jobs_of`."""
        which, given = ("WHERE author = ?", (author,)) if author is not None else ("", ())
        query = f"SELECT job FROM jobs {which} ORDER BY id"
        return await self._thread.do(lambda connection: [row[0] for row in connection.execute(query, given)])

    async def jobs_with(self, kind: int, after: bytes, limit: int) -> Sequence[bytes]:
        """See `Store.jobs_with`."""
        query = f"SELECT DISTINCT job FROM entries WHERE kind = {kind:d} AND job > ? ORDER BY job LIMIT ?"
        return await self._thread.do(
            lambda connection: [row[0] for row in connection.execute(query, (after, limit))]
        )

    async def expire(self, below_ms: int, facts_below_ms: int) -> Sequence[bytes]:
        """See `Store.expire`."""
        floors = [floor_ms.to_bytes(8, "big") for floor_ms in (below_ms, facts_below_ms)]
        return await self._thread.do(lambda connection: expire_in(connection, *floors), durable=False)

    async def counts(self) -> StoreCounts:
        """See `Store.counts`."""
        return await self._thread.do(_counts)

    async def put_facts(self, namespace: str, facts: Mapping[str, bytes], *, durable: bool = True) -> None:
        """See `Store.put_facts`."""
        rows = [(namespace, key, value) for key, value in facts.items()]
        statement = "INSERT INTO facts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        await self._thread.do(
            lambda connection: connection.executemany(statement, rows) and None, durable=durable
        )

    async def facts(self, namespace: str, prefix: str = "") -> Mapping[str, bytes]:
        """See `Store.facts`."""
        query = "SELECT key, value FROM facts WHERE namespace = ? AND key >= ? AND key < ? ORDER BY key"
        bounds = (namespace, prefix, prefix + LAST_CHARACTER)
        return await self._thread.do(lambda connection: dict(connection.execute(query, bounds).fetchall()))

    async def delete_facts(self, namespace: str, prefix: str = "", keys: Sequence[str] | None = None) -> None:
        """See `Store.delete_facts`."""
        await self._thread.do(
            lambda connection: _delete_facts(connection, namespace, prefix, keys), durable=False
        )

    async def close(self) -> None:
        """See `Store.close`."""
        await self._thread.close()


def _apply(connection: sqlite3.Connection, change: StoreChange) -> None:
    connection.executemany("DELETE FROM entries WHERE id = ?", [(entry_id,) for entry_id in change.removes])
    connection.executemany(
        "INSERT OR IGNORE INTO entries (id, job, kind, author, raw) VALUES (?, ?, ?, ?, ?)",
        [(row.id, row.job, row.kind, row.author, row.raw) for row in change.puts],
    )
    _mark_gone(connection, change.gone_jobs)
    for statement in ("DELETE FROM jobs WHERE job = ?", "DELETE FROM entries WHERE job = ?"):
        connection.executemany(statement, [(job,) for job in change.gone_jobs])
    _delete_facts(connection, GONE, "", [_mark_of(row.job, row.id) for row in change.jobs])
    connection.executemany(
        "INSERT INTO jobs (job, id, author, open, priority) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (job) DO UPDATE SET open = excluded.open, priority = excluded.priority",
        [_job_values(row) for row in change.jobs],
    )


def _job_values(row: JobRow) -> tuple[Any, ...]:
    return (row.job, row.id, row.author, int(row.is_open), row.priority)


def _select(connection: sqlite3.Connection, query: str, keys: Sequence[bytes]) -> list[Any]:
    rows: list[Any] = []
    for start in range(0, len(keys), IDS_PER_QUERY_MAX):
        part = keys[start : start + IDS_PER_QUERY_MAX]
        rows += connection.execute(f"{query} ({','.join('?' * len(part))})", part).fetchall()
    return rows


def _all_ids(connection: sqlite3.Connection) -> bytes:
    return b"".join(row[0] for row in connection.execute("SELECT id FROM entries ORDER BY id"))


def expire_in(connection: sqlite3.Connection, floor: bytes, facts_floor: bytes) -> list[bytes]:
    """See `Store.expire`; the floors are ids, or their first 8 bytes."""
    # With a bare `job` SQLite would walk all entries in the order of their jobs, which takes seconds.
    query = "SELECT DISTINCT +job FROM entries WHERE id < ? ORDER BY 1"
    jobs = [row[0] for row in connection.execute(query, (floor,))]
    gone = [row[0] for row in connection.execute("SELECT job FROM jobs WHERE id < ?", (floor,))]
    _mark_gone(connection, gone)
    connection.execute("DELETE FROM entries WHERE id < ?", (floor,))
    connection.execute("DELETE FROM jobs WHERE id < ?", (floor,))
    _forget_facts(connection, facts_floor)
    return jobs


def _mark_gone(connection: sqlite3.Connection, jobs: Sequence[bytes]) -> None:
    """When these expire is kept until their facts may go, if there are any."""
    ids = _select(connection, "SELECT job, id FROM jobs WHERE job IN", jobs)
    query = f"SELECT 1 FROM facts WHERE {_ABOUT_A_JOB} LIMIT 1"
    noted = [
        (job, one) for job, one in ids if connection.execute(query, _about(cid_of_digest(job))).fetchone()
    ]
    marks = [(GONE, _mark_of(job, entry_id)) for job, entry_id in noted]
    connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, x'')", marks)


def _mark_of(job: bytes, entry_id: bytes) -> str:
    return f"{entry_id[:8].hex()}/{cid_of_digest(job)}"


def _about(job: str) -> tuple[str, ...]:
    return (*FACTS_OF_JOBS, f"{job}/", f"{job}/{LAST_CHARACTER}")


def _forget_facts(connection: sqlite3.Connection, floor: bytes) -> None:
    query = "SELECT key FROM facts WHERE namespace = ? AND key < ?"
    marks = [row[0] for row in connection.execute(query, (GONE, floor[:8].hex()))]
    about = [_about(mark.partition("/")[2]) for mark in marks]
    connection.executemany(f"DELETE FROM facts WHERE {_ABOUT_A_JOB}", about)
    _delete_facts(connection, GONE, "", marks)


def _counts(connection: sqlite3.Connection) -> StoreCounts:
    (entries,) = connection.execute("SELECT COUNT(*) FROM entries").fetchone()
    (jobs,) = connection.execute("SELECT COUNT(*) FROM jobs").fetchone()
    (open_jobs,) = connection.execute("SELECT COUNT(*) FROM jobs WHERE open = 1").fetchone()
    return StoreCounts(entries, jobs, open_jobs)


def _delete_facts(
    connection: sqlite3.Connection, namespace: str, prefix: str, keys: Sequence[str] | None
) -> None:
    if keys is None:
        connection.execute(
            "DELETE FROM facts WHERE namespace = ? AND key >= ? AND key < ?",
            (namespace, prefix, prefix + LAST_CHARACTER),
        )
    else:
        connection.executemany(
            "DELETE FROM facts WHERE namespace = ? AND key = ?", [(namespace, key) for key in keys]
        )
