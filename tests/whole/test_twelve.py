"""Twelve real nodes: a full room and who finds no seat in it; all of them killed at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sgnus.frontends.sdk.loop import LOOP
from sgnus.frontends.sdk.sync import Grid, Room
from sgnus.messages.v1 import sgnus_pb2
from tests.whole.facts import events, held, picture, submit_slow
from tests.whole.grid import PrivateNetwork, wait_for

pytestmark = pytest.mark.timeout(400)

SEATS = 11
TRIES = 5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNetwork]:
    with PrivateNetwork(tmp_path_factory.mktemp("twelve")) as network:
        network.add(*[1] * 12)
        yield network


def test_the_twelfth_joiner_is_refused_with_a_reason_and_founds_another_room(network: PrivateNetwork) -> None:
    grids = [node.connect() for node in network.nodes]
    try:
        job = grids[0].submit(
            picture(20), processor="app:copy", tile=(16, 16), chunks_per_sub_block=1, name="twelve"
        )
        for grid in grids:
            wait_for(lambda grid=grid: job.id in {one.job for one in grid.rooms()}, "all know the job")  # type: ignore[misc]
        rooms = [grids[0].join(job.id, timeout=60)]
        rooms += [sit(grid, rooms[0]) for grid in grids[1:SEATS]]
        assert {room.microjob for room in rooms} == {rooms[0].microjob}
        assert answer(grids[SEATS], rooms[0]) == "ROOM_JOIN_STATUS_FULL"
        other = grids[SEATS].join(job.id, timeout=60)
        assert other.microjob != rooms[0].microjob
        found = wait_for(
            lambda: [one for one in grids[0].rooms(job.id) if one.members == SEATS], "it is full"
        )
        assert found[0].seats == 0
        for room in [*rooms, other]:
            room.leave()
        job.cancel()
    finally:
        for grid in grids:
            grid.close()


def sit(grid: Grid, first: Room) -> Room:
    """Take a seat once this node has heard of the room."""

    def is_heard() -> bool:
        return any(one.hosted and one.microjob == first.microjob for one in grid.rooms(first.job))

    wait_for(is_heard, "the room is heard of")
    for _ in range(TRIES):
        room = grid.join(first.job, timeout=60)
        if room.microjob == first.microjob:
            return room
        room.leave()  # The host was slow to answer, so that it was given a room of its own.
    raise AssertionError(f"in {TRIES} tries it got no seat in the first room")


def answer(grid: Grid, room: Room) -> str:
    """What this node is told that asks for a seat in this very room, as an app in any language does."""
    request = sgnus_pb2.RoomJoinRequest(job=room.job, microjob=room.microjob)
    reply = LOOP.run(grid._inner._transport.call("RoomJoin", request))
    return str(sgnus_pb2.RoomJoinStatus.Name(reply.status))


def test_all_twelve_killed_at_once_and_restarted_end_the_job(network: PrivateNetwork) -> None:
    with network.nodes[0].connect() as grid:
        job, right = submit_slow(grid, 24, 0.5)
        wait_for(lambda: len(held(events(job))) >= 4, "some is delivered")
        before = job.progress.delivered
        for node in network.nodes:
            node.kill()
        network.restart(*network.nodes)
        assert job.status().delivered >= before
        assert np.array_equal(job.result(), right)
