"""Bytes of chunks out of a stream and back into one: strided copies by numpy, never a loop over lines in Python.

The geometry is validated before anything is allocated, and numpy checks each view against its buffer once more.
Whole sub-blocks are worth more than single tiles: tiles beside each other are copied as one chunk, which walks the
array's memory in long runs. Alone, a tile's short lines wait for memory (bench/chunks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sgnus.core.chunks import joined, payload_bytes, validate
from sgnus.messages.errors import OurFault
from sgnus.messages.limits import SUB_BLOCK_BYTES_MAX
from sgnus.messages.v1.types import Chunk

_BAND_BYTES: Final = 128 * 1024

Buffer = bytes | bytearray | memoryview


def view(chunk: Chunk, stream: Buffer) -> NDArray[np.uint8]:
    """The chunk's bytes where they lie, as an array of (blocks, lines, bytes) without a copy.

    GeometryFault when the chunk is not inside the stream. Writable exactly if the stream is.
    """
    validate(chunk, memoryview(stream).nbytes)
    return _strided(chunk, stream)


def gather(chunk: Chunk, stream: Buffer) -> memoryview:
    """The chunk's payload, copied once out of the stream."""
    return gather_all((chunk,), stream)


def gather_all(chunks: Sequence[Chunk], stream: Buffer) -> memoryview:
    """The payloads of the chunks of a sub-block, one after another in one new buffer."""
    size = _validated(chunks, stream, writes=False)
    payload = np.empty(size, dtype=np.uint8).data
    _gather(chunks, stream, payload)
    return payload


def gather_into(chunks: Sequence[Chunk], stream: Buffer, payload: bytearray | memoryview) -> None:
    """Copy the payloads of the chunks into a buffer of exactly their length."""
    _check_length(payload, _validated(chunks, stream, writes=False))
    _gather(chunks, stream, payload)


def scatter(chunk: Chunk, payload: Buffer, stream: bytearray | memoryview) -> None:
    """Write the payload of an output chunk to its places in the stream."""
    scatter_all((chunk,), payload, stream)


def scatter_all(chunks: Sequence[Chunk], payload: Buffer, stream: bytearray | memoryview) -> None:
    """Write the payloads of output chunks, one after another in `payload`, to their places in the stream.

    GeometryFault when a chunk is not inside the stream or writes a byte twice; OurFault for a payload of another length.
    The plan has proved that chunks do not overlap each other.
    """
    _check_length(payload, _validated(chunks, stream, writes=True))
    position = 0
    for run, _ in joined(chunks):
        target = _strided(run, stream)
        _copy(target, np.ndarray(target.shape, np.uint8, payload, position))
        position += target.size


def _gather(chunks: Sequence[Chunk], stream: Buffer, payload: bytearray | memoryview) -> None:
    position = 0
    for run, _ in joined(chunks):
        source = _strided(run, stream)
        _copy(np.ndarray(source.shape, np.uint8, payload, position), source)
        position += source.size


def _copy(target: NDArray[np.uint8], source: NDArray[np.uint8]) -> None:
    """Copy (blocks, lines, bytes) in bands of lines, so that what is read and written next still lies in the cache."""
    blocks, lines, width = target.shape
    band = lines if blocks == 1 else max(1, _BAND_BYTES // (blocks * width))
    for first in range(0, lines, band):
        np.copyto(target[:, first : first + band], source[:, first : first + band])


def _strided(chunk: Chunk, stream: Buffer) -> NDArray[np.uint8]:
    # A stride that is not walked may be any number up to 2^63, which numpy would refuse.
    line_stride = chunk.line_stride if chunk.height > 1 else 0
    block_stride = chunk.block_stride if chunk.count > 1 else 0
    shape = (chunk.count, chunk.height, chunk.width)
    return np.ndarray(shape, np.uint8, stream, chunk.offset, (block_stride, line_stride, 1))


def _validated(chunks: Sequence[Chunk], stream: Buffer, *, writes: bool) -> int:
    """Bytes of the chunks' payloads together."""
    stream_bytes, total = memoryview(stream).nbytes, 0
    for chunk in chunks:
        validate(chunk, stream_bytes, writes=writes)
        total += payload_bytes(chunk)
    if total > SUB_BLOCK_BYTES_MAX:
        raise OurFault(f"chunks of {total} bytes together: a sub-block has at most {SUB_BLOCK_BYTES_MAX}")
    return total


def _check_length(payload: Buffer, size: int) -> None:
    if memoryview(payload).nbytes != size:
        raise OurFault(f"a payload of {memoryview(payload).nbytes} bytes for chunks of {size}")
