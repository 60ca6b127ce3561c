"""A thousand seeds of simulated grids: every kind of fault, verified jobs, liars, hostile peers. All laws hold in all of them."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.messages.v1.types import Verify
from sgnus.sim.run import hostile_setting_of, returning_setting_of, setting_of, usurped_setting_of
from sgnus.sim.run import proved_setting_of as proved
from sgnus.sim.setting import FAULTS, Setting
from tests.sim.pool import assert_lawful

BLOCK = 50
FAIR_SEEDS = range(1_000, 1_030)


@pytest.mark.parametrize("first", range(0, 600, BLOCK))
def test_all_laws_hold_in_fifty_seeds_with_faults(first: int) -> None:
    assert_lawful(setting_of(seed) for seed in range(first, first + BLOCK))


def test_all_laws_hold_in_fair_weather_and_nothing_is_leased_twice() -> None:
    assert_lawful(dataclasses.replace(setting_of(seed), faults=()) for seed in FAIR_SEEDS)


@pytest.mark.parametrize("first", range(10_000, 10_150, BLOCK))
def test_all_laws_hold_against_hostile_peers(first: int) -> None:
    assert_lawful(hostile_setting_of(seed) for seed in range(first, first + BLOCK))


def test_all_laws_hold_where_hosts_crash_and_hostile_peers_would_host() -> None:
    assert_lawful(usurped_setting_of(seed) for seed in range(9_000, 9_040))


@pytest.mark.parametrize("first", range(2_000, 2_100, BLOCK))
def test_samples_are_verified_whatever_crashes_or_stalls(first: int) -> None:
    assert_lawful(proved(seed, Verify.SAMPLE) for seed in range(first, first + BLOCK))


@pytest.mark.parametrize("first", range(20_000, 20_100, BLOCK))
def test_with_proof_all_is_over_in_thirty_seconds_once_all_are_back_and_in_fifty_with_a_liar(
    first: int,
) -> None:
    settings = [returning_setting_of(seed) for seed in range(first, first + BLOCK)]
    assert all(one.end_ms - one.faults_ms == (50_000 if one.liars else 30_000) for one in settings)
    assert_lawful(settings)


def test_one_liar_is_never_believed_by_full_verification_and_no_honest_peer_is_accused() -> None:
    assert_lawful(proved(seed, Verify.FULL, liars=1) for seed in range(3_000, 3_050))


def test_another_beacon_than_the_publisher_may_crash_and_stall_like_anybody() -> None:
    settings = [proved(seed, Verify.SAMPLE, liars=1) for seed in range(6_000, 6_030)]
    assert_lawful(dataclasses.replace(one, peers=max(one.peers, 6), other_beacon=True) for one in settings)


def test_a_room_that_needs_three_members_gets_them_however_they_split_at_first() -> None:
    assert_lawful(of_three(seed) for seed in range(6_000, 6_020))


def of_three(seed: int) -> Setting:
    """As many members as a room needs, a publisher, and rooms enough for them to split."""
    return Setting(
        seed,
        peers=4,
        sub_blocks=20,
        faults=(),
        faults_ms=0,
        verify=Verify.SAMPLE,
        members_min=3,
    )


def test_two_liars_who_agree_never_have_an_honest_peer_accused_and_the_job_ends() -> None:
    assert_lawful(proved(seed, Verify.FULL, liars=2) for seed in range(4_000, 4_020))


def test_where_the_publisher_runs_all_again_no_league_of_liars_slips_between_the_samples() -> None:
    # What a publisher that crashed was running again is forgotten; of two honest members both are needed, the slow one too.
    faults = tuple(name for name in FAULTS if name not in ("publisher", "power", "slow", "crash", "stop"))
    assert_lawful(
        dataclasses.replace(proved(seed, Verify.SAMPLE, liars=2), recheck=True, faults=faults)
        for seed in range(6_000, 6_020)
    )
