"""Rooms that the database knows of reach the core once each, however often their job changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from sgnus.core.inputs import RoomHeard
from sgnus.core.shelf import RoomClaim
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedEnvelope, SignedKind
from sgnus.runtime.job_watch import JobWatch
from sgnus.runtime.jobs import Job, unix_ms
from sgnus.wire.codec import encode
from tests.runtime.one_job import PLAN, VIEW

HOSTS = [Identity.from_seed(bytes([number]) * 32).peer_id for number in range(10, 14)]


def claim(number: int) -> RoomClaim:
    host = HOSTS[number]
    address = SignedEnvelope(kind=SignedKind.ADDRESS, author=host, payload=b"", signature=b"")
    return RoomClaim(number % 2, host, f"{number:064x}", 1, encode(address), unix_ms() + 60_000)


class World:
    """A database of one job, and what the core was told."""

    def __init__(self) -> None:
        self.job = Job(VIEW, PLAN)
        self.heard: list[PeerId] = []
        core = SimpleNamespace(publications={}, pen=SimpleNamespace(peer=PeerId("me")))
        engine = SimpleNamespace(core=core, put=self._put)
        drivers = SimpleNamespace(database=SimpleNamespace(job=self._view), is_near=lambda peer: False)
        ignored = SimpleNamespace(touch=lambda job: None, note=lambda job, view: None)
        parts: tuple[Any, ...] = (drivers, SimpleNamespace(update=self._update), engine, ignored, ignored)
        self.watch = JobWatch(*cast(Any, parts))

    def look_at(self, *claims: RoomClaim) -> None:
        self.job.view = replace(VIEW, rooms=claims)
        asyncio.run(self._look())

    async def _look(self) -> None:
        await self.watch.look(VIEW.block_id)

    async def _view(self, _job: str) -> Any:
        return self.job.view

    async def _update(self, _view: Any) -> Job:
        return self.job

    def _put(self, given: object) -> bool:
        if isinstance(given, RoomHeard):
            self.heard.append(given.host)
        return True


def test_a_room_of_the_database_is_told_once() -> None:
    world = World()
    world.look_at(claim(0))
    world.look_at(claim(0), claim(1))
    world.look_at(claim(0), claim(1), claim(2))
    assert world.heard == HOSTS[:3]
