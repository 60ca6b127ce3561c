"""What a change of many jobs at once costs: each is looked at, and other jobs are looked for once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sgnus.adapters.store import FakeStore
from sgnus.core.inputs import JobChanged, JobForgotten
from sgnus.core.shelf import JobView
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import NEW_JOBS_BURST
from sgnus.messages.v1.types import JobState
from sgnus.runtime import job_watch
from sgnus.runtime.job_watch import JobWatch
from sgnus.runtime.jobs import Job
from tests.database_support import in_loop
from tests.runtime.one_job import PLAN, VIEW

JOBS = 20
TURNS = 100
"""Of the loop, in which whatever follows from the last look is done."""


class World:
    """A database of jobs, and what the core was told of them."""

    def __init__(self, jobs: int = JOBS) -> None:
        self.views = {BlockId(f"job{n}"): replace(VIEW, block_id=f"job{n}") for n in range(jobs)}
        self.known: dict[str, Job] = {}
        self.searches = 0
        self.told: list[tuple[BlockId, bool]] = []
        self.forgotten: list[BlockId] = []
        self._wanted, self._enough = 0, asyncio.Event()
        core = SimpleNamespace(publications={}, room=None, pen=SimpleNamespace(peer=PeerId("me")))
        engine = SimpleNamespace(core=core, put=self._put)
        database = SimpleNamespace(job=self._view, own_jobs=self._none, open_jobs=self._open)
        book = SimpleNamespace(
            update=self._update, get=self.known.get, forget=lambda job: self.known.pop(job, None)
        )
        hub = SimpleNamespace(touch=lambda job: None, forget=lambda job: None)
        inquiries = SimpleNamespace(note=lambda job, view: None)
        gossip, peers = SimpleNamespace(neighbours=tuple), SimpleNamespace(connected=tuple)
        self.store = FakeStore()
        drivers = SimpleNamespace(
            database=database, gossip=gossip, peers=peers, is_near=lambda peer: False, store=self.store
        )
        parts = (drivers, book, engine, hub, inquiries)
        self.watch = JobWatch(*cast(Any, parts))

    async def tell(self, count: int) -> None:
        """All jobs changed; until the core was told so often."""
        self._wanted, self._enough = count, asyncio.Event()
        for job in [BlockId(f"job{n}") for n in range(JOBS)]:
            self.watch.changed(job)
        async with asyncio.timeout(10):
            await self._enough.wait()
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _view(self, job: BlockId) -> JobView | None:
        return self.views.get(job)

    async def _update(self, view: JobView) -> Job:
        return self.known.setdefault(view.block_id, Job(view, PLAN))

    async def _none(self) -> list[JobView]:
        return []

    async def _open(self, _limit: int) -> list[JobView]:
        self.searches += 1
        return []

    def _put(self, given: object) -> bool:
        if isinstance(given, JobForgotten):
            self.forgotten.append(given.job)
        if isinstance(given, JobChanged):
            self.told.append((given.facts.job, given.facts.open))
        if len(self.told) + len(self.forgotten) >= self._wanted:
            self._enough.set()
        return True


@in_loop
async def test_others_are_looked_for_once_when_many_jobs_are_over_at_once() -> None:
    world = World()
    await world.watch.start()
    try:
        await world.tell(JOBS)
        assert world.told == [(BlockId(f"job{n}"), True) for n in range(JOBS)]
        before, world.views = world.searches, {}
        await world.tell(2 * JOBS)
        assert world.forgotten == [BlockId(f"job{n}") for n in range(JOBS)]
        assert world.searches == before + 1
    finally:
        await world.watch.stop()


@in_loop
async def test_the_core_hears_of_own_jobs_and_of_those_in_whose_lobby_it_is_that_they_are_forgotten() -> None:
    world = World(3)
    ended, open_, unread = (BlockId(f"job{n}") for n in range(3))
    world.views[ended] = replace(world.views[ended], state=JobState.COMPLETED)
    for job in (ended, open_, unread):
        await world.watch.look(job)
    world.known[ended].files = cast(Any, SimpleNamespace())
    del world.known[unread]  # Too many others' jobs came meanwhile.
    world.views.clear()
    for job in (ended, open_):
        await world.store.put_facts("held", {f"{job}/0": b"x"})
    for job in (ended, open_, unread, BlockId("never heard of")):
        assert await world.watch.look(job) is None
    assert world.forgotten == [ended, open_, unread]
    assert list(await world.store.facts("held")) == [f"{open_}/0"], (
        "with our files goes what is known of them"
    )


@in_loop
async def test_a_job_of_ours_without_its_files_draws_nobody_in() -> None:
    world = World(1)
    world.views[BlockId("job0")] = replace(world.views[BlockId("job0")], author=PeerId("me"))
    assert await world.watch.look(BlockId("job0")) is not None
    assert world.told == []


@in_loop
async def test_of_jobs_that_are_new_here_a_few_hundred_are_looked_at_and_the_others_later() -> None:
    many = 2 * NEW_JOBS_BURST
    world = World(many)
    await world.watch.start()
    try:
        for job in list(world.views):
            world.watch.changed(job)
        for _ in range(20 * many):
            await asyncio.sleep(0)
        assert NEW_JOBS_BURST <= len(world.known) < many
    finally:
        await world.watch.stop()


@in_loop
async def test_who_serves_its_list_slowly_holds_up_no_other_job() -> None:
    world, slow = World(2), BlockId("job0")
    world.views[slow] = replace(VIEW, block_id=slow, body=replace(VIEW.body, explicit_digest=bytes(32)))
    never = asyncio.Event()

    async def update(view: JobView) -> Job:
        if view.block_id == slow:
            await never.wait()
        return world.known.setdefault(view.block_id, Job(view, PLAN))

    cast(Any, world.watch)._jobs.update = update
    await world.watch.start()
    try:
        world._wanted = 1
        for job in list(world.views):
            world.watch.changed(job)
        async with asyncio.timeout(10):
            await world._enough.wait()
        assert world.told == [(BlockId("job1"), True)]
        never.set()
        world._wanted, world._enough = 2, asyncio.Event()
        async with asyncio.timeout(10):
            await world._enough.wait()
        assert world.told[1:] == [(slow, True)]
    finally:
        await world.watch.stop()


@in_loop
async def test_a_disk_that_refuses_while_a_job_is_read_is_asked_for_all_of_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def settled(*_: object) -> dict[str, object]:
        return {}

    async def facts(kind: str, _prefix: str) -> dict[str, bytes]:
        if kind == "opening" and not refusals:
            refusals.append(kind)
            raise WorldFault("the disk refuses")
        return {}

    monkeypatch.setattr(job_watch, "settle_held", settled)
    refusals: list[str] = []
    world = World(1)
    watch = cast(Any, world.watch)
    watch._drivers.store = SimpleNamespace(facts=facts)
    job = Job(replace(VIEW, block_id="job0"), PLAN, terms=cast(Any, object()))
    job.files = cast(Any, object())
    with pytest.raises(WorldFault):
        await watch._load_held(job)
    assert await watch._load_held(job) is not None
    assert await watch._load_held(job) is None
