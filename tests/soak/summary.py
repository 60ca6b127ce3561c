"""What a soak found, for people, for programs, and for the ledger of all runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.soak.asking import Done
from tests.soak.faults import Fault
from tests.soak.usage import FLAT_PER_HOUR, KIND, THREADS_MAX, UNITS, Usage


@dataclass(slots=True)
class Summary:
    """All of one run. `broken` is what must not be; an empty list is a pass unless something grows."""

    seed: int
    nodes: int
    seconds: float
    load: tuple[float, float, float]
    began: str
    jobs: Sequence[Done]
    faults: Counter[Fault]
    usage: Usage
    broken: list[str] = field(default_factory=list)
    is_broken_off: bool = False

    @property
    def has_passed(self) -> bool:
        """No wrong byte, no stuck job, nothing that surely grows, no more threads than pools have, and at least one job."""
        is_flat = "grows" not in self.verdicts().values() and self.usage.peak("threads") <= THREADS_MAX
        return bool(self.jobs) and not self.broken and is_flat

    def verdicts(self) -> dict[str, str]:
        """Of each figure, whether it is flat."""
        return {name: self.usage.slope(name).verdict(bound) for name, bound in FLAT_PER_HOUR.items()}

    def lines(self) -> list[str]:
        """For people."""
        load, returns = " ".join(f"{one:.1f}" for one in self.load), sum(job.returns for job in self.jobs)
        said = [
            f"{self.nodes} nodes, seed {self.seed}, {self.seconds / 60:.1f} minutes, load {load} at the end",
            f"{len(self.jobs)} jobs ended with the right bytes; apps came back to them {returns} times",
        ]
        for kind, seconds in sorted(self._by_kind().items()):
            said.append(
                f"  {kind:26} {len(seconds):5} jobs, median {median(seconds):6.1f} s, longest {max(seconds):6.1f} s"
            )
        said.append(f"{self.faults.total()} faults")
        said += [f"  {fault.value:26} {self.faults[fault]:5}" for fault in Fault if self.faults[fault]]
        said.append("what a node uses (a slope an hour, with its standard error)")
        said += [self._slope_line(name) for name in FLAT_PER_HOUR]
        said += [
            f"  memory of lives of {age} minutes: {slope.per_hour:+.1f} +- {slope.error:.1f} MB/h over {slope.lives} lives"
            for age, slope in self.usage.slopes_by_age("memory").items()
        ]
        said += [self._kind_line(kind) for kind in self.usage.kinds()]
        threads, most = self.usage.slope("threads"), self.usage.peak("threads")
        said.append(
            f"  {'threads':12} median {self.usage.typical('threads'):7.1f}, peak {most:7.1f}     {threads.per_hour:+8.2f}/h; "
            f"{'bounded' if most <= THREADS_MAX else 'TOO MANY'} (at most {THREADS_MAX})"
        )
        said += [f"BROKEN: {one}" for one in self.broken]
        verdict = "passed" if self.has_passed else "FAILED"
        said.append(f"{verdict}, but broken off" if self.is_broken_off else verdict)
        return said

    def plain(self) -> dict[str, Any]:
        """For programs."""
        slopes = {name: self.usage.slope(name) for name in FLAT_PER_HOUR}
        verdicts = self.verdicts()
        return {
            "began": self.began,
            "seed": self.seed,
            "nodes": self.nodes,
            "seconds": round(self.seconds, 1),
            "load": [round(one, 2) for one in self.load],
            "passed": self.has_passed,
            "broken_off": self.is_broken_off,
            "broken": self.broken,
            "returns": sum(job.returns for job in self.jobs),
            "jobs": {
                kind: {"count": len(seconds), "median_s": round(median(seconds), 2), "longest_s": round(max(seconds), 2)}
                for kind, seconds in sorted(self._by_kind().items())
            },
            "faults": {fault.value: self.faults[fault] for fault in Fault},
            "usage": {
                name: {
                    "median": round(self.usage.typical(name), 2),
                    "peak": round(self.usage.peak(name), 2),
                    "per_hour": round(slope.per_hour, 3),
                    "error": round(slope.error, 3) if slope.error < float("inf") else None,
                    "lives": slope.lives,
                    "samples": slope.samples,
                    "bound_per_hour": FLAT_PER_HOUR[name],
                    "verdict": verdicts[name],
                    "per_hour_by_age": {
                        age: round(one.per_hour, 3) for age, one in self.usage.slopes_by_age(name).items()
                    },
                }
                for name, slope in slopes.items()
            },
            "descriptors": {
                kind.removeprefix(KIND): {"peak": self.usage.peak(kind), "per_hour": round(self.usage.slope(kind).per_hour, 3)}
                for kind in self.usage.kinds()
            },
            "threads": {
                "median": self.usage.typical("threads"),
                "peak": self.usage.peak("threads"),
                "bound": THREADS_MAX,
            },
        }  # fmt: skip

    def append_to(self, ledger: Path) -> None:
        """One line more in the ledger."""
        with ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.plain()) + "\n")

    def _by_kind(self) -> Mapping[str, list[float]]:
        found: dict[str, list[float]] = {}
        for job in self.jobs:
            found.setdefault(job.kind, []).append(job.seconds)
        return found

    def _slope_line(self, name: str) -> str:
        slope, unit = self.usage.slope(name), UNITS[name]
        figures = f"median {self.usage.typical(name):7.1f}, peak {self.usage.peak(name):7.1f} {unit:2}"
        if slope.lives == 0:
            return f"  {name:12} {figures}  no process lived long enough for a slope"
        return (
            f"  {name:12} {figures}  {slope.per_hour:+8.2f} +- {slope.error:.2f} {unit}/h over {slope.lives} lives; "
            f"{slope.verdict(FLAT_PER_HOUR[name])} (bound {FLAT_PER_HOUR[name]:g} {unit}/h)"
        )

    def _kind_line(self, kind: str) -> str:
        slope = self.usage.slope(kind)
        figures = f"median {self.usage.typical(kind):5.1f}, peak {self.usage.peak(kind):5.1f}"
        return f"  {kind:36} {figures}  {slope.per_hour:+8.2f} +- {slope.error:.2f} /h"
