"""The arithmetic of tiles: an N-d array in C order, cut into a grid of regions, each with its halo clipped at the border.

Everything about one tile follows from its number, so a grid of a billion tiles takes no memory. A region of an array is
one chunk only while at most two strides stay after contiguous axes are joined: `strides_of` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Final

from sgnus.core.chunks import GeometryFault, told
from sgnus.core.processors import DTYPES
from sgnus.messages.limits import AXES_MAX, STREAM_BYTES_MAX
from sgnus.messages.v1.types import ArraySpec, Chunk

ITEM_BYTES: Final = {name: size for name, (_, size) in DTYPES.items()}
"""Bytes per item of each known dtype, by numpy's name; items are little-endian in the stream."""

Shape = tuple[int, ...]

_STRIDES_MAX: Final = 2
_WALKS_CACHED_MAX: Final = 256


def item_bytes(dtype: str) -> int:
    """Bytes per item; GeometryFault for an unknown dtype."""
    if dtype not in ITEM_BYTES:
        raise GeometryFault(f"unknown dtype {dtype[:16]!r}: the known ones are {', '.join(ITEM_BYTES)}")
    return ITEM_BYTES[dtype]


def array_bytes(array: ArraySpec) -> int:
    """Length of the array's stream; GeometryFault for a shape or dtype that cannot be."""
    if not 1 <= len(array.shape) <= AXES_MAX:
        raise GeometryFault(f"an array has 1 to {AXES_MAX} axes, and this one has {len(array.shape)}")
    size = item_bytes(array.dtype)
    for axis, items in enumerate(array.shape):
        if items < 1:
            raise GeometryFault(
                f"axis {axis} of the array has {told(items)} items: it must have at least one"
            )
        size *= items
        if size > STREAM_BYTES_MAX:
            raise GeometryFault(
                f"the array of {told(*array.shape)} {array.dtype} is larger than {STREAM_BYTES_MAX} bytes: split it"
            )
    return size


@dataclass(frozen=True, slots=True)
class Region:
    """Tile number `index`: its region of the array, and that region with halo, clipped at the border."""

    index: int
    start: Shape
    shape: Shape
    input_start: Shape
    input_shape: Shape
    clipped_before: Shape
    clipped_after: Shape


