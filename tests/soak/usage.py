"""What the nodes use, sampled from outside, and whether it grows: slopes within the lives of processes.

One slope is fitted to all lives at once, each life with a level of its own (least squares): dx and dy are distances from
the means of a life, slope = sum(dx dy) / sum(dx^2). Neighbouring samples of one process are alike, and so are those of all
processes at one time (where one node is away, all others lack its connections), so that the textbook error of such a fit would
be far too small. The error here takes each life as one piece of evidence, and each minute as well: with pulls dx * residual,
the squares of their sums over lives, and of those over minutes, less those over minutes of lives, which are in both (two-way
clusters of Cameron, Gelbach and Miller, 2011). With one life or minute it is unknown.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Final

from tests.soak.descriptors import kinds_of, ports_of
from tests.soak.fleet import Node

WARM_S: Final = 300.0
"""A life's first time is left out, in which modules are compiled, each part is met once, and what is kept of a job until it
expires (orders.LIFETIME_MS, and forgetful_node.py says how long after that) can only grow.
"""
AGES_S: Final = (WARM_S, 900.0, 1_800.0, 3_600.0, math.inf)
"""Between these, slopes are told apart by age too: caches fill, and then they are full; what goes on growing is a leak."""
LIFE_S_MIN: Final = 60.0
SAMPLES_MIN: Final = 6
S_PER_HOUR: Final = 3_600.0

FLAT_PER_HOUR: Final[Mapping[str, float]] = {
    "memory": 24.0,
    "descriptors": 12.0,
    "database": 60.0,
}
"""What still counts as flat, an hour: MB, descriptors, MB."""
THREADS_MAX: Final = 22 + (os.cpu_count() or 1)
"""Pools of fixed size start a thread at need and keep it: in a short run that is a slope, and no leak. More than this is one. The
largest, of the loop, has as many more as there are cores.
"""
KIND: Final = "descriptor: "
OWN_MEMORY: Final = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
UNITS: Final[Mapping[str, str]] = {
    "memory": "MB",
    "descriptors": "",
    "threads": "",
    "database": "MB",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process used, so many seconds after it was born. `at_s` is when that was, on a clock that all share."""

    at_s: float
    age_s: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Slope:
    """How much more an hour, give or take `error` (one standard error; infinite if it cannot be told)."""

    per_hour: float
    error: float
    lives: int
    samples: int

    def verdict(self, bound: float) -> str:
        """`flat`, `grows`, or that it cannot be told yet."""
        if self.lives == 0 or math.isinf(self.error):
            return "too short to tell"
        if self.per_hour + 2 * self.error <= bound:
            return "flat"
        if self.per_hour - 2 * self.error > bound:
            return "grows"
        return "flat so far" if self.per_hour <= bound else "too short to tell"


@dataclass(slots=True)
class Usage:
    """All samples, by node and life."""

    lives: dict[tuple[int, int], list[Sample]] = field(default_factory=dict)

    def take(self, nodes: Iterable[Node], now_s: float) -> None:
        """Sample the nodes that run. Blocks for some milliseconds a node."""
        nodes = list(nodes)
        ports = ports_of(node.home for node in nodes)
        for node in nodes:
            key, born_s, pid = (node.number, node.life), node.born_s, node.running.pid
            figures = figures_of(pid, node.home, ports)
            # A node that was killed meanwhile has another life, or none.
            if figures is not None and key == (node.number, node.life):
                self.lives.setdefault(key, []).append(Sample(now_s, now_s - born_s, figures))

    def slope(self, name: str, from_s: float = WARM_S, to_s: float = math.inf) -> Slope:
        """How fast that figure grows in lives that are old enough, while they are of that age."""
        used = [life for life in (_aged(life, from_s, to_s) for life in self.lives.values()) if life]
        return slope_of([[(one.at_s, one.figures.get(name, 0.0)) for one in life] for life in used])

    def slopes_by_age(self, name: str) -> dict[str, Slope]:
        """Age in minutes -> slope, of the ages that any life came to."""
        ages = [(from_s, to_s) for from_s, to_s in pairwise(AGES_S)]
        slopes = {_age(from_s, to_s): self.slope(name, from_s, to_s) for from_s, to_s in ages}
        return {age: slope for age, slope in slopes.items() if slope.lives}

    def typical(self, name: str) -> float:
        """The median of all samples that are warm, or of all if none is."""
        warm = [one for life in self.lives.values() for one in _aged(life, WARM_S, math.inf)]
        found = warm or [one for life in self.lives.values() for one in life]
        return median(one.figures.get(name, 0.0) for one in found) if found else 0.0

    def peak(self, name: str) -> float:
        """The largest sample."""
        return max((one.figures.get(name, 0.0) for life in self.lives.values() for one in life), default=0.0)

    def kinds(self) -> list[str]:
        """The figures that are kinds of descriptors."""
        named = {name for life in self.lives.values() for one in life for name in one.figures}
        return sorted(name for name in named if name.startswith(KIND))


