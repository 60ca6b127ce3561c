"""The price of proof: the same compute-bound job with `none`, `sample` (10 %) and `full`, in turn on the same real nodes.

A publisher without workers, and a node with one worker for each core: with more nodes than cores, what a verifier runs would
wait for the cores of those that work, and the machine would be measured rather than the protocol. A chunk takes about 50 ms
of CPU, a microjob has 40 of them, so that a tenth is exactly four. CPU is that of all nodes with their sandboxed children.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

import numpy as np

import sgnus
from bench._figures import Target, is_quick, median, ratio, show, told_load, told_machine
from bench._nodes import Nodes, wait_until_met
from bench._proc import cpu_s, family
from tests.whole.modules import slow_invert

POLICIES = ("none", "sample", "full")
TARGETS = {"sample": Target(1.15, 1.1), "full": Target(2.1, 2.0)}
CHUNK_S = 0.05
SIDE = 16
CHUNKS_PER_SUB_BLOCK = 4
CHUNKS_PER_MICROJOB = 10 * CHUNKS_PER_SUB_BLOCK
WORKERS_LEAST = 2


def main() -> None:
    microjobs, rounds = (1, 1) if is_quick() else (6, 5)
    workers = max(WORKERS_LEAST, os.cpu_count() or 1)
    print(f"  {told_machine()}; a publisher and {workers} nodes with a worker each")
    wall: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    cpu: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    with ExitStack() as stack:
        nodes = stack.enter_context(Nodes([0] + [1] * workers))
        grid = stack.enter_context(sgnus.connect(home=nodes.home(0), start=False))
        wait_until_met(grid, workers)
        run(grid, nodes, "full", 1)  # A round that does not count: modules are compiled, connections opened.
        for _ in range(rounds):
            for policy in POLICIES:
                seconds, spent = run(grid, nodes, policy, microjobs)
                wall[policy].append(seconds)
                cpu[policy].append(spent)
    work = microjobs * CHUNKS_PER_MICROJOB * CHUNK_S
    print(
        f"  {microjobs * CHUNKS_PER_MICROJOB} chunks, about {work:.0f} s of CPU; {rounds} rounds; load then {told_load()}"
    )
    for policy in POLICIES:
        show(f"{policy}: wall", median(wall[policy]), "s")
        show(f"{policy}: CPU of all nodes", median(cpu[policy]), "s")
    for policy, target in TARGETS.items():
        show(f"{policy} / none: wall", ratio(wall[policy], wall["none"]), "x", target)
        show(f"{policy} / none: CPU", ratio(cpu[policy], cpu["none"]), "x", target)
        print(
            f"    each round's wall: {', '.join(f'{a / b:.2f}' for a, b in zip(wall[policy], wall['none'], strict=True))}"
        )


def run(grid: sgnus.Grid, nodes: Nodes, policy: str, microjobs: int) -> tuple[float, float]:
    """Wall and CPU seconds of one job, from its submission to its last (verified) result."""
    chunks = microjobs * CHUNKS_PER_MICROJOB
    picture = np.random.default_rng(chunks).integers(0, 256, (chunks * SIDE, SIDE), dtype=np.uint8)
    pids = [process.pid for process in nodes.processes]
    before, begun = cpu_s(pid for one in pids for pid in family(one)), time.perf_counter()
    job = grid.submit(
        picture,
        module=slow_invert(CHUNK_S),
        tile=(SIDE, SIDE),
        halo=0,
        chunks_per_sub_block=CHUNKS_PER_SUB_BLOCK,
        verify=policy,
    )
    result = job.result()
    wall = time.perf_counter() - begun
    spent = cpu_s(pid for one in pids for pid in family(one)) - before
    if not np.array_equal(result, 255 - picture):
        raise SystemExit("bench: the result is wrong")
    if policy != "none" and len(job.receipts()) != microjobs:
        raise SystemExit("bench: a microjob has no receipt")
    return wall, spent


if __name__ == "__main__":
    main()
