"""Padding on plain bytes agrees with `numpy.pad` for any dtype, rank and margin."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sgnus.adapters.processors import padding

MODES = {"reflect": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
DTYPES = ["uint8", "uint16", "float32", "complex128"]
AXIS = st.tuples(st.integers(1, 4), st.integers(0, 9), st.integers(0, 9))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    axes=st.lists(AXIS, min_size=1, max_size=3),
    edge=st.sampled_from(list(MODES)),
    dtype=st.sampled_from(DTYPES),
)
@example(axes=[(1, 3, 3), (2, 9, 9)], edge="reflect", dtype="uint16")
@example(axes=[(2, 1, 0)] * 8, edge="wrap", dtype="uint8")
def test_padding_agrees_with_numpy(axes: list[tuple[int, int, int]], edge: str, dtype: str) -> None:
    shape, before, after = zip(*axes, strict=True)
    array = np.arange(1, 1 + int(np.prod(shape))).astype(dtype).reshape(shape)
    expected = np.pad(array, list(zip(before, after, strict=True)), mode=MODES[edge])  # type: ignore[call-overload]
    form = (array.itemsize, padding.CODES[edge])
    assert padding.pad(array.tobytes(), shape, before, after, form) == expected.tobytes()
    assert padding.pad(memoryview(array.tobytes()), shape, before, after, form) == expected.tobytes()
