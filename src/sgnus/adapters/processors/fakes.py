"""`Processors` in memory for tests: Python functions stand for modules. Held to the pool's contract suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sgnus.adapters.processors import abi, padding
from sgnus.core.processors import DTYPES, parameters_text
from sgnus.messages.errors import OurFault, UserFault
from sgnus.ports import Abandoned, ChunkTask, Computed, Outcome, SubBlockTask, Trapped


@dataclass(frozen=True, slots=True)
class FakeCall:
    """What a fake program sees: the padded input, the chunk's task, the parameters."""

    input: bytes
    chunk: ChunkTask
    parameters: Mapping[str, str]


class FakeTrap(Exception):
    """Raised by a fake program: the chunk traps for this reason."""


class FakeAbandonment(Exception):
    """Raised by a fake program: this machine gives the sub-block up for this reason."""


FakeProgram = Callable[[FakeCall], bytes]


def loop_for_ever(call: FakeCall) -> bytes:
    """A program that ends by its time limit alone."""
    raise FakeAbandonment(f"loop_for_ever was called directly on {call.chunk.output_start}")


class FakeProcessors:
    """`programs`: module bytes -> function. Anything else is an invalid module."""

    def __init__(self, programs: Mapping[bytes, FakeProgram], *, workers: int = 1) -> None:
        self._programs = dict(programs)
        self._seats = asyncio.Semaphore(workers)
        self._started = False
        self.runs = 0

    async def start(self) -> None:
        """Open for work."""
        self._started = True

    async def run(self, task: SubBlockTask) -> Outcome:
        """Run the functions in order, giving way to the loop before each chunk."""
        refused = abi.refusal(task, parameters_text(task.parameters))
        if refused is not None:
            return refused
        async with self._seats:
            if not self._started:
                raise OurFault("the processor pool is not running")
            self.runs += 1
            program = self._programs.get(task.module)
            if program is None:
                return Trapped(0, "invalid module: it is not WebAssembly")
            return await _outcome(program, task)

    async def check_module(self, module: bytes) -> None:
        """Known modules alone are good ones."""
        if module not in self._programs:
            raise UserFault("the module is not WebAssembly: it must begin with \\0asm and version 1")

    async def warm(self) -> None:
        """A fake is always ready."""

    async def hardening(self) -> dict[str, str]:
        """A fake holds nothing in."""
        return {"child": "off: a fake has none"}

    async def stop(self) -> None:
        """Closed; may be started again."""
        self._started = False


async def _outcome(program: FakeProgram, task: SubBlockTask) -> Outcome:
    outputs = []
    for index, chunk in enumerate(task.chunks):
        await asyncio.sleep(0)
        try:
            if program is loop_for_ever:
                await asyncio.sleep(task.limits.chunk_ms_max / 1000)
                raise FakeAbandonment("a chunk took longer than allowed")
            output = program(FakeCall(_padded(chunk), chunk, task.parameters))
        except FakeTrap as trap:
            return Trapped(index, str(trap))
        except FakeAbandonment as reason:
            return Abandoned(str(reason))
        if len(output) != chunk.output_bytes:
            return Trapped(index, f"gave {len(output)} bytes where {chunk.output_bytes} were asked for")
        outputs.append(output)
    return Computed(outputs, 0)


def _padded(chunk: ChunkTask) -> bytes:
    form = (DTYPES[chunk.dtype][1], padding.CODES[chunk.edge])
    flat = memoryview(chunk.input).cast("B")
    return padding.pad(flat, chunk.input_shape, chunk.clipped_before, chunk.clipped_after, form)
