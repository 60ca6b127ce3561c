"""What has to catch a planted bug: seeds of the simulator and the laws, the fastest first.

Each checker is a process of its own in the copy, so that the broken code is what it imports. The tests of the single parts
(`tests/core` and the like) are not asked: here it counts whether the whole is held by laws.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.planted import DoesNotApply, Mutant, copied_tree
from tests.mutants.profile import NAME

SEEDS: Final = 1_000
FIRST_SEEDS: Final = 45
"""Most bugs show within these, in less time than the laws take."""
TEST_SECONDS_MAX: Final = 1_200
LAWS: Final = ("tests/stories", "tests/laws", "tests/machines")
PYTEST: Final = (
    *("-m", "pytest", "-q", "-x", "--tb=line", "-rf", "-o", f"timeout={TEST_SECONDS_MAX}"),
    *("-p", "tests.mutants.profile", f"--hypothesis-profile={NAME}"),
)
FAILED: Final = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a bug was caught and by what; `seeds` is the number of runs that were looked at. `fault`: it could not be told."""

    name: str
    sentence: str
    caught: str
    seeds: int
    seconds: float
    fault: str = ""


class Unclear(Exception):
    """A checker ended in a way that says nothing about the bug."""


async def judge(mutant: Mutant, tell: Callable[[str], None], seeds: int = SEEDS) -> Outcome:
    """Plant it, and let the checkers look until one of them objects. `tell` hears what is under way."""
    begun = time.monotonic()
    caught, looked_at, fault = "", 0, ""
    with copied_tree() as copy:
        try:
            mutant.plant(copy)
            caught, looked_at = await examine(copy, tell, seeds, mutant.looked_at_first())
        except (DoesNotApply, Unclear) as why:
            fault = str(why)
    return Outcome(mutant.name, mutant.sentence, caught, looked_at, time.monotonic() - begun, fault)


async def examine(
    copy: Path, tell: Callable[[str], None], seeds: int, first_laws: Sequence[str]
) -> tuple[str, int]:
    """What objects first, and how many seeds were looked at. Faults: Unclear."""
    if first_laws:
        tell("the laws that should object")
        caught = await run_laws(copy, first_laws)
        if caught:
            return caught, 0
    first = min(FIRST_SEEDS, seeds)
    tell(f"seeds 1 to {first}")
    caught, looked_at = await simulate(copy, 0, first)
    if caught:
        return caught, looked_at
    tell("the laws")
    caught = await run_laws(copy)
    if caught:
        return caught, looked_at
    tell(f"seeds to {seeds}")
    return await simulate(copy, first, seeds)


async def simulate(copy: Path, first: int, stop: int) -> tuple[str, int]:
    """The first seed of these that breaks a law, if one does; and how many were looked at. Faults: Unclear."""
    if first >= stop:
        return "", stop
    status, said = await _run(copy, "-m", "tests.mutants.seeds", str(first), str(stop))
    if status:
        raise Unclear(f"the simulator did not run: {_last_line(said)}")
    found = json.loads(said.splitlines()[-1])
    return found["caught"], found["number"] + bool(found["caught"])


async def run_laws(copy: Path, files: Sequence[str] = LAWS) -> str:
    """The first test of the laws that fails, if one does. Faults: Unclear."""
    status, said = await _run(copy, *PYTEST, *files)
    failed = FAILED.search(said)
    if status == 0:
        return ""
    if status != 1 or failed is None:
        raise Unclear(f"the laws did not run: {_last_line(said)}")
    return f"`{failed[1]}`"


async def _run(copy: Path, *arguments: str) -> tuple[int, str]:
    surroundings = {**os.environ, "PYTHONPATH": f"{copy / 'src'}", "PYTHONHASHSEED": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=copy,
        env=surroundings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _nothing = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode(errors="replace")


def _last_line(said: str) -> str:
    return next(iter(reversed(said.strip().splitlines())), "it said nothing")
