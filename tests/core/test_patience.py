"""The less work is lost with who is given up, the sooner that is."""

from __future__ import annotations

import pytest

from sgnus.core.patience import patience_ms, quorum_ms, unsealed_ms
from sgnus.messages.limits import (
    DEADLINE_MS_DEFAULT,
    ELECTION_MS_MAX,
    PATIENCE_MS_MAX,
    PATIENCE_MS_MIN,
    REVEAL_MS,
    SILENT_MS,
    VERIFICATION_TICK_MS,
)


@pytest.mark.parametrize(
    ("deadline_ms", "expected_ms"),
    [(1, 12_000), (6_000, 12_000), (6_001, 12_002), (10_000, 20_000), (15_000, 30_000), (86_400_000, 30_000)],
)
def test_it_is_twice_a_deadline_within_limits(deadline_ms: int, expected_ms: int) -> None:
    assert patience_ms(deadline_ms) == expected_ms


@pytest.mark.parametrize("deadline_ms", [1, 4_000, 9_999, DEADLINE_MS_DEFAULT])
def test_work_is_done_again_before_its_round_is_given_up(deadline_ms: int) -> None:
    assert patience_ms(deadline_ms) + 2 * VERIFICATION_TICK_MS < unsealed_ms(deadline_ms)


@pytest.mark.parametrize(
    ("deadline_ms", "expected_ms"), [(1, 12_000), (9_000, 18_000), (60_000, ELECTION_MS_MAX)]
)
def test_a_quorum_is_waited_for_as_long_but_no_longer_than_ever(deadline_ms: int, expected_ms: int) -> None:
    assert quorum_ms(deadline_ms) == expected_ms


def test_the_shortest_leaves_time_to_pass_over_who_is_silent() -> None:
    assert PATIENCE_MS_MIN >= SILENT_MS + REVEAL_MS + 2_000
    assert patience_ms(DEADLINE_MS_DEFAULT) == PATIENCE_MS_MAX
