"""What it costs to refuse bombs: time (the best round) and memory of each; the aim is 10 ms, and 16 MiB beyond the input."""

from __future__ import annotations

import time

from bench._figures import Target, is_quick, show, told_machine
from tests.fuzz.bombs import BOMBS, Bomb, peak_of
from tests.fuzz.doors import sandbox

ROUNDS = 1 if is_quick() else 5
MS = Target(towards=10.0)
MIB = Target(towards=16.0)


def main() -> None:
    print(f"  {told_machine()}")
    try:
        for bomb in BOMBS:
            report(bomb)
    finally:
        sandbox().close()


def report(bomb: Bomb) -> None:
    """A line for time, and one for memory where it is worth one or misses the aim."""
    data, reader = bomb.make(), bomb.reader
    reader.feed(data)  # fills what is made once
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        reader.feed(data)
        taken.append((time.perf_counter() - start) * 1000)
    told = "" if not bomb.is_taken else ", taken"
    show(f"{bomb.name} ({len(data):,} bytes{told})", min(taken), "ms", MS)
    mebibytes = peak_of(lambda: reader.feed(data)) / 2**20
    if mebibytes >= 1:
        show("  its memory", mebibytes, "MiB", MIB)
