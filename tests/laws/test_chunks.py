"""The geometry against a naive loop over single bytes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.adapters.arrays import gather, gather_all, gather_into, scatter, scatter_all, view
from sgnus.core.chunks import (
    GeometryFault,
    byte_position,
    collapsed,
    end_position,
    has_overlap,
    joined,
    payload_bytes,
    segments,
    validate,
)
from sgnus.core.coverage import prove_coverage
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.v1.types import Chunk


def chunk_of(offset: int, width: int, *walk: int) -> Chunk:
    """`walk`: height, line stride, count, block stride, as far as they are not the simplest."""
    height, line_stride, count, block_stride = (*walk, *(1, 0, 1, 0)[len(walk) :])
    return Chunk(
        chunk_id=0,
        offset=offset,
        width=width,
        height=height,
        line_stride=line_stride,
        block_stride=block_stride,
        count=count,
    )


small = st.builds(
    chunk_of,
    st.integers(0, 20),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 30),
    st.integers(1, 6),
    st.integers(0, 30),
)


def naive_positions(chunk: Chunk) -> list[int]:
    return [
        chunk.offset + k * chunk.block_stride + r * chunk.line_stride + b
        for k in range(chunk.count)
        for r in range(chunk.height)
        for b in range(chunk.width)
    ]


def stream_of(length: int) -> bytes:
    return bytes((7 * i + i // 251) % 256 for i in range(length))


@given(small)
def test_segments_and_sizes_are_those_of_the_naive_loop(chunk: Chunk) -> None:
    positions = naive_positions(chunk)
    runs = list(segments(chunk))
    assert [start + i for start, length in runs for i in range(length)] == positions
    assert all(a + n != b for (a, n), (b, _) in itertools.pairwise(runs))
    assert payload_bytes(chunk) == len(positions)
    assert end_position(chunk) == max(positions) + 1
    assert naive_positions(collapsed(chunk)) == positions
    assert byte_position(chunk, chunk.count - 1, 0) == positions[-chunk.height * chunk.width]


@given(small)
@settings(max_examples=1000)
def test_an_overlap_is_found_exactly_when_the_naive_loop_meets_a_byte_twice(chunk: Chunk) -> None:
    positions = naive_positions(chunk)
    assert has_overlap(chunk) == (len(set(positions)) < len(positions))


@given(
    st.builds(
        chunk_of,
        st.just(0),
        st.integers(1, 3),
        st.integers(1, 40),
        st.integers(0, 60),
        st.integers(1, 40),
        st.integers(0, 60),
    )
)
@settings(max_examples=500)
def test_an_overlap_of_many_blocks_and_lines_is_found_as_well(chunk: Chunk) -> None:
    positions = naive_positions(chunk)
    assert has_overlap(chunk) == (len(set(positions)) < len(positions))


@given(small, st.integers(0, 300))
def test_a_chunk_is_valid_exactly_inside_its_stream(chunk: Chunk, stream_bytes: int) -> None:
    if max(naive_positions(chunk)) < stream_bytes:
        validate(chunk, stream_bytes)
    else:
        with pytest.raises(GeometryFault, match="behind the stream"):
            validate(chunk, stream_bytes)


anything = st.one_of(
    st.integers(), st.integers(-3, 30), st.sampled_from([10**30, 2**63 - 1, 2**63, 10**5000])
)


@given(st.builds(Chunk, **dict.fromkeys(Chunk.__slots__, anything)), anything, st.booleans())
@settings(max_examples=500)
def test_hostile_numbers_are_refused_or_harmless(chunk: Chunk, stream_bytes: int, writes: bool) -> None:
    try:
        validate(chunk, stream_bytes, writes=writes)
    except PeerFault as fault:
        assert len(str(fault)) < 300
    else:
        assert 0 < payload_bytes(chunk) <= 64 * 2**20
        assert 0 <= chunk.offset < end_position(chunk) <= stream_bytes


def test_absurd_numbers_are_refused_before_anything_is_walked() -> None:
    for name in ("offset", "width", "height", "count", "line_stride", "block_stride", "chunk_id"):
        with pytest.raises(GeometryFault, match=rf"{name} is \(100-bit number\)"):
            validate(replace(chunk_of(0, 1), **{name: 10**30}), 10**31)
    with pytest.raises(GeometryFault, match="at most"):
        validate(chunk_of(0, 1, 2**60, 0, 2**60, 0), 10)


def test_negative_and_zero_numbers_are_refused_by_name() -> None:
    for name in ("width", "height", "count"):
        for value in (0, -1):
            with pytest.raises(GeometryFault, match=f"{name} is {value}: it must be 1 to"):
                validate(replace(chunk_of(0, 1), **{name: value}), 100)
    for name in ("offset", "line_stride", "block_stride"):
        with pytest.raises(GeometryFault, match=f"{name} is -1: it must be 0 to"):
            validate(replace(chunk_of(0, 1), **{name: -1}), 100)


def test_the_overlap_of_enormous_strides_is_decided_at_once() -> None:
    coprime = chunk_of(0, 1, 4096, 2**40 + 1, 4096, 2**40 - 87)
    assert not has_overlap(coprime)
    assert has_overlap(replace(coprime, width=2**40 // 90))


# ---- copies ---------------------------------------------------------------------------------------------------------
@given(small)
def test_gather_copies_what_the_naive_loop_reads(chunk: Chunk) -> None:
    stream = stream_of(end_position(chunk) + 3)
    wanted = bytes(stream[p] for p in naive_positions(chunk))
    assert gather(chunk, stream) == wanted
    kept = bytearray(len(wanted))
    gather_into([chunk], memoryview(stream), kept)
    assert kept == wanted
    assert view(chunk, stream).tobytes() == wanted


@given(small)
def test_scatter_writes_where_the_naive_loop_writes_and_nowhere_else(chunk: Chunk) -> None:
    out = bytearray(end_position(chunk) + 3)
    payload = bytes(i % 255 + 1 for i in range(payload_bytes(chunk)))
    if has_overlap(chunk):
        with pytest.raises(GeometryFault, match="twice"):
            scatter(chunk, payload, out)
        assert not any(out)
        return
    wanted = bytearray(len(out))
    for position, value in zip(naive_positions(chunk), payload, strict=True):
        wanted[position] = value
    scatter(chunk, payload, memoryview(out))
    assert out == wanted


@given(st.lists(small, max_size=6), small, st.integers(1, 5), st.integers(0, 12))
def test_a_sub_block_is_gathered_as_its_chunks_one_by_one(
    chunks: list[Chunk], tile: Chunk, number: int, step: int
) -> None:
    chunks += [replace(tile, offset=tile.offset + i * step, count=1) for i in range(number)]
    stream = stream_of(max(end_position(chunk) for chunk in chunks))
    assert gather_all(chunks, stream) == b"".join(bytes(gather(chunk, stream)) for chunk in chunks)
    runs = list(joined(chunks))
    assert sum(n for _, n in runs) == len(chunks)
    assert [p for run, _ in runs for p in naive_positions(run)] == [
        p for c in chunks for p in naive_positions(c)
    ]


def test_large_tiles_side_by_side_come_back_as_they_were() -> None:
    tiles = [chunk_of(100 * x, 100, 3000, 900) for x in range(9)]
    stream = stream_of(900 * 3000)
    assert [n for _, n in joined(tiles)] == [9]
    out = bytearray(len(stream))
    scatter_all(tiles, gather_all(tiles, stream), out)
    assert out == stream


def test_a_view_is_no_copy_and_a_payload_has_the_exact_length() -> None:
    out = bytearray(100)
    view(chunk_of(10, 5, 3, 10), out)[:] = 1
    assert sum(out) == 15
    with pytest.raises(OurFault):
        scatter(chunk_of(0, 5), b"1234", out)
    with pytest.raises(OurFault):
        gather_into([chunk_of(0, 5)], out, bytearray(6))


# ---- coverage -------------------------------------------------------------------------------------------------------
def is_covered(chunks: list[Chunk], output_bytes: int) -> bool:
    return sorted(p for chunk in chunks for p in naive_positions(chunk)) == list(range(output_bytes))


@given(st.lists(small.filter(lambda c: not has_overlap(c)), min_size=1, max_size=4), st.integers(1, 60))
@settings(max_examples=500)
def test_coverage_of_any_chunks_is_that_of_the_naive_loop(chunks: list[Chunk], output_bytes: int) -> None:
    assert is_proved(chunks, output_bytes) == is_covered(chunks, output_bytes)


def is_proved(chunks: list[Chunk], output_bytes: int) -> bool:
    try:
        prove_coverage(chunks, output_bytes)
    except GeometryFault:
        return False
    return True


@given(st.data(), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=300)
def test_a_change_of_one_number_breaks_the_proof_exactly_when_it_breaks_the_coverage(
    data: st.DataObject, width: int, height: int, across: int, down: int
) -> None:
    pitch = width * across
    chunks = [
        chunk_of(y * height * pitch + x * width, width, height, pitch)
        for y in range(down)
        for x in range(across)
    ]
    total = pitch * height * down
    assert is_proved(data.draw(st.permutations(chunks)), total)
    index = data.draw(st.integers(0, len(chunks) - 1))
    name = data.draw(st.sampled_from(["offset", "width", "height", "line_stride", "count", "block_stride"]))
    changed = replace(
        chunks[index], **{name: getattr(chunks[index], name) + data.draw(st.sampled_from([1, 2, -1]))}
    )
    if min(changed.width, changed.height, changed.count) < 1 or changed.offset < 0 or changed.line_stride < 0:
        return
    if changed.block_stride < 0 or has_overlap(changed):
        return
    chunks[index] = changed
    assert is_proved(chunks, total) == is_covered(chunks, total)


def test_a_hole_filled_by_a_double_write_is_refused() -> None:
    with pytest.raises(GeometryFault, match="overlap"):
        prove_coverage([chunk_of(0, 10), chunk_of(5, 10)], 20)
    with pytest.raises(GeometryFault, match="write 25 bytes"):
        prove_coverage([chunk_of(0, 10), chunk_of(5, 15)], 20)


def test_every_second_block_and_its_counterpart_cover_together() -> None:
    even, odd = (chunk_of(start, 4, 3, 40, 5, 8) for start in (0, 4))
    prove_coverage([odd, even], 120)


def test_a_hundred_thousand_tiles_are_proved() -> None:
    side, tile = 316, 256
    pitch = side * tile
    chunks = [
        chunk_of(y * tile * pitch + x * tile, tile, tile, pitch) for y in range(side) for x in range(side)
    ]
    prove_coverage(chunks, pitch * pitch)


def test_chunks_without_strides_in_common_are_proved_line_by_line_or_refused() -> None:
    chunks, start = [], 0
    for stride in range(2, 12):
        chunks += [chunk_of(start + i, 1, 3, stride) for i in range(stride)]
        start += 3 * stride
    prove_coverage(chunks, start)
    chunks = [chunk_of(i, 1, 3_000_000, 7 + i) for i in range(6)]
    with pytest.raises(GeometryFault, match="terms"):
        prove_coverage(chunks, 18_000_000)
