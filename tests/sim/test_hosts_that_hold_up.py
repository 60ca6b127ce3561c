"""Hosts that would hold a job up for ever where a sub-block takes seconds: the job ends in a bounded time nevertheless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.messages.v1.types import Verify
from sgnus.sim.run import judge
from sgnus.sim.setting import Setting
from tests.sim.pool import assert_lawful

SEEDS = range(1, 9)
SLOW_MS = (2_000, 3_900)
SLOWER_MS = (5_000, 9_000)


@pytest.mark.parametrize("verify", [Verify.NONE, Verify.SAMPLE])
@pytest.mark.parametrize("vice", ["hoarding-host", "hopping-host", "closing-host"])
def test_who_keeps_its_members_from_delivering_anything_is_left(vice: str, verify: Verify) -> None:
    assert_lawful(
        Setting(
            seed,
            peers=5,
            sub_blocks=20,
            faults=(),
            faults_ms=0,
            compute_ms=SLOW_MS,
            verify=verify,
            vices=(vice,),
        )
        for seed in SEEDS
    )


@pytest.mark.parametrize("vice", ["locked-host", "pulsing-host"])
def test_who_delivered_first_and_then_nothing_ends_nobodys_room(vice: str) -> None:
    for seed in range(1, 16):
        verdict = judge(slower(seed, vice, sub_blocks=10, deadline_ms=10_000))
        assert verdict.is_right, verdict.summary()


@pytest.mark.parametrize("vice", ["locked-host", "pulsing-host"])
def test_rooms_that_were_founded_at_once_meet_though_the_publisher_prefers_a_dead_one(vice: str) -> None:
    setting = replace(slower(15, vice, sub_blocks=10, deadline_ms=10_000), faults=("part", "break"))
    verdict = judge(setting)
    assert verdict.is_right, verdict.summary()


def test_a_view_that_is_not_the_publishers_ends_no_room() -> None:
    for seed in SEEDS:
        verdict = judge(slower(seed, "view-forger", sub_blocks=20, deadline_ms=60_000))
        assert verdict.is_right, verdict.summary()
        # 20 sub-blocks of 7 s for three or four; where rooms end early, work under way is lost.
        assert verdict.ended_ms < 65_000, verdict.summary()


def slower(seed: int, vice: str, *, sub_blocks: int, deadline_ms: int) -> Setting:
    """Work of many seconds, and more time for all of it than the laws give."""
    return Setting(
        seed,
        peers=5,
        sub_blocks=sub_blocks,
        faults=(),
        faults_ms=30_000,
        compute_ms=SLOWER_MS,
        deadline_ms=deadline_ms,
        vices=(vice,),
    )
