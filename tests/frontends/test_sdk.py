"""The SDK against a node that computes by itself: real sockets, real bytes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sgnus
from sgnus.messages.v1 import sgnus_pb2 as pb
from tests.frontends.fake_node import FakeNode


def picture(height: int = 70, width: int = 90, channels: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def connected(node: FakeNode, **options: Any) -> sgnus.Grid:
    return sgnus.connect(node.home, start=False, **options)


def test_a_result_is_the_processed_array(node: FakeNode) -> None:
    array = picture()
    with connected(node) as grid:
        job = grid.submit(array, processor="invert", tile=(32, 32), halo=1, chunks_per_sub_block=4)
        assert np.array_equal(job.result(), ~array)
        assert job.state == "completed"
        assert job.progress.fraction == 1.0


def test_tiles_arrive_with_index_start_and_array(node: FakeNode) -> None:
    array = picture()
    with connected(node) as grid:
        tiles = list(grid.submit(array, processor="invert", tile=(32, 32)).results())
    assert sorted(tile.index for tile in tiles) == list(range(9))
    for tile in tiles:
        assert tile.state == "unverified"
        assert np.array_equal(tile.array, ~array[tile.region])


def test_results_go_on_after_the_last_item_when_the_node_restarts(node: FakeNode) -> None:
    array = picture()
    with connected(node) as grid:
        job = grid.submit(array, processor="slow", tile=(32, 32))
        fake = node.service.jobs[job.id]
        node.service.deliver(fake, 3)
        results = job.results()
        seen = [next(results) for _ in range(3)]
        node.stop()
        node.service.deliver(fake, 6)
        restart = threading.Timer(0.3, node.start)
        restart.start()
        seen += list(results)
        restart.join()
    assert sorted(tile.index for tile in seen) == list(range(9))


def test_the_asynchronous_sdk_does_the_same(node: FakeNode) -> None:
    array = picture(channels=3)

    async def run() -> tuple[np.ndarray, str]:
        async with sgnus.aio.connect(node.home, start=False) as grid:
            job = await grid.submit(array, processor="invert", tile=(32, 32), halo=1)
            return await job.result(), (await job.wait()).state

    result, state = asyncio.run(run())
    assert np.array_equal(result, ~array)
    assert state == "completed"


def test_no_node_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(sgnus.NodeUnreachable, match=r"No node runs in .* Start one: sgnus node start"):
        sgnus.connect(tmp_path / "nobody", start=False)


def test_a_memmap_is_streamed_in_bounded_pieces_and_never_copied_whole(
    node: FakeNode, tmp_path: Path
) -> None:
    array = np.memmap(tmp_path / "big.raw", np.uint8, mode="w+", shape=(1500, 1024))
    array[:] = picture(1500, 1024)
    told: list[tuple[int, int]] = []
    with connected(node) as grid:
        job = grid.submit(
            array,
            processor="invert",
            tile=(512, 512),
            on_upload=lambda sent, total: told.append((sent, total)),
        )
        assert np.array_equal(job.result(), ~np.asarray(array))
    assert node.service.uploaded_pieces == [512 * 1024, 512 * 1024, 1500 * 1024 - 2 * 512 * 1024]
    assert told[-1] == (array.nbytes, array.nbytes)


@pytest.mark.parametrize(
    "array",
    [
        picture(600, 700)[::3, ::2],
        np.asfortranarray(picture(300, 400)),
        np.arange(90 * 80, dtype=">u2").reshape(90, 80),
        np.arange(2 * 3 * 200 * 300, dtype="<i4").reshape(2, 3, 200, 300).transpose(0, 1, 3, 2),
    ],
    ids=["strided", "Fortran order", "big-endian", "transposed"],
)
def test_any_layout_arrives_in_c_order_and_little_endian(node: FakeNode, array: np.ndarray) -> None:
    tile = tuple(min(64, length) for length in array.shape)
    with connected(node) as grid:
        result = grid.submit(array, processor="invert", tile=tile).result()
    assert np.array_equal(result, ~array)


def test_a_plain_buffer_is_an_array_of_bytes(node: FakeNode) -> None:
    with connected(node) as grid:
        result = grid.submit(b"sgnus" * 100, processor="invert", tile=(50,)).result()
    assert result.tobytes() == bytes(255 - byte for byte in b"sgnus" * 100)


def test_results_go_into_an_array_of_the_callers(node: FakeNode, tmp_path: Path) -> None:
    array = picture()
    with connected(node) as grid:
        job = grid.submit(array, processor="invert", tile=(32, 32))
        out = np.memmap(tmp_path / "out.raw", np.uint8, mode="w+", shape=array.shape)
        assert job.result(out=out) is out
        assert np.array_equal(out, ~array)
        with pytest.raises(sgnus.UserFault, match="make them equal"):
            job.result(out=np.empty((3, 3), np.uint8))


def test_outputs_of_fixed_size_make_an_array_of_tiles_by_bytes(node: FakeNode) -> None:
    with connected(node) as grid:
        result = grid.submit(picture(64, 64), processor="digest", tile=(32, 32)).result()
    assert result.shape == (4, 32)


def test_a_failed_job_raises_its_reason(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(), processor="fail", tile=(32, 32))
        with pytest.raises(sgnus.JobFailed, match="the module trapped: unreachable"):
            job.result()
        assert job.wait().state == "failed"


def test_a_cancelled_job_ends_its_results(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(), processor="slow", tile=(32, 32))
        assert job.state == "running"
        cancelling = threading.Timer(0.1, job.cancel, ["enough"])
        cancelling.start()
        with pytest.raises(sgnus.JobCancelled, match="enough"):
            job.result()
        cancelling.join()
        with pytest.raises(sgnus.Conflict, match="has ended already"):
            job.cancel()


def test_waiting_ends_with_the_job_or_with_the_time(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(), processor="slow", tile=(32, 32))
        with pytest.raises(TimeoutError):
            job.wait(timeout=0.05)
        finishing = threading.Timer(0.1, node.service.deliver, [node.service.jobs[job.id], 9])
        finishing.start()
        assert job.wait(timeout=20).state == "completed"
        finishing.join()


def test_events_come_as_typed_values(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(), processor="invert", tile=(32, 32))
        events = list(job.events())
    assert [type(event).__name__ for event in events] == [
        "JobStatus",
        "HostChanged",
        "PeerListChanged",
        "ProcessingStarted",
        "Processed",
        "JobStatus",
    ]
    assert events[2].removals[0].reason == "silent"


def test_a_job_is_found_by_the_start_of_its_id_when_only_one_begins_so(node: FakeNode) -> None:
    with connected(node) as grid:
        first = grid.submit(picture(), processor="invert", tile=(32, 32))
        assert grid.job(first.id[:12]).id == first.id
        assert grid.job(first.id[7:12]).id == first.id
        grid.submit(picture(), processor="invert", tile=(32, 32))
        with pytest.raises(sgnus.UserFault, match="2 jobs begin with 'bafyrei': give more of its id"):
            grid.job("bafyrei")
        with pytest.raises(sgnus.NotFound, match="No job begins with 'zzz'"):
            grid.job("zzz")
        with pytest.raises(sgnus.NotFound, match="There is no job"):
            grid.job("bafyrei" + "z" * 52)


def test_a_plan_says_what_a_job_would_become_and_submits_nothing(node: FakeNode) -> None:
    with connected(node) as grid:
        plan = grid.plan(picture(64, 64), processor="invert", tile=(32, 32), halo=1)
        assert (plan.chunks, plan.sub_blocks, plan.microjobs, plan.tile) == (4, 4, 1, (32, 32))
        assert grid.jobs() == []


def test_one_number_of_halo_goes_on_space_and_never_on_channels(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(64, 64, 3), processor="invert", tile=(32, 32), halo=2)
    request = node.service.jobs[job.id].request
    assert list(request.tile) == [32, 32, 3]
    assert list(request.halo) == [2, 2, 0]


def test_a_policy_reaches_the_node_as_it_was_asked_for(node: FakeNode) -> None:
    wishes = {"verify": "sample", "samples": 0.07, "verifiers": 3, "min_members": 4}
    with connected(node) as grid:
        job = grid.submit(picture(), processor="invert", **wishes)
        least = grid.submit(picture(), processor="invert", samples=0.0101)
    policy = pb.Policy(verify=pb.VERIFY_SAMPLE, samples_permille=70, verifiers=3, min_members=4)
    assert node.service.jobs[job.id].request.policy == policy
    assert node.service.jobs[least.id].request.policy.samples_permille == 11, "never less than was asked for"


def test_whoever_waits_for_a_job_without_members_is_told_what_for(
    node: FakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(), processor="slow", tile=(32, 32))
        fake = node.service.jobs[job.id]
        fake.state, fake.reason = pb.JOB_STATE_PENDING, "it waits for others (--verify none needs none)"
        node.service.deliver(fake, 1)
        assert next(iter(job.results())).array.size
    assert [one.getMessage() for one in caplog.records] == [
        f"Job {job.id} is pending: it waits for others (--verify none needs none)."
    ]


def test_parameters_verification_and_module_reach_the_node(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(
            picture(),
            module=b"\0asm rest",
            parameters={"sigma": 2.5, "fast": True},
            tile=(32, 32),
            edge="wrap",
        )
    fake = node.service.jobs[job.id]
    assert {one.name: one.value for one in fake.request.parameters} == {"sigma": "2.5", "fast": "true"}
    assert fake.request.processor == "wasm"
    assert fake.module == b"\0asm rest"
    assert fake.request.policy == pb.Policy(), "the node chooses what was not asked for"
    assert fake.request.edge == 3


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"tile": (0, 4)}, "must be 1 or more"),
        ({"tile": (-1, 4)}, "must be 1 or more"),
        ({"tile": (71, 4)}, "larger than the input"),
        ({"tile": (4, 4, 4)}, "more axes than the input"),
        ({"tile": (4, 4), "halo": 5}, "larger than the tile"),
        ({"halo": -1}, "must be 0 or more"),
        ({"edge": "mirror"}, "no edge mode"),
        ({"verify": "maybe"}, "no verification"),
        ({"verify": "none", "samples": 0.2}, "With --verify none nothing is run again"),
        ({"verify": "none", "verifiers": 2}, "With --verify none nothing is run again"),
        ({"verify": "none", "min_members": 2}, "With --verify none nothing is run again"),
        ({"verify": "full", "samples": 0.2}, "With --verify full all chunks are run again"),
        ({"samples": 0.0}, "A share of 0 of the chunks cannot be run again"),
        ({"samples": 1.5}, "A share of 1.5 of the chunks cannot be run again"),
        ({"samples": float("nan")}, "A share of nan of the chunks"),
        ({"verifiers": 0}, "verifiers=0 cannot be"),
        ({"verifiers": 12}, "1 to 11 verifiers, not 12"),
        ({"min_members": -1}, "min_members=-1 cannot be"),
        ({"min_members": 1}, "2 to 11 members, not 1"),
        ({"min_members": 12}, "2 to 11 members, not 12"),
        ({"verifiers": 3, "min_members": 2}, "3 verifiers need a room of as many members"),
        ({"processor": "app:thumb", "verify": "sample"}, "What an app processes cannot be run again"),
        ({"processor": "app:thumb", "samples": 0.5}, "What an app processes cannot be run again"),
        ({"chunks_per_sub_block": 65}, "not within 1..64"),
        ({"module": b"MZ"}, "no WebAssembly module"),
        ({"module": b"\0asm" + bytes(2**20)}, "over the limit of 1048576 bytes"),
        ({"module": "no/such.wasm"}, "cannot be read"),
        ({"processor": ""}, "No processor was named"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    node: FakeNode, wishes: dict[str, Any], sentence: str
) -> None:
    with connected(node) as grid, pytest.raises(sgnus.UserFault, match=sentence):
        grid.submit(picture(), **{"processor": "invert", **wishes})
    assert node.service.jobs == {}
    assert node.service.uploaded_pieces == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (np.array(["a", "b"]), "the grid takes booleans, integers, floats"),
        (np.empty((0, 3), np.uint8), "there is nothing to process"),
        (np.uint8(3), "a single number"),
        (np.empty((1,) * 9, np.uint8), "more than 8"),
    ],
)
def test_an_input_without_numbers_is_refused(node: FakeNode, source: Any, sentence: str) -> None:
    with connected(node) as grid, pytest.raises(sgnus.UserFault, match=sentence):
        grid.submit(source, processor="invert")


def test_a_node_that_stays_away_is_said_when_patience_ends(node: FakeNode) -> None:
    with connected(node, patience_s=0.5) as grid:
        job = grid.submit(picture(), processor="slow", tile=(32, 32))
        node.stop()
        with pytest.raises(sgnus.NodeUnreachable, match="No node answers"):
            job.result()
        with pytest.raises(sgnus.NodeUnreachable, match="No node answers"):
            job.status()
    node.start()


def test_dropping_the_results_half_way_leaves_the_grid_usable(node: FakeNode) -> None:
    with connected(node) as grid:
        job = grid.submit(picture(), processor="slow", tile=(32, 32))
        node.service.deliver(node.service.jobs[job.id], 2)
        for _ in job.results():
            break
        assert job.state == "running"


def test_what_a_listener_of_the_upload_raises_is_raised_by_submit(node: FakeNode) -> None:
    def listen(sent: int, total: int) -> None:
        raise OSError(f"no more than {sent}")

    with connected(node) as grid, pytest.raises(OSError, match="no more than 6300"):
        grid.submit(picture(), processor="invert", on_upload=listen)