def slope_of(lives: Sequence[Sequence[tuple[float, float]]]) -> Slope:
    """The common slope of lives of (seconds on a clock that all share, figure), each with a level of its own."""
    centred = [_centred(life) for life in lives]
    spread = sum(dx * dx for life in centred for dx, _ in life)
    samples = sum(len(life) for life in lives)
    if spread == 0.0:
        return Slope(0.0, math.inf, 0, samples)
    slope = sum(dx * dy for life in centred for dx, dy in life) / spread
    of_life, of_minute, of_both = Counter[int](), Counter[int](), Counter[tuple[int, int]]()
    for number, (life, away) in enumerate(zip(lives, centred, strict=True)):
        for (at_s, _), (dx, dy) in zip(life, away, strict=True):
            pull, minute = dx * (dy - slope * dx), int(at_s // 60)
            of_life[number] += pull
            of_minute[minute] += pull
            of_both[number, minute] += pull
    by_life, both = _scatter(of_life), sum(pull * pull for pull in of_both.values())
    error = math.sqrt(max(by_life, by_life + _scatter(of_minute) - both)) / spread
    return Slope(slope * S_PER_HOUR, error * S_PER_HOUR, len(lives), samples)


def _scatter(pulls: Mapping[int, float]) -> float:
    """The sum of squares, corrected for how few they are; one alone says nothing."""
    few = len(pulls)
    return few / (few - 1) * sum(pull * pull for pull in pulls.values()) if few > 1 else math.inf


def figures_of(pid: int, home: Path, ports: Mapping[int, str]) -> dict[str, float] | None:
    """What a node's process uses now, its sandboxed children left out; None when it is gone.

    Memory is what the process made (anonymous, shared, swapped out). Pages of files are the kernel's to take, and whose
    they are counted changes with every process that maps them too.
    """
    folder = Path(f"/proc/{pid}")
    try:
        rolled = (folder / "smaps_rollup").read_text(encoding="ascii")
        kinds = kinds_of(pid, ports)
        threads = len(os.listdir(folder / "task"))
    except OSError:
        return None
    # What is left of a dying process has no lines but the first.
    kib = [int(line.split()[1]) for line in rolled.splitlines() if line.startswith(OWN_MEMORY)]
    if not kib:
        return None
    return {
        "memory": sum(kib) * 1024 / 1e6,
        "descriptors": kinds.total(),
        "threads": threads,
        "database": sum(_size(home / f"sgnus.db{end}") for end in ("", "-wal", "-shm")) / 1e6,
        **{KIND + kind: count for kind, count in kinds.items()},
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _aged(life: Sequence[Sample], from_s: float, to_s: float) -> list[Sample]:
    """What counts of a life; nothing of one that was too short."""
    aged = [one for one in life if from_s <= one.age_s < to_s]
    is_enough = len(aged) >= SAMPLES_MIN and aged[-1].age_s - aged[0].age_s >= LIFE_S_MIN
    return aged if is_enough else []


def _age(from_s: float, to_s: float) -> str:
    return f"from {from_s / 60:.0f}" if math.isinf(to_s) else f"{from_s / 60:.0f} to {to_s / 60:.0f}"


def _centred(life: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    middle_x, middle_y = fmean(x for x, _ in life), fmean(y for _, y in life)
    return [(x - middle_x, y - middle_y) for x, y in life]
