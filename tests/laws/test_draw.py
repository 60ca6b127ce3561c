"""The real draw, over many seeds, agrees with the exact arithmetic of `tools/collusion.py`, and favours nobody."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import sqrt
from typing import Final

import pytest

from sgnus.core.draw import Draw, draw
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Policy, Verify
from tools.collusion import (
    CHUNKS,
    FALSE_CHUNKS,
    MEMBERS,
    undetected_in_full,
    undetected_when_sampled,
    verifier_is_one,
)

DRAWS: Final = 2_000
GUESSES: Final = 1_000
STANDARD_ERRORS: Final = 4
PEERS: Final = tuple(PeerId(f"member {number}") for number in range(MEMBERS))
WORKERS: Final = {chunk: PEERS[chunk // FALSE_CHUNKS] for chunk in range(CHUNKS)}
"""Each made ten consecutive chunks; the cheat is the first of them, and the first few are in league with it."""
SAMPLE: Final = Policy(verify=Verify.SAMPLE, samples_permille=100, verifiers=1, min_members=2)
FULL: Final = Policy(verify=Verify.FULL, samples_permille=1000, verifiers=1, min_members=2)
FULL_BY_THREE: Final = Policy(verify=Verify.FULL, samples_permille=1000, verifiers=3, min_members=2)


def drawn(policy: Policy, count: int) -> list[Draw]:
    seeds = (hashlib.sha256(f"draw {number}".encode()).digest() for number in range(count))
    return [draw(policy, seed, PEERS, WORKERS, ()) for seed in seeds]


def slips_through(dealt: Draw, colluders: int) -> bool:
    """Whether no honest checker got a chunk of the cheat."""
    honest = PEERS[colluders:]
    return not any(chunk < FALSE_CHUNKS for peer in honest for chunk in dealt.dues.get(peer, ()))


def agrees(hits: int, count: int, chance: Fraction) -> bool:
    error = sqrt(chance * (1 - chance) / count)
    return abs(Fraction(hits, count) - chance) <= STANDARD_ERRORS * error


@pytest.mark.parametrize(
    ("policy", "exact"),
    [
        (SAMPLE, undetected_when_sampled),
        (FULL, lambda colluders: undetected_in_full(colluders, 1)),
        (FULL_BY_THREE, lambda colluders: undetected_in_full(colluders, 3)),
    ],
    ids=["sample", "full", "full by three"],
)
def test_cheats_slip_through_the_draw_as_often_as_the_table_says(
    policy: Policy, exact: Callable[[int], Fraction]
) -> None:
    found = drawn(policy, DRAWS)
    for colluders in range(1, MEMBERS):
        hits = sum(slips_through(dealt, colluders) for dealt in found)
        assert agrees(hits, DRAWS, exact(colluders)), f"{colluders} colluders: {hits} of {DRAWS}"


def test_the_verifier_is_a_colluder_as_often_as_the_table_says() -> None:
    verifiers = Counter(dealt.verifier for dealt in drawn(SAMPLE, DRAWS))
    for colluders in range(1, MEMBERS):
        hits = sum(verifiers[peer] for peer in PEERS[:colluders])
        assert agrees(hits, DRAWS, verifier_is_one(colluders))


def test_who_guesses_any_one_member_before_the_draw_is_right_no_more_often_than_chance() -> None:
    verifiers = Counter(dealt.verifier for dealt in drawn(SAMPLE, GUESSES))
    for guess in PEERS:
        assert agrees(verifiers[guess], GUESSES, Fraction(1, MEMBERS)), guess


def test_a_sample_goes_round_the_places_and_passes_over_its_own_worker() -> None:
    for dealt in drawn(FULL_BY_THREE, 50):
        checkers = {chunk: peer for peer, chunks in dealt.dues.items() for chunk in chunks}
        for chunk in range(CHUNKS):
            place = chunk % 3
            first, second = dealt.order[place], dealt.order[place + 1]
            assert checkers[chunk] == (second if first == WORKERS[chunk] else first)
