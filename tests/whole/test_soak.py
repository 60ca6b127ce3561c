"""The soak itself, made short: a run of a minute passes and says so; what it is there to find, it finds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.soak.usage import slope_of
from tests.whole.grid import descendants_of, environment, is_alive, wait_for

pytestmark = pytest.mark.timeout(400)

RUN_S_MAX = 350.0
NODES = 6
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Start]:
    """Starts a soak whose homes lie below `tmp_path`; what it says beside its summary goes to `words` there."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        with (tmp_path / "words").open("w") as words:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak", *arguments, "--verbose"],
                env={**environment(), "TMPDIR": str(tmp_path)},
                cwd=Path(__file__).parents[2],
                text=True,
                stdout=subprocess.PIPE,
                stderr=words,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_minute_of_it_passes_and_says_what_was_done(tmp_path: Path, soak: Start) -> None:
    ledger = tmp_path / "ledger"
    process = soak("--hours", "0.01", "--nodes", str(NODES), "--json", "--ledger", str(ledger))
    said, _ = process.communicate(timeout=RUN_S_MAX)
    words = (tmp_path / "words").read_text()
    assert process.returncode == 0, said + words
    summary = json.loads(said)
    assert summary["passed"] and not summary["broken"]
    assert sum(kind["count"] for kind in summary["jobs"].values()) >= 1
    assert sum(summary["faults"].values()) >= 1, words
    assert summary["usage"]["memory"]["median"] > 10
    assert summary["usage"]["descriptors"]["median"] > 5
    assert json.loads(ledger.read_text()) == summary
    assert not list(tmp_path.glob("sgnus-soak-*"))


def test_a_soak_that_is_broken_off_says_what_it_knows_and_leaves_nothing(tmp_path: Path, soak: Start) -> None:
    process = soak("--hours", "1", "--nodes", "3")
    wait_for(lambda: "jobs and faults for" in (tmp_path / "words").read_text(), "the nodes are ready")
    family = descendants_of(process.pid)
    assert len(family) >= 3
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=RUN_S_MAX)
    assert "broken off" in said and "3 nodes, seed 1" in said
    wait_for(lambda: not [pid for pid in family if is_alive(pid)], "all its processes end")
    assert not list(tmp_path.glob("sgnus-soak-*"))


@pytest.mark.parametrize(("leak", "verdict"), [(0.0, "flat"), (200.0, "grows")])
def test_a_process_that_grows_is_told_from_one_that_only_wavers(leak: float, verdict: str) -> None:
    dice = Random(7)
    lives = []
    for level in (80.0, 95.0, 110.0, 88.0):
        waves = [dice.gauss(0, 0.5) for _ in range(120)]
        lives.append([(at * 5.0, level + leak * at * 5.0 / 3600 + wave) for at, wave in enumerate(waves)])
    slope = slope_of(lives)
    assert abs(slope.per_hour - leak) <= 4 * slope.error
    assert slope.verdict(20.0) == verdict


def test_the_slope_of_one_life_or_of_none_is_no_verdict() -> None:
    assert slope_of([]).verdict(1.0) == "too short to tell"
    assert slope_of([[(0.0, 5.0), (10.0, 6.0)]]).verdict(1.0) == "too short to tell"


def test_what_befalls_all_nodes_at_once_is_one_piece_of_evidence() -> None:
    dice = Random(3)
    away = (-3.0, -1.0, 0.0, -2.0, 0.0, 0.0)
    lives = [
        [(at * 5.0, level + away[at // 12] + dice.gauss(0, 0.1)) for at in range(72)]
        for level in range(60, 80)
    ]
    assert slope_of(lives).per_hour > 20
    assert slope_of(lives).verdict(12.0) == "too short to tell"
    leak = [[(at_s, figure + at_s / 60) for at_s, figure in life] for life in lives]
    assert slope_of(leak).verdict(12.0) == "grows"
