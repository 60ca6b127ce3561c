"""Processing leased sub-blocks and delivering their outputs: the hands of the core's worker part.

Outputs are kept here from the moment they are computed until the core says that the publisher holds them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core import effects as fx
from sgnus.core.inputs import DeliveryEnded, Input, SubBlockComputed, SubBlockFailed
from sgnus.core.plan import Plan
from sgnus.core.processors import chunk_ms_max
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.messages.errors import OurFault, PeerFault, UserFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import DATA_BYTES_TYPICAL
from sgnus.messages.v1.types import (
    JobBody,
    Opening,
    OutputsHeader,
    ReturnReason,
    SignedEnvelope,
    WriteOutputsReply,
)
from sgnus.ports import (
    Abandoned,
    ChunkTask,
    Computed,
    Outcome,
    PeerCalls,
    Piece,
    ProcessorLimits,
    Processors,
    SubBlockTask,
    Trapped,
)
from sgnus.runtime.inputs import InputMissing, Inputs
from sgnus.runtime.jobs import Job, JobBook

LOG: Final = logging.getLogger("sgnus.work")
_SHAPE: Final = attrgetter(*(field.name for field in fields(ChunkTask) if field.name != "input"))
Key = tuple[InstanceId, int]
StoreHere = Callable[[fx.Deliver, Sequence[bytes], Opening], Awaitable[WriteOutputsReply]]


@dataclass(frozen=True, slots=True)
class Kept:
    """Computed outputs that are not delivered yet."""

    outputs: Sequence[bytes]
    opening: Opening


class Secrets:
    """Salt seeds, from a secret of this node alone: nobody can guess an output from its commit."""

    def __init__(self, seed: bytes) -> None:
        self._key = hmac.digest(seed, b"sgnus/v1/salts", hashlib.sha256)

    def salt_seed(self, instance: InstanceId, sub_block: int) -> bytes:
        return hmac.digest(self._key, f"{instance}/{sub_block}".encode(), hashlib.sha256)


def task_for(
    body: JobBody, plan: Plan, module: bytes, inputs: Mapping[int, memoryview | bytes]
) -> SubBlockTask:
    """Chunks of a job, by their numbers, ready to run."""
    tasks = [ChunkTask(data, *_SHAPE(plan.chunk(index).task)) for index, data in inputs.items()]
    parameters = {one.name: one.value for one in body.processor.parameters}
    return SubBlockTask(
        module, parameters, tasks, ProcessorLimits(chunk_ms_max=chunk_ms_max(body.deadline_ms))
    )


class Worker:
    """Runs sub-blocks on the pool, for leases and for the publisher's own last resort."""

    def __init__(self, jobs: JobBook, inputs: Inputs, pool: Processors | None) -> None:
        self._jobs = jobs
        self._inputs = inputs
        self._pool = pool

    async def task_of(
        self, job: Job, microjob: int, instance: InstanceId, sub_block: int
    ) -> tuple[SubBlockTask, range]:
        """The sub-block ready to run. InputMissing when its inputs or module cannot be had."""
        chunks = job.plan.chunks_of(microjob, sub_block)
        data = await self._inputs.sub_block(job, microjob, instance, sub_block)
        try:
            module = await self._jobs.module(job, self._inputs.blob)
        except (PeerFault, WorldFault) as error:
            raise InputMissing(f"the module cannot be read: {error}") from error
        return task_for(job.body, job.plan, module, dict(zip(chunks, data, strict=True))), chunks

    async def run_some(
        self, job: Job, instance: InstanceId, place: tuple[int, int], wanted: Sequence[int]
    ) -> Outcome:
        """The outputs of these chunks of a sub-block alone, from inputs read anew. Faults: InputMissing."""
        task, chunks = await self.task_of(job, place[0], instance, place[1])
        some = [task.chunks[chunk - chunks.start] for chunk in wanted]
        try:
            return await self.run_anywhere(SubBlockTask(task.module, task.parameters, some, task.limits))
        except UserFault as fault:
            return Abandoned(str(fault))

    async def digests(self, job: Job, instance: InstanceId, chunks: Sequence[int]) -> bytes | None:
        """The digests of these chunks end to end, each run alone: what a worker put with them into a sub-block plays no
        part. None if they give no output here. Faults: InputMissing.
        """
        found: dict[int, bytes] = {}
        for place in sorted({job.plan.place_of(chunk) for chunk in chunks}):
            wanted = [chunk for chunk in chunks if chunk in job.plan.chunks_of(*place)]
            outcome = await self.run_some(job, instance, place, wanted)
            if not isinstance(outcome, Computed):
                return None
            found.update({chunk: digest(out) for chunk, out in zip(wanted, outcome.outputs, strict=True)})
        return b"".join(found[chunk] for chunk in chunks)

    async def run(self, job: Job, microjob: int, instance: InstanceId, sub_block: int) -> Outcome:
        """The outputs, or why there are none. Faults: InputMissing."""
        task, chunks = await self.task_of(job, microjob, instance, sub_block)
        try:
            outcome = await self.run_anywhere(task)
        except UserFault as fault:
            return Abandoned(str(fault))
        if isinstance(outcome, Computed):
            sizes = job.plan.output_sizes_of(chunks)
            if [len(output) for output in outcome.outputs] != sizes:
                return Trapped(0, "the outputs do not have the sizes of the plan")
        return outcome

    async def run_anywhere(self, task: SubBlockTask) -> Outcome:
        """A node without workers runs what it must all the same, in a child for this once. Faults: UserFault."""
        if self._pool is not None:
            return await self._pool.run(task)
        pool = ProcessorPool(1)
        await pool.start()
        try:
            return await pool.run(task)
        finally:
            await pool.stop()


