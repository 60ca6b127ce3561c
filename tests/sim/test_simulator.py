"""The simulator itself: the same seed gives the same run, and a broken law is told."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sgnus.core.leases import LeaseBoard
from sgnus.messages.v1.types import Verify
from sgnus.sim import cli
from sgnus.sim.cli import command, main
from sgnus.sim.faults import KINDS
from sgnus.sim.grid import Grid
from sgnus.sim.run import Verdict
from sgnus.sim.setting import Setting

RUNS = {
    "faults": ["--seed", "5", "--peers", "9", "--sub-blocks", "25"],
    "verified": ["--seed", "6", "--peers", "8", "--sub-blocks", "12", "--verify", "full", "--other-beacon"],
    "lies": [
        "--seed",
        "7",
        "--peers",
        "9",
        "--sub-blocks",
        "12",
        "--verify",
        "sample",
        "--liars",
        "2",
        "--recheck",
    ],
    "vices": [
        "--seed",
        "8",
        "--peers",
        "9",
        "--verify",
        "full",
        "--vices",
        "usurper,poisoner,two-listed-host",
    ],
}


MAIN = "import sys; from sgnus.sim.cli import main; sys.exit(main(sys.argv[1:]))"


def run_with_hash_seed(seed: str, arguments: list[str]) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments, "--json"],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    trace = json.loads(ran.stdout)["trace"]
    assert isinstance(trace, str)
    return trace


@pytest.mark.parametrize("kind", RUNS)
def test_one_seed_is_the_same_run_under_any_hash_seed(kind: str) -> None:
    assert len({run_with_hash_seed(seed, RUNS[kind]) for seed in "123"}) == 1


def test_two_seeds_are_two_runs() -> None:
    traces = [
        json.loads(CliRunner().invoke(command, ["--seed", seed, "--json"]).stdout)["trace"] for seed in "12"
    ]
    assert traces[0] != traces[1]


def test_a_broken_law_is_told_with_its_story_and_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LeaseBoard, "is_open", lambda *_: True)
    ran = CliRunner().invoke(command, ["--seed", "3", "--peers", "4"])
    assert ran.exit_code == 1
    assert "law '" in ran.stdout
    assert "submits a job" in ran.stdout
    assert "repeat with: sgnus sim --seed 3 --peers 4" in ran.stdout


def test_wrong_use_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faults", "rain"]) == 2
    assert "unknown fault 'rain'" in capsys.readouterr().err
    assert main(["--peers", "3", "--vices", "usurper,forger,replayer"]) == 2
    assert "of 3 peers 2 can be hostile" in capsys.readouterr().err


def test_faults_are_chosen_by_name() -> None:
    ran = CliRunner().invoke(command, ["--seed", "3", "--faults", "crash,part", "--count", "2"])
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (0, 2)


def test_ctrl_c_says_so_and_is_no_broken_law(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(_setting: Setting) -> Verdict:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "judge", stop)
    assert main(["--seed", "1"]) == 130
    assert "sim: stopped" in capsys.readouterr().err


def test_a_line_of_json_says_how_to_repeat_it_and_has_the_story_if_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for more, has_story in (([], False), (["--trace"], True)):
        given = ["--seed", "3", "--peers", "3", "--sub-blocks", "2", "--vices", "flooder", "--json", *more]
        assert main(given) == 0
        told = json.loads(capsys.readouterr().out)
        assert (
            told["command"].startswith("sgnus sim --seed 3 --peers 3")
            and "--vices flooder" in told["command"]
        )
        assert bool(told["story"]) is has_story


def test_however_many_are_gone_for_good_enough_honest_members_stay() -> None:
    for seed in range(40):
        setting = Setting(
            seed, peers=4, sub_blocks=3, vices=("flooder",), verify=Verify.FULL, faults=("gone",)
        )
        grid = Grid(setting)
        assert not KINDS["gone"](grid, random.Random(seed)), "a publisher, two members and a hostile one"
