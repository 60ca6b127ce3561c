"""What a job's folder keeps brings the job back when the database is lost, and nothing else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sgnus.adapters.store import FakeStore
from sgnus.core.plan import Plan
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import WorldFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId
from sgnus.messages.limits import FACTS_KEPT_MS
from sgnus.messages.v1.types import CancelBody, DoneBody, DoneStatus, EntryKind, Held, SignedKind
from sgnus.runtime.database import Database
from sgnus.runtime.held_log import HeldLog, HeldRecord
from sgnus.runtime.job_files import BODY, HELD, OUTPUTS, JobFiles
from sgnus.runtime.jobs import Job, OutputPlace
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.restoring import (
    ENTRIES,
    keep_entries,
    remove_unfinished,
    restore_jobs,
    settle_held,
)
from sgnus.wire.codec import encode
from tests.database_support import AUTHOR, DAY_MS, NETWORK, NOW_MS, OTHER_NETWORK, STRANGER, in_loop, job_body

RECORDS = [HeldRecord(f"job/0/{n}", bytes([n]) * 24, b"held" * n) for n in range(4)]
JOB = BlockId("job")


def files_in(folder: Path) -> JobFiles:
    folder.mkdir(exist_ok=True)
    return JobFiles(folder, Plan.of(job_body(), None))


def record_of(sub_block: int, *, by: Identity = AUTHOR, job: BlockId = JOB, end: int = 10) -> HeldRecord:
    held = Held(job=job, microjob=0, instance="i", sub_block=sub_block, member="m", root=bytes(32))
    envelope = EnvelopePen(by, NETWORK).sign(SignedKind.HELD, held)
    place = OutputPlace(0, sub_block, sub_block + 1, 0, end)
    return HeldRecord(f"{job}/0/{sub_block}", place.pack(), encode(envelope))


@asynccontextmanager
async def database(
    store: FakeStore, identity: Identity = AUTHOR, network: NetworkId = NETWORK, now_ms: int = NOW_MS
) -> AsyncIterator[Database]:
    one = Database(
        store,
        identity,
        network,
        clock_ms=lambda: now_ms,
        publish=lambda _: None,
        on_change=lambda _: None,
    )
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


# ---- the log
def test_what_was_appended_is_read_by_the_next_process(tmp_path: Path) -> None:
    log = HeldLog(tmp_path / HELD)
    assert log.read() == []
    log.append(RECORDS[:1])
    log.append(RECORDS[1:])
    assert HeldLog(tmp_path / HELD).read() == RECORDS


def test_a_torn_tail_is_ignored_wherever_it_is_torn_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / HELD
    HeldLog(path).append(RECORDS[:3])
    whole, kept = path.read_bytes(), len(HeldRecord.pack(RECORDS[0])) + 12
    for cut in range(kept, len(whole)):
        path.write_bytes(whole[:cut])
        log = HeldLog(path)
        known = log.read()
        assert known == RECORDS[: len(known)] and 1 <= len(known) < 3
        log.append(RECORDS[3:])
        assert HeldLog(path).read() == [*known, RECORDS[3]]


def test_a_damaged_byte_ends_what_is_read_and_nothing_behind_it_comes_back(tmp_path: Path) -> None:
    path = tmp_path / HELD
    HeldLog(path).append(RECORDS)
    data = bytearray(path.read_bytes())
    data[len(HeldRecord.pack(RECORDS[0])) + 12 + 20] ^= 1
    path.write_bytes(data)
    log = HeldLog(path)
    assert log.read() == RECORDS[:1]
    log.append(RECORDS[1:2])
    assert HeldLog(path).read() == RECORDS[:2]


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorldFault, match="cannot write"):
        HeldLog(tmp_path / "none" / HELD).append(RECORDS)


# ---- what is held
@in_loop
async def test_what_the_store_lost_comes_back_from_the_log(tmp_path: Path) -> None:
    files, store, records = files_in(tmp_path), FakeStore(), [record_of(0), record_of(1)]
    (tmp_path / OUTPUTS).write_bytes(bytes(10))
    files.held.append(records)
    found = await settle_held(JOB, files, store, EnvelopePen(AUTHOR, NETWORK))
    assert found == {record.key: record for record in records}
    assert await store.facts("held") == {record.key: record.held for record in records}
    assert await store.facts("outputs") == {record.key: record.place for record in records}


@in_loop
async def test_what_the_log_lost_comes_back_from_the_store(tmp_path: Path) -> None:
    files, store, records = files_in(tmp_path), FakeStore(), [record_of(0), record_of(1)]
    files.held.append(records[:1])
    await store.put_facts("outputs", {record.key: record.place for record in records})
    await store.put_facts("held", {record.key: record.held for record in records})
    await settle_held(JOB, files, store, EnvelopePen(AUTHOR, NETWORK))
    assert HeldLog(tmp_path / HELD).read() == records


@pytest.mark.parametrize(
    "record",
    [
        record_of(0, by=STRANGER),
        record_of(0, job=BlockId("another")),
        record_of(0, end=11),
        HeldRecord(f"{JOB}/0/1", record_of(0).place, record_of(0).held),
        HeldRecord(f"{JOB}/0/0", b"short", b""),
    ],
    ids=["of another key", "of another job", "outputs are gone", "under another key", "nonsense"],
)
@in_loop
async def test_what_cannot_be_true_does_not_come_back(record: HeldRecord, tmp_path: Path) -> None:
    files, store = files_in(tmp_path), FakeStore()
    (tmp_path / OUTPUTS).write_bytes(bytes(10))
    files.held.append([record])
    assert await settle_held(JOB, files, store, EnvelopePen(AUTHOR, NETWORK)) == {}
    assert await store.facts("held") == {}


# ---- entries
async def kept_job(folder: Path, kind: EntryKind | None = None, body: Message | None = None) -> BlockId:
    """A job whose folder keeps its entries; its database is gone."""
    async with database(FakeStore()) as lost:
        block_id = await lost.submit(EntryKind.JOB, None, job_body(), NOW_MS + DAY_MS)
        view = await lost.job(block_id)
        assert view is not None
        files = files_in(folder / block_id)
        job = Job(view, files.plan, files=files)
        await keep_entries(job, files, lost)
        if kind is not None and body is not None:
            await lost.submit(kind, block_id, body)
            ended = await lost.job(block_id)
            assert ended is not None
            job.view = ended
            await keep_entries(job, files, lost)
    return block_id


@in_loop
async def test_a_job_that_the_database_lost_comes_back_once_and_is_told(tmp_path: Path) -> None:
    block_id = await kept_job(tmp_path)
    async with database(FakeStore()) as fresh:
        (said,) = await restore_jobs(tmp_path, fresh, NETWORK, AUTHOR.peer_id, NOW_MS)
        assert "1 job of this node was missing" in said
        view = await fresh.job(block_id)
        assert view is not None and view.is_open
        assert await restore_jobs(tmp_path, fresh, NETWORK, AUTHOR.peer_id, NOW_MS) == ()


@in_loop
async def test_a_cancelled_job_comes_back_cancelled(tmp_path: Path) -> None:
    block_id = await kept_job(tmp_path, EntryKind.CANCEL, CancelBody(reason="no"))
    async with database(FakeStore()) as fresh:
        await restore_jobs(tmp_path, fresh, NETWORK, AUTHOR.peer_id, NOW_MS)
        view = await fresh.job(block_id)
    assert view is not None and view.cancelled == "no"


@pytest.mark.parametrize("status", [DoneStatus.FAILED, DoneStatus.COMPLETED])
@in_loop
async def test_a_failed_job_comes_back_failed_and_a_completed_one_completes_by_what_is_held(
    status: DoneStatus, tmp_path: Path
) -> None:
    block_id = await kept_job(tmp_path, EntryKind.DONE, DoneBody(status=status, reason="it traps"))
    async with database(FakeStore()) as fresh:
        await restore_jobs(tmp_path, fresh, NETWORK, AUTHOR.peer_id, NOW_MS)
        view = await fresh.job(block_id)
    assert view is not None
    assert view.is_open == (status is DoneStatus.COMPLETED)


@pytest.mark.parametrize(("network", "me"), [(OTHER_NETWORK, AUTHOR), (NETWORK, STRANGER)])
@in_loop
async def test_a_job_of_another_network_or_key_stays_where_it_is(
    network: NetworkId, me: Identity, tmp_path: Path
) -> None:
    block_id = await kept_job(tmp_path)
    async with database(FakeStore(), me, network) as fresh:
        assert await restore_jobs(tmp_path, fresh, network, me.peer_id, NOW_MS) == ()
        assert await fresh.job(block_id) is None
    assert (tmp_path / block_id / ENTRIES).exists()


@pytest.mark.parametrize(("late_ms", "stays"), [(0, True), (1, False)])
@in_loop
async def test_what_expired_while_nobody_looked_goes_a_day_later(
    late_ms: int, stays: bool, tmp_path: Path
) -> None:
    block_id = await kept_job(tmp_path)
    now_ms = NOW_MS + DAY_MS + FACTS_KEPT_MS + late_ms
    async with database(FakeStore(), now_ms=now_ms) as fresh:
        assert await restore_jobs(tmp_path, fresh, NETWORK, AUTHOR.peer_id, now_ms) == ()
    assert (tmp_path / block_id).exists() == stays


@in_loop
async def test_submissions_that_a_crash_cut_short_are_removed_but_for_what_is_published(
    tmp_path: Path,
) -> None:
    async with database(FakeStore()) as one:
        named, unnamed, unpublished = map(job_body, range(3))
        block_id = await one.submit(EntryKind.JOB, None, named, NOW_MS + DAY_MS)
        await one.submit(EntryKind.JOB, None, unnamed, NOW_MS + DAY_MS)
        bodies = {"new-1": named, "new-2": unnamed, "new-3": unpublished, "new-4": None}
        for name, body in bodies.items():
            (tmp_path / name).mkdir()
            if body is not None:
                (tmp_path / name / BODY).write_bytes(encode(body))
        (tmp_path / block_id).mkdir()
        (tmp_path / "new-notes").write_text("of somebody who looks after this folder by hand")
        modified_ms = int((tmp_path / "new-3").stat().st_mtime * 1000)
        await remove_unfinished(tmp_path, one, modified_ms + FACTS_KEPT_MS - DAY_MS // 2)
        assert len(os.listdir(tmp_path)) == 6
        await remove_unfinished(tmp_path, one, modified_ms + FACTS_KEPT_MS + DAY_MS // 2)
    assert sorted(os.listdir(tmp_path)) == [block_id, "new-2", "new-notes"]
