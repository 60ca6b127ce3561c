"""A law of the beacon: it speaks once in a round, also if it was started again while only some had heard it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import REVEAL_MS
from sgnus.messages.v1.types import SignedEnvelope, SignedKind, Verify
from tests.laws.round_grid import RoundGrid
from tests.laws.small_grid import Shape

PUBLISHER, ANN, BOB, CID, NODE = (PeerId(name) for name in ("pub", "ann", "bob", "cid", "node"))
STEPS_MAX = 2_000
MOMENTS_MAX = 80


@pytest.mark.parametrize("beacon", [PUBLISHER, NODE])
def test_a_beacon_that_was_started_again_says_the_same_to_those_who_had_not_heard_it(beacon: PeerId) -> None:
    peers = (PUBLISHER, ANN, BOB, CID) if beacon == PUBLISHER else (PUBLISHER, ANN, BOB, CID, NODE)
    grid = RoundGrid(Shape(peers, (), 3, Verify.FULL, beacon=beacon, workers=0))
    until(grid, lambda: (CID, SignedKind.SEAL) in signed(grid))
    grid.mail.mute = CID  # It reveals, and nobody hears it in time.
    grid.deliver_all()
    grid.pass_time(REVEAL_MS)
    first = words_of(grid, beacon)
    assert len(first) == 1, "the beacon speaks over the reveals of Ann and Bob"
    grid.mail.ways = {way: mail for way, mail in grid.mail.ways.items() if way == (beacon, ANN)}
    grid.deliver_all()
    grid.mail.mute = ANN  # Nobody hears from her what the beacon said.
    grid.overheard.sent.clear()
    grid.restart(beacon)
    for _ in range(MOMENTS_MAX):
        grid.pass_a_while()
    assert words_of(grid, beacon) == first, "whom it tells it tells the same"
    grid.mail.mute = None
    for _ in range(MOMENTS_MAX):
        grid.pass_a_while()
    assert 0 in grid.facts.taken, "the round does not end"


def until(grid: RoundGrid, is_there: Callable[[], bool]) -> None:
    for step in range(STEPS_MAX):
        if is_there():
            return
        if not grid.mail.ways:
            grid.pass_time(100)
        grid.deliver(step)
    raise AssertionError("it never came to that")


def signed(grid: RoundGrid) -> list[tuple[str, SignedKind]]:
    return [(word.author, word.kind) for word in grid.overheard.signed]


def words_of(grid: RoundGrid, beacon: PeerId) -> list[SignedEnvelope]:
    """What it says as beacon, as far as it is different."""
    sent = [word for word in grid.overheard.sent if isinstance(word, SignedEnvelope)]
    return list(
        dict.fromkeys(word for word in sent if (word.author, word.kind) == (beacon, SignedKind.BEACON))
    )
