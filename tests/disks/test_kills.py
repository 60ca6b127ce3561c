"""A process that writes is killed with SIGKILL, again and again on one database: what it acknowledged is there at each start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.whole.grid import die_with_parent, environment

pytestmark = pytest.mark.timeout(600)

KILLS: Final = 100
SEED: Final = 1
ACKNOWLEDGED_MAX: Final = 40
"""So many answers at most are read before the next kill."""


def test_a_hundred_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """The parent process forks writers, for that is quicker than to start a hundred; see `killed.py`."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.disks.killed",
            str(tmp_path),
            str(KILLS),
            str(SEED),
            str(ACKNOWLEDGED_MAX),
        ],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        preexec_fn=die_with_parent,
        check=False,
    )
    assert done.returncode == 0, f"seed {SEED}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}"
    kills, acknowledged = map(int, done.stdout.split())
    assert kills == KILLS
    assert acknowledged > KILLS
