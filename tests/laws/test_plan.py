"""The plan of random arrays against numpy's slices, and the proof of coverage against the plan."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.adapters.arrays import gather, scatter
from sgnus.core.coverage import prove_coverage
from sgnus.core.cut import choose_plan
from sgnus.core.plan import Plan
from sgnus.core.tiles import ITEM_BYTES, axes_to_make_whole, strides_of
from sgnus.messages.errors import UserFault
from sgnus.messages.v1.types import ArraySpec, Cut, Edge, JobRequest, OutputSpec, Policy, Verify

Case = tuple[ArraySpec, Cut, OutputSpec]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)))
    tile = [draw(st.integers(1, items)) for items in shape]
    halo = tuple(draw(st.integers(0, size)) for size in tile)
    for axis in axes_to_make_whole(shape, tuple(tile), halo):
        tile[axis] = shape[axis]
    cut = Cut(tile=tuple(tile), halo=halo, edge=Edge.NEAREST, chunks_per_sub_block=draw(st.integers(1, 64)))
    dtype, output = (draw(st.sampled_from(sorted(ITEM_BYTES))) for _ in range(2))
    fixed = draw(st.none() | st.integers(1, 9))
    return ArraySpec(shape=shape, dtype=dtype), cut, OutputSpec(dtype=output, chunk_bytes=fixed)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_input_chunks_are_the_slices_and_outputs_cover_exactly_once(case: Case) -> None:
    array, cut, _output = case
    plan = Plan.of_parts(*case)
    stream = np.random.default_rng(1).bytes(prod(array.shape) * ITEM_BYTES[array.dtype])
    items = np.frombuffer(stream, dtype=f"V{ITEM_BYTES[array.dtype]}").reshape(array.shape)
    written = bytearray(plan.output_bytes)
    upload = 0
    for index in range(plan.chunks):
        chunk = plan.chunk(index)
        task = chunk.task
        start, size = chunk.tile.input_start, chunk.tile.input_shape
        region = items[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
        assert gather(chunk.input, stream) == region.tobytes()
        axes = zip(task.output_start, task.output_shape, cut.halo, array.shape, strict=True)
        clipped = [(max(0, h - a), max(0, a + n + h - items)) for a, n, h, items in axes]
        assert (task.clipped_before, task.clipped_after) == tuple(zip(*clipped, strict=True))
        for axis, halo in enumerate(cut.halo):
            assert start[axis] == task.output_start[axis] - halo + task.clipped_before[axis]
            padded = task.clipped_before[axis] + size[axis] + task.clipped_after[axis]
            assert padded == task.output_shape[axis] + 2 * halo
        scatter(chunk.output, bytes([1]) * chunk.tile.output_bytes, written)
        upload += chunk.tile.input_bytes
    assert all(written)
    prove_coverage([plan.chunk(index).output for index in range(plan.chunks)], plan.output_bytes)
    reply = plan.reply("nobody", "")
    assert (reply.upload_bytes, reply.input_bytes) == (upload, len(stream))
    largest = [plan.chunk(i).tile for i in range(plan.chunks)]
    assert plan.largest_bytes == (max(t.input_bytes for t in largest), max(t.output_bytes for t in largest))


@given(cases())
@settings(max_examples=100, deadline=None)
def test_output_tiles_are_regions_of_the_output_array(case: Case) -> None:
    plan = Plan.of_parts(*case)
    size = ITEM_BYTES[plan.output_array.dtype]
    result = np.zeros(plan.output_bytes, np.uint8)
    expected = np.zeros(plan.output_array.shape, dtype=f"V{size}")
    for index in range(plan.chunks):
        chunk = plan.chunk(index)
        payload = bytes((index + i) % 256 for i in range(chunk.tile.output_bytes))
        scatter(chunk.output, payload, result.data)
        start, shape = chunk.tile.output_start, chunk.tile.output_shape
        place = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
        expected[place] = np.frombuffer(payload, dtype=f"V{size}").reshape(shape)
    assert result.tobytes() == expected.tobytes()


@given(cases())
@settings(max_examples=100, deadline=None)
def test_every_chunk_lies_in_exactly_one_sub_block_and_nothing_is_dropped(case: Case) -> None:
    plan = Plan.of_parts(*case)
    seen: list[int] = []
    sub_blocks = 0
    for microjob in range(plan.microjobs):
        assert 1 <= plan.sub_blocks_of(microjob) <= 10
        before = len(seen)
        for sub_block in range(plan.sub_blocks_of(microjob)):
            indexes = plan.chunks_of(microjob, sub_block)
            assert 1 <= len(indexes) <= plan.chunks_per_sub_block
            assert all(plan.place_of(index) == (microjob, sub_block) for index in indexes)
            seen += indexes
            sub_blocks += 1
        assert list(plan.chunks_of_microjob(microjob)) == seen[before:]
    assert seen == list(range(plan.chunks))
    assert sub_blocks == plan.sub_blocks


@given(cases())
@settings(max_examples=50, deadline=None)
def test_two_nodes_compute_the_same_plan(case: Case) -> None:
    one, other = Plan.of_parts(*case), Plan.of_parts(*case)
    assert [one.chunk(i) for i in range(one.chunks)] == [other.chunk(i) for i in range(other.chunks)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.data())
@settings(max_examples=300, deadline=None)
def test_a_region_takes_as_many_strides_as_its_positions_need(shape: list[int], data: st.DataObject) -> None:
    region = [data.draw(st.integers(1, items)) for items in shape]
    walked = strides_of(shape, region)
    positions = [0]
    for stride, number in reversed(walked):
        positions = [p + i * stride for p in positions for i in range(number)]
    if prod(shape) > 100_000:
        return
    numbers = np.arange(prod(shape)).reshape(shape)[tuple(slice(0, n) for n in region)]
    assert positions == numbers.reshape(-1).tolist()


anything = st.integers(-3, 600) | st.sampled_from([0, -1, 10**30, 2**62, 2**63])


@given(
    st.lists(anything, max_size=9),
    st.lists(anything, max_size=9),
    st.lists(anything, max_size=9),
    st.sampled_from(["uint8", "float64", "complex128", "object", "x" * 99]),
    st.integers(-1, 70),
    st.none() | anything,
)
@settings(max_examples=500, deadline=None)
def test_hostile_requests_get_one_sentence_or_a_plan(
    shape: list[int], tile: list[int], halo: list[int], dtype: str, chunks: int, fixed: int | None
) -> None:
    request = JobRequest(
        name="",
        processor="sobel",
        parameters=(),
        array=ArraySpec(shape=tuple(shape), dtype=dtype),
        tile=tuple(tile),
        halo=tuple(halo),
        edge=Edge.UNSPECIFIED,
        chunks_per_sub_block=chunks,
        output=OutputSpec(dtype="uint8", chunk_bytes=fixed),
        deadline_ms=0,
        policy=Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        lifetime_ms=0,
    )
    try:
        _, plan = choose_plan(request, (1,), 11)
    except UserFault as fault:
        assert "\n" not in str(fault)
        assert len(str(fault)) < 500
    else:
        plan.chunk(plan.chunks - 1)
        assert plan.microjobs <= 1_000_000
