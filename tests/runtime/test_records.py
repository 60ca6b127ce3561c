"""Records of valid rooms: from what SGNUS nodes settled, and from receipts that a publisher checked itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from sgnus.core.inputs import RecordsChanged
from sgnus.messages.ids import PeerId
from sgnus.runtime.jobs import VerifiedMark
from sgnus.runtime.records import Records, sums
from tests.database_support import in_loop
from tests.round_support import Round, proven
from tests.runtime.test_settlements import database

DEADLINE_S = 10.0
OWN = SimpleNamespace(view=SimpleNamespace(block_id="bafyown", settlements={}), verified=[])


class Core:
    """What the core was told."""

    def __init__(self) -> None:
        self.told: list[RecordsChanged] = []

    def put(self, given: Any) -> bool:
        self.told.append(given)
        return True

    async def until(self, condition: Callable[[dict[PeerId, int]], bool]) -> dict[PeerId, int]:
        """The newest records, once they are as wanted."""
        deadline = time.monotonic() + DEADLINE_S
        while not (self.told and condition(dict(self.told[-1].records))):
            assert time.monotonic() < deadline, self.told[-1:]
            await asyncio.sleep(0.01)
        return dict(self.told[-1].records)


@in_loop
async def test_each_settled_microjob_counts_once_for_who_was_in_its_room() -> None:
    books, _jobs = await database(jobs=2, microjobs=3)
    core = Core()
    records = Records(books.database, books.store, core.put)  # type: ignore[arg-type]
    await records.start()
    # Bob made none of the first job's chunks, but checked one of each room: that counts, too.
    assert await core.until(bool) == {"ann": 6, "bob": 6}
    await records.stop()


@in_loop
async def test_a_publisher_counts_the_receipts_that_it_checked_itself() -> None:
    books, _jobs = await database(jobs=0, microjobs=0)
    round_, core = Round(members=3), Core()
    await books.store.put_facts("receipt", {"bafyown/0": proven(round_)})
    records = Records(books.database, books.store, core.put)  # type: ignore[arg-type]
    await records.start()
    records.look(SimpleNamespace(view=OWN.view, verified=[VerifiedMark(0, 0, b"digest")]))  # type: ignore[arg-type]
    assert await core.until(bool) == dict.fromkeys(round_.peers, 1)
    await records.stop()


@in_loop
async def test_what_is_settled_and_checked_here_counts_once_and_a_damaged_receipt_not_at_all() -> None:
    books, jobs = await database(jobs=1, microjobs=1)
    view = await books.database.job(jobs[0])
    assert view is not None
    core = Core()
    await books.store.put_facts("receipt", {f"{jobs[0]}/0": proven(Round()), f"{jobs[0]}/1": b"no receipt"})
    records = Records(books.database, books.store, core.put)  # type: ignore[arg-type]
    await records.start()
    marks = [VerifiedMark(0, 0, b"digest"), VerifiedMark(1, 1, b"digest")]
    records.look(SimpleNamespace(view=replace(view), verified=marks))  # type: ignore[arg-type]
    await core.until(lambda _found: len(core.told) >= 2)
    assert core.told[-1].records == {"ann": 1, "bob": 1}
    await records.stop()


def test_a_peer_that_worked_and_checked_in_one_room_was_in_one_room() -> None:
    ann, bob = PeerId("ann"), PeerId("bob")
    assert sums([(ann, bob, ann), (bob,)]) == {ann: 1, bob: 2}
