"""The contract of the Store port, held by the fake and by SQLite; then what only a file can do wrong."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sgnus.adapters.store import FakeStore, SqliteStore
from sgnus.adapters.store.file import SCHEMA_VERSION, world_fault
from sgnus.adapters.store.thread import StoreThread
from sgnus.messages.errors import OurFault, WorldFault
from sgnus.ports import FACTS_OF_JOBS, EntryRow, JobRow, Store, StoreChange, StoreCounts
from sgnus.wire.dagcbor import cid_of_digest
from tests.database_support import in_loop

Make = Callable[[], Store]


@pytest.fixture(params=["fake", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """What makes the same store again, as after a restart."""
    if request.param == "fake":
        store = FakeStore()
        return lambda: store
    return lambda: SqliteStore(tmp_path / "home" / "jobs.db")


def row(number: int, *, job: int | None = None, expires: int = 1_000, author: str = "ann") -> EntryRow:
    digest = number.to_bytes(32, "big")
    about = digest if job is None else job.to_bytes(32, "big")
    kind = 1 if job is None else 4
    return EntryRow(expires.to_bytes(8, "big") + digest, about, kind, author, b"raw %d" % number)


def job_row(of: EntryRow, *, is_open: bool = True, priority: int = 0) -> JobRow:
    return JobRow(of.job, of.id, of.author, is_open, priority)


def put(*rows: EntryRow, closed: tuple[int, ...] = ()) -> StoreChange:
    jobs = [job_row(one, is_open=number not in closed) for number, one in enumerate(rows) if one.kind == 1]
    return StoreChange(puts=rows, jobs=jobs)


@in_loop
async def test_what_was_applied_is_found_again_after_a_restart(make: Make) -> None:
    store = make()
    assert list(await store.open()) == []
    first, second, about = row(1), row(2, expires=900), row(3, job=1)
    await store.apply(put(first, second, about), durable=True)
    await store.close()
    store = make()
    assert list(await store.open()) == []
    assert list(await store.entries_of([first.job])) == [first, about]
    assert list(await store.entries_of([first.job, second.job, b"x" * 32])) == [second, first, about]
    assert await store.ids() == second.id + first.id + about.id
    assert list(await store.bodies([about.id, b"x" * 40, first.id])) == [about.raw, first.raw]
    assert await store.counts() == StoreCounts(3, 2, 2)
    await store.close()


@in_loop
async def test_an_entry_twice_is_once(make: Make) -> None:
    store = make()
    await store.open()
    for _ in range(2):
        await store.apply(put(row(1)), durable=False)
    assert await store.counts() == StoreCounts(1, 1, 1)
    await store.close()


@in_loop
async def test_open_jobs_come_by_priority_then_by_expiry(make: Make) -> None:
    store = make()
    await store.open()
    rows = [row(number, expires=1_000 - number) for number in range(6)]
    await store.apply(put(*rows, closed=(2,)), durable=False)
    await store.apply(
        StoreChange(jobs=[job_row(rows[0], priority=7), job_row(rows[5], priority=-7)]), durable=False
    )
    assert list(await store.open_jobs(10)) == [rows[number].job for number in (0, 4, 3, 1, 5)]
    assert list(await store.open_jobs(2)) == [rows[0].job, rows[4].job]
    assert list(await store.jobs_of("ann")) == [one.job for one in reversed(rows)]
    assert list(await store.jobs_of("bob")) == []
    kind = rows[0].kind
    assert list(await store.jobs_with(kind, b"", 10)) == sorted(one.job for one in rows)
    assert list(await store.jobs_with(kind, b"", 2)) == sorted(one.job for one in rows)[:2]
    assert list(await store.jobs_with(kind + 1, b"", 10)) == []
    await store.apply(put(row(9, expires=1, author="bob")), durable=False)
    assert list(await store.jobs_of(None)) == [row(9).job, *await store.jobs_of("ann")]
    await store.close()


@in_loop
async def test_jobs_of_which_something_is_said_are_found_by_its_kind(make: Make) -> None:
    store = make()
    await store.open()
    jobs = [row(number, expires=1_000 - number) for number in (1, 2, 3)]
    settled = [replace(row(10 + job + 5 * twice, job=job), kind=7) for job in (3, 1) for twice in (0, 1)]
    await store.apply(put(*jobs, *settled, row(30, job=2)), durable=False)
    first, _second, third = (one.job for one in jobs)
    assert list(await store.jobs_with(7, b"", 10)) == [first, third]
    assert list(await store.jobs_with(7, b"", 1)) == [first]
    assert list(await store.jobs_with(7, first, 10)) == [third]
    assert list(await store.jobs_with(7, third, 10)) == []
    assert list(await store.jobs_with(4, b"", 10)) == [jobs[1].job]
    await store.close()


@in_loop
async def test_a_change_removes_entries_and_whole_jobs(make: Make) -> None:
    store = make()
    await store.open()
    first, second, about, other = row(1), row(2), row(3, job=1), row(4, job=2)
    await store.apply(put(first, second, about, other), durable=False)
    await store.apply(StoreChange(removes=[other.id], gone_jobs=[first.job]), durable=False)
    assert await store.ids() == second.id
    assert await store.counts() == StoreCounts(1, 1, 1)
    await store.close()


@in_loop
async def test_what_expired_is_removed_and_its_jobs_are_named(make: Make) -> None:
    store = make()
    await store.open()
    old, new, about = row(1, expires=100), row(2, expires=300), row(3, job=2, expires=150)
    await store.apply(put(old, new, about), durable=False)
    assert list(await store.expire(100, 0)) == []
    assert list(await store.expire(200, 0)) == [old.job, new.job]
    assert await store.ids() == new.id
    assert list(await store.open_jobs(9)) == [new.job]
    await store.close()


@pytest.mark.parametrize("way", ["expires", "gives way"])
@in_loop
async def test_facts_about_a_job_outlive_it_by_so_much_and_count_if_it_comes_back(
    way: str, make: Make
) -> None:
    store = make()
    await store.open()
    old, back, new, mute = row(1, expires=100), row(2, expires=100), row(3, expires=300), row(4, expires=100)
    await store.apply(put(old, back, new, mute), durable=False)
    gone, again, kept = (cid_of_digest(one.job) for one in (old, back, new))
    for namespace in (*FACTS_OF_JOBS, "settlement"):
        facts = {f"{job}/{number}": b"fact" for job in (gone, again, kept) for number in (0, 1)}
        await store.put_facts(namespace, {**facts, f"{gone}x/0": b"another's"})
    if way == "gives way":
        await store.apply(StoreChange(gone_jobs=[old.job, back.job, mute.job]), durable=False)
    else:
        await store.expire(101, 100)
    await store.apply(put(back), durable=False)
    await store.close()
    store = make()
    await store.open()
    await store.expire(90, 100)
    for namespace in FACTS_OF_JOBS:
        assert len(await store.facts(namespace)) == 7
    await store.expire(90, 101)
    for namespace in FACTS_OF_JOBS:
        left = [f"{gone}x/0", *(f"{job}/{number}" for job in (again, kept) for number in (0, 1))]
        assert list(await store.facts(namespace)) == sorted(left)
    assert len(await store.facts("settlement")) == 7
    assert dict(await store.facts("gone")) == {}, (
        "who is gone for good, or was never spoken of, is not remembered"
    )
    await store.close()


@in_loop
async def test_facts_are_kept_by_namespace_and_prefix(make: Make) -> None:
    store = make()
    await store.open()
    await store.put_facts("votes", {"b/2": b"2", "a/1": b"1", "a%": b"3"})
    await store.put_facts("held", {"a/1": b"other"}, durable=False)
    await store.put_facts("votes", {"a/1": b"new"})
    await store.close()
    store = make()
    await store.open()
    assert dict(await store.facts("votes")) == {"a%": b"3", "a/1": b"new", "b/2": b"2"}
    assert list(await store.facts("votes")) == ["a%", "a/1", "b/2"]
    assert dict(await store.facts("votes", "a/")) == {"a/1": b"new"}
    await store.delete_facts("votes", keys=["b/2", "missing"])
    await store.delete_facts("held", "a")
    assert dict(await store.facts("votes")) == {"a%": b"3", "a/1": b"new"}
    assert dict(await store.facts("held")) == {}
    await store.close()


@in_loop
async def test_many_writers_at_once_all_get_their_answer(make: Make) -> None:
    store = make()
    await store.open()
    await asyncio.gather(*(store.apply(put(row(number)), durable=number % 2 == 0) for number in range(300)))
    assert (await store.counts()).entries == 300
    await store.close()


# ---- only a file can do this
@in_loop
async def test_a_durable_commit_is_synced_and_another_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The level is set per transaction: a batch with anything durable in it is FULL."""
    levels: list[str] = []

    class Spy(sqlite3.Connection):
        def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
            if statement.startswith("PRAGMA synchronous"):
                levels.append(statement.rsplit(" ", maxsplit=1)[-1])
            if statement == "COMMIT":
                (level,) = super().execute("PRAGMA synchronous").fetchone()
                levels.append(str(level))
            return super().execute(statement, *arguments)  # type: ignore[arg-type]

    real = sqlite3.connect

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, factory=Spy, **options)  # type: ignore[call-overload]
        return connection

    monkeypatch.setattr("sgnus.adapters.store.file.sqlite3.connect", connect)
    store = SqliteStore(tmp_path / "jobs.db")
    await store.open()
    await store.apply(put(row(1)), durable=True)
    await store.apply(put(row(2)), durable=False)
    await store.put_facts("votes", {"a": b"1"})
    assert levels == ["FULL", "2", "NORMAL", "1", "FULL", "2"]
    await store.close()


