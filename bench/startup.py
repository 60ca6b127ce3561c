"""W6: from the start of a program to its first result, cold and with a running node; and `sgnus --help`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench._figures import Target, is_quick, median, show, told_machine
from bench._sides import has_dask
from sgnus.frontends.sdk.home import Home
from sgnus.frontends.sdk.starting import stop_node

BARE = "pass"
FIRST_TILE = """
import sys, numpy, sgnus
with sgnus.connect(home=sys.argv[1]) as grid:
    job = grid.submit(numpy.zeros((256, 256), numpy.uint8), processor="invert", tile=(64, 64), verify="none")
    next(iter(job.results()))
    print("first", flush=True)
"""
FIRST_FUTURE = """
import numpy
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        pool.submit(numpy.invert, numpy.zeros((64, 64), numpy.uint8)).result()
        print("first", flush=True)
"""
FIRST_DASK = """
import numpy
from distributed import Client, LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.submit(numpy.invert, numpy.zeros((64, 64), numpy.uint8)).result()
        print("first", flush=True)
"""


def first_s(program: str, *arguments: str) -> float:
    """Seconds from the start of the program to its first line; waits for its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(program, encoding="utf-8")
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        took = time.perf_counter() - started
        process.communicate()
    if line != "first\n":
        raise SystemExit(f"bench: no first result, status {process.returncode}")
    return took


def whole_s(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def cold_and_warm_s() -> tuple[float, float]:
    """With a home where nothing runs, and once more with the node that the first one started."""
    with tempfile.TemporaryDirectory(prefix="sgnus-bench-") as home:
        try:
            return first_s(FIRST_TILE, home), first_s(FIRST_TILE, home)
        finally:
            stop_node(Home.of(home))


def main() -> None:
    rounds = 1 if is_quick() else 5
    print(f"  {told_machine()}")
    cold, warm, futures, dask, bare, helped = ([] for _ in range(6))  # type: tuple[list[float], ...]
    for number in range(rounds + 1):
        one = cold_and_warm_s()
        theirs = first_s(FIRST_FUTURE), first_s(FIRST_DASK) if has_dask() else 0.0
        short = whole_s(["-c", BARE]), whole_s(["-m", "sgnus.frontends.cli", "--help"])
        if number:  # the first round warms the file cache
            for values, value in zip(
                (cold, warm, futures, dask, bare, helped), (*one, *theirs, *short), strict=True
            ):
                values.append(value)
    show("concurrent.futures: start to first result", median(futures), "s")
    if has_dask():
        show("Dask distributed, LocalCluster: start to first result", median(dask), "s")
    show("sgnus, no node runs: start to first result", median(cold), "s", Target(3, 2))
    show("sgnus, a node runs: start to first result", median(warm), "s", Target(0.5, 0.3))
    show("python -c pass", median(bare), "s")
    show("sgnus --help", median(helped), "s", Target(0.4, 0.2))


if __name__ == "__main__":
    main()
