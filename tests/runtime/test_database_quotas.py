"""What the job database of a node keeps when more is said than it has room for."""

from __future__ import annotations

import pytest

from sgnus.runtime import shelves as shelves_module
from tests.database_support import AUTHOR, DAY_MS, NOW_MS, STRANGER, in_loop, job_entry, room, taken
from tests.runtime.test_database import Node, running


@in_loop
async def test_an_author_over_its_quota_keeps_the_jobs_that_expire_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shelves_module, "JOBS_PER_AUTHOR_MAX", 3)
    node, other = Node(STRANGER), Node(STRANGER)
    jobs = [job_entry(number, expires=NOW_MS + DAY_MS + number) for number in range(5)]
    about = [taken(jobs[0].cid, 0).raw]
    async with running(node, other):
        await node.database.receive([jobs[0].raw, jobs[1].raw, jobs[2].raw])
        await node.database.receive([jobs[3].raw, jobs[4].raw, *about])
        await other.database.receive([job.raw for job in reversed(jobs)])
        for one in (node, other):
            assert [view.block_id for view in await one.database.open_jobs()] == [job.cid for job in jobs[2:]]
            assert one.database.counters()["entries"] == 3


@in_loop
async def test_what_is_said_of_a_job_that_was_displaced_a_moment_ago_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shelves_module, "JOBS_PER_AUTHOR_MAX", 1)
    node = Node(STRANGER)
    first, second = (job_entry(number, expires=NOW_MS + DAY_MS + number) for number in range(2))
    async with running(node):
        await node.database.receive([first.raw])
        node.changed.clear()
        await node.database.receive([second.raw, taken(first.cid, 0).raw])
        assert node.changed == [first.cid, second.cid], "who is in its lobby hears that it is gone"
        await node.database.receive([taken(first.cid, 1).raw])
        assert await node.database.job(first.cid) is None
        assert node.database.counters()["entries"] == 1


@in_loop
async def test_a_claim_that_its_successor_overtook_is_not_kept_and_nobody_is_blamed() -> None:
    node, job = Node(AUTHOR), job_entry(1)
    claims = [room(job.cid, 0, seq=number, epoch=number) for number in (1, 2)]
    async with running(node):
        await node.database.receive([job.raw, claims[1].raw])
        intake = await node.database.receive([claims[0].raw])
        assert (intake.accepted, intake.refused) == (0, ("better ones fill the quota",))
        assert not intake.blamed
