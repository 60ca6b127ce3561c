"""The single-process reference: one processor over a whole array as one chunk, in this process.

No sandbox beyond the engine's: for modules that ship, or that the caller trusts.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Mapping, Sequence
from math import prod

from wasmtime import Engine

from sgnus.adapters.processors import abi, engine, padding
from sgnus.core.processors import DTYPES, parameters_text
from sgnus.messages.errors import UserFault
from sgnus.messages.limits import MODULE_BYTES_MAX
from sgnus.ports import Abandoned, ChunkTask, Computed, Outcome, ProcessorLimits, Trapped

LOCAL_LIMITS = ProcessorLimits(memory_bytes=4 * 1024**3 - 65536, chunk_ms_max=24 * 3600 * 1000)


def whole_array(
    data: bytes | memoryview,
    dtype: str,
    shape: Sequence[int],
    *,
    halo: Sequence[int],
    edge: str = "reflect",
    output_bytes: int = 0,
) -> ChunkTask:
    """The task that is the whole array, its halo all outside. `output_bytes` 0: as large as the input."""
    axes, halo = tuple(shape), tuple(halo)
    return ChunkTask(
        input=data,
        dtype=dtype,
        input_shape=axes,
        clipped_before=halo,
        clipped_after=halo,
        halo=halo,
        output_shape=axes,
        output_start=(0,) * len(axes),
        array_shape=axes,
        output_bytes=output_bytes or prod(axes) * DTYPES[dtype][1],
        edge=edge,
    )


def run_local(
    module: bytes,
    parameters: Mapping[str, str],
    task: ChunkTask,
    limits: ProcessorLimits = LOCAL_LIMITS,
) -> Outcome:
    """Run one chunk here and now; blocks until it is done. UserFault when `module` cannot be a processor."""
    abi.check_chunk(task)
    head = abi.request_block(task, parameters_text(parameters))
    started = time.process_time_ns()
    config = engine.new_engine()
    try:
        program = engine.Program(config, module, MODULE_BYTES_MAX)
    except engine.InvalidModule as fault:
        raise UserFault(f"the module {fault}") from None
    form = (DTYPES[task.dtype][1], padding.CODES[task.edge])
    flat = memoryview(task.input).cast("B")
    padded = padding.pad(flat, task.input_shape, task.clipped_before, task.clipped_after, form)
    output = bytearray(task.output_bytes)
    target = (ctypes.addressof((ctypes.c_char * len(output)).from_buffer(output)), len(output))
    bounds = engine.Limits(limits.fuel_per_chunk, limits.memory_bytes, limits.chunk_ms_max)
    alarm = threading.Timer(limits.chunk_ms_max / 1000, _interrupt, (config, bounds))
    alarm.daemon = True
    alarm.start()
    try:
        program.run(head, (padded, len(padded)), target, bounds)
    except engine.ModuleTrapped as trap:
        return Trapped(0, str(trap))
    except engine.ModuleAbandoned as reason:
        return Abandoned(str(reason))
    finally:
        alarm.cancel()
    return Computed([bytes(output)], (time.process_time_ns() - started) // 1_000_000)


def _interrupt(config: Engine, bounds: engine.Limits) -> None:
    for _ in range(bounds.chunk_ms // engine.TICK_MS + 3):
        config.increment_epoch()
