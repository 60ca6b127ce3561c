"""An app's seat is there from the moment in which the core gives it, and gone from that in which it ends, however busy we are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import AppHosts, AppJoins, AppLeaves
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    DataStatus,
    PublishDataToProcessRequest,
    RequestProcessingDataRequest,
    RoomJoinRequest,
    RoomJoinStatus,
    RoomLeaveRequest,
)
from sgnus.runtime.apps import Apps

JOB, ROOM, ME = BlockId("job"), InstanceId("room"), PeerId("me")
Answer = fx.AnswerApp | fx.RoomLeft | fx.Process


class Node:
    """A core that answers each input with these effects, all in one step."""

    def __init__(self, effects: Callable[[int], Sequence[Answer]]) -> None:
        lobby = SimpleNamespace(is_open=lambda _microjob: True)
        self.core = SimpleNamespace(pen=SimpleNamespace(peer=ME), jobs={JOB: lobby}, room=None)
        self._effects = effects
        parts: Any = self
        self.apps = Apps(parts, parts, parts, parts)

    def get(self, _job: BlockId) -> Any:
        return SimpleNamespace()

    def now_ms(self) -> int:
        return 0

    def put(self, given: AppHosts | AppJoins | AppLeaves) -> bool:
        asyncio.get_running_loop().call_soon(self._perform, given.token)
        return True

    def _perform(self, token: int) -> None:
        for effect in self._effects(token):
            if isinstance(effect, fx.AnswerApp):
                self.apps.answer(effect)
            elif isinstance(effect, fx.RoomLeft):
                self.apps.rooms.room_left(effect)
            else:
                self.apps.rooms.lease(effect)

    async def is_hosting(self) -> bool:
        return (await self.apps.host(PublishDataToProcessRequest(job=JOB, sub_blocks=()))).hosting

    async def next(self) -> DataStatus:
        request = RequestProcessingDataRequest(job=JOB, microjob=3, wait_ms=0)
        return (await self.apps._next(JOB, request.microjob, request.wait_ms))[0]


def ok(token: int, host: PeerId = ME) -> fx.AnswerApp:
    return fx.AnswerApp(token, RoomJoinStatus.OK, host, 3, "")


def left() -> fx.RoomLeft:
    return fx.RoomLeft(JOB, 3, ROOM, "all of it is held")


@pytest.mark.parametrize("host", [ME, PeerId("other")])
def test_a_room_that_ends_in_the_step_that_gave_it_leaves_no_seat(host: PeerId) -> None:
    """As when all of it was held already; the app would wait for work in it for ever."""

    async def go() -> DataStatus:
        node = Node(lambda token: (ok(token, host), left()))
        if host == ME:
            assert await node.is_hosting()
        else:
            reply = await node.apps.join(RoomJoinRequest(job=JOB, microjob=3))
            assert reply.status is RoomJoinStatus.OK
        return await node.next()

    assert asyncio.run(go()) is DataStatus.NOT_JOINED


def test_a_lease_of_the_same_step_waits_for_the_app() -> None:
    async def go() -> DataStatus:
        node = Node(lambda token: (ok(token), fx.Process(JOB, 3, ROOM, 0, True)))
        assert await node.is_hosting()
        return await node.next()

    assert asyncio.run(go()) is DataStatus.DATA


def test_who_hosts_elsewhere_or_leaves_gets_no_seat() -> None:
    async def go() -> list[DataStatus]:
        node = Node(lambda token: (ok(token, PeerId("other")),))
        assert not await node.is_hosting()
        found = [await node.next()]
        assert (await node.apps.leave(RoomLeaveRequest(job=JOB, microjob=3))).left
        return [*found, await node.next()]

    assert asyncio.run(go()) == [DataStatus.NOT_JOINED] * 2
