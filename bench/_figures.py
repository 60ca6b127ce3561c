"""Figures beside their targets: `at least` must be met, `towards` is where they should go."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


def is_quick() -> bool:
    """BENCH_QUICK=1: small sizes and one round, to see that everything runs; the figures mean little."""
    return os.environ.get("BENCH_QUICK", "") not in ("", "0")


@dataclass(frozen=True, slots=True)
class Target:
    """`least` must be met where it is given, `towards` is the aim. Lower is better, but for what is `higher`."""

    least: float | None = None
    towards: float | None = None
    higher: bool = False

    def verdict(self, value: float) -> str:
        said = []
        if self.least is not None:
            bound = f"at {'least' if self.higher else 'most'} {self.least:g}"
            said.append(f"{'met' if self._meets(value, self.least) else 'MISSED'}: {bound}")
        if self.towards is not None:
            said.append(
                f"{'met' if self._meets(value, self.towards) else 'missed'}: towards {self.towards:g}"
            )
        return ", ".join(said)

    def _meets(self, value: float, bound: float) -> bool:
        return value >= bound if self.higher else value <= bound


def show(name: str, value: float, unit: str, target: Target | None = None) -> None:
    """One line: what, how much, and how that stands to its target."""
    digits = 0 if abs(value) >= 100 else 2
    verdict = "" if target is None else target.verdict(value)
    print(f"  {name:60} {value:9.{digits}f} {unit:10} {verdict}".rstrip(), flush=True)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the rounds' ratios, so that other load on the machine counts on both sides."""
    return statistics.median(one / two for one, two in zip(ours, theirs, strict=True))


def told_machine() -> str:
    """The machine, its load now, and the versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, Python {platform.python_version()}, "
        f"load {told_load()}"
    )


def told_load() -> str:
    return " ".join(f"{one:.1f}" for one in os.getloadavg())
