"""What a node keeps in memory of the jobs that it looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import PeerId
from sgnus.runtime.jobs import MODULES_KEPT_MAX, JobBook
from tests.database_support import NETWORK, in_loop, job_body
from tests.runtime.test_listed_jobs import view_of_body

ME = Identity.from_seed(bytes([9]) * 32).peer_id


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
    jobs = [await book.update(view_of_body(body)) for body in bodies]
    for job, text in zip(jobs, blobs.values(), strict=True):
        assert await book.module(job) == text
    assert len([job for job in jobs if job.module is not None]) == MODULES_KEPT_MAX
    assert await book.module(jobs[-1]) == blobs[bodies[-1].module_digest] and len(read) == len(blobs)
    assert await book.module(jobs[0]) == blobs[bodies[0].module_digest] and len(read) == len(blobs) + 1
