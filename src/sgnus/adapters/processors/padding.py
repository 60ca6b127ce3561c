"""Fill the margin that the array's border cut off a chunk, on plain bytes: any dtype, any number of axes.

Runs in the child, which has no numpy; `numpy.pad` of the clipped region is the reference of the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

REFLECT, NEAREST, WRAP, CONSTANT = 0, 1, 2, 3
CODES: Final = {"reflect": REFLECT, "nearest": NEAREST, "wrap": WRAP, "constant": CONSTANT}

Run = tuple[int, int]


def pad(
    region: bytes | memoryview,
    shape: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
    form: tuple[int, int],
) -> bytes:
    """`region` (C order) grown by `before` and `after` items per axis; `form` is (item bytes, edge code)."""
    item_bytes, edge = form
    axes = len(shape)
    while axes and not before[axes - 1] and not after[axes - 1]:
        axes -= 1
        item_bytes *= shape[axes]
    if axes == 0:
        return bytes(region)
    runs = [_runs(shape[a], before[a], after[a], edge) for a in range(axes)]
    strides = _strides(shape[:axes], item_bytes)
    sizes = [
        item_bytes * _product(shape[a] + before[a] + after[a] for a in range(d + 1, axes))
        for d in range(axes)
    ]
    return _Padding(region, strides, runs, sizes).axis(0, 0)


class _Padding:
    """One walk over a region, outer axes first; a part that is repeated in the margin is built once."""

    def __init__(
        self, region: bytes | memoryview, strides: list[int], runs: list[list[Run]], sizes: list[int]
    ) -> None:
        self.region = region
        self.strides = strides
        self.runs = runs
        self.sizes = sizes

    def axis(self, axis: int, start: int) -> bytes:
        """The padded bytes of the part that begins at byte `start` and spans the axes from `axis` on."""
        stride, parts = self.strides[axis], []
        last = axis == len(self.runs) - 1
        built: dict[int, bytes] = {}
        for first, stop in self.runs[axis]:
            if first < 0:
                parts.append(bytes(self.sizes[axis] * stop))
            elif last:
                parts.append(bytes(self.region[start + first * stride : start + stop * stride]))
            else:
                for index in range(first, stop):
                    if index not in built:
                        built[index] = self.axis(axis + 1, start + index * stride)
                    parts.append(built[index])
        return b"".join(parts)


def _runs(length: int, before: int, after: int, edge: int) -> list[Run]:
    """Source indices along one axis as runs (first, stop) of neighbours; (-1, n) means n items of zero."""
    runs: list[Run] = []
    for position in range(-before, 0):
        _add(runs, _source(position, length, edge))
    runs.append((0, length))
    for position in range(length, length + after):
        _add(runs, _source(position, length, edge))
    return runs


def _add(runs: list[Run], index: int) -> None:
    if runs and index < 0 and runs[-1][0] < 0:
        runs[-1] = (-1, runs[-1][1] + 1)
    elif index < 0:
        runs.append((-1, 1))
    elif runs and runs[-1][0] >= 0 and runs[-1][1] == index:
        runs[-1] = (runs[-1][0], index + 1)
    else:
        runs.append((index, index + 1))


def _source(position: int, length: int, edge: int) -> int:
    if edge == CONSTANT:
        return -1
    if edge == NEAREST or length == 1:
        return min(max(position, 0), length - 1)
    if edge == WRAP:
        return position % length
    period = 2 * (length - 1)
    folded = position % period
    return folded if folded < length else period - folded


def _strides(shape: Sequence[int], item_bytes: int) -> list[int]:
    strides = [item_bytes] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return strides


def _product(numbers: Iterable[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result
