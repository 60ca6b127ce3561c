"""Every call that changes the disk fails, once or from then on: that is told, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.disks.cuts import memory
from tests.disks.disk import Disk, read_log
from tests.disks.faults import missing_in_store
from tests.disks.library import How, run_under
from tests.disks.script import home_of

pytestmark = pytest.mark.timeout(900)

CUTS_PER_RUN: Final = 2
CASES: Final = [
    (errno.EIO, How.ONCE),
    (errno.ENOSPC, How.FROM_THEN_ON),
    (errno.ENOSPC, How.HALF_FIRST),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be: these are hundreds of databases."""
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        yield Path(name)


def runs(folder: Path, kind: str, error: int, how: How) -> list[dict[str, Any]]:
    """What each run saw, the last one without a fault."""
    said = run_under("tests.disks.faults", [str(folder), kind, str(error), how.name])
    found = [json.loads(line) for line in said.splitlines()]
    assert len(found) > 20
    assert found[-1]["refused"] == 0 and found[-1]["acknowledged"], "without a fault all is well"
    assert sum(run["refused"] > 0 for run in found) > len(found) // 4, "most faults are told"
    return found


def wrong_in(found: list[dict[str, Any]]) -> str:
    return "\n".join(word for run in found for word in run["wrong"][:2])[:4_000]


@pytest.mark.parametrize(("error", "how"), CASES)
def test_whichever_call_of_the_store_fails_nothing_acknowledged_is_lost(
    error: int, how: How, folder: Path
) -> None:
    found = runs(folder, "store", error, how)
    assert not wrong_in(found)
    lost = asyncio.run(cuts_after_faults(folder, [run["call"] for run in found]))
    assert not lost, "\n".join(lost[:10])


@pytest.mark.parametrize(("error", "how"), CASES)
def test_whichever_call_of_a_node_fails_nothing_acknowledged_is_lost(
    error: int, how: How, folder: Path
) -> None:
    assert not wrong_in(runs(folder, "node", error, how))


async def cuts_after_faults(folder: Path, calls: list[int]) -> list[str]:
    """The power is cut after a fault: what a flush could not write is gone then, though later flushes succeeded."""
    lost: list[str] = []
    for call in calls:
        records, dice = read_log(folder / f"{call}.log"), Random(call)
        failed = next((place for place, one in enumerate(records) if one.error), 0)
        for _ in range(CUTS_PER_RUN):
            disk, place = Disk(), dice.randint(failed, len(records))
            for record in records[:place]:
                disk.take(record)
            told = [json.loads(one.data) for one in records[:place] if one.kind == "A"]
            target = folder / "disk"
            target.mkdir()
            disk.cut(dice).write(target)
            if home_of(target).exists():
                lost += [
                    f"call {call}, cut at record {place}: {one}"
                    for one in await missing_in_store(target, told)
                ]
            elif told:
                lost.append(f"call {call}, cut at record {place}: the home is gone")
            shutil.rmtree(target)
    return lost
