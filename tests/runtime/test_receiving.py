"""Where outputs lie is known from their arrival until the core's answer is on disk."""

from __future__ import annotations

import asyncio

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, OutputsStored
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.runtime.jobs import OutputPlace
from sgnus.runtime.serving import Receiving


def stored(token: int) -> OutputsStored:
    return OutputsStored(token, BlockId("job"), 0, InstanceId("instance"), 1, PeerId("member"), b"")


def test_a_place_stays_when_the_member_does_not_wait_for_the_answer() -> None:
    async def run() -> None:
        told: list[Input] = []
        receiving = Receiving(lambda given: told.append(given) is None)
        place = OutputPlace(0, 1, 0, 0, 5)
        call = asyncio.create_task(receiving.hold(stored, "key", place))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert receiving.places == {"key": place}
        (said,) = told
        assert isinstance(said, OutputsStored)
        receiving.answer(fx.AnswerHeld(said.token, None, ""))
        assert receiving.places == receiving.keys == receiving.waiting == {}

    asyncio.run(run())


def test_a_full_inbox_refuses_and_keeps_nothing() -> None:
    receiving = Receiving(lambda _: False)
    with pytest.raises(WorldFault, match="too much to do"):
        asyncio.run(receiving.hold(stored, "key", OutputPlace(0, 1, 0, 0, 5)))
    assert receiving.places == receiving.keys == receiving.waiting == {}


def test_what_is_held_already_waits_for_the_answer_without_a_place() -> None:
    async def run() -> None:
        receiving = Receiving(lambda _: True)
        call = asyncio.create_task(receiving.hold(stored, "key", None))
        await asyncio.sleep(0)
        assert receiving.places == {}
        receiving.answer(fx.AnswerHeld(next(iter(receiving.waiting)), None, "no"))
        assert (await call).refused == "no"

    asyncio.run(run())
