"""The processor pool: up to `workers` hardened children, started for work and stopped when idle."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

from sgnus.adapters.processors import abi, frames, padding
from sgnus.adapters.processors.child_process import ChildLost, ChildProcess
from sgnus.core.processors import DTYPES, parameters_text
from sgnus.messages.errors import OurFault, UserFault
from sgnus.messages.limits import CHUNKS_PER_SUB_BLOCK_MAX, MODULE_BYTES_MAX
from sgnus.ports import Abandoned, ChunkTask, Computed, Outcome, ProcessorLimits, SubBlockTask, Trapped

IDLE_MS_MAX: Final = 30_000
BATCH_BYTES_TYPICAL: Final = 32 * 1024 * 1024
"""Chunks go to a child in groups of about this many bytes, in and out together; a sub-block is far below."""
GRACE_MS: Final = 2_000
"""The child stops a chunk by itself when its time is up; so much later its parent kills it."""
NO_CHILD: Final = "child"
"""What `hardening` names when no child could be started; the next call tries again."""


class ProcessorPool:
    """`Processors` on real children. Belongs to the loop (and thread) that runs it."""

    def __init__(self, workers: int, *, idle_ms_max: int = IDLE_MS_MAX) -> None:
        if workers < 1:
            raise UserFault(f"{workers} workers: a node that processes needs at least one")
        self._idle_ms_max = idle_ms_max
        self._seats = asyncio.Semaphore(workers)
        self._idle: dict[ChildProcess, asyncio.TimerHandle] = {}
        self._busy: dict[ChildProcess, None] = {}
        self._started = False
        self._hardening: dict[str, str] = {}

    async def start(self) -> None:
        """Open for work; children start with the first sub-blocks."""
        self._started = True

    async def run(self, task: SubBlockTask) -> Outcome:
        """Run one sub-block on a free child (waits for one). Cancelling kills the child."""
        parameters = parameters_text(task.parameters)
        refused = abi.refusal(task, parameters)
        if refused is not None:
            return refused
        async with self._seats:
            child = self._take()
            try:
                outcome = await _SubBlock(child, task, parameters).run()
            except ChildLost as lost:
                self._drop(child)
                return Abandoned(str(lost))
            except BaseException:
                self._drop(child)
                raise
            if isinstance(outcome, Abandoned):  # short of something: begin afresh
                self._drop(child)
            else:
                self._give_back(child)
            return outcome

    async def check_module(self, module: bytes, limits: ProcessorLimits | None = None) -> None:
        """UserFault with one sentence when `module` cannot be a processor; it is compiled in a child."""
        limits = limits or ProcessorLimits()
        if len(module) > MODULE_BYTES_MAX:
            raise UserFault(f"the module has {len(module)} bytes, {MODULE_BYTES_MAX} are allowed")
        async with self._seats:
            child = self._take()
            try:
                reply = await _check(child, module, limits.compile_ms_max)
            except ChildLost:
                self._drop(child)
                raise UserFault(
                    f"the module does not compile within {limits.compile_ms_max} ms: make it smaller"
                ) from None
            except BaseException:
                self._drop(child)
                raise
            self._give_back(child)
        if reply.kind != frames.VALID:
            raise UserFault(f"the module {reply.text}")

    async def warm(self) -> None:
        """Have one child ready for work that is about to come, unless all are busy."""
        if not self._idle and not self._seats.locked():
            await self._begin_child()

    async def hardening(self) -> dict[str, str]:
        """What holds the children in: step -> "on" or "off: reason". Starts a child if none has told yet."""
        if not self._hardening or NO_CHILD in self._hardening:
            await self._begin_child()
        return dict(self._hardening)

    async def stop(self) -> None:
        """Kill all children; runs under way are abandoned."""
        self._started = False
        for child in list(self._idle):
            self._drop(child)
        for child in list(self._busy):
            child.end()

    @property
    def pids(self) -> Sequence[int]:
        """Process ids of the living children."""
        return [child.pid for child in [*self._busy, *self._idle] if child.is_alive]

    async def _begin_child(self) -> None:
        async with self._seats:
            child = self._take()
            try:
                await child.ready()
            except ChildLost as lost:
                self._drop(child)
                self._hardening = {NO_CHILD: f"off: {lost}"}
                return
            except BaseException:
                self._drop(child)
                raise
            self._give_back(child)

    def _take(self) -> ChildProcess:
        if not self._started:
            raise OurFault("the processor pool is not running")
        while self._idle:
            child, timer = self._idle.popitem()
            timer.cancel()
            if child.is_alive:
                break
            child.kill()
        else:
            child = ChildProcess()
        self._busy[child] = None
        return child

    def _give_back(self, child: ChildProcess) -> None:
        del self._busy[child]
        if not self._started:  # stopped meanwhile
            child.kill()
            return
        self._hardening = child.hardening
        loop = asyncio.get_running_loop()
        self._idle[child] = loop.call_later(self._idle_ms_max / 1000, self._drop, child)

    def _drop(self, child: ChildProcess) -> None:
        self._busy.pop(child, None)
        timer = self._idle.pop(child, None)
        if timer is not None:
            timer.cancel()
        child.kill()


class _SubBlock:
    """One sub-block on one child: batches of chunks, each one round trip."""

    def __init__(self, child: ChildProcess, task: SubBlockTask, parameters: bytes) -> None:
        self._child = child
        self._task = task
        self._parameters = parameters
        self._digest = hashlib.blake2b(task.module, digest_size=32).digest()

    async def run(self) -> Outcome:
        await self._child.ready()
        outputs: list[bytes] = []
        cpu_us = 0
        while len(outputs) < len(self._task.chunks):
            batch = _batch(self._task.chunks, len(outputs))
            layout, used = self._write(batch)
            reply = await self._ask(batch, layout)
            if reply.kind == frames.TRAPPED:
                return Trapped(len(outputs) + min(reply.chunk, len(batch) - 1), reply.text)
            if reply.kind == frames.ABANDONED:
                return Abandoned(reply.text)
            if reply.kind != frames.COMPUTED:
                raise ChildLost("the child process spoke nonsense")
            outputs += [self._child.read(c.out_offset, c.out_bytes) for c in layout]
            cpu_us += reply.cpu_us
            self._child.trim(used)
        return Computed(outputs, -(-cpu_us // 1000))

    def _write(self, batch: Sequence[ChunkTask]) -> tuple[list[frames.ChunkFrame], int]:
        """Inputs into the shared memory, behind the module's place; the chunks' frames and the bytes used."""
        at, layout = MODULE_BYTES_MAX, []
        for chunk in batch:
            in_bytes = memoryview(chunk.input).nbytes
            out_at = _aligned(at + in_bytes)
            end = _aligned(out_at + chunk.output_bytes)
            if end > frames.SHARED_BYTES:
                raise OurFault(
                    f"a chunk of {in_bytes} and {chunk.output_bytes} bytes is above the shared memory"
                )
            self._child.write(at, chunk.input)
            layout.append(
                frames.ChunkFrame(
                    *(at, in_bytes, out_at, chunk.output_bytes),
                    *(padding.CODES[chunk.edge], DTYPES[chunk.dtype][1]),
                    *(chunk.input_shape, chunk.clipped_before, chunk.clipped_after),
                    abi.request_block(chunk, self._parameters),
                )
            )
            at = end
        return layout, at

    async def _ask(self, batch: Sequence[ChunkTask], layout: list[frames.ChunkFrame]) -> frames.Reply:
        limits, module = self._task.limits, self._task.module
        slot, unknown = self._child.slot_of(self._digest)
        if unknown:
            self._child.write(0, module)
        await self._child.tell(
            frames.pack_run(
                frames.RunFrame(
                    *(slot, len(module) if unknown else 0),
                    *(limits.fuel_per_chunk, limits.memory_bytes, limits.chunk_ms_max),
                    layout,
                )
            )
        )
        if unknown:
            reply = await self._child.hear(limits.compile_ms_max)
            if reply.kind != frames.COMPILED:
                raise ChildLost("the child process spoke nonsense")
        return await self._child.hear(limits.chunk_ms_max * len(batch) + GRACE_MS)


async def _check(child: ChildProcess, module: bytes, ms_max: int) -> frames.Reply:
    await child.ready()
    child.write(0, module)
    await child.tell(frames.pack_check(len(module)))
    return await child.hear(ms_max)


def _batch(chunks: Sequence[ChunkTask], first: int) -> Sequence[ChunkTask]:
    """The next chunks that go together: at least one."""
    total, stop = 0, first
    while stop < len(chunks) and stop - first < CHUNKS_PER_SUB_BLOCK_MAX:
        total += memoryview(chunks[stop].input).nbytes + chunks[stop].output_bytes
        if stop > first and total > BATCH_BYTES_TYPICAL:
            break
        stop += 1
    return chunks[first:stop]


def _aligned(offset: int) -> int:
    return -(-offset // 64) * 64
