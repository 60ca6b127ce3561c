"""A node that starts again knows its own open jobs before any peer can speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from sgnus.core.inputs import JobChanged
from sgnus.messages.v1.types import (
    ArraySpec,
    Edge,
    JobRequest,
    Policy,
    SubmitJobRequest,
    Verify,
)
from sgnus.runtime.api import NodeApi
from sgnus.runtime.node import Node, NodeOptions, NodeParts
from sgnus.runtime.serving import NodeService


class Watched(Node):
    """Remembers which jobs were waiting for its core when it began to listen."""

    known: tuple[str, ...] = ()

    async def _listen(self, parts: NodeParts, service: NodeService) -> None:
        waiting = parts.engine.waiting()
        self.known = tuple(given.facts.job for given in waiting if isinstance(given, JobChanged))
        await super()._listen(parts, service)


async def _requests() -> AsyncIterator[SubmitJobRequest]:
    request = JobRequest(
        name="x",
        processor="invert",
        parameters=(),
        array=ArraySpec(shape=(4, 4), dtype="uint8"),
        tile=(),
        halo=(),
        edge=Edge.REFLECT,
        chunks_per_sub_block=0,
        deadline_ms=0,
        policy=Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        lifetime_ms=0,
    )
    yield SubmitJobRequest(job=request)
    yield SubmitJobRequest(data=bytes(16))


def test_a_room_that_meets_its_publisher_again_finds_it_prepared(tmp_path: Path) -> None:
    async def scene() -> None:
        options = NodeOptions(home=tmp_path / "home", workers=0)
        first, again = Watched(options), Watched(options)
        parts = await first.start()
        job = (await NodeApi(parts).submit_job(_requests())).job
        await first.stop()
        assert first.known == ()
        await again.start()
        await again.stop()
        assert again.known == (job,)

    asyncio.run(scene())
