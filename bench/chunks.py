"""Gather and scatter of 256x256 uint8 tiles, as shares of memcpy's bandwidth, measured side by side in one run.

    python -m bench.chunks [--side N] [--rounds N]

Gather moves an image into an array of its tiles, scatter moves that array back into an image, and memcpy moves one
image to another, in pieces of the same size as those before it; all memory is larger than the caches. A share is the
median of the rounds' ratios, so that other load on the machine counts on both sides.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bench._figures import Target, is_quick, show
from sgnus.adapters.arrays import gather_into, scatter_all
from sgnus.core.plan import Plan
from sgnus.messages.v1.types import ArraySpec, Chunk, Cut, Edge, OutputSpec

TILE = 256
CHUNKS_PER_SUB_BLOCK = 32


class Copies:
    """An image, its tiles, and the copies between them in pieces of `step` tiles."""

    def __init__(self, side: int, step: int) -> None:
        self._pieces = list(pieces(side, step))
        size = side * side
        self._image = np.random.default_rng(7).integers(0, 255, size, dtype=np.uint8).data
        self._tiles = np.ones(size, dtype=np.uint8).data
        self._result = np.ones(size, dtype=np.uint8).data

    def memcpy(self) -> None:
        for start, end, _ in self._pieces:
            self._result[start:end] = self._image[start:end]

    def gather(self) -> None:
        for start, end, chunks in self._pieces:
            gather_into(chunks, self._image, self._tiles[start:end])

    def scatter(self) -> None:
        for start, end, chunks in self._pieces:
            scatter_all(chunks, self._tiles[start:end], self._result)

    def is_right(self) -> bool:
        self.gather()
        self._result[:] = bytes(len(self._result))
        self.scatter()
        return self._result == self._image


def pieces(side: int, step: int) -> Iterator[tuple[int, int, Sequence[Chunk]]]:
    cut = Cut(tile=(TILE, TILE), halo=(0, 0), edge=Edge.REFLECT, chunks_per_sub_block=CHUNKS_PER_SUB_BLOCK)
    plan = Plan.of_parts(ArraySpec(shape=(side, side), dtype="uint8"), cut, OutputSpec(dtype="uint8"))
    start = 0
    for first in range(0, plan.chunks, step):
        chunks = [plan.chunk(index).output for index in range(first, min(first + step, plan.chunks))]
        end = start + sum(chunk.width * chunk.height for chunk in chunks)
        yield start, end, chunks
        start = end


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(name: str, side: int, step: int, rounds: int) -> None:
    copies = Copies(side, step)
    if not copies.is_right():
        raise SystemExit("the image did not come back as it was")
    works = (copies.memcpy, copies.gather, copies.scatter)
    times = [[seconds(work) for work in works] for _ in range(rounds)]
    for column, work in enumerate(works):
        rate = side * side / statistics.median(row[column] for row in times) / 1e9
        share = statistics.median(row[0] / row[column] for row in times)
        target = Target(50, higher=True) if work != copies.memcpy else None
        show(f"{name}, {work.__name__}: {rate:.2f} GB/s", 100 * share, "% of memcpy", target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Gather and scatter of 256x256 tiles against memcpy.")
    parser.add_argument(
        "--side",
        type=int,
        default=2048 if is_quick() else 8192,
        help="pixels on a side of the image (default 8192)",
    )
    parser.add_argument("--rounds", type=int, default=3 if is_quick() else 15)
    given = parser.parse_args()
    report(f"sub-blocks of {CHUNKS_PER_SUB_BLOCK} tiles", given.side, CHUNKS_PER_SUB_BLOCK, given.rounds)
    report("single tiles", given.side, 1, given.rounds)


if __name__ == "__main__":
    main()
