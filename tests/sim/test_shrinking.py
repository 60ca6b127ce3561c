"""A run that breaks a law is made as small as can be, and stays as it was found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from click.testing import CliRunner

from sgnus.core.leases import LeaseBoard
from sgnus.sim.cli import command
from sgnus.sim.run import Verdict, judge
from sgnus.sim.setting import FAULTS, Setting
from sgnus.sim.shrinking import shrink, story_of

FOUND = sorted(Path(__file__).with_name("found").glob("*.txt"))


def test_what_a_break_does_not_need_is_left_out() -> None:
    def judged(setting: Setting) -> Verdict:
        """Broken by the fourth blow of crashes alone, where three peers are."""
        is_broken = "crash" in setting.faults and setting.peers >= 3 and 3 not in setting.skip
        return Verdict(setting, "end" if is_broken else "", "", 0, 0, 0, 0, 0, "", 5, ())

    whole = Setting(7, peers=12, sub_blocks=40, vices=("forger", "usurper"), liars=1)
    smallest = shrink(judged(whole), judged).setting
    assert (smallest.faults, smallest.peers, smallest.sub_blocks) == (("crash",), 3, 1)
    assert (smallest.vices, smallest.liars, smallest.skip) == ((), 0, (0, 1, 2, 4))


def test_a_real_break_shrinks_to_one_that_breaks_the_same_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaseBoard, "is_open", lambda *_: True)
    found = judge(Setting(3, peers=5, sub_blocks=12))
    smallest = shrink(found)
    assert smallest.law == found.law != ""
    assert (smallest.setting.faults, smallest.setting.peers) < (FAULTS, 5)
    ran = CliRunner().invoke(command, smallest.setting.command().split()[2:])
    assert ran.exit_code == 1 and f"law '{found.law}'" in ran.stdout


def test_without_one_of_its_blows_a_run_is_otherwise_the_same_plan() -> None:
    setting = Setting(11, peers=6, sub_blocks=20, faults=("crash", "part"))
    whole = judge(setting)
    assert whole.blows > 1
    assert judge(dataclasses.replace(setting, skip=(0,))).trace != whole.trace
    assert judge(dataclasses.replace(setting, skip=(whole.blows,))).trace == whole.trace


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_once_broke_a_law_breaks_none_any_more(path: Path) -> None:
    repeat = path.read_text(encoding="utf-8").splitlines()[0]
    ran = CliRunner().invoke(command, repeat.split()[2:])
    assert ran.exit_code == 0, ran.stdout


def test_a_story_begins_with_the_command_that_repeats_it() -> None:
    verdict = judge(Setting(5, peers=3, sub_blocks=2, faults=()))
    first, second, *lines = story_of(verdict).splitlines()
    assert first == verdict.setting.command()
    assert second.startswith("#") and lines == list(verdict.story)