@pytest.mark.parametrize("damage", ["garbage", "half", "middle"])
@in_loop
async def test_a_corrupt_file_is_set_aside_with_a_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "jobs.db"
    store = SqliteStore(path)
    await store.open()
    await store.apply(put(*(row(number) for number in range(500))), durable=True)
    await store.close()
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content = bytearray(b"this is no database" * 100)
    elif damage == "half":
        del content[len(content) // 2 :]
    else:
        content[8_192:24_576] = bytes([0xA5]) * 16_384
    path.write_bytes(content)
    for _ in range(2):  # the second opening finds nothing wrong any more
        store = SqliteStore(path)
        notices = await store.open()
        await store.close()
        if notices:
            assert len(notices) == 1
            assert "jobs.db.corrupt-1" in notices[0]
    aside = tmp_path / "jobs.db.corrupt-1"
    assert aside.read_bytes() == bytes(content)
    store = SqliteStore(path)
    assert list(await store.open()) == []
    assert (await store.counts()).entries == 0
    await store.apply(put(row(1)), durable=True)
    await store.close()


@in_loop
async def test_a_second_corrupt_file_gets_the_next_number(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    for number in (1, 2):
        path.write_bytes(b"no database at all, and longer than a header of one hundred bytes" * 10)
        store = SqliteStore(path)
        (notice,) = await store.open()
        assert f"corrupt-{number}" in notice
        await store.close()


@in_loop
async def test_an_unclean_end_loses_nothing_that_was_durable(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    store = SqliteStore(path)
    await store.open()
    await store.apply(put(row(1)), durable=True)
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):  # the files as a crash would leave them
        (tmp_path / f"copy.db{suffix}").write_bytes((tmp_path / f"jobs.db{suffix}").read_bytes())
    await store.close()
    crashed = SqliteStore(copy)
    assert list(await crashed.open()) == []
    assert (await crashed.counts()).entries == 1
    await crashed.close()


@in_loop
async def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "jobs.db", tmp_path):
        with pytest.raises(WorldFault, match="cannot be written"):
            await SqliteStore(path).open()
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(WorldFault, match="cannot be written"):
            await SqliteStore(locked / "jobs.db").open()


@in_loop
async def test_a_full_disk_is_told_and_what_was_committed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.db"
    real = sqlite3.connect

    def small(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    monkeypatch.setattr("sgnus.adapters.store.file.sqlite3.connect", small)
    store = SqliteStore(path)
    await store.open()
    await store.apply(put(row(1)), durable=True)
    big = EntryRow(row(2).id, row(2).job, 1, "ann", bytes(400_000))
    with pytest.raises(WorldFault, match=r"disk .* is full"):
        await store.apply(put(big), durable=True)
    await store.apply(put(row(3)), durable=True)
    assert await store.ids() == row(1).id + row(3).id
    await store.close()


@in_loop
async def test_a_file_of_a_later_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(WorldFault, match="schema"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


@in_loop
async def test_a_mistaken_call_fails_alone_and_the_store_goes_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "jobs.db")
    await store.open()
    wrong = EntryRow(row(2).id, row(2).job, 2**70, "ann", b"")
    answers = await asyncio.gather(
        store.apply(put(row(1)), durable=True),
        store.apply(StoreChange(puts=[row(4), wrong]), durable=True),
        store.apply(put(row(3)), durable=True),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), OurFault, type(None)]
    assert await store.ids() == row(1).id + row(3).id
    await store.close()


@in_loop
async def test_a_batch_that_the_disk_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    thread = StoreThread(tmp_path / "jobs.db")
    await thread.open()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO facts VALUES ('a', 'b', x'00')")
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(WorldFault, match="disk I/O error"):
        await thread.do(work, durable=True)
    count = await thread.do(lambda connection: connection.execute("SELECT COUNT(*) FROM facts").fetchone())
    assert count == (0,)
    await thread.close()


@in_loop
async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "jobs.db")
    with pytest.raises(WorldFault, match="closed"):
        await store.counts()


def test_each_failure_of_the_disk_has_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    assert "full" in str(world_fault(path, sqlite3.OperationalError("database or disk is full")))
    assert "permissions" in str(
        world_fault(path, sqlite3.OperationalError("attempt to write a readonly database"))
    )
    assert "another process" in str(world_fault(path, sqlite3.OperationalError("database is locked")))
    assert "restart" in str(world_fault(path, sqlite3.DatabaseError("database disk image is malformed")))