@dataclass(frozen=True, slots=True)
class Grid:
    """An array cut into tiles of one shape, smaller at the far border; tiles are numbered in C order.

    The tiles' regions partition the array: on each axis the intervals [i*tile, min((i+1)*tile, items)) partition
    [0, items), and a tile is the product of one interval per axis.
    """

    shape: Shape
    tile: Shape
    halo: Shape
    counts: Shape
    tiles: int

    @classmethod
    def of(cls, shape: Shape, tile: Shape, halo: Shape) -> Grid:
        """The grid; GeometryFault for a tile or halo that does not fit, or whose regions are no chunks."""
        _check_numbers(shape, tile, halo)
        _check_expressible(shape, tile, halo)
        counts = tuple(-(-items // size) for items, size in zip(shape, tile, strict=True))
        return cls(shape, tile, halo, counts, prod(counts))

    def region(self, index: int) -> Region:
        """Tile number `index`; GeometryFault when there is none."""
        if not 0 <= index < self.tiles:
            raise GeometryFault(f"there is no chunk {told(index)}: the job has {self.tiles}")
        rest, axes = index, []
        for axis in range(len(self.shape) - 1, -1, -1):
            rest, place = divmod(rest, self.counts[axis])
            axes.append(self._interval(axis, place))
        starts, sizes, input_starts, input_sizes, before, after = zip(*reversed(axes), strict=True)
        return Region(index, starts, sizes, input_starts, input_sizes, before, after)

    def _interval(self, axis: int, place: int) -> tuple[int, int, int, int, int, int]:
        items, size, halo = self.shape[axis], self.tile[axis], self.halo[axis]
        start = place * size
        end = min(start + size, items)
        first = max(start - halo, 0)
        last = min(end + halo, items)
        return start, end - start, first, last - first, first - (start - halo), end + halo - last

    def input_items_max(self) -> int:
        """Items of the largest input region, halo included."""
        return prod(max(_extents(*axis)) for axis in zip(self.shape, self.tile, self.halo, strict=True))

    def input_items(self) -> int:
        """Items of all input regions together: what members read, halo counted as often as it is read."""
        total = 1
        for items, size, halo, count in zip(self.shape, self.tile, self.halo, self.counts, strict=True):
            clipped = 2 * halo
            if count > 1:
                # The halo of the last tile but one may reach over a short last tile.
                clipped += max(0, halo - (items - (count - 1) * size))
            total *= items + 2 * halo * count - clipped
        return total


def strides_of(shape: Sequence[int], region: Sequence[int]) -> list[tuple[int, int]]:
    """The (stride, number) pairs in items, inner first, that walk a region of that extent; [0] is the contiguous run.

    Axes of which the region takes one item need no stride, and an axis joins the one inside it where that is whole.
    """
    walked = [(1, 1)]
    stride = 1
    for items, extent in zip(reversed(shape), reversed(region), strict=True):
        if extent > 1:
            inner, number = walked[-1]
            if stride == inner * number:
                walked[-1] = (inner, number * extent)
            else:
                walked.append((stride, extent))
        stride *= items
    return walked


@lru_cache(_WALKS_CACHED_MAX)
def _walk(shape: Shape, region: Shape) -> tuple[int, int, int, int, int]:
    """Width, height, line_stride, block_stride and count in items. Tiles of a grid have few extents: the last are kept."""
    (_, width), *walked = strides_of(shape, region)
    if len(walked) > _STRIDES_MAX:
        raise GeometryFault(f"a region of {told(*region)} in an array of {told(*shape)} is not one chunk")
    (line_stride, height), (block_stride, count) = (*walked, (0, 1), (0, 1))[:2]
    return width, height, line_stride, block_stride, count


def region_chunk(chunk_id: int, array: tuple[Shape, int], start: Shape, region: Shape) -> Chunk:
    """The chunk that selects a region of an array given as (shape, bytes per item).

    Only regions of a Grid come here; one with more than two strides is GeometryFault.
    """
    shape, size = array
    width, height, line_stride, block_stride, count = _walk(shape, region)
    offset = 0
    for items, first in zip(shape, start, strict=True):
        offset = offset * items + first
    return Chunk(
        chunk_id=chunk_id,
        offset=offset * size,
        width=width * size,
        height=height,
        line_stride=line_stride * size,
        block_stride=block_stride * size,
        count=count,
    )


def axes_to_make_whole(shape: Shape, tile: Shape, halo: Shape) -> list[int]:
    """Axes of which the tile must take all items for each of its regions to be one chunk; empty when they are.

    Inner axes first, because whole inner axes join into one contiguous run.
    """
    sizes, axes = list(tile), []
    for axis in range(len(shape) - 1, -1, -1):
        if _strides_needed(shape, sizes, halo) <= _STRIDES_MAX:
            break
        if sizes[axis] != shape[axis]:
            sizes[axis] = shape[axis]
            axes.append(axis)
    return axes


def _strides_needed(shape: Sequence[int], tile: Sequence[int], halo: Sequence[int]) -> int:
    """Strides of the worst region, of inputs and of outputs (whose halo is 0)."""
    worst = 0
    for margin in (halo, [0] * len(shape)):
        kinds = [_kinds(*axis) for axis in zip(shape, tile, margin, strict=True)]
        worst = max(worst, *(len(strides_of(shape, region)) - 1 for region in product(*kinds)))
    return worst


def _kinds(items: int, size: int, halo: int) -> Iterator[int]:
    """One extent of each kind that regions have on an axis: the whole axis, one item, and anything between.

    Which strides a region needs depends on nothing else.
    """
    extents = _extents(items, size, halo)
    if items in extents:
        yield items
    if 1 in extents and items != 1:
        yield 1
    yield from [extent for extent in extents if 1 < extent < items][:1]


def _extents(items: int, size: int, halo: int) -> list[int]:
    """Extents of the regions on one axis: only the tiles next to the border can differ, since the halo is no larger."""
    count = -(-items // size)
    places = (0, 1, count - 2, count - 1)
    return [
        min((place + 1) * size + halo, min((place + 1) * size, items) + halo, items)
        - max(place * size - halo, 0)
        for place in places
        if 0 <= place < count
    ]


def _check_numbers(shape: Shape, tile: Shape, halo: Shape) -> None:
    for name, numbers in (("tile", tile), ("halo", halo)):
        if len(numbers) != len(shape):
            raise GeometryFault(
                f"the {name} has {len(numbers)} axes and the array {len(shape)}: give one number for each axis of {told(*shape)}"
            )
    for axis, (items, size, margin) in enumerate(zip(shape, tile, halo, strict=True)):
        if not 1 <= size <= items:
            raise GeometryFault(
                f"the tile has {told(size)} items on axis {axis} of the array of {told(*shape)}: it must have 1 to {items}"
            )
        if not 0 <= margin <= size:
            raise GeometryFault(
                f"the halo is {told(margin)} on axis {axis}, where the tile has {size} items: it must be 0 to {size}"
            )


def _check_expressible(shape: Shape, tile: Shape, halo: Shape) -> None:
    axes = axes_to_make_whole(shape, tile, halo)
    if axes:
        whole = " and ".join(f"axis {axis} whole ({shape[axis]} items)" for axis in axes)
        raise GeometryFault(
            f"a tile of {told(*tile)} with halo {told(*halo)} in an array of {told(*shape)} needs more than two strides, "
            f"so it is not one chunk: make {whole} in the tile"
        )
