"""What a node keeps in memory of the jobs that it looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import PeerId
from sgnus.runtime import jobs
from sgnus.runtime.jobs import MODULES_KEPT_MAX, JobBook
from tests.database_support import NETWORK, in_loop, job_body
from tests.runtime.test_listed_jobs import view_of_body

ME = Identity.from_seed(bytes([9]) * 32).peer_id


async def nobody(_peer: PeerId, _wanted: bytes, _bytes_max: int) -> bytes:
    raise WorldFault("out of reach")


@in_loop
async def test_of_strangers_modules_those_read_last_are_kept_and_others_are_read_again(
    tmp_path: Path,
) -> None:
    blobs = {digest(text): text for text in (b"module %d" % number for number in range(MODULES_KEPT_MAX + 6))}
    read: list[bytes] = []

    async def serve(_peer: PeerId, wanted: bytes, _bytes_max: int) -> bytes:
        read.append(wanted)
        return blobs[wanted]

    book = JobBook(tmp_path, ME, NETWORK, serve)
    bodies = [
        replace(
            job_body(),
            name=wanted.hex()[:8],
            module_digest=wanted,
            processor=replace(job_body().processor, id="wasm"),
        )
        for wanted in blobs
    ]
    known = [await book.update(view_of_body(body)) for body in bodies]
    for job, text in zip(known, blobs.values(), strict=True):
        assert await book.module(job) == text
    assert len([job for job in known if job.module is not None]) == MODULES_KEPT_MAX
    assert await book.module(known[-1]) == blobs[bodies[-1].module_digest] and len(read) == len(blobs)
    assert await book.module(known[0]) == blobs[bodies[0].module_digest] and len(read) == len(blobs) + 1


@in_loop
async def test_of_strangers_jobs_those_that_are_needed_and_the_newest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "JOBS_KEPT_MAX", 2)
    book = JobBook(tmp_path, ME, NETWORK, nobody)
    views = [view_of_body(job_body(number)) for number in range(5)]
    book.is_needed = lambda job: job in (views[0].block_id, views[2].block_id)
    kept = []
    for view in views:
        await book.update(view)
        kept.append([number for number, one in enumerate(views) if book.get(one.block_id) is not None])
    assert kept == [[0], [0, 1], [0, 2], [0, 2, 3], [0, 2, 4]]
