"""The simulator itself: the same seed gives the same run, and a broken law is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sgnus.core.leases import LeaseBoard
from sgnus.sim.cli import command, main

SEED = ["--seed", "5", "--peers", "9", "--sub-blocks", "25", "--json"]


def run_with_hash_seed(seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; from sgnus.sim.cli import main; sys.exit(main({SEED}))"],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    trace = json.loads(ran.stdout)["trace"]
    assert isinstance(trace, str)
    return trace


def test_one_seed_is_the_same_run_under_any_hash_seed() -> None:
    assert run_with_hash_seed("1") == run_with_hash_seed("2")


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


def test_faults_are_chosen_by_name() -> None:
    ran = CliRunner().invoke(command, ["--seed", "3", "--faults", "crash,part", "--count", "2"])
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (0, 2)
