"""What the plan says about one chunk."""

from __future__ import annotations

from dataclasses import dataclass

from sgnus.core.tiles import Shape
from sgnus.messages.v1.types import Chunk, Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShape:
    """What a processor must know beside the bytes of one chunk; the names are those of `ports.ChunkTask`.

    `output_start` and `output_shape` are the tile's region in the input array's items, also where the output is a fixed
    number of bytes.
    """

    dtype: str
    input_shape: Shape
    clipped_before: Shape
    clipped_after: Shape
    halo: Shape
    output_shape: Shape
    output_start: Shape
    array_shape: Shape
    output_bytes: int
    edge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChunk:
    """One chunk of the plan: where its input and its output lie, and the same as a tile and for the processor.

    `tile.output_start` and `tile.output_shape` are regions of `Plan.output_array`.
    """

    index: int
    input: Chunk
    output: Chunk
    tile: Tile
    task: TaskShape
