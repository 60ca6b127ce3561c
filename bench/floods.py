"""What a member that floods costs the others: the same job with and without it, channel by channel.

The honest nodes (a publisher that is also the SGNUS node, two workers) and their children run on one core, the flooder on
another, so that it takes none of their CPU but by what it sends. For each channel in turn a new network, and in each round a
new flooder; a job of most of a minute without a flood, and the same while it goes on. A flood costs most before the flooder is
shut out everywhere: the first fifth of the job is told apart.

A virtual core is not always equally fast (the same work took 6 to 9 s of CPU within minutes, and 3 s on another day). How fast it
was is told by the CPU that the work itself took for each sub-block: chunks are cut to the speed of a job before, and walls are
compared at the same speed, and as they were.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sgnus
from bench._figures import Target, is_quick, median, show, told_load, told_machine
from bench._proc import children_cpu_s, cpu_s, family, pss_mb
from tests.whole.flooding_node import EVERYTHING, FLOODS
from tests.whole.floods.watching import counted, metrics, shut_outs, throttled
from tests.whole.grid import PrivateNetwork, RunningNode
from tests.whole.modules import slow_invert

MOST = Target(1.10)
CHUNK_S = 0.05
JOB_S_MAX = 300.0
POLL_S = 0.1
FIRST = 0.2
LOOK_S = 0.5
USUAL = ("gossip garbage", "joins", "lease requests")
SIDE = 16
CHUNKS_PER_SUB_BLOCK = 4


def main() -> None:
    """Measure the channels that were asked for."""
    chunks, rounds = (60, 1) if is_quick() else (500, 1)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("  one core alone: the flooder would take the CPU of those whom it floods")
        return
    print(f"  {told_machine()}; honest nodes on core {cores[0]}, the flooder on core {cores[1]}")
    for how in _chosen():
        measure(how, (cores[0], cores[1]), chunks, rounds)
    print(
        f"  {chunks} chunks of about {CHUNK_S * 1000:.0f} ms a job, {rounds} rounds; load then {told_load()}"
    )


def _chosen() -> list[str]:
    """Three channels, or those that are named: each takes two to four minutes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument(
        "--channels",
        default=",".join(USUAL),
        help=f"of {', '.join(FLOODS)}, or {EVERYTHING} ({','.join(USUAL)})",
    )
    chosen = [name.strip() for name in parser.parse_args().channels.split(",")]
    unknown = [name for name in chosen if name not in (*FLOODS, EVERYTHING)]
    if unknown:
        parser.error(f"there is no channel {unknown[0]!r}")
    return chosen


def measure(how: str, cores: tuple[int, int], chunks: int, rounds: int) -> None:
    """The figures of one channel, on a network of its own: what one flood leaves behind must not count for the next."""
    firsts, wholes, raw, cpu, grown, throttled_s, shut_out_s = [], [], [], [], [], [], []
    with ExitStack() as stack:
        stack.enter_context(pinned(cores[0]))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sgnus-bench-"))
        network = stack.enter_context(PrivateNetwork(Path(folder), settling=()))
        honest = network.add(0, 1, 1)
        grid = stack.enter_context(network.nodes[0].connect())
        run(grid, honest, 20, CHUNK_S)  # A job that does not count: modules are compiled, connections opened.
        told_s = run(grid, honest, 40, CHUNK_S).pace_s / CHUNKS_PER_SUB_BLOCK
        chunk_s = CHUNK_S * CHUNK_S / told_s  # On a fast core a chunk is over sooner than it says.
        for _ in range(rounds):
            with pinned(cores[1]):
                (flooder,) = network.add_as(("tests.whole.flooding_node", how), 0)
            with Watch(honest):  # It costs some CPU, with a flood and without.
                quiet = run(grid, honest, chunks, chunk_s)
            before = sum(pss_mb([node.pid]) for node in honest)
            with Watch(honest) as watch:
                os.kill(flooder.pid, signal.SIGUSR1)
                flooded = run(grid, honest, chunks, chunk_s)
            grown.append(sum(pss_mb([node.pid]) for node in honest) - before)
            flooder.kill()
            slower = flooded.pace_s / quiet.pace_s
            firsts.append(flooded.first_s / quiet.first_s / slower)
            wholes.append(flooded.wall_s / quiet.wall_s / slower)
            raw.append(flooded.wall_s / quiet.wall_s)
            cpu.append(flooded.cpu_s / quiet.cpu_s / slower)
            throttled_s.append(watch.throttled_s)
            shut_out_s.append(watch.shut_out_s)
    show(f"{how}: wall of a job that it begins with", median(wholes), "x", MOST)
    show(f"{how}: wall of its first fifth", median(firsts), "x")
    show(f"{how}: wall of the job, whatever the core's speed was", median(raw), "x")
    show(f"{how}: CPU of the honest nodes", median(cpu), "x")
    show(f"{how}: PSS of the three honest nodes, more", median(grown), "MB")
    show(f"{how}: first throttled after", median(throttled_s), "s")
    show(f"{how}: shut out by all three after", median(shut_out_s), "s")


