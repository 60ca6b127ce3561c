"""docs/verification.md says what the arithmetic says, and the arithmetic is that of small cases counted by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tools.collusion import (
    PAGE,
    checked_by_friends,
    missed,
    outvotes,
    page,
    undetected_in_full,
    undetected_when_sampled,
)


def test_the_table_of_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m tools.collusion"


def test_one_verifier_of_ten_others_is_a_friend_as_often_as_there_are_friends() -> None:
    for colluders in range(1, 11):
        assert undetected_in_full(colluders, 1) == Fraction(colluders - 1, 10)


def test_a_worker_in_the_first_two_places_has_only_two_checkers_of_three() -> None:
    friends = Fraction(2, 11) * Fraction(2, 10) * Fraction(1, 9)
    assert undetected_in_full(3, 3) == friends
    assert undetected_in_full(4, 3) == Fraction(2, 11) * Fraction(6, 90) + Fraction(9, 11) * Fraction(6, 720)


def test_a_lonely_liar_slips_through_only_between_the_samples() -> None:
    assert missed(4, 2, 1) == Fraction(1, 2)
    assert undetected_when_sampled(1) == missed(110, 11, 10)
    assert checked_by_friends(1, range(3)) == 0


@pytest.mark.parametrize(("colluders", "is_more"), [(5, False), (6, True)])
def test_six_of_eleven_are_more_than_half_of_the_others_of_anybody(colluders: int, *, is_more: bool) -> None:
    assert outvotes(colluders) is is_more
