"""300 seeds of simulated grids, with every kind of fault, and a few dozen in fair weather: all laws hold in all of them."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.sim.run import Verdict, judge, setting_of

SEEDS = 300
BLOCK = 10
FAIR_SEEDS = range(1_000, 1_030)


def complaint(verdicts: list[Verdict]) -> str:
    """Which seeds fail, why, and the command that tells the story of each."""
    lines = [
        f"{verdict.summary()}\n    repeat with: {verdict.setting.command()} --trace"
        for verdict in verdicts
        if not verdict.is_right
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_all_laws_hold_in_ten_seeds_with_faults(first: int) -> None:
    found = complaint([judge(setting_of(seed)) for seed in range(first, first + BLOCK)])
    assert not found, f"\n{found}"


def test_all_laws_hold_in_fair_weather_and_nothing_is_leased_twice() -> None:
    settings = [dataclasses.replace(setting_of(seed), faults=()) for seed in FAIR_SEEDS]
    found = complaint([judge(setting) for setting in settings])
    assert not found, f"\n{found}"
