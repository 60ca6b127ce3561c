"""What comes back from a job, and what an app is given to process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Literal

import numpy as np

from sgnus.frontends.sdk.arrays import Array
from sgnus.frontends.sdk.geometry import Chunk
from sgnus.frontends.sdk.views import RESULT_STATES, word
from sgnus.messages.errors import OurFault

PadMode = Literal["reflect", "edge", "wrap", "constant"]
PAD_MODES: Final[dict[int, PadMode]] = {0: "reflect", 1: "reflect", 2: "edge", 3: "wrap", 4: "constant"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One output region: `array` belongs at `start` (items an axis) of the result.

    In a job with explicit chunks it belongs to the bytes of `chunk` instead, and `start` says nothing.
    """

    index: int
    start: tuple[int, ...]
    array: Array
    state: str
    chunk: Chunk | None = None

    @property
    def region(self) -> tuple[slice, ...]:
        """The slices of the result that this tile fills."""
        return tuple(
            slice(start, start + size) for start, size in zip(self.start, self.array.shape, strict=True)
        )

    def place(self, whole: Array) -> None:
        """Write this tile to its place in the whole result (C-contiguous)."""
        if self.chunk is None:
            whole[self.region] = self.array
            return
        chunk, stream = self.chunk, whole.reshape(-1).view(np.uint8)
        shape = (chunk.count, chunk.height, chunk.width)
        if chunk.offset + self.array.nbytes > stream.size or self.array.nbytes != prod(shape):
            raise OurFault(f"The node sent chunk {self.index} for a place outside the result.")
        strides = (chunk.block_stride, chunk.line_stride, 1)
        last = chunk.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if last >= stream.size:
            raise OurFault(f"The node sent chunk {self.index} for a place outside the result.")
        place = np.lib.stride_tricks.as_strided(stream[chunk.offset :], shape, strides)
        place[...] = self.array.reshape(-1).view(np.uint8).reshape(shape)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The tiles of one sub-block, and the cursor to resume after."""

    cursor: int
    sub_block: int
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class InputTile:
    """One tile to process. `array` is the input with its halo as far as the array reaches; the output has `output_shape`."""

    index: int
    array: Array
    input_start: tuple[int, ...]
    output_start: tuple[int, ...]
    output_shape: tuple[int, ...]
    output_bytes: int
    margin: tuple[tuple[int, int], ...]
    edge: int

    def padded(self) -> Array:
        """The input with the halo that lies beyond the array's border filled by the job's edge mode."""
        if not any(before or after for before, after in self.margin):
            return self.array
        return np.pad(self.array, self.margin, mode=PAD_MODES.get(self.edge, "reflect"))


@dataclass(frozen=True, slots=True)
class SubBlock:
    """A lease: tiles to process, with the processor's name and parameters, and the dtype that the outputs must have."""

    job: str
    microjob: int
    number: int
    processor: str
    parameters: dict[str, str]
    tiles: tuple[InputTile, ...]
    output_dtype: str


def delivery(first: Any, cursor: int, data: bytearray, dtype: str, state: int) -> Delivery:
    """The tiles of a sub-block, as views on its bytes."""
    wanted = sum(tile.output_bytes for tile in first.tiles)
    if len(data) != wanted:
        raise OurFault(
            f"The node sent {len(data)} bytes for sub-block {first.sub_block}, which has {wanted}."
        )
    tiles, position = [], 0
    for tile in first.tiles:
        part = np.frombuffer(data, np.uint8, tile.output_bytes, position).view(dtype)
        array = part.reshape(tuple(tile.output_shape))
        chunk = _chunk(tile.output_chunk) if tile.HasField("output_chunk") else None
        tiles.append(Tile(tile.index, tuple(tile.output_start), array, word(RESULT_STATES, state), chunk))
        position += tile.output_bytes
    return Delivery(cursor, first.sub_block, tuple(tiles))


def _chunk(told: Any) -> Chunk:
    names = ("chunk_id", "offset", "width", "height", "line_stride", "block_stride", "count")
    return Chunk(**{name: getattr(told, name) for name in names})


def sub_block(first: Any, room: tuple[str, int], data: bytearray) -> SubBlock:
    """The lease in the first item of RequestProcessingData, with the bytes of the others."""
    wanted = sum(tile.input_bytes for tile in first.tiles)
    if len(data) != wanted:
        raise OurFault(
            f"The node sent {len(data)} bytes for sub-block {first.sub_block}, which has {wanted}."
        )
    tiles, position = [], 0
    for tile in first.tiles:
        part = np.frombuffer(data, np.uint8, tile.input_bytes, position).view(first.array.dtype)
        tiles.append(_input_tile(tile, first, part.reshape(tuple(tile.input_shape))))
        position += tile.input_bytes
    return SubBlock(
        job=room[0],
        microjob=room[1],
        number=first.sub_block,
        processor=first.processor.id,
        parameters={parameter.name: parameter.value for parameter in first.processor.parameters},
        tiles=tuple(tiles),
        output_dtype=first.output.dtype,
    )


def _input_tile(tile: Any, first: Any, array: Array) -> InputTile:
    start, size = tuple(tile.input_start), tuple(tile.input_shape)
    fixed = first.output.HasField("chunk_bytes")
    margin = ((0, 0),) * len(size) if fixed else _margin(tile, first.cut.halo)
    return InputTile(
        index=tile.index,
        array=array,
        input_start=start,
        output_start=tuple(tile.output_start),
        output_shape=tuple(tile.output_shape),
        output_bytes=tile.output_bytes,
        margin=margin,
        edge=first.cut.edge,
    )


def _margin(tile: Any, halo: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """How much of the halo was clipped at the array's border, before and after on each axis."""
    if not halo:
        return ((0, 0),) * len(tile.input_shape)
    axes = zip(tile.input_start, tile.input_shape, tile.output_start, tile.output_shape, halo, strict=True)
    return tuple(
        (halo_ - (output - start), halo_ - (start + size - output - output_size))
        for start, size, output, output_size, halo_ in axes
    )
