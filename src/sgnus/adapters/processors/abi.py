"""The request block of ABI 1 (docs/protocol/processor.md), which the parent makes and the child copies."""

from __future__ import annotations

import struct
from math import prod
from typing import Final

from sgnus.core.processors import AXES_MAX, DTYPES, EDGES
from sgnus.messages.errors import OurFault
from sgnus.messages.limits import MODULE_BYTES_MAX
from sgnus.ports import ChunkTask, SubBlockTask, Trapped

ABI: Final = 1
REQUEST: Final = struct.Struct("<4I 8I 8I 8I 8Q 8Q 4I")
INPUT_ALIGNMENT: Final = 16
MEMORY_BYTES_MAX: Final = 768 * 1024 * 1024
"""A child may write 1 GiB in all. Above this its own limit could end a module's growth, which must not be."""


def request_block(task: ChunkTask, parameters: bytes) -> bytes:
    """Request block, parameters' text and filling up to where the input begins."""
    code, item_bytes = DTYPES[task.dtype]
    in_shape = padded_shape(task)
    in_offset = -(-(REQUEST.size + len(parameters)) // INPUT_ALIGNMENT) * INPUT_ALIGNMENT
    head = REQUEST.pack(
        *(ABI, code, len(in_shape), len(parameters)),
        *_eight(in_shape),
        *_eight(task.output_shape),
        *_eight(task.halo),
        *_eight(task.output_start),
        *_eight(task.array_shape),
        *(task.output_bytes, prod(in_shape) * item_bytes, in_offset, 0),
    )
    return (head + parameters).ljust(in_offset, b"\0")


def padded_shape(task: ChunkTask) -> tuple[int, ...]:
    """Shape of the input as the module sees it: the clipped margin filled."""
    margins = zip(task.clipped_before, task.input_shape, task.clipped_after, strict=True)
    return tuple(sum(margin) for margin in margins)


def check_chunk(task: ChunkTask) -> None:
    """OurFault when the fields of a task contradict each other: the plan made it, so that is a bug."""
    axes = len(task.input_shape)
    if task.dtype not in DTYPES or task.edge not in EDGES:
        raise OurFault(f"chunk with dtype {task.dtype!r} and edge {task.edge!r}")
    whole = (task.clipped_before, task.clipped_after, task.halo, task.array_shape, task.output_start)
    if axes > AXES_MAX or len(task.output_shape) > AXES_MAX or any(len(numbers) != axes for numbers in whole):
        raise OurFault(f"chunk whose fields differ in their number of axes: {axes}")
    if any(number < 0 for numbers in (*whole, task.input_shape, task.output_shape) for number in numbers):
        raise OurFault("chunk with a negative number")
    if min(task.input_shape, default=1) < 1:
        raise OurFault(f"chunk with an empty input: {task.input_shape}")
    expected = prod(task.input_shape) * DTYPES[task.dtype][1]
    given = memoryview(task.input).nbytes
    if given != expected:
        raise OurFault(f"chunk with {given} input bytes where its shape has {expected}")


def needed_bytes(task: ChunkTask, parameters: bytes) -> int:
    """Bytes that the module's memory must hold at the least: request, padded input, output."""
    item_bytes = DTYPES[task.dtype][1]
    return REQUEST.size + len(parameters) + prod(padded_shape(task)) * item_bytes + task.output_bytes


def refusal(task: SubBlockTask, parameters: bytes) -> Trapped | None:
    """What every machine refuses alike before it runs; OurFault for a task that contradicts itself."""
    if task.limits.memory_bytes > MEMORY_BYTES_MAX:
        raise OurFault(f"limits of {task.limits.memory_bytes} bytes, {MEMORY_BYTES_MAX} can be granted")
    for index, chunk in enumerate(task.chunks):
        check_chunk(chunk)
        if needed_bytes(chunk, parameters) > task.limits.memory_bytes:
            return Trapped(index, "the chunk does not fit the memory limit")
    if not task.module or len(task.module) > MODULE_BYTES_MAX:
        return Trapped(0, "invalid module: it is empty or over the limit")
    return None


def _eight(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return numbers + (0,) * (AXES_MAX - len(numbers))
