"""Jobs that nobody can work on, published in any number of names, keep no other job's lobby shut."""

from __future__ import annotations

import pytest

from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import COMPARED_REST_S_MAX, COMPARED_WHILE_BUSY
from sgnus.runtime.intakes import Comparisons, EntryBudget
from sgnus.runtime.lobbies import Lobbies

ME, NEAR, OTHER = PeerId("me"), PeerId("near"), PeerId("other")
PLACES = 8


def job(number: int) -> BlockId:
    return BlockId(f"bafy{number}")


def lobbies(*near: PeerId, needed: tuple[BlockId, ...] = ()) -> Lobbies:
    return Lobbies(ME, near.__contains__, needed.__contains__, PLACES)


def full_of_strangers(found: Lobbies) -> Lobbies:
    for number in range(PLACES):
        assert found.enter(job(number), PeerId(f"stranger {number}"), ()) == (True, None)
    return found


def test_while_there_are_places_any_job_gets_one() -> None:
    found = full_of_strangers(lobbies())
    assert found.is_full and job(0) in found
    assert found.enter(job(100), PeerId("one more stranger"), ()) == (False, None)
    assert found.leave(job(0)) and not found.leave(job(0))
    assert found.enter(job(100), PeerId("one more stranger"), ()) == (True, None)


def test_a_job_whose_publisher_is_near_takes_the_place_of_one_out_of_reach() -> None:
    found = full_of_strangers(lobbies(NEAR, OTHER))
    assert found.enter(job(100), NEAR, ()) == (True, job(0))
    assert found.enter(job(101), PeerId("far"), [OTHER]) == (True, job(1)), "a room of it is hosted near"


def test_our_own_jobs_are_always_in_and_never_give_way() -> None:
    found = full_of_strangers(lobbies(NEAR))
    assert found.enter(job(100), ME, ()) == (True, None)
    for number in range(PLACES):
        assert found.enter(job(200 + number), NEAR, ())[1] != job(100)
    assert job(100) in found


def test_a_job_that_this_node_takes_part_in_stays() -> None:
    found = full_of_strangers(lobbies(NEAR, needed=(job(0), job(1))))
    assert found.enter(job(100), NEAR, ()) == (True, job(2))


def test_of_publishers_that_are_all_near_the_one_with_the_most_jobs_gives_way() -> None:
    found = lobbies(NEAR, OTHER)
    for number in range(PLACES):
        assert found.enter(job(number), NEAR, ()) == (True, None)
    assert found.enter(job(100), NEAR, ()) == (False, None), "not to itself"
    places = [found.enter(job(200 + number), OTHER, ()) for number in range(PLACES)]
    assert [is_in for is_in, _ in places] == [True] * 4 + [False] * 4
    assert [left for _, left in places[:4]] == [job(7), job(6), job(5), job(4)]


def test_who_has_a_job_to_work_on_rests_after_what_a_comparison_brought() -> None:
    comparisons = Comparisons()
    assert comparisons.rest_s(NEAR, 100, 0.1) == 0
    comparisons.is_busy = lambda: True
    assert comparisons.rest_s(NEAR, 100, 0.1) == pytest.approx(0.1 / COMPARED_WHILE_BUSY - 0.1)
    assert comparisons.rest_s(NEAR, 100, 60.0) == COMPARED_REST_S_MAX
    assert comparisons.rest_s(NEAR, 0, 0.1) == 0, "they were known"


def test_a_neighbour_brings_a_bounded_number_of_new_entries_and_costs_no_other_its_own() -> None:
    now_ms = 0
    budget = EntryBudget(100, 1_000, lambda: now_ms)
    assert budget.afford(NEAR, 600) == 600
    assert budget.afford(NEAR, 600) == 400
    assert budget.afford(NEAR, 1) == 0
    assert budget.afford(OTHER, 1) == 1
    now_ms = 100
    assert budget.afford(NEAR, 600, cost=3) == 3, "and no debt is left"
    assert budget.afford(NEAR, 600) == 1
    assert budget.owe(NEAR, 100) == 1_000