class Hands:
    """All work under way. `put` gives inputs to the core."""

    def __init__(
        self, worker: Worker, jobs: JobBook, me: PeerId, secrets: Secrets, put: Callable[[Input], bool]
    ) -> None:
        self._worker = worker
        self._jobs = jobs
        self.me = me
        self._secrets = secrets
        self._put = put
        self.kept: dict[Key, Kept] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def process(self, asked: fx.Process, now_ms: Callable[[], int]) -> None:
        """Start on a lease."""
        key = (asked.instance, asked.sub_block)
        self.stop(*key)
        self._running[key] = self.spawn(self._process(asked, now_ms))

    def stop(self, instance: InstanceId, sub_block: int) -> None:
        """Stop work that nobody wants any more."""
        task = self._running.pop((instance, sub_block), None)
        if task is not None:
            task.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run in the background until done or `close`."""
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("background work failed", exc_info=task.exception())

    def keep(
        self, job: Job, microjob: int, instance: InstanceId, sub_block: int, outputs: Sequence[bytes]
    ) -> tuple[bytes, Opening]:
        """Keep outputs for delivery; returns the root that they are committed to, and what it hides."""
        chunks = job.plan.chunks_of(microjob, sub_block)
        digests = [digest(output) for output in outputs]
        seed = self._secrets.salt_seed(instance, sub_block)
        opening = Opening(instance=instance, sub_block=sub_block, salt_seed=seed, digests=b"".join(digests))
        self.kept[instance, sub_block] = Kept(outputs, opening)
        root = commit_root_of(
            BlockId(job.view.block_id), instance, self.me, seed=seed, chunks=chunks, digests=digests
        )
        return root, opening

    async def finish(self, ms_max: int) -> None:
        """Let what was begun beside the leases end: entries and proofs on their way to the disk, deliveries."""
        leased = self._running.values()
        others = [task for task in self._tasks if task not in leased]
        if others:
            await asyncio.wait(others, timeout=ms_max / 1000)

    async def close(self) -> None:
        """Cancel all and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _process(self, asked: fx.Process, now_ms: Callable[[], int]) -> None:
        started_ms = now_ms()
        job = self._jobs.get(asked.job)
        if job is None:
            self._fail(asked, ReturnReason.INPUT_MISSING, "the job is not known here")
            return
        try:
            outcome = await self._worker.run(job, asked.microjob, asked.instance, asked.sub_block)
        except (InputMissing, PeerFault) as fault:
            self._fail(asked, ReturnReason.INPUT_MISSING, str(fault))
            return
        except (OurFault, WorldFault) as fault:
            self._fail(asked, ReturnReason.ABANDONED, str(fault))
            return
        except Exception:
            # Whoever leased it must not wait for what nobody does any more.
            LOG.exception("a sub-block cannot be run", extra=_about(asked))
            self._fail(asked, ReturnReason.ABANDONED, "a bug was met here")
            return
        if isinstance(outcome, Computed):
            root, opening = self.keep(job, asked.microjob, asked.instance, asked.sub_block, outcome.outputs)
            elapsed_ms = now_ms() - started_ms
            self._running.pop((asked.instance, asked.sub_block), None)
            self._put(
                SubBlockComputed(
                    asked.instance,
                    asked.sub_block,
                    len(outcome.outputs),
                    root,
                    elapsed_ms,
                    opening if job.wants_proof else None,
                )
            )
        elif isinstance(outcome, Trapped):
            self._fail(asked, ReturnReason.TRAPPED, f"chunk {outcome.chunk}: {outcome.reason}")
        else:
            self._fail(asked, ReturnReason.ABANDONED, outcome.reason)

    def _fail(self, asked: fx.Process, reason: ReturnReason, detail: str) -> None:
        self._running.pop((asked.instance, asked.sub_block), None)
        LOG.warning("sub-block %s/%s: %s", asked.microjob, asked.sub_block, detail, extra=_about(asked))
        self._put(SubBlockFailed(asked.instance, asked.sub_block, reason, detail))


