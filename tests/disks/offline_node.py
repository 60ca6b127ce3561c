"""A whole node without a network: home, key, network file, database, jobs and their outputs, put together as a node does it.

Nothing listens and nobody is met; what a node acknowledges to its apps and to members is acknowledged here as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from sgnus.core.plan import Plan
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, InstanceId
from sgnus.messages.v1.types import (
    ArraySpec,
    Edge,
    JobRequest,
    OutputsHeader,
    Policy,
    ProcessedRecord,
    SignedKind,
    SubmitJobRequest,
    Verify,
)
from sgnus.runtime.api import NodeApi
from sgnus.runtime.home import NodeHome
from sgnus.runtime.jobs import Job
from sgnus.runtime.node import NodeOptions, NodeParts, assemble, network_of

ROWS: Final = 64
COLUMNS: Final = 256
SALT: Final = bytes(32)
INSTANCE: Final = InstanceId("disks")


@dataclass(frozen=True, slots=True)
class OfflineNode:
    """Its parts, while it runs."""

    parts: NodeParts

    @property
    def name(self) -> str:
        """Who it is, in which network: for ever."""
        return f"{self.parts.core.pen.peer} {self.parts.network.id}"

    async def submit(self, seed: int) -> BlockId:
        """What an app does; the job is durable when this returns."""
        reply = await NodeApi(self.parts).submit_job(_submission(seed))
        return BlockId(reply.job)

    def job(self, block_id: BlockId) -> Job:
        job = self.parts.jobs.own(block_id)
        assert job.files is not None
        return job

    async def deliver(self, block_id: BlockId, microjob: int, sub_block: int) -> None:
        """What a member does; the outputs are HELD, durably, when this returns."""
        plan = self.job(block_id).plan
        outputs = outputs_of(plan, block_id, microjob, sub_block)
        digests = [digest(output) for output in outputs]
        pen = self.parts.core.pen
        chunks = plan.chunks_of(microjob, sub_block)
        root = commit_root_of(block_id, INSTANCE, pen.peer, seed=SALT, chunks=chunks, digests=digests)
        record = ProcessedRecord(
            job=block_id,
            microjob=microjob,
            instance=INSTANCE,
            sub_block=sub_block,
            chunks=len(chunks),
            root=root,
            elapsed_ms=1,
        )
        header = OutputsHeader(
            record=pen.sign(SignedKind.RECORD, record), salt_seed=SALT, digests=b"".join(digests)
        )
        reply = await self.parts.background.service.write_outputs(pen.peer, header, _pieces(outputs))
        assert reply.held is not None, reply.refused

    async def verdict(self, block_id: BlockId, seed: int, held: list[tuple[int, int]]) -> str:
        """What is missing of a job that was acknowledged with these sub-blocks held; nothing if all is there."""
        job = self.parts.jobs.get(block_id)
        if job is None or job.files is None:
            return f"the job {block_id} is not there"
        if bytes(job.files.input.view) != input_of(seed):
            return "the job's input is another"
        places = {(place.microjob, place.sub_block): place for place in job.places}
        for where, place in places.items():
            outputs = b"".join(outputs_of(job.plan, block_id, *where))
            try:
                is_right = job.files.outputs.read(place.offset, place.length) == outputs
            except WorldFault as fault:
                return str(fault)
            if not is_right:
                return f"the outputs of {where} are others"
        missing = [where for where in held if where not in places]
        return f"{missing} are not held any more" if missing else ""


@asynccontextmanager
async def offline_node(home: Path) -> AsyncIterator[OfflineNode]:
    """Start a node on this home, and stop it in order. Faults: as a node's start."""
    options, place = NodeOptions(home=home, workers=0), NodeHome(home)
    place.take()
    parts: NodeParts | None = None
    try:
        network = network_of(options, place)
        parts = await assemble(options, place, place.identity(), network)
        await parts.background.watch.prepare()
        await parts.background.watch.start()
        parts.engine.start()
        place.keep_ports(20_001, 20_002)
        yield OfflineNode(parts)
    finally:
        if parts is not None:
            await parts.background.stop()
            await parts.engine.stop()
            await parts.drivers.database.stop()
            parts.jobs.close()
        place.release()


def sub_blocks(plan: Plan) -> list[tuple[int, int]]:
    """All of a job."""
    return [
        (microjob, number)
        for microjob in range(plan.microjobs)
        for number in range(plan.sub_blocks_of(microjob))
    ]


def input_of(seed: int) -> bytes:
    """The array of a job."""
    return Random(seed).randbytes(ROWS * COLUMNS)


def outputs_of(plan: Plan, block_id: BlockId, microjob: int, sub_block: int) -> list[bytes]:
    """What stands for the results of a sub-block: nobody here looks at what they mean."""
    chunks = plan.chunks_of(microjob, sub_block)
    dice = Random(f"{block_id} {microjob} {sub_block}")
    return [dice.randbytes(size) for size in plan.output_sizes_of(chunks)]


async def _submission(seed: int) -> AsyncIterator[SubmitJobRequest]:
    request = JobRequest(
        name=f"job {seed}",
        processor="invert",
        array=ArraySpec(shape=(ROWS, COLUMNS), dtype="uint8"),
        tile=(32, 32),
        edge=Edge.UNSPECIFIED,
        deadline_ms=0,
        lifetime_ms=0,
        chunks_per_sub_block=1,
        policy=Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=0),
    )
    yield SubmitJobRequest(job=request)
    data = input_of(seed)
    for at in range(0, len(data), 4096):
        yield SubmitJobRequest(data=data[at : at + 4096])


async def _pieces(outputs: list[bytes]) -> AsyncIterator[bytes]:
    for output in outputs:
        await asyncio.sleep(0)
        yield output
