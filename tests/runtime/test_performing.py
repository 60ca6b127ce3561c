"""What becomes of an entry that the core wants to be said, and the database does not take."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.core import effects as fx
from sgnus.messages.errors import OurFault, SgnusError, UserFault
from sgnus.messages.ids import BlockId
from sgnus.messages.v1.types import EntryKind, RoomBody
from sgnus.runtime.events import EventHub
from sgnus.runtime.performing import Performing
from sgnus.runtime.work import Hands

JOB = BlockId("bafyone")
CLAIM = fx.PublishEntry(EntryKind.ROOM, JOB, RoomBody(microjob=0, instance="ab" * 32, epoch=1, address=b""))


class Refusing:
    """A database that takes nothing."""

    def __init__(self, fault: SgnusError) -> None:
        self._fault = fault

    async def submit(self, *_: Any) -> None:
        raise self._fault


async def publish(fault: SgnusError) -> None:
    """The core publishes a claim, and its database has a reason against it."""
    drivers: Any = SimpleNamespace(database=Refusing(fault), store=None, gossip=None, peers=None)
    hearing: Any = None
    performing = Performing(drivers, EventHub(), hearing)
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Any) -> None:
        tasks.append(asyncio.create_task(work))
        tasks[-1].add_done_callback(lambda task: Hands._ended(parts, task))

    parts: Any = SimpleNamespace(spawn=spawn, _tasks={})
    performing._moved = SimpleNamespace(hands=parts)  # type: ignore[assignment]
    performing._publish(CLAIM)
    await asyncio.wait(tasks)
    await asyncio.sleep(0)


def test_a_claim_that_finds_no_place_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        asyncio.run(publish(UserFault("The job database refused the entry: better ones fill the quota.")))
    assert [record.levelname for record in caplog.records if record.name.startswith("sgnus")] == ["INFO"]
    assert "ROOM is not said: The job database refused" in caplog.text


def test_a_fault_of_ours_in_saying_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(publish(OurFault("it was neither admitted nor refused")))
    assert [record.levelname for record in caplog.records if record.name.startswith("sgnus")] == ["ERROR"]
