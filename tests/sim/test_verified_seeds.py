"""Seeds of grids whose job is verified: with every fault and honest peers, and with liars among them."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.messages.v1.types import Verify
from sgnus.sim.run import Verdict, judge, setting_of
from sgnus.sim.setting import FAULTS, Setting

BLOCK = 5


def proved(seed: int, verify: Verify, liars: int = 0) -> Setting:
    """A seed's own size, but with two honest members at least."""
    own = setting_of(seed)
    return dataclasses.replace(own, peers=max(own.peers, 3 + liars), verify=verify, liars=liars)


def complaint(verdicts: list[Verdict]) -> str:
    return "\n".join(
        f"{verdict.summary()}\n    repeat with: {verdict.setting.command()} --trace"
        for verdict in verdicts
        if not verdict.is_right
    )


@pytest.mark.parametrize("first", range(2_000, 2_020, BLOCK))
def test_samples_are_verified_whatever_crashes_or_stalls(first: int) -> None:
    found = complaint([judge(proved(seed, Verify.SAMPLE)) for seed in range(first, first + BLOCK)])
    assert not found, f"\n{found}"


@pytest.mark.parametrize("first", range(3_000, 3_015, BLOCK))
def test_one_liar_is_never_believed_by_full_verification_and_no_honest_peer_is_accused(first: int) -> None:
    found = complaint([judge(proved(seed, Verify.FULL, liars=1)) for seed in range(first, first + BLOCK)])
    assert not found, f"\n{found}"


@pytest.mark.parametrize("first", range(6_000, 6_010, BLOCK))
def test_another_beacon_than_the_publisher_may_crash_and_stall_like_anybody(first: int) -> None:
    settings = [proved(seed, Verify.SAMPLE, liars=1) for seed in range(first, first + BLOCK)]
    grids = [dataclasses.replace(one, peers=max(one.peers, 6), other_beacon=True) for one in settings]
    found = complaint([judge(grid) for grid in grids])
    assert not found, f"\n{found}"


def test_a_room_that_needs_three_members_gets_them_however_they_split_at_first() -> None:
    found = complaint([judge(of_three(seed)) for seed in range(6_000, 6_008)])
    assert not found, f"\n{found}"


def of_three(seed: int) -> Setting:
    """As many members as a room needs, a publisher, and rooms enough for them to split."""
    return Setting(seed, peers=4, sub_blocks=20, faults=(), faults_ms=0, verify=Verify.SAMPLE, members_min=3)


def test_two_liars_who_agree_never_have_an_honest_peer_accused_and_the_job_ends() -> None:
    found = complaint([judge(proved(seed, Verify.FULL, liars=2)) for seed in range(4_000, 4_004)])
    assert not found, f"\n{found}"


def test_the_same_seed_is_the_same_run_with_proof_as_well() -> None:
    setting = proved(5_000, Verify.SAMPLE)
    assert judge(setting).trace == judge(setting).trace


def test_where_the_publisher_runs_all_again_no_league_of_liars_slips_between_the_samples() -> None:
    # What a publisher that crashed was running again is forgotten; of two honest members both are needed, the slow one too.
    faults = tuple(name for name in FAULTS if name not in ("publisher", "slow"))
    settings = [
        dataclasses.replace(proved(seed, Verify.SAMPLE, liars=2), recheck=True, faults=faults)
        for seed in range(6_000, 6_006)
    ]
    found = complaint([judge(setting) for setting in settings])
    assert not found, f"\n{found}"
