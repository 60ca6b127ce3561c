"""Arrays into bytes and back, in pieces: nothing here copies a whole input."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgnus.messages.errors import UserFault
from sgnus.messages.limits import DATA_BYTES_TYPICAL

Array = NDArray[Any]


def as_array(source: Any) -> Array:
    """The array itself, a memmap as it is, or a view on any buffer. UserFault when its items are no numbers."""
    if isinstance(source, np.ndarray):
        array = source
    else:
        # numpy takes bytes for a text, and a view on them for numbers.
        array = np.asarray(memoryview(source) if isinstance(source, bytes | bytearray) else source)
    if array.dtype.kind not in "biufc":
        raise UserFault(
            f"The input has items of type {array.dtype}; the grid takes booleans, integers, floats and complex numbers."
        )
    return array


def dtype_name(array: Array) -> str:
    """The numpy name, whatever the byte order: bytes travel little-endian."""
    return array.dtype.name


def pieces(array: Array, piece_bytes: int = DATA_BYTES_TYPICAL) -> Iterator[bytes]:
    """The bytes of the array in C order, little-endian, at most `piece_bytes` at a time."""
    if array.flags.c_contiguous and _is_little(array):
        view = memoryview(array.reshape(-1).view(np.uint8).data)
        for start in range(0, len(view), piece_bytes):
            yield bytes(view[start : start + piece_bytes])
        return
    row_bytes = max(1, array.nbytes // array.shape[0])
    if row_bytes > piece_bytes and array.ndim > 1:
        for row in array:
            yield from pieces(row, piece_bytes)
        return
    rows = max(1, piece_bytes // row_bytes)
    for start in range(0, array.shape[0], rows):
        block = array[start : start + rows]
        yield np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).tobytes()


def _is_little(array: Array) -> bool:
    return bool(array.dtype == array.dtype.newbyteorder("<"))


def checked_out(out: Array | None, shape: tuple[int, ...], dtype: str) -> Array:
    """The array to fill: `out` if it fits, else a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != np.dtype(dtype):
        raise UserFault(
            f"The result has shape {shape} and dtype {dtype}, but out has {out.shape} and {out.dtype}; make them equal."
        )
    return out


def result_bytes(results: Any, sizes: list[int], dtype: str) -> Iterator[bytes]:
    """The results of a sub-block as pieces; UserFault when one is not what its tile's output must be."""
    arrays = [np.asarray(result) for result in results]
    if len(arrays) != len(sizes):
        raise UserFault(f"The sub-block has {len(sizes)} tiles, but {len(arrays)} results were given.")
    for index, (array, size) in enumerate(zip(arrays, sizes, strict=True)):
        if array.dtype != np.dtype(dtype):
            raise UserFault(f"Result {index} has dtype {array.dtype}, but the job wants {dtype}.")
        if array.nbytes != size:
            raise UserFault(f"Result {index} has {array.nbytes} bytes, but its tile wants {size}.")
    return itertools.chain.from_iterable(pieces(array.reshape(-1)) for array in arrays)
