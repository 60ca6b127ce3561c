"""Each bomb is refused, or honestly read, within its bounds of steps and bytes. No second is measured here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.bombs import BOMBS, Bomb, lines_of, peak_of, spent_on
from tests.fuzz.doors import sandbox
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", autouse=True)
def _one_child() -> Iterator[None]:
    TARGETS["modules"].feed(b"")
    yield
    sandbox().close()


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name.replace(" ", "_"))
def test_a_bomb_costs_no_more_than_its_bounds(bomb: Bomb) -> None:
    spent = spent_on(bomb)
    assert bomb.is_taken in (spent.is_taken, None)
    assert spent.steps <= bomb.steps_max
    assert spent.peak_bytes <= bomb.bytes_max


def test_steps_and_bytes_are_counted() -> None:
    def loop() -> None:
        for _ in range(1_000):
            pass

    assert 2_000 <= lines_of(loop) <= 2_010
    assert 5_000_000 <= peak_of(lambda: bytes(5_000_000)) <= 5_100_000
