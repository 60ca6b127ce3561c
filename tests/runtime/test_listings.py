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
async def test_a_publisher_is_asked_for_one_list_at_a_time_and_few_publishers_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed, "RETRY_S", 0.01)
    book = Book()
    for number in range(3):
        book.listings.fetch(view(number, "slow"))
    for number in range(10, 10 + 2 * AT_ONCE):
        book.listings.fetch(view(number, f"author {number}"))
    await turns()
    assert book.asked == [BlockId("job0"), *(BlockId(f"job{10 + n}") for n in range(AT_ONCE - 1))]
    await book.until_told(2 + 2 * AT_ONCE - (AT_ONCE - 1))  # The others are to be asked for again.
    assert BlockId("job0") not in book.again
    await book.listings.stop()


@in_loop
async def test_what_fails_is_asked_for_again_ever_later_and_what_cannot_be_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed, "RETRY_S", 0.001)
    book = Book()
    book.give.set()
    book.fails = WorldFault("unreachable")
    for tries in range(1, 4):
        book.listings.fetch(view(0, "a"))
        await book.until_told(tries)
        assert book.listings._waits_s[BlockId("job0")] == 0.001 * 2**tries
    book.fails = PeerFault("no list")
    book.listings.fetch(view(0, "a"))
    await turns()
    assert len(book.again) == 3 and not book.listings._waits_s and not book.listings._tasks


@in_loop
async def test_a_publisher_that_never_ends_its_list_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "FETCH_S_MAX", 0.01)
    monkeypatch.setattr(listed, "RETRY_S", 0.001)
    book = Book()
    book.listings.fetch(view(0, "a"))
    await book.until_told(1)
    assert not book.listings._tasks
