"""Exact plans, and the sentences for what cannot be planned."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from sgnus.core.chunks import GeometryFault
from sgnus.core.cut import choose_cut, choose_plan, default_tile
from sgnus.core.plan import Plan
from sgnus.messages.errors import OurFault, UserFault
from sgnus.messages.v1.types import (
    ArraySpec,
    Chunk,
    ChunkPair,
    Cut,
    Edge,
    ExplicitChunks,
    JobBody,
    JobRequest,
    OutputSpec,
    Policy,
    Processor,
    Tile,
    Verify,
)

POLICY = Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1)


def request_of(shape: tuple[int, ...] = (512, 512), dtype: str = "uint8", **fields: Any) -> JobRequest:
    given: dict[str, Any] = {
        "name": "test",
        "processor": "sobel",
        "parameters": (),
        "array": ArraySpec(shape=shape, dtype=dtype),
        "tile": (),
        "halo": (),
        "edge": Edge.UNSPECIFIED,
        "chunks_per_sub_block": 0,
        "deadline_ms": 0,
        "policy": POLICY,
        "lifetime_ms": 0,
    }
    return JobRequest(**(given | fields))


def plan_of(
    shape: tuple[int, ...], tile: tuple[int, ...], halo: tuple[int, ...], chunks: int = 1, **output: Any
) -> Plan:
    cut = Cut(tile=tile, halo=halo, edge=Edge.REFLECT, chunks_per_sub_block=chunks)
    return Plan.of_parts(
        ArraySpec(shape=shape, dtype="uint16"), cut, OutputSpec(**({"dtype": "uint8"} | output))
    )


def line(index: int, offset: int, width: int) -> Chunk:
    return Chunk(chunk_id=index, offset=offset, width=width, height=1, line_stride=0, block_stride=0, count=1)


def listed(*pairs: tuple[Chunk, Chunk], output_bytes: int) -> ExplicitChunks:
    return ExplicitChunks(
        pairs=tuple(ChunkPair(input=i, output=o) for i, o in pairs), output_bytes=output_bytes
    )


def test_a_thousand_sub_blocks_are_exactly_a_hundred_microjobs() -> None:
    plan = plan_of((1000,), (1,), (0,))
    assert (plan.sub_blocks, plan.microjobs) == (1000, 100)
    assert {plan.sub_blocks_of(microjob) for microjob in range(100)} == {10}
    assert plan_of((1001,), (1,), (0,)).microjobs == 101
    assert plan_of((1001,), (1,), (0,)).sub_blocks_of(100) == 1


def test_a_tile_at_the_corner_of_an_image() -> None:
    plan = plan_of((300, 500), (256, 256), (2, 1), chunks=3)
    assert (plan.chunks, plan.sub_blocks, plan.microjobs) == (4, 2, 1)
    assert (plan.input_bytes, plan.output_bytes) == (300_000, 150_000)
    corner = plan.chunk(3)
    assert corner.input == Chunk(
        chunk_id=3,
        offset=2 * (254 * 500 + 255),
        width=490,
        height=46,
        line_stride=1000,
        block_stride=0,
        count=1,
    )
    assert corner.output == Chunk(
        chunk_id=3, offset=256 * 500 + 256, width=244, height=44, line_stride=500, block_stride=0, count=1
    )
    assert corner.tile == Tile(
        index=3,
        input_start=(254, 255),
        input_shape=(46, 245),
        output_start=(256, 256),
        output_shape=(44, 244),
        input_bytes=46 * 490,
        output_bytes=44 * 244,
    )
    task = corner.task
    assert (task.clipped_before, task.clipped_after, task.halo) == ((0, 0), (2, 1), (2, 1))
    assert (task.array_shape, task.output_bytes, task.edge, task.dtype) == (
        (300, 500),
        44 * 244,
        "reflect",
        "uint16",
    )


def test_a_tile_of_a_volume_is_one_chunk_of_two_strides() -> None:
    chunk = plan_of((10, 20, 30), (4, 5, 6), (0, 0, 0)).chunk(0).input
    assert (chunk.width, chunk.height, chunk.line_stride, chunk.count, chunk.block_stride) == (
        12,
        5,
        60,
        4,
        1200,
    )


def test_a_fixed_output_makes_an_array_of_chunks_by_bytes() -> None:
    plan = plan_of((10, 10), (3, 3), (0, 0), chunk_bytes=32)
    assert plan.output_array == ArraySpec(shape=(16, 32), dtype="uint8")
    last = plan.chunk(15)
    assert (last.output.offset, last.output.width) == (15 * 32, 32)
    assert (last.tile.output_start, last.tile.output_shape) == ((15, 0), (1, 32))
    assert (last.task.output_start, last.task.output_shape, last.task.output_bytes) == ((9, 9), (1, 1), 32)


def test_a_plan_of_millions_of_chunks_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        plan = plan_of((100_000, 100_000), (10, 10), (1, 1), chunks=64)
        assert plan.chunks == 100_000_000
        assert plan.chunk(99_999_999).tile.output_start == (99_990, 99_990)
        assert (
            plan.chunks_of(plan.microjobs - 1, plan.sub_blocks_of(plan.microjobs - 1) - 1).stop == plan.chunks
        )
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ask", [lambda p: p.chunk(4), lambda p: p.chunk(-1), lambda p: p.sub_blocks_of(1)])
def test_a_number_outside_the_plan_is_the_peers_fault(ask: Any) -> None:
    with pytest.raises(GeometryFault, match="there is no"):
        ask(plan_of((4,), (1,), (0,)))


# ---- explicit chunks ------------------------------------------------------------------------------------------------
def test_explicit_chunks_keep_their_order_and_give_lines_by_items() -> None:
    explicit = listed((line(0, 8, 4), line(0, 3, 3)), (line(1, 0, 12), line(1, 0, 3)), output_bytes=6)
    cut = Cut(tile=(), halo=(), edge=Edge.UNSPECIFIED, chunks_per_sub_block=1)
    plan = Plan.of_parts(ArraySpec(shape=(6,), dtype="uint16"), cut, OutputSpec(dtype="uint8"), explicit)
    assert (plan.chunks, plan.sub_blocks, plan.output_array.shape) == (2, 2, (6,))
    assert plan.chunk(1).input == line(1, 0, 12)
    assert (plan.chunk(1).task.input_shape, plan.chunk(1).task.output_shape) == ((1, 6), (1, 3))
    assert plan.reply("all", "").upload_bytes == 16
    with pytest.raises(GeometryFault, match="no chunk 2"):
        plan.chunk(2)


@pytest.mark.parametrize(
    ("explicit", "sentence"),
    [
        (listed(output_bytes=4), "0 explicit chunks"),
        (listed((line(0, 0, 4), line(0, 0, 3)), output_bytes=4), "write 3 bytes"),
        (listed((line(0, 10, 4), line(0, 0, 4)), output_bytes=4), "behind the stream"),
        (listed((line(0, 0, 4), line(0, 1, 4)), output_bytes=4), "behind the stream"),
        (listed((line(1, 0, 4), line(1, 0, 4)), output_bytes=4), "number them from 0"),
        (listed((line(0, 0, 3), line(0, 0, 4)), output_bytes=4), "no whole number of uint16"),
        (
            listed((line(0, 0, 4), line(0, 0, 4)), (line(1, 0, 4), line(1, 2, 4)), output_bytes=8),
            "overlap",
        ),
        (listed((line(0, 0, 4), line(0, 0, 4)), output_bytes=-4), "at least one"),
    ],
)
def test_explicit_chunks_that_cannot_be_get_a_sentence(explicit: ExplicitChunks, sentence: str) -> None:
    with pytest.raises(UserFault, match=sentence):
        choose_cut(request_of((6,), "uint16", explicit=explicit, output=OutputSpec(dtype="uint8")))


def test_explicit_chunks_have_neither_tile_nor_halo() -> None:
    explicit = listed((line(0, 0, 4), line(0, 0, 4)), output_bytes=4)
    with pytest.raises(UserFault, match="leave tile and halo out"):
        choose_cut(request_of((4,), tile=(2,), explicit=explicit))
    with pytest.raises(UserFault, match="needs a halo"):
        choose_cut(request_of((4,), explicit=explicit), (1,))
    with pytest.raises(UserFault, match="leave chunk_bytes out"):
        choose_cut(request_of((4,), explicit=explicit, output=OutputSpec(dtype="uint8", chunk_bytes=4)))
    assert choose_cut(request_of((4,), explicit=explicit)).tile == ()


# ---- the job's body -------------------------------------------------------------------------------------------------
def job_of(explicit_digest: bytes | None) -> JobBody:
    return JobBody(
        name="test",
        processor=Processor(id="builtin:invert@1", parameters=(), profile=1),
        array=ArraySpec(shape=(4,), dtype="uint8"),
        cut=Cut(tile=(3,), halo=(0,), edge=Edge.REFLECT, chunks_per_sub_block=1),
        output=OutputSpec(dtype="uint8"),
        explicit_digest=explicit_digest,
        manifest_root=bytes(32),
        deadline_ms=1000,
        policy=POLICY,
        nonce=bytes(16),
        created_ms=0,
    )


def test_the_plan_follows_from_the_jobs_body_and_the_list_that_it_names() -> None:
    assert Plan.of(job_of(None)).chunks == 2
    explicit = listed((line(0, 0, 4), line(0, 0, 4)), output_bytes=4)
    assert Plan.of(job_of(bytes(32)), explicit).chunks == 1
    for digest, blob in ((None, explicit), (bytes(32), None)):
        with pytest.raises(OurFault):
            Plan.of(job_of(digest), blob)


# ---- what the planner chooses ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "halo", "tile"),
    [
        ((1000, 2000), (0, 0), (256, 256)),
        ((100, 2000), (1, 1), (100, 256)),
        ((1000, 2000, 3), (1, 1, 0), (256, 256, 3)),
        ((1_000_000,), (0,), (65_536,)),
        ((300, 300, 300), (1, 1, 1), (64, 64, 64)),
        ((9, 300, 300, 300), (0, 0, 0, 0), (1, 64, 64, 64)),
        ((9, 300, 300, 300), (1, 0, 0, 0), (1, 64, 64, 300)),
        ((1000, 2000), (300, 0), (300, 256)),
    ],
)
def test_the_planner_chooses_a_tile_that_fits_the_array(
    shape: tuple[int, ...], halo: tuple[int, ...], tile: tuple[int, ...]
) -> None:
    assert default_tile(ArraySpec(shape=shape, dtype="uint8"), halo) == tile


def test_the_processors_halo_is_taken_when_the_app_gives_none() -> None:
    cut = choose_cut(request_of((1000, 2000, 3)), (4, 4))
    assert (cut.tile, cut.halo, cut.edge) == ((256, 256, 3), (4, 4, 0), Edge.REFLECT)
    cut = choose_cut(request_of((1000, 2000, 3), tile=(64, 32), halo=(5, 5), edge=Edge.WRAP), (4, 4))
    assert (cut.tile, cut.halo, cut.edge) == ((64, 32, 3), (5, 5, 0), Edge.WRAP)


@pytest.mark.parametrize(
    ("side", "members", "chunks"),
    [(8192, 0, 32), (8192, 11, 32), (1024, 1, 32), (1024, 11, 1), (1024, 4, 5), (512, 11, 1), (256, 5, 1)],
)
def test_a_sub_block_is_two_mebibytes_or_less_so_that_each_member_has_one(
    side: int, members: int, chunks: int
) -> None:
    cut, plan = choose_plan(request_of((side, side)), (), members)
    assert cut.chunks_per_sub_block == chunks
    assert plan.sub_blocks >= min(plan.chunks, members)


def test_a_request_that_says_its_members_is_believed() -> None:
    assert choose_cut(request_of((1024, 1024), expected_members=4), (), 11).chunks_per_sub_block == 5
    assert choose_cut(request_of((1024, 1024), chunks_per_sub_block=7), (), 11).chunks_per_sub_block == 7


def test_tiny_chunks_make_at_most_64_a_sub_block() -> None:
    assert choose_cut(request_of(tile=(8, 8))).chunks_per_sub_block == 64


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tile": (0, 256)}, "the tile has 0 items on axis 0 of the array of 512x512: it must have 1 to 512"),
        ({"tile": (256, -1)}, "the tile has -1 items on axis 1"),
        ({"tile": (256, 513)}, "the tile has 513 items on axis 1"),
        ({"tile": (256,)}, "the tile has 1 axes and the array 2"),
        ({"tile": (8, 8), "halo": (9, 0)}, "the halo is 9 on axis 0, where the tile has 8 items"),
        ({"halo": (1, -1)}, "the halo is -1 on axis 1"),
        ({"halo": (1, 1, 1)}, "the halo has 3 axes and the array 2"),
        ({"shape": (10, 0)}, "axis 1 of the array has 0 items"),
        ({"shape": (10, -3)}, "axis 1 of the array has -3 items"),
        ({"shape": ()}, "1 to 8 axes, and this one has 0"),
        ({"shape": (1,) * 9}, "1 to 8 axes, and this one has 9"),
        ({"shape": (2**32, 2**31)}, "is larger than 9223372036854775807 bytes"),
        ({"shape": (10**30,)}, r"\(100-bit number\) uint8 is larger"),
        ({"dtype": "object"}, "unknown dtype 'object': the known ones are bool, uint8"),
        ({"output": OutputSpec(dtype="str")}, "unknown dtype 'str'"),
        ({"output": OutputSpec(dtype="uint8", chunk_bytes=0)}, "an output of 0 bytes a chunk"),
        ({"output": OutputSpec(dtype="uint8", chunk_bytes=10**30)}, "an output of"),
        ({"chunks_per_sub_block": 65}, "65 chunks per sub-block: it must be 1 to 64"),
        ({"chunks_per_sub_block": -1}, "-1 chunks per sub-block"),
        ({"shape": (2**40,), "tile": (1,), "chunks_per_sub_block": 1}, "109951162778 microjobs"),
        ({"shape": (9, 9, 9, 9), "tile": (3, 3, 3, 3)}, r"make axis 3 whole \(9 items\) in the tile"),
        ({"shape": (9, 9, 9, 9, 9), "tile": (2,) * 5}, r"make axis 4 whole \(9 items\) and axis 3 whole"),
        ({"shape": (2**14, 2**14), "tile": (2**14, 2**14)}, "a chunk has at most 67108864"),
        (
            {"shape": (2**14, 2**14), "tile": (2**12, 2**12 + 1), "chunks_per_sub_block": 16},
            "a sub-block has",
        ),
    ],
)
def test_what_cannot_be_gets_one_clear_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserFault, match=sentence):
        choose_cut(request_of(**fields))


def test_a_halo_smaller_than_the_processors_is_refused() -> None:
    with pytest.raises(UserFault, match="the halo is 0 on axis 1, and processor sobel needs 1"):
        choose_cut(request_of(halo=(1, 0)), (1, 1))
    with pytest.raises(UserFault, match="works on 2 axes"):
        choose_cut(request_of((100,), halo=(1,)), (1, 1))


def test_chunks_are_kept_at_hand_until_the_job_is_over() -> None:
    plan = plan_of((64, 64), (32, 32), (0, 0))
    first = plan.chunk(0)
    assert plan.chunk(0) is first
    plan.rest()
    assert plan.chunk(0) is not first and plan.chunk(0) == first
