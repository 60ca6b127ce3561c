"""Many runs at once, one on each core of the machine; and what is said of those that break a law."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from sgnus.sim.run import Verdict, judge
from sgnus.sim.setting import Setting

CHUNK = 8


def judge_all(settings: Iterable[Setting]) -> list[Verdict]:
    """The verdicts, in the order of the settings."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(judge, settings, chunksize=CHUNK))


def complaint(verdicts: Iterable[Verdict]) -> str:
    """Which seeds fail, why, and the command that tells the story of each."""
    return "\n".join(
        f"{verdict.summary()}\n    repeat with: {verdict.setting.command()} --trace"
        for verdict in verdicts
        if not verdict.is_right
    )


def assert_lawful(settings: Iterable[Setting]) -> None:
    """All laws hold in all of these."""
    found = complaint(judge_all(settings))
    assert not found, f"\n{found}"