@dataclass(frozen=True, slots=True)
class Run:
    """What one job took: until a fifth of its sub-blocks was delivered, to its end, and of its nodes' CPU. Infinite if it did not
    end in `JOB_S_MAX`. `pace_s` is the CPU that a sub-block took the workers' children.
    """

    first_s: float
    wall_s: float
    cpu_s: float
    pace_s: float


class Watch:
    """When a flood was first throttled, and when all had shut the flooder out, in seconds since the block began. Infinite if
    they never did.
    """

    def __init__(self, honest: list[RunningNode]) -> None:
        self._honest = honest
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.throttled_s = self.shut_out_s = math.inf

    def __enter__(self) -> Watch:
        self._before = self._counts()
        self._begun = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _counts(self) -> list[tuple[float, float]]:
        return [(throttled(node), shut_outs(node)) for node in self._honest]

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            # A node that is too busy to answer in time is asked again.
            with suppress(OSError):
                self._compare(self._counts())

    def _compare(self, counts: list[tuple[float, float]]) -> None:
        pairs = list(zip(self._before, counts, strict=True))
        passed_s = time.perf_counter() - self._begun
        if any(now[0] > before[0] for before, now in pairs):
            self.throttled_s = min(self.throttled_s, passed_s)
        if all(now[1] > before[1] for before, now in pairs):
            self.shut_out_s = min(self.shut_out_s, passed_s)


def run(grid: sgnus.Grid, honest: list[RunningNode], chunks: int, chunk_s: float) -> Run:
    """One job of chunks that say so, watched to its end; ends the bench if its result is wrong."""
    picture = np.random.default_rng(chunks).integers(0, 256, (chunks * SIDE, SIDE), dtype=np.uint8)
    before, worked, made = spent(honest), spent_at_work(honest), sub_blocks_made(honest)
    begun = time.perf_counter()
    job = grid.submit(
        picture,
        module=slow_invert(chunk_s),
        tile=(SIDE, SIDE),
        halo=0,
        chunks_per_sub_block=CHUNKS_PER_SUB_BLOCK,
        verify="none",
    )
    first_s = wall_s = math.inf
    while (passed_s := time.perf_counter() - begun) < JOB_S_MAX and math.isinf(wall_s):
        progress = job.progress
        if progress.fraction >= FIRST:
            first_s = min(first_s, passed_s)
        if progress.state == "completed":
            wall_s = passed_s
        time.sleep(POLL_S)
    cpu = spent(honest) - before
    if not math.isinf(wall_s) and not np.array_equal(job.result(), 255 - picture):
        raise SystemExit("bench: the result is wrong")
    computed = sub_blocks_made(honest) - made
    pace_s = (spent_at_work(honest) - worked) / computed if computed else math.nan
    return Run(first_s, wall_s, cpu, pace_s)


def spent(honest: list[RunningNode]) -> float:
    """CPU seconds of nodes and children."""
    return cpu_s(pid for node in honest for pid in family(node.pid))


def spent_at_work(honest: list[RunningNode]) -> float:
    """CPU seconds of the sandboxed children alone. One that has been idle for half a minute ends, and another takes its place."""
    return sum(children_cpu_s(node.pid) for node in honest)


def sub_blocks_made(honest: list[RunningNode]) -> float:
    """How many were computed, whether they were wanted in the end or not."""
    return sum(counted(metrics(node), "computed") for node in honest)


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started meanwhile runs on that core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
