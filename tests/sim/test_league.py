"""Whole simulated rooms agree with the exact arithmetic of what colluders can do; `python -m bench collusion` has more."""

from __future__ import annotations

from math import sqrt

import pytest

from sgnus.messages.v1.types import Verify
from sgnus.sim.league import CHUNKS, measure
from tools.collusion import undetected_in_full, undetected_when_sampled

STANDARD_ERRORS = 3

pytestmark = pytest.mark.timeout(300)


def test_a_lone_cheat_never_slips_through_full_verification() -> None:
    tally = measure(range(5), 1, Verify.FULL, 1)
    assert tally.cheats >= 3
    assert tally.undetected == 0 == undetected_in_full(1, 1)


def test_friends_who_check_each_other_slip_through_as_often_as_the_table_says() -> None:
    tally, exact = measure(range(100, 118), 5, Verify.FULL, 1), float(undetected_in_full(5, 1))
    assert tally.rounds >= 12
    assert abs(tally.share - exact) <= STANDARD_ERRORS * sqrt(exact * (1 - exact) / tally.rounds)


def test_cheats_slip_between_samples_as_often_as_the_table_says() -> None:
    tally, exact = measure(range(200, 216), 3, Verify.SAMPLE, 1), float(undetected_when_sampled(3, CHUNKS))
    assert tally.rounds >= 12
    assert abs(tally.share - exact) <= STANDARD_ERRORS * sqrt(exact * (1 - exact) / tally.rounds)
