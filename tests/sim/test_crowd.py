"""Crowds: what a peer pays for a room that it joins does not grow with the network, and all else keeps its stated bound."""

from __future__ import annotations

import pytest

from sgnus.messages.v1.types import Verify
from sgnus.sim.crowd import BOUNDS, BOUNDS_LARGER, COST_RATIO_MAX, Figures, measure

pytestmark = pytest.mark.timeout(600)

SMALL, SIZES = 30, (100, 300)


@pytest.fixture(scope="module")
def measured() -> dict[int, Figures]:
    """Each size is run once for all tests here."""
    return {size: measure(size) for size in (SMALL, *SIZES)}


def test_a_job_fills_a_tenth_as_many_rooms_as_there_are_peers_and_ends(measured: dict[int, Figures]) -> None:
    for size, figures in measured.items():
        assert figures.is_over and figures.rooms == size // 10
        assert figures.seated_ms < 15_000, f"the last of {size} peers sat down after {figures.seated_ms} ms"


@pytest.mark.parametrize("name", list(BOUNDS))
def test_what_a_crowd_costs_keeps_its_bound(measured: dict[int, Figures], name: str) -> None:
    for size, figures in measured.items():
        assert getattr(figures, name) <= BOUNDS[name], f"{size} peers, seed 1"


@pytest.mark.parametrize("size", SIZES)
def test_a_room_joined_costs_a_peer_no_more_in_a_larger_network(
    measured: dict[int, Figures], size: int
) -> None:
    assert measured[size].cost_per_seat <= COST_RATIO_MAX * measured[SMALL].cost_per_seat


def test_a_network_of_ten_times_as_many_peers_as_there_is_work_for_keeps_the_bounds_of_its_kind() -> None:
    figures = measure(300, sub_blocks=30)
    assert figures.is_over and figures.is_larger and figures.bounds is BOUNDS_LARGER
    over = {
        name: getattr(figures, name) for name, most in figures.bounds.items() if getattr(figures, name) > most
    }
    assert over == {}
    assert figures.cost_per_peer < 60


def test_a_crowd_whose_work_is_verified_keeps_the_bounds_too() -> None:
    figures = measure(SMALL, verify=Verify.SAMPLE)
    assert figures.is_over
    assert {name: getattr(figures, name) for name in BOUNDS if getattr(figures, name) > BOUNDS[name]} == {}
