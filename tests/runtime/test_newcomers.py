"""Jobs that are new here are looked at as fast as their publisher may bring them; who has no name waits with all others."""

from __future__ import annotations

import asyncio

import pytest

from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    FAR_JOB_WHILE_BUSY,
    NEW_JOB_WHILE_BUSY,
    NEW_JOBS_BURST,
    NEW_JOBS_PER_S,
    NEW_JOBS_WAIT_MS_MAX,
)
from sgnus.runtime import newcomers
from sgnus.runtime.newcomers import Looks, Newcomers
from tests.database_support import in_loop

NEAR, FLOODER = PeerId("near"), PeerId("flooder")
STEP_MS = 1_000 // NEW_JOBS_PER_S


class Clock:
    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def job(number: int) -> BlockId:
    return BlockId(f"bafy{number}")


def flooded(author: PeerId) -> tuple[Newcomers, Clock]:
    """That author has used what it may bring at once."""
    clock = Clock()
    found = Newcomers((NEAR, FLOODER).__contains__, lambda: False, clock)
    assert [found.wait_ms(job(number), author) for number in range(NEW_JOBS_BURST)] == [0] * NEW_JOBS_BURST
    return found, clock


def test_who_brings_many_waits_and_who_brings_few_does_not() -> None:
    found, _ = flooded(FLOODER)
    assert found.wait_ms(job(-1), FLOODER) == STEP_MS
    assert found.wait_ms(job(-2), FLOODER) == 2 * STEP_MS
    assert found.wait_ms(job(-3), NEAR) == 0


def test_all_that_are_out_of_touch_share_one_budget_and_leave_others_theirs() -> None:
    clock = Clock()
    found = Newcomers((NEAR,).__contains__, lambda: False, clock)
    for number in range(NEW_JOBS_BURST):
        assert found.wait_ms(job(number), PeerId(f"name {number}")) == 0
    assert found.wait_ms(job(-1), PeerId("one more name")) == STEP_MS
    assert found.wait_ms(job(-2), NEAR) == 0


def test_a_job_that_is_put_off_is_charged_once_and_its_time_comes() -> None:
    found, clock = flooded(FLOODER)
    assert found.wait_ms(job(-1), FLOODER) == STEP_MS
    clock.now_ms = STEP_MS // 2
    assert found.wait_ms(job(-1), FLOODER) == STEP_MS - STEP_MS // 2, "it changed meanwhile"
    clock.now_ms = STEP_MS
    assert found.wait_ms(job(-1), FLOODER) == 0
    assert found.wait_ms(job(-2), FLOODER) == STEP_MS


