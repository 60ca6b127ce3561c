"""Receipts of rooms of 11 members: their size, and how long it takes to check one that was never seen before."""

from __future__ import annotations

import time

from bench._figures import Target, is_quick, median, show, told_machine
from sgnus.runtime import receipts
from tests.round_support import FULL, SAMPLE, Round, proven

MEMBERS = 11
ROUNDS = 15
KB = Target(towards=40.0)
MS = Target(towards=25.0)
LARGEST = (640, 360)
"""A microjob has at most 640 chunks, so that 1,000 are two of them."""


def main() -> None:
    print(f"  {told_machine()}")
    for name, policy in (("sample of 10 %", SAMPLE), ("full", FULL)):
        small = [proven(Round(members=MEMBERS, chunks=110, per_sub_block=11, policy=policy))]
        report(f"110 chunks, {name}", small, KB, MS)
        large = [
            proven(Round(members=MEMBERS, chunks=chunks, per_sub_block=chunks // 10, policy=policy))
            for chunks in LARGEST
        ]
        report(f"1,000 chunks in two microjobs, {name}", large)


def report(name: str, data: list[bytes], kb: Target | None = None, ms: Target | None = None) -> None:
    """All receipts of one job together."""
    taken = []
    for _ in range(1 if is_quick() else ROUNDS):
        start = time.perf_counter()
        for one in data:
            receipts.verify(one)
        taken.append((time.perf_counter() - start) * 1000)
    show(f"{name}: size", sum(map(len, data)) / 1000, "kB", kb)
    show(f"{name}: check", median(taken), "ms", ms)


if __name__ == "__main__":
    main()
