"""The lists of strangers' jobs are read beside everything else: who serves its list slowly holds up no other job."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from sgnus.core.shelf import JobView
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.runtime import listings as listed
from sgnus.runtime.listings import AT_ONCE, Listings
from tests.database_support import in_loop
from tests.runtime.one_job import VIEW


def view(number: int, author: str) -> JobView:
    return replace(VIEW, block_id=f"job{number}", author=PeerId(author))


class Book:
    """Jobs whose lists come when `give` says so, or fail."""

    def __init__(self) -> None:
        self.asked: list[BlockId] = []
        self.again: list[BlockId] = []
        self._told = asyncio.Event()
        self.fails: Exception | None = None
        self.give = asyncio.Event()
        self.listings = Listings(cast(Any, self), self._tell)

    async def update(self, of: JobView) -> None:
        self.asked.append(BlockId(of.block_id))
        await self.give.wait()
        if self.fails is not None:
            raise self.fails

    def _tell(self, job: BlockId) -> None:
        self.again.append(job)
        self._told.set()

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.again) < count:
                self._told.clear()
                await self._told.wait()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@in_loop
async def test_a_list_that_is_here_is_told_once() -> None:
    book = Book()
    book.listings.fetch(view(0, "a"))
    await turns()
    assert (book.asked, book.again) == ([BlockId("job0")], [])
    book.give.set()
    await book.until_told(1)
    assert book.again == [BlockId("job0")]


@in_loop
async def test_a_publisher_is_asked_for_one_list_at_a_time_and_few_publishers_are() -> None:
    book = Book()
    for number in range(3):
        book.listings.fetch(view(number, "slow"))
    for number in range(10, 10 + 2 * AT_ONCE):
        book.listings.fetch(view(number, f"author {number}"))
    await turns()
    assert book.asked == [BlockId("job0"), *(BlockId(f"job{10 + n}") for n in range(AT_ONCE - 1))]
    book.give.set()
    await book.until_told(3 + 2 * AT_ONCE)
    assert len(set(book.again)) == len(book.asked) == 3 + 2 * AT_ONCE, "each once, none waits for a timer"
    assert not book.listings._queue and not book.listings._tasks


@in_loop
async def test_what_fails_is_asked_for_again_ever_later_until_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed, "RETRY_S", 0.001)
    monkeypatch.setattr(listed, "RETRY_S_MAX", 0.008)
    now_ms = [0]
    monkeypatch.setattr(listed, "unix_ms", lambda: now_ms[0])
    book = Book()
    book.give.set()
    book.fails = WorldFault("unreachable")
    waits: list[float] = []
    later = book.listings._later
    monkeypatch.setattr(book.listings, "_later", lambda of, wait_s: (waits.append(wait_s), later(of, wait_s)))
    book.listings.fetch(view(0, "a"))
    async with asyncio.timeout(10):
        while len(waits) < 5:
            await asyncio.wait(list(book.listings._tasks.values()) or [asyncio.ensure_future(turns())])
    assert waits[:5] == [0.001, 0.002, 0.004, 0.008, 0.008]
    now_ms[0] = VIEW.expires_ms
    async with asyncio.timeout(10):
        while book.listings._timers or book.listings._tasks:
            await turns()
    assert book.again == []


@in_loop
async def test_what_cannot_be_is_not_asked_for_again() -> None:
    book = Book()
    book.give.set()
    book.fails = PeerFault("no list")
    book.listings.fetch(view(0, "a"))
    await turns()
    assert (len(book.asked), book.again) == (1, [])
    assert not book.listings._timers and not book.listings._tasks


@in_loop
async def test_no_more_wait_than_there_is_room_for_and_none_begins_after_the_end() -> None:
    book = Book()
    for number in range(listed.QUEUED_MAX + 9):
        book.listings.fetch(view(number, "slow"))
    assert len(book.listings._queue) == listed.QUEUED_MAX
    await turns()
    await book.listings.stop()
    book.listings.fetch(view(9_999, "another"))
    await turns()
    assert book.asked == [BlockId("job0")] and not book.listings._tasks


@in_loop
async def test_a_publisher_that_never_ends_its_list_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "FETCH_S_MAX", 0.01)
    monkeypatch.setattr(listed, "unix_ms", lambda: 0)
    book = Book()
    book.listings.fetch(view(0, "slow"))
    await turns()
    async with asyncio.timeout(10):
        await asyncio.wait(list(book.listings._tasks.values()))
    assert list(book.listings._timers) == [BlockId("job0")]
    await book.listings.stop()
