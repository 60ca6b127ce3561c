"""How much a node keeps of what it told of its jobs, and that whoever follows is told all of it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from sgnus.core import effects as fx
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import HostEvent
from sgnus.runtime import events
from sgnus.runtime.events import EventHub


def lines_of(hub: EventHub, job: str) -> list[str]:
    return [line.split("  ")[-1] for line in hub.log(BlockId(job)).lines]


def test_lines_are_bounded_over_all_jobs_and_those_not_looked_at_for_longest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LINES_MAX", 12)
    hub = EventHub()
    for job in ("a", "b", "c"):
        for number in range(4):
            hub.note(BlockId(job), f"{job}{number}")
    assert lines_of(hub, "a") == ["a0", "a1", "a2", "a3"]  # And so it was looked at last.
    hub.note(BlockId("d"), "d0")
    assert lines_of(hub, "d") == ["d0"] and lines_of(hub, "a") == ["a0", "a1", "a2", "a3"]
    assert lines_of(hub, "c") == ["c0", "c1", "c2", "c3"] and lines_of(hub, "b") == []


def test_a_job_keeps_its_newest_lines_and_another_one_is_not_forgotten_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LINES_MAX", events.EVENTS_PER_JOB_MAX + 10)
    hub = EventHub()
    hub.note(BlockId("small"), "here")
    for number in range(2 * events.EVENTS_PER_JOB_MAX):
        hub.note(BlockId("large"), str(number))
    assert len(lines_of(hub, "large")) == events.EVENTS_PER_JOB_MAX
    assert lines_of(hub, "small") == ["here"]


def test_what_happens_while_events_are_handed_over_is_handed_over_next() -> None:
    hub, job = EventHub(), BlockId("job")

    def happen(epoch: int) -> None:
        hub.take(fx.HostChanged(job, 0, InstanceId("i"), epoch, PeerId("a")))

    async def follow() -> list[int]:
        epochs: list[int] = []
        async with aclosing(hub.follow(job)) as replies:
            async for reply in replies:
                if reply is not None:
                    assert isinstance(reply.body, HostEvent)
                    epochs.append(reply.body.epoch)
                    happen(epochs[-1] + 2)
                if len(epochs) >= 4:
                    break
        return epochs

    happen(1)
    happen(2)
    assert asyncio.run(asyncio.wait_for(follow(), 5)) == [1, 2, 3, 4]


def test_a_job_that_is_forgotten_makes_room_and_wakes_who_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LINES_MAX", 6)
    hub = EventHub()
    for job in ("a", "b"):
        for number in range(3):
            hub.note(BlockId(job), str(number))

    async def follow() -> None:
        async with aclosing(hub.follow(BlockId("a"))) as replies:
            assert await anext(replies) is None
            following = asyncio.ensure_future(anext(replies))
            await asyncio.sleep(0)
            hub.forget(BlockId("a"))
            assert await following is None

    asyncio.run(asyncio.wait_for(follow(), 5))
    hub.note(BlockId("c"), "0")
    assert lines_of(hub, "b") == ["0", "1", "2"], "three lines of another one are gone"
    assert lines_of(hub, "a") == []
