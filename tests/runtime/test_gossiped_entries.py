"""Whose budget new entries come out of: else a flood that honest neighbours pass on would silence them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any, cast

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    FAR_ENTRIES_BURST,
    FAR_ENTRY_WHILE_BUSY,
    GOSSIPED_ENTRIES_BURST,
    NEAR_ENTRY_WHILE_BUSY,
)
from sgnus.messages.topics import DATABASE_TOPIC
from sgnus.messages.v1.types import EntryBatch, GossipMessage
from sgnus.ports import GossipReceived
from sgnus.runtime.database import Intake
from sgnus.runtime.hearing import Hearing
from sgnus.runtime.intakes import GossipedEntries
from sgnus.sim.pens import CheapPen
from sgnus.wire.codec import encode
from tests.database_support import in_loop

FLOODER, FRIEND, FAR = PeerId("flooder"), PeerId("friend"), PeerId("far")


class World:
    """A node that is in touch with flooder and friend, and takes whatever entries it looks at for new."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.authors: list[PeerId] = []
        near = (FLOODER, FRIEND)
        database = SimpleNamespace(receive=self._receive, unseen=lambda entries: list(dict.fromkeys(entries)))
        drivers = SimpleNamespace(database=database, is_near=lambda peer: peer in near)
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing = Hearing(CheapPen(PeerId("me")))
        self.now_ms = 0
        self._hearing.entries = GossipedEntries(lambda: self.now_ms)
        feeds = SimpleNamespace(drivers=drivers, hands=SimpleNamespace(spawn=self._spawn))
        self._hearing.connect(cast(Any, feeds))

    def work(self, *, is_busy: bool = True, publisher: PeerId | None = None) -> None:
        """From now on it has a job of that publisher under way, or none."""
        self._hearing.entries.is_busy = lambda: is_busy
        self._hearing.entries.works_for = lambda author: author == publisher

    async def hear(self, entries: Sequence[bytes], *, author: PeerId, neighbour: PeerId) -> bool:
        """Whether any of them was looked at."""
        payload = encode(GossipMessage(body=EntryBatch(entries=tuple(entries))))
        before = len(self.taken)
        assert self._hearing.gossip_event(GossipReceived(DATABASE_TOPIC, payload, neighbour, author))
        if self._tasks:
            await asyncio.wait(self._tasks)
        return len(self.taken) > before

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _receive(self, entries: Sequence[bytes], author: PeerId) -> Intake:
        self.taken += entries
        self.authors.append(author)
        return Intake(len(entries), 0, 0, (), ())


def many(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


@in_loop
async def test_who_passes_a_flood_on_has_room_for_its_own_entries() -> None:
    world = World()
    flood = many(2 * GOSSIPED_ENTRIES_BURST)
    assert await world.hear(flood, author=FLOODER, neighbour=FRIEND)
    assert not await world.hear(flood, author=FLOODER, neighbour=FRIEND)
    assert not await world.hear(flood, author=FLOODER, neighbour=FLOODER)
    assert await world.hear([b"job"], author=FRIEND, neighbour=FRIEND)


@in_loop
async def test_who_passes_on_what_a_flooder_says_in_ever_new_names_has_room_for_its_own_entries() -> None:
    world = World()
    flood = many(2 * GOSSIPED_ENTRIES_BURST)
    assert await world.hear(flood, author=PeerId("a name"), neighbour=FRIEND)
    assert not await world.hear([b"job"], author=PeerId("another name"), neighbour=FRIEND)
    assert await world.hear([b"job"], author=FRIEND, neighbour=FRIEND)
    assert await world.hear([b"job"], author=FAR, neighbour=FLOODER), "each neighbour has a budget for them"


@in_loop
async def test_who_has_work_looks_at_less_of_what_others_say_and_at_least_of_those_out_of_touch() -> None:
    idle, busy = World(), World()
    busy.work()
    for world, cost in ((idle, 1), (busy, NEAR_ENTRY_WHILE_BUSY)):
        assert await world.hear(many(1_024), author=FLOODER, neighbour=FLOODER)
        assert len(world.taken) == GOSSIPED_ENTRIES_BURST // cost
    some = many(FAR_ENTRIES_BURST // FAR_ENTRY_WHILE_BUSY)
    for world in (idle, busy):
        assert await world.hear(some, author=FAR, neighbour=FRIEND)
        assert await world.hear(some, author=FRIEND, neighbour=FRIEND)
        assert await world.hear(some, author=FRIEND, neighbour=FRIEND)
    assert await idle.hear(some, author=FAR, neighbour=FRIEND)
    assert not await busy.hear(some, author=FAR, neighbour=FRIEND)


@in_loop
async def test_who_signed_the_message_answers_for_its_entries_whoever_brings_it() -> None:
    world = World()
    assert await world.hear([b"job"], author=FAR, neighbour=FRIEND)
    assert world.authors == [FAR]


@in_loop
async def test_a_message_that_says_more_than_it_may_is_looked_at_as_far_as_it_may_and_leaves_no_debt() -> (
    None
):
    world = World()
    world.work()
    assert await world.hear(many(1_024), author=PeerId("a name"), neighbour=FRIEND)
    assert len(world.taken) == FAR_ENTRIES_BURST // FAR_ENTRY_WHILE_BUSY
    world.work(is_busy=False)
    world.now_ms = 1_000
    assert await world.hear([b"job"], author=FAR, neighbour=FRIEND)


@in_loop
async def test_whom_it_works_for_may_say_as_much_as_ever() -> None:
    world = World()
    world.work(publisher=FRIEND)
    assert await world.hear(many(1_024), author=FRIEND, neighbour=FRIEND)
    assert len(world.taken) == GOSSIPED_ENTRIES_BURST


@in_loop
async def test_copies_are_looked_at_and_charged_once() -> None:
    world = World()
    for _ in range(3):
        assert await world.hear([b"entry"] * 1_024, author=FRIEND, neighbour=FRIEND)
    assert world.taken == [b"entry"] * 3
