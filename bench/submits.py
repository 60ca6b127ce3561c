"""12 node processes take 200 submits a second: what their apps reach, and after how long every node has every job.

Each node has an app's connection of its own. A job is the smallest that there is; without workers nobody processes it, so that
what is measured is submission (plan, spool, sign, commit to disk), gossip, reconciliation and the watch over jobs. All of it, the
apps included, shares this machine.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

import sgnus
from bench._figures import Target, is_quick, median, show, told_machine
from bench._nodes import Nodes, wait_until_met
from bench._proc import cpu_s, family

PER_SECOND = 200
NEIGHBOURS = 8
SPREAD_S_MAX = 90.0
POLL_S = 0.25


def submit(grid: sgnus.Grid, share: float, begun: float, count: int) -> list[float]:
    """`count` jobs, `share` a second from `begun` on; how long each took. One that is late is not waited for twice."""
    took, pause = [], threading.Event()
    for number in range(count):
        pause.wait(max(0.0, begun + number / share - time.monotonic()))
        asked = time.monotonic()
        grid.submit(np.zeros(1, np.uint8), processor="invert", tile=(1,), verify="none")
        took.append(time.monotonic() - asked)
    return took


def entries(grid: sgnus.Grid) -> int:
    """How many entries the node of `grid` holds."""
    return next(one.value for one in grid.node().counters if one.name == "database entries")


def main() -> None:
    count, rate, seconds = (3, 20, 1) if is_quick() else (12, PER_SECOND, 5)
    print(f"  {told_machine()}")
    with ExitStack() as stack:
        nodes = stack.enter_context(Nodes([0] * count))
        grids = [stack.enter_context(sgnus.connect(home=nodes.home(n), start=False)) for n in range(count)]
        for grid in grids:
            wait_until_met(grid, min(count - 1, NEIGHBOURS))
        pids = [process.pid for process in nodes.processes]
        each = rate * seconds // count
        cpu, begun = cpu_s(pid for one in pids for pid in family(one)), time.monotonic()
        with ThreadPoolExecutor(count) as pool:
            took = list(pool.map(lambda grid: submit(grid, rate / count, begun, each), grids))
        wall = time.monotonic() - begun
        spent = cpu_s(pid for one in pids for pid in family(one)) - cpu
        target = None if is_quick() else Target(rate, higher=True)
        show(f"{count} nodes, asked for {rate} submits a second: taken", each * count / wall, "/s", target)
        show("  a submit, from the app", 1e3 * median([one for many in took for one in many]), "ms")
        show("  CPU of the nodes", 1e3 * spent / (each * count), "ms a submit")
        deadline = begun + SPREAD_S_MAX
        while min(map(entries, grids)) < each * count and time.monotonic() < deadline:
            time.sleep(POLL_S)
        held = min(map(entries, grids))
        show("all of them at every node", time.monotonic() - begun, "s")
        if held < each * count:
            print(f"  (not so: {held} of {each * count} at the node that has the fewest)")


if __name__ == "__main__":
    main()
