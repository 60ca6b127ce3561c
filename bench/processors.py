"""Round trips and throughput of the processor pool: `python -m bench processors`.

Medians on one child; read them as ratios, for the machine is shared.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from math import prod
from pathlib import Path

import numpy as np

from bench._figures import is_quick
from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.local import whole_array
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core.processors import PROCESSORS, check_parameters, required_halo
from sgnus.ports import ChunkTask, Computed, SubBlockTask

MEGAPIXEL = (1000, 1000)


def picture(shape: tuple[int, ...]) -> np.ndarray:
    """A photograph's stand-in: shapes, gradients and some noise, from a fixed seed."""
    y, x = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    smooth = 128 + 60 * np.sin(x / 37) * np.cos(y / 53) + 30 * ((x // 101 + y // 77) % 2)
    smooth = smooth.reshape(smooth.shape + (1,) * (len(shape) - 2))
    noise = np.random.default_rng(1).normal(0, 8, shape)
    clipped: np.ndarray = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    return clipped


def task_of(name: str, shape: tuple[int, ...], given: dict[str, str | int | float]) -> SubBlockTask:
    """The whole picture as one chunk, its halo in the input, so that nothing is padded."""
    parameters = check_parameters(name, given, "uint8", shape)
    halo = required_halo(name, parameters, len(shape))
    region = picture(tuple(n + 2 * h for n, h in zip(shape, halo, strict=True)))
    zero = (0,) * len(shape)
    chunk = ChunkTask(
        input=region.tobytes(),
        dtype="uint8",
        input_shape=region.shape,
        clipped_before=zero,
        clipped_after=zero,
        halo=halo,
        output_shape=shape,
        output_start=zero,
        array_shape=shape,
        output_bytes=PROCESSORS[name].output_bytes or prod(shape),
    )
    return SubBlockTask(shipped_module(name), parameters, [chunk])


async def median_ms(pool: ProcessorPool, task: SubBlockTask, times: int) -> tuple[float, float]:
    """Wall and CPU milliseconds per run."""
    wall, cpu = [], []
    for _ in range(times):
        started = time.perf_counter()
        outcome = await pool.run(task)
        wall.append(1000 * (time.perf_counter() - started))
        if not isinstance(outcome, Computed):
            raise SystemExit(f"bench: {outcome}")
        cpu.append(outcome.cpu_ms)
    return statistics.median(wall), statistics.median(cpu)


async def round_trips(pool: ProcessorPool) -> None:
    for side in (64, 1000):
        wall, _ = await median_ms(pool, task_of("invert", (side, side), {}), 100)
        print(f"round trip, invert {side}x{side}, one chunk: {wall:.2f} ms")
    small = task_of("invert", (64, 64), {})
    wall, _ = await median_ms(pool, SubBlockTask(small.module, {}, list(small.chunks) * 64), 20)
    print(f"round trip, 64 chunks of 64x64 in one sub-block: {wall:.2f} ms, {wall / 64:.3f} ms a chunk")
    array = picture((256, 256))
    clipped = whole_array(array.tobytes(), "uint8", array.shape, halo=(11, 11))
    wall, _ = await median_ms(pool, SubBlockTask(small.module, {}, [clipped]), 20)
    print(f"round trip, invert 256x256, halo 11 padded on all sides: {wall:.2f} ms")


async def throughput(pool: ProcessorPool, quick: bool) -> None:
    for name in PROCESSORS:
        heavy = name == "non-local-means"
        for shape in (MEGAPIXEL, (*MEGAPIXEL, 3)):
            if heavy and quick:
                continue
            wall, cpu = await median_ms(pool, task_of(name, shape, {}), 1 if heavy else 5)
            kind = "RGB" if len(shape) == 3 else "gray"
            print(f"{name}, 1 MP {kind}: {wall:.1f} ms wall, {cpu:.0f} ms CPU, {1000 / wall:.1f} MP/s")
    if not quick:
        wall, cpu = await median_ms(pool, task_of("non-local-means", MEGAPIXEL, {"search": 15}), 1)
        print(f"non-local-means, 1 MP gray, search=15: {wall:.0f} ms wall, {cpu:.0f} ms CPU")


def memory_of(pid: int) -> str:
    """PSS and private memory of a child."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {name: int(value) for name, value, *_ in (text.split() for text in lines)}
    return f"PSS {kib['Pss:'] / 1024:.1f} MB, private {kib['Private_Dirty:'] / 1024:.1f} MB dirty"


async def measure(quick: bool) -> None:
    pool = ProcessorPool(1)
    await pool.start()
    try:
        started = time.perf_counter()
        print("hardening:", await pool.hardening())
        print(f"start of a child: {1000 * (time.perf_counter() - started):.0f} ms")
        print("idle child, fresh:", memory_of(pool.pids[0]))
        await round_trips(pool)
        await throughput(pool, quick)
        print("idle child, after all that:", memory_of(pool.pids[0]))
    finally:
        await pool.stop()


def main() -> None:
    asyncio.run(measure(is_quick() or "--quick" in sys.argv))


if __name__ == "__main__":
    main()
