"""Power cuts on the real store and on a whole node: what was acknowledged is there, whatever else the disk lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from sgnus.adapters.store import thread
from tests.disks.cuts import Figures, Written, cut, storm, written
from tests.disks.disk import Disk, Record, read_log
from tests.disks.library import run_under
from tests.disks.node_cuts import cut_node, written_by_node
from tests.disks.script import KINDS

pytestmark = pytest.mark.timeout(900)

CUTS: Final = 10_000
SEED: Final = 1
NODE_CUTS: Final = 200


def test_no_acknowledged_fact_is_lost_in_ten_thousand_power_cuts() -> None:
    figures = Figures()
    for part in storm(CUTS, SEED):
        figures.add(part)
    assert not figures.lost, f"seed {SEED}: {figures.line()}\n" + "\n".join(figures.lost[:10])
    assert figures.cuts == CUTS
    assert figures.changed > CUTS // 2, "most cuts meet something that is not flushed"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_node_is_who_it_was_and_has_its_jobs_and_what_it_held_after_every_cut(
    seed: int, tmp_path: Path
) -> None:
    lost = cut_node(written_by_node(tmp_path, seed), NODE_CUTS // 2, seed)
    assert not lost, "\n".join(lost[:10])


# ---- what shows that the cuts find what they are for
@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written(tmp_path_factory.mktemp("log"), "moving", SEED)


def test_a_store_that_commits_with_less_than_full_loses_facts_and_is_seen_to(tmp_path: Path) -> None:
    figures = cut(written(tmp_path, "moving", SEED, "weak"), 200, SEED)
    assert figures.lost


def without(log: Written, is_left_out: Callable[[Record], bool]) -> Written:
    """The log of a process that did all but this."""
    records = [record for record in log.records if not is_left_out(record)]
    return Written(log.kind, log.seed, records, log.states)


def test_a_folder_that_is_never_flushed_is_seen(log: Written) -> None:
    folders = {1, *(record.node for record in log.records if record.kind == "M")}
    assert cut(without(log, lambda one: one.kind in "SE" and one.node in folders), 100, SEED).lost


def test_a_database_that_is_not_flushed_before_its_log_is_emptied_is_seen(log: Written) -> None:
    database = next(one.node for one in log.records if one.name.startswith("sgnus.db"))
    assert cut(without(log, lambda one: one.kind in "SE" and one.node == database), 300, SEED).lost


def test_a_job_whose_folder_is_never_flushed_is_seen_to_be_lost(tmp_path: Path) -> None:
    records = written_by_node(tmp_path, SEED)
    jobs = next(one.node for one in records if one.kind == "M" and one.name == "jobs")
    assert cut_node([one for one in records if one.kind not in "SE" or one.node != jobs], 60, SEED)


@pytest.mark.parametrize("kind", ["moving", "reopening"])
def test_the_log_misses_nothing_that_the_process_did(kind: str, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    run_under("tests.disks.writing", [str(watched), str(tmp_path / "log"), kind, "7"])
    disk = Disk()
    for record in read_log(tmp_path / "log"):
        disk.take(record)
    files = {
        str(path.relative_to(watched)): path.read_bytes() for path in watched.rglob("*") if path.is_file()
    }
    assert disk.as_written().files == files


def test_the_log_of_the_store_is_moved_into_the_database_as_in_a_node() -> None:
    assert KINDS["plain"].log_bytes == KINDS["big"].log_bytes == thread.LOG_BYTES_TYPICAL