def test_no_more_wait_than_are_looked_at_in_half_a_minute() -> None:
    found, clock = flooded(FLOODER)
    waits = [found.wait_ms(job(-number), FLOODER) for number in range(1, 2 * NEW_JOBS_WAIT_MS_MAX // STEP_MS)]
    assert max(wait for wait in waits if wait is not None) == NEW_JOBS_WAIT_MS_MAX
    assert waits[-1] is None
    clock.now_ms = STEP_MS
    assert found.wait_ms(job(-100_000), FLOODER) == NEW_JOBS_WAIT_MS_MAX, "those that are left cost nothing"


def test_who_has_a_job_under_way_looks_at_fewer() -> None:
    found = Newcomers((NEAR,).__contains__, lambda: True, Clock())
    waits = [found.wait_ms(job(number), NEAR) for number in range(NEW_JOBS_BURST // NEW_JOB_WHILE_BUSY + 2)]
    assert waits == [0] * (len(waits) - 2) + [NEW_JOB_WHILE_BUSY * STEP_MS, 2 * NEW_JOB_WHILE_BUSY * STEP_MS]


def test_who_has_a_job_under_way_looks_at_still_fewer_of_publishers_out_of_touch() -> None:
    found = Newcomers((NEAR,).__contains__, lambda: True, Clock())
    waits = [
        found.wait_ms(job(number), FLOODER) for number in range(NEW_JOBS_BURST // FAR_JOB_WHILE_BUSY + 1)
    ]
    assert waits[:-1] == [0] * (len(waits) - 1)
    assert waits[-1]
    assert found.wait_ms(job(-1), NEAR) == 0


def test_who_has_nothing_to_do_any_more_waits_for_nothing_that_was_put_off_before() -> None:
    clock, busy = Clock(), [True]
    found = Newcomers((NEAR,).__contains__, lambda: busy[0], clock)
    while not found.wait_ms(job(clock.now_ms), NEAR):
        clock.now_ms += 1
    late = job(clock.now_ms)
    wait_ms = found.wait_ms(late, NEAR)
    assert wait_ms
    busy[0] = False
    assert found.wait_ms(late, NEAR) == 0
    while not (idle_ms := found.wait_ms(job(clock.now_ms), NEAR)):
        clock.now_ms += 1
    busy[0] = True
    assert found.wait_ms(job(clock.now_ms), NEAR) == idle_ms, "and no longer than it had to"


def test_a_wait_that_is_over_or_paid_for_is_never_made_longer_by_the_end_of_our_work() -> None:
    clock, busy = Clock(), [True]
    found = Newcomers((NEAR,).__contains__, lambda: busy[0], clock)
    number = 0
    while not (wait_ms := found.wait_ms(job(number), NEAR)):
        number += 1
    busy[0] = False
    number_of_others = 0
    while (
        other_ms := found.wait_ms(job(-1 - number_of_others), NEAR)
    ) is not None and other_ms <= 2 * wait_ms:
        number_of_others += 1
    assert other_ms is not None and other_ms > wait_ms, "who comes last now waits longer, but waits"
    assert found.wait_ms(job(number), NEAR) == wait_ms
    clock.now_ms = wait_ms
    assert found.wait_ms(job(number), NEAR) == 0


@in_loop
async def test_what_was_put_off_is_looked_at_once_our_work_has_ended() -> None:
    busy = [True]
    looks = Looks(Newcomers((NEAR,).__contains__, lambda: busy[0]))
    late = [job(number) for number in range(NEW_JOBS_BURST) if looks.put_off(job(number), NEAR)]
    assert len(late) > 9
    looks.add(job(-1))
    assert list(await looks.next()) == [job(-1)]
    busy[0] = False
    looks.add(job(-2))
    assert list(await looks.next()) == [job(-2), *late]
    assert looks.has_to_search()
    timers = [looks._waiting[each] for each in late]
    assert not any(looks.put_off(each, NEAR) for each in late)
    assert all(timer.cancelled() for timer in timers), "each is looked at once"
    assert not looks._waiting


@in_loop
async def test_jobs_that_were_too_many_are_looked_for_later_and_one_that_waits_comes_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(Newcomers((NEAR,).__contains__, lambda: False))
    for number in range(NEW_JOBS_BURST):
        assert not looks.put_off(job(number), NEAR)
    monkeypatch.setattr(newcomers, "NEW_JOBS_WAIT_MS_MAX", 3 * STEP_MS)
    for _ in range(3):
        assert looks.put_off(job(-1), NEAR)
    assert list(looks._waiting) == [job(-1)]
    monkeypatch.setattr(newcomers, "NEW_JOBS_WAIT_MS_MAX", 0)
    assert looks.put_off(job(-2), NEAR)
    async with asyncio.timeout(10):
        assert not list(await looks.next()) and looks.has_to_search()
        assert not looks.has_to_search(), "once"
        assert list(await looks.next()) == [job(-1)]
    assert not looks._waiting


@in_loop
async def test_a_search_ends_the_wait_for_another() -> None:
    looks = Looks(Newcomers((NEAR,).__contains__, lambda: False))
    are_put_off = [looks.put_off(job(number), NEAR) for number in range(NEW_JOBS_BURST + 400)]
    assert all(are_put_off[-9:])
    first = looks._left
    assert first is not None
    looks.search()
    assert first.cancelled() and looks._left is None
