"""The loop of an app that processes, for asyncio: join a room, take sub-blocks, publish results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from sgnus.frontends.sdk.errors import NodeUnreachable, NoSeat, NotFound
from sgnus.frontends.sdk.patience import Patience
from sgnus.frontends.sdk.transport import Transport
from sgnus.frontends.sdk.views import RoomSummary, view
from sgnus.messages.errors import UserFault
from sgnus.messages.v1 import sgnus_pb2

if TYPE_CHECKING:
    from sgnus.frontends.sdk.tiles import SubBlock

WAIT_MS: Final = 5_000
PATIENCE_S: Final = 60.0
CLAIM_PAUSE_S: Final = 0.2
PUBLISH_S_MAX: Final = 24 * 3600.0
OK: Final = 1
DATA, NOTHING_LEFT, HOST_GONE, NOT_JOINED = 1, 2, 3, 4


class Room:
    """A seat in the room of one microjob. Made by `Grid.join`."""

    def __init__(self, transport: Transport, job: str, microjob: int, patience_s: float = PATIENCE_S) -> None:
        self.job = job
        self.microjob = microjob
        self._transport = transport
        self._patience_s = patience_s
        self._current: SubBlock | None = None

    def __repr__(self) -> str:
        return f"<sgnus room of microjob {self.microjob} of job {self.job}>"

    async def next_sub_block(self, timeout: float | None = None) -> SubBlock | None:
        """Wait for a sub-block; None when the room has none left. TimeoutError after `timeout` seconds.

        When the host is gone, this node claims to host by the room's votes, and the wait goes on. NoSeat when the
        seat was lost and cannot be had again.
        """
        patience = Patience(self._patience_s)
        async with asyncio.timeout(timeout):
            while True:
                try:
                    status, sub_block = await self._request(WAIT_MS)
                    patience.renew()
                    if status == HOST_GONE:
                        await self._claim()
                    elif status == NOT_JOINED:
                        await self._sit_down_again()
                except NodeUnreachable as fault:
                    await patience.wait(fault)
                    continue
                if status in (DATA, NOTHING_LEFT):
                    self._current = sub_block
                    return sub_block

    async def __aiter__(self) -> AsyncIterator[SubBlock]:
        while (sub_block := await self.next_sub_block()) is not None:
            yield sub_block

    async def publish(self, results: Any, sub_block: SubBlock | None = None) -> bool:
        """Send the outputs: one array a tile, in the order of the tiles (one tile: the array itself will do).

        True once the publisher holds them, or holds them of another member already; False when it has not answered
        within a minute: the node keeps them, and delivers them when it can. Conflict when the sub-block is not leased
        to this app any more, as when another member delivered it first: nothing is lost, take the next one.
        """
        import numpy as np

        from sgnus.frontends.sdk.arrays import result_bytes

        chosen = sub_block or self._current
        if chosen is None:
            raise UserFault("There is no sub-block to publish for; take one with next_sub_block() first.")
        given = [results] if isinstance(results, np.ndarray) and len(chosen.tiles) == 1 else list(results)
        sizes = [tile.output_bytes for tile in chosen.tiles]
        reply = await self._transport.upload(
            "PublishProcessingResult",
            lambda: _requests(chosen, result_bytes(given, sizes, chosen.output_dtype)),
        )
        return bool(reply.held)

    async def leave(self) -> bool:
        """Give the seat back; False when there was none."""
        request = sgnus_pb2.RoomLeaveRequest(job=self.job, microjob=self.microjob)
        return bool((await self._transport.call("RoomLeave", request)).left)

    async def _request(self, wait_ms: int) -> tuple[int, SubBlock | None]:
        from sgnus.frontends.sdk.tiles import sub_block

        request = sgnus_pb2.RequestProcessingDataRequest(
            job=self.job, microjob=self.microjob, wait_ms=wait_ms
        )
        first, data = None, bytearray()
        async with aclosing(self._transport.stream("RequestProcessingData", request)) as replies:
            async for reply in replies:
                first = first or reply
                data += reply.data
        if first is None or first.status != DATA:
            return (first.status if first else 0), None
        return DATA, sub_block(first, (self.job, self.microjob), data)

    async def _claim(self) -> None:
        """The host is gone: this node offers itself; whoever gets the votes, the room goes on.

        The node answers once the room has a host; the pause is for one that answers at once.
        """
        request = sgnus_pb2.PublishDataToProcessRequest(job=self.job, microjob=self.microjob)
        await self._transport.call("PublishDataToProcess", request, wait_s=PATIENCE_S)
        await asyncio.sleep(CLAIM_PAUSE_S)

    async def _sit_down_again(self) -> None:
        """The node restarted, or the room was founded again."""
        status, detail = await join_room(self._transport, self.job, self.microjob)
        if status != OK:
            raise NoSeat(
                f"This node has no seat in the room of microjob {self.microjob} any more"
                + (f": {detail}" if detail else "; join another one.")
            )


async def _requests(sub_block: SubBlock, data: Iterator[bytes]) -> AsyncIterator[Any]:
    head = {"job": sub_block.job, "microjob": sub_block.microjob, "sub_block": sub_block.number}
    yield sgnus_pb2.PublishProcessingResultRequest(**head)
    for piece in data:
        yield sgnus_pb2.PublishProcessingResultRequest(**head, data=piece)


async def join_room(transport: Transport, job: str, microjob: int) -> tuple[int, str]:
    """Ask for a seat: the RoomJoinStatus, and why not."""
    reply = await transport.call("RoomJoin", sgnus_pb2.RoomJoinRequest(job=job, microjob=microjob))
    return reply.status, reply.detail


async def list_rooms(transport: Transport, job: str | None, processor: str | None) -> list[RoomSummary]:
    """Rooms that can be joined, and microjobs without one."""
    request = sgnus_pb2.GetRoomListRequest(job=job, processor=_app_name(processor))
    return [view(RoomSummary, room) for room in (await transport.call("GetRoomList", request)).rooms]


async def find_seat(
    transport: Transport, job: str | None, processor: str | None, timeout: float, patience_s: float
) -> Room:
    """A seat in the first room that gives one; where none does, this node hosts the next microjob without a room.

    NotFound when `timeout` seconds brought neither.
    """
    deadline = time.monotonic() + timeout
    while True:
        rooms = await list_rooms(transport, job, processor)
        seat = await _try_in_turn(transport, rooms) or await _host(transport, rooms)
        if seat is not None:
            return Room(transport, *seat, patience_s)
        if time.monotonic() >= deadline:
            what = f"job {job}" if job else f"a job for {processor}" if processor else "any job"
            raise NotFound(
                f"There is no room to join and nothing to host for {what}; give a timeout to wait for one."
            )
        await asyncio.sleep(min(0.2, max(0.0, deadline - time.monotonic())))


async def _try_in_turn(transport: Transport, rooms: list[RoomSummary]) -> tuple[str, int] | None:
    hosted = [room for room in rooms if room.hosted and (room.joined or room.seats)]
    for room in sorted(hosted, key=lambda room: not room.joined):
        status, _ = await join_room(transport, room.job, room.microjob)
        if status == OK:
            return room.job, room.microjob
    return None


async def _host(transport: Transport, rooms: list[RoomSummary]) -> tuple[str, int] | None:
    """PublishDataToProcess for the jobs that have a microjob without a room; joins whoever was faster."""
    jobs = dict.fromkeys(room.job for room in rooms if not room.hosted)
    for candidate in jobs:
        request = sgnus_pb2.PublishDataToProcessRequest(job=candidate)
        reply = await transport.call("PublishDataToProcess", request, wait_s=PATIENCE_S)
        if reply.hosting:
            return candidate, reply.microjob
        if reply.host and (await join_room(transport, candidate, reply.microjob))[0] == OK:
            return candidate, reply.microjob
    return None


def _app_name(processor: str | None) -> str | None:
    if processor is None or ":" in processor:
        return processor
    return f"app:{processor}"
