"""A job that lists its chunks itself: reading and planning a long list holds nobody else up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sgnus.core.shelf import JobView
from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Chunk, ChunkPair, EntryKind, ExplicitChunks, JobBody, JobState
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.status import StatusView
from sgnus.wire.codec import encode
from tests.database_support import NETWORK, in_loop, job_body, sealed

CHUNKS = 3_000
TURNS_MIN = 50
ME = Identity.from_seed(bytes([9]) * 32).peer_id


def listed(number: int) -> bytes:
    pieces = [
        Chunk(chunk_id=at, offset=at, width=1, height=1, line_stride=0, block_stride=0, count=1)
        for at in range(number)
    ]
    pairs = tuple(ChunkPair(input=piece, output=piece) for piece in pieces)
    return encode(ExplicitChunks(output_bytes=number, pairs=pairs))


def view_of(blob: bytes) -> JobView:
    return view_of_body(replace(job_body(), explicit_digest=digest(blob)))


def view_of_body(body: JobBody) -> JobView:
    opened = sealed(EntryKind.JOB, body)
    return JobView(
        block_id=opened.cid,
        author=opened.author,
        body=body,
        expires_ms=opened.entry.expires,
        state=JobState.QUEUED,
        priority=0,
        paused=False,
        cancelled=None,
        done=None,
        taken={},
        settled={},
        job=opened,
    )


@in_loop
async def test_the_loop_turns_while_a_strangers_list_is_read_and_planned(tmp_path: Path) -> None:
    blob = listed(CHUNKS)

    async def serve(_peer: PeerId, _wanted: bytes, _bytes_max: int) -> bytes:
        return blob

    reading = asyncio.create_task(JobBook(tmp_path, ME, NETWORK, serve).update(view_of(blob)))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert reading.result().plan.chunks == CHUNKS
    assert turns >= TURNS_MIN


@in_loop
async def test_a_list_of_jobs_waits_for_nobodys_chunks_and_leaves_out_what_cannot_be_had() -> None:
    asked: list[str] = []

    async def look(job: str) -> Job | None:
        asked.append(job)
        if job == broken.block_id:
            raise WorldFault("its folder is gone")
        return cast(Any, job)

    parts = SimpleNamespace(
        core=SimpleNamespace(pen=SimpleNamespace(peer=ME)),
        jobs=SimpleNamespace(get={}.get),
        background=SimpleNamespace(watch=SimpleNamespace(look=look)),
    )
    plain, elsewhere = view_of_body(job_body()), view_of(b"a list")
    ours, broken = replace(view_of(b"ours"), author=ME), view_of_body(job_body(1))
    status = StatusView(cast(Any, parts))
    found = [await status.listed(view) for view in (plain, elsewhere, ours, broken)]
    assert found == [plain.block_id, None, ours.block_id, None]
    assert asked == [plain.block_id, ours.block_id, broken.block_id]
