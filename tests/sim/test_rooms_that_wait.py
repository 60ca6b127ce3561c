"""Rooms in which all is done and that wait for members meet, however long they have waited."""

from __future__ import annotations

import pytest

from sgnus.messages.v1.types import Verify
from sgnus.sim.grid import Grid
from sgnus.sim.setting import Setting

APART_MS = 8_000
MEET_MS_MAX = 60_000


@pytest.mark.parametrize("seed", range(1, 9))
def test_two_workers_that_could_not_hear_each_other_and_did_a_microjob_each_verify_both(seed: int) -> None:
    grid = Grid(
        Setting(
            seed,
            peers=3,
            sub_blocks=12,
            faults=(),
            faults_ms=APART_MS,
            verify=Verify.SAMPLE,
            compute_ms=(3_600, 3_900),
            members_min=2,
        )
    )
    grid.begin()
    one, other = list(grid.peers)[1:]
    grid.weather.deaf = {(one, other): None, (other, one): None}
    grid.tell_neighbours()

    def heal() -> None:
        grid.weather.deaf = {}
        grid.tell_neighbours()

    grid.agenda.after(APART_MS, heal)
    assert grid.run(MEET_MS_MAX, grid.is_over)
