"""Power cuts on the real store: `python -m tests.disks.cuts --count 100000 --seed 1`.

A watched process writes; its log is cut at drawn places, each cut leaves one of the disks it may leave, and the real store
opens it. What it holds then must be what it held after some step, none earlier than the last that was acknowledged as durable.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from sgnus.adapters.store import SqliteStore
from sgnus.messages.errors import WorldFault
from tests.disks.disk import Disk, Image, Record, read_log
from tests.disks.library import run_under
from tests.disks.script import database_of, home_of, state_of, states_of, waves_of

SHARES: Final = {"plain": 40, "moving": 30, "reopening": 28, "big": 2}
"""Of a hundred cuts. A big database takes long to write out and to open, and has no rules of its own."""
CUTS_PER_LOG: Final = 1_300
SHOWN_S: Final = 5.0
PROCESSES: Final = 2
EXTRA: Final = "after the cut"


class FactLost(AssertionError):
    """What was acknowledged is not there after a cut."""


@dataclass(slots=True)
class Written:
    """One log, and what a store holds after each step that it tells of."""

    kind: str
    seed: int
    records: list[Record]
    states: list[bytes]

    @property
    def name(self) -> str:
        return f"{self.kind} {self.seed}"


@dataclass(slots=True)
class Figures:
    """What was seen. `lost`: sentences on cuts after which something acknowledged was missing."""

    cuts: int = 0
    disks: int = 0
    """Different ones, of each log."""
    changed: int = 0
    """Cuts that met changes which were not flushed."""
    lost: list[str] = field(default_factory=list)
    by_kind: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        self.cuts += other.cuts
        self.disks += other.disks
        self.changed += other.changed
        self.lost += other.lost
        self.by_kind += other.by_kind

    def line(self) -> str:
        kinds = ", ".join(f"{self.by_kind[kind]} {kind}" for kind in sorted(self.by_kind))
        return (
            f"{self.cuts} cuts ({kinds}) left {self.disks} different disks; {self.changed} met changes that were not flushed; "
            f"{len(self.lost)} lost something acknowledged"
        )


def written(folder: Path, kind: str, seed: int, *more: str) -> Written:
    """Let a process write on a watched folder, and read what it did."""
    watched, log = folder / f"{kind}-{seed}", folder / f"{kind}-{seed}.log"
    watched.mkdir()
    run_under("tests.disks.writing", [str(watched), str(log), kind, str(seed), *more])
    shutil.rmtree(watched)
    records = read_log(log)
    log.unlink()
    steps = list(itertools.chain.from_iterable(waves_of(kind, seed)))
    return Written(kind, seed, records, states_of(steps))


def images(records: Sequence[Record], count: int, dice: Random) -> Iterator[tuple[int, int, Image, bool]]:
    """For each of so many cuts: the place in the log, the last acknowledged number, the disk, whether it may lack anything."""
    places = sorted(dice.randint(0, len(records)) for _ in range(count))
    disk, done, acknowledged = Disk(), 0, 0
    for place in places:
        for record in records[done:place]:
            disk.take(record)
            if record.kind == "A":
                acknowledged = max(acknowledged, int(record.data))
        done = max(done, place)
        image = disk.cut(dice)
        yield place, acknowledged, image, any(node.changes for node in disk.nodes.values())


def cut(log: Written, count: int, seed: int) -> Figures:
    """So many cuts of one log, from a seed."""
    figures = Figures()
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        asyncio.run(_cut(log, count, seed, Path(folder), figures))
    return figures


async def _cut(log: Written, count: int, seed: int, folder: Path, figures: Figures) -> None:
    dice = Random(f"{log.name} {seed}")
    opened: dict[bytes, Opened] = {}
    for number, (place, acknowledged, image, is_less) in enumerate(images(log.records, count, dice)):
        name = image.name()
        if name not in opened:  # Many cuts leave the same disk.
            target = folder / "disk"
            target.mkdir()
            image.write(target)
            opened[name] = await _open(target, goes_on=len(opened) % 8 == 0)
            shutil.rmtree(target)
        figures.cuts += 1
        figures.by_kind[log.kind] += 1
        figures.changed += is_less
        fault = opened[name].fault(log.states, acknowledged)
        if fault:
            figures.lost.append(f"{log.name}, seed {seed}, cut {number} at record {place}: {fault}")
    figures.disks += len(opened)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a store on a disk after a cut held, and what was wrong with it whatever had been acknowledged."""

    state: bytes | None
    wrong: str = ""

    def fault(self, states: Sequence[bytes], acknowledged: int) -> str:
        """In words; nothing if all is well."""
        if self.wrong or (self.state is None and not acknowledged):
            return self.wrong
        if self.state is None:
            return f"the home is gone with {acknowledged} steps"
        return (
            ""
            if self.state in states[acknowledged:]
            else f"not all of the first {acknowledged} steps is there"
        )


async def _open(folder: Path, *, goes_on: bool) -> Opened:
    if not home_of(folder).exists():
        return Opened(None)
    path = database_of(folder)
    store, state = SqliteStore(path), None
    notices = list(await store.open())
    try:
        state = await state_of(store)
        if goes_on:
            await store.put_facts(EXTRA, {"": b"durable"})
    except WorldFault as fault:
        notices.append(str(fault))
    finally:
        await store.close()
    verdict = _verdict(path)
    wrong = "; ".join(notices) or ("" if verdict == "ok" else verdict)
    if goes_on and not wrong:
        wrong = await _second_start(path)
    return Opened(state, wrong)


async def _second_start(path: Path) -> str:
    store = SqliteStore(path)
    notices = await store.open()
    facts = await store.facts(EXTRA)
    await store.close()
    return "" if facts and not notices else "what was written after the cut is not there"


def _verdict(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    return str(verdict)


def memory() -> Path | None:
    """Where files cost no disk."""
    place = Path("/dev/shm")
    return place if os.access(place, os.W_OK) else None


def parts_of(count: int, seed: int) -> list[tuple[str, int, int]]:
    """So many cuts, spread over as many logs as it takes: kind and seed of each, and how often it is cut."""
    parts: list[tuple[str, int, int]] = []
    for kind, share in SHARES.items():
        of_kind = count * share // 100
        logs = -(-of_kind // CUTS_PER_LOG)
        parts += [
            (kind, seed * 1_000 + number, of_kind // logs + (number < of_kind % logs))
            for number in range(logs)
        ]
    return parts


def _write_and_cut(kind: str, seed: int, count: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return cut(written(Path(folder), kind, seed), count, seed)


def storm(count: int, seed: int) -> Iterator[Figures]:
    """So many cuts, by two processes; the figures of each log as they come."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        parts = [pool.submit(_write_and_cut, *part) for part in parts_of(count, seed)]
        for part in as_completed(parts):
            yield part.result()


def main(arguments: Sequence[str]) -> int:
    """Run a storm; status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.disks.cuts", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="power cuts (10,000 unless said)")
    parser.add_argument("--seed", type=int, default=1, help="the dice")
    options = parser.parse_args(arguments)
    figures, began, shown = Figures(), time.monotonic(), time.monotonic()
    for one in storm(options.count, options.seed):
        figures.add(one)
        for sentence in one.lost:
            _say(sentence)
        if time.monotonic() - shown > SHOWN_S:
            shown = time.monotonic()
            _say(f"{figures.cuts} of {options.count} cuts, {len(figures.lost)} lost something acknowledged")
    _say(f"disks: seed {options.seed}: {figures.line()}; {time.monotonic() - began:.0f} s")
    return 1 if figures.lost else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