class Deliveries:
    """Sends kept outputs to publishers; ends each attempt with DeliveryEnded."""

    def __init__(
        self, hands: Hands, calls: PeerCalls, store_here: StoreHere, put: Callable[[Input], bool]
    ) -> None:
        """`store_here` takes what we deliver to ourselves, as publisher of the job."""
        self._hands = hands
        self._calls = calls
        self._store_here = store_here
        self._put = put

    def deliver(self, asked: fx.Deliver) -> None:
        """Start one attempt."""
        self._hands.spawn(self._deliver(asked))

    async def _deliver(self, asked: fx.Deliver) -> None:
        kept = self._hands.kept.get((asked.instance, asked.sub_block))
        held: SignedEnvelope | None = None
        if kept is not None:
            header = OutputsHeader(
                record=asked.record, salt_seed=kept.opening.salt_seed, digests=kept.opening.digests
            )
            try:
                if asked.publisher == self._hands.me:
                    reply = await self._store_here(asked, kept.outputs, kept.opening)
                else:
                    reply = await self._calls.write_outputs(asked.publisher, header, _pieces(kept.outputs))
                held = reply.held
                if held is None:
                    said = "the publisher refuses sub-block %s: %s"
                    LOG.warning(said, asked.sub_block, reply.refused, extra=_about(asked))
            except (PeerFault, WorldFault) as fault:
                LOG.warning("sub-block %s is not delivered: %s", asked.sub_block, fault, extra=_about(asked))
            except Exception:
                LOG.exception("sub-block %s is not delivered", asked.sub_block, extra=_about(asked))
        self._put(DeliveryEnded(asked.instance, asked.sub_block, held))


def _about(asked: fx.Process | fx.Deliver) -> dict[str, object]:
    """What a record of the log is about."""
    return {"job": asked.job, "microjob": asked.microjob, "room": asked.instance}


async def _pieces(outputs: Sequence[bytes]) -> AsyncIterator[Piece]:
    """The outputs end to end, in pieces of the usual size; small ones are put together."""
    small: list[bytes] = []
    length = 0
    for output in outputs:
        if small and length + len(output) > DATA_BYTES_TYPICAL:
            yield b"".join(small)
            small, length = [], 0
        if len(output) <= DATA_BYTES_TYPICAL:
            small.append(output)
            length += len(output)
            continue
        view = memoryview(output)
        for start in range(0, len(view), DATA_BYTES_TYPICAL):
            yield view[start : start + DATA_BYTES_TYPICAL]
    if small:
        yield b"".join(small)
