"""An app that processes: rooms asked in turn, hosting when there is none, a host that is gone."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

import sgnus
from sgnus.frontends.sdk.room import CLAIM_PAUSE_S
from tests.frontends.fake_node import FakeNode

ARRAY = np.random.default_rng(3).integers(0, 256, (40, 40), dtype=np.uint8)


def submitted(grid: sgnus.Grid, tile: int = 20, **wishes: object) -> sgnus.Job:
    return grid.submit(ARRAY, processor="app:thumb", tile=(tile, tile), **wishes)


def connected(node: FakeNode) -> sgnus.Grid:
    return sgnus.connect(node.home, start=False)


def test_an_app_processes_a_whole_job_by_iterating_over_its_room(node: FakeNode) -> None:
    with connected(node) as grid:
        job = submitted(grid, halo=1, parameters={"size": 3})
        room = grid.join(processor="thumb")
        for sub_block in room:
            assert sub_block.processor == "app:thumb"
            assert sub_block.parameters == {"size": "3"}
            assert room.publish([~tile.padded()[1:-1, 1:-1] for tile in sub_block.tiles])
        assert np.array_equal(job.result(), ~ARRAY)
        assert room.leave()
        assert not room.leave()


def test_the_margin_beyond_the_border_is_filled_by_the_jobs_edge_mode(node: FakeNode) -> None:
    with connected(node) as grid:
        submitted(grid, halo=2, edge="nearest")
        sub_block = grid.join().next_sub_block()
    assert sub_block is not None
    tile = sub_block.tiles[0]
    assert tile.array.shape == (22, 22)
    assert np.array_equal(tile.padded(), np.pad(ARRAY, 2, mode="edge")[:24, :24])


def test_rooms_are_asked_in_turn_until_one_gives_a_seat(node: FakeNode) -> None:
    with connected(node) as grid:
        job = submitted(grid, tile=8)
        node.service.hosted = {(job.id, 0), (job.id, 1)}
        node.service.full_rooms = {(job.id, 0)}
        assert grid.join(job=job.id).microjob == 1
    assert node.service.calls == ["RoomJoin 0", "RoomJoin 1"]


def test_where_no_room_gives_a_seat_this_node_hosts_the_next_microjob(node: FakeNode) -> None:
    with connected(node) as grid:
        job = submitted(grid, tile=8)
        node.service.hosted = {(job.id, 0)}
        node.service.full_rooms = {(job.id, 0)}
        assert grid.join(job=job.id).microjob == 1
    assert node.service.calls == ["RoomJoin 0", "PublishDataToProcess"]


def test_a_host_that_is_gone_is_followed_by_a_claim_and_the_work_goes_on(node: FakeNode) -> None:
    with connected(node) as grid:
        submitted(grid)
        room = grid.join()
        node.service.hosts_gone = 1
        assert room.next_sub_block(timeout=20) is not None
    assert node.service.calls == ["PublishDataToProcess", "PublishDataToProcess"]


def test_between_claims_that_change_nothing_the_app_pauses(node: FakeNode) -> None:
    with connected(node) as grid:
        submitted(grid)
        room = grid.join()
        node.service.hosts_gone = 3
        begun = time.monotonic()
        assert room.next_sub_block(timeout=20) is not None
    assert time.monotonic() - begun >= 3 * CLAIM_PAUSE_S
    assert node.service.calls == ["PublishDataToProcess"] * 4


def test_a_lost_seat_is_asked_for_again_and_its_end_is_said(node: FakeNode) -> None:
    with connected(node) as grid:
        submitted(grid)
        room = grid.join()
        node.service.joined.clear()
        assert room.next_sub_block() is not None
        node.service.joined.clear()
        node.service.hosted.clear()
        with pytest.raises(sgnus.NoSeat, match="no seat in the room of microjob 0"):
            room.next_sub_block()


def test_without_any_work_joining_says_so(node: FakeNode) -> None:
    with connected(node) as grid, pytest.raises(sgnus.NotFound, match="no room to join and nothing to host"):
        grid.join(processor="thumb")


def test_results_that_do_not_fit_their_tiles_are_refused_before_they_are_sent(node: FakeNode) -> None:
    with connected(node) as grid:
        submitted(grid)
        room = grid.join()
        with pytest.raises(sgnus.UserFault, match="take one with next_sub_block"):
            room.publish([ARRAY])
        sub_block = room.next_sub_block()
        assert sub_block is not None
        with pytest.raises(sgnus.UserFault, match="has 1 tiles, but 2 results"):
            room.publish([ARRAY, ARRAY])
        with pytest.raises(sgnus.UserFault, match="Result 0 has dtype float64"):
            room.publish(np.zeros((20, 20)))
        with pytest.raises(sgnus.UserFault, match="Result 0 has 9 bytes, but its tile wants 400"):
            room.publish(np.zeros((3, 3), np.uint8))
        assert room.publish(~sub_block.tiles[0].array)


def test_a_revoked_sub_block_is_a_conflict_and_an_absent_publisher_is_not_held(node: FakeNode) -> None:
    with connected(node) as grid:
        submitted(grid)
        room = grid.join()
        first, second = room.next_sub_block(), room.next_sub_block()
        assert first is not None
        assert second is not None
        node.service.verdicts = {first.number: "revoked", second.number: "not held"}
        with pytest.raises(sgnus.Conflict, match="not leased to this app now"):
            room.publish(~first.tiles[0].array, first)
        assert not room.publish(~second.tiles[0].array, second)
        del node.service.verdicts[second.number]
        assert room.publish(~second.tiles[0].array, second)


def test_the_asynchronous_room_iterates_too(node: FakeNode) -> None:
    async def run() -> np.ndarray:
        async with sgnus.aio.connect(node.home, start=False) as grid:
            job = await grid.submit(ARRAY, processor="app:thumb", tile=(20, 20))
            room = await grid.join(job=job.id)
            async for sub_block in room:
                await room.publish([~tile.array for tile in sub_block.tiles])
            return await job.result()

    assert np.array_equal(asyncio.run(run()), ~ARRAY)
