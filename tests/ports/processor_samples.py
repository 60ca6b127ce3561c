"""Small modules in text form, and tasks, for the tests of the processor pool."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Awaitable, Callable, Iterator
from itertools import product

import numpy as np
import wasmtime

from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.ports import ChunkTask

DEADLINE_S = 30

HEAD = """(module (memory (export "memory") 16)
 (func $pair (param $at i32) (param $n i32) (result i64)
  (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $n))))
 (func (export "alloc") (param i32) (result i32) i32.const 1024)
"""


def module(run: str, more: str = "") -> bytes:
    """A module whose `run(p, n)` has this body."""
    text = f'{HEAD} {more} (func (export "run") (param $p i32) (param $n i32) (result i64) {run}))'
    return bytes(wasmtime.wat2wasm(text))


def module_of(text: str) -> bytes:
    """A whole module from its text."""
    return bytes(wasmtime.wat2wasm(text))


INPUT = "(i32.add (local.get $p) (i32.load offset=248 (local.get $p)))"
ECHO = module(f"(call $pair {INPUT} (i32.load offset=244 (local.get $p)))")
PARAMETERS = module(
    "(call $pair (i32.add (local.get $p) (i32.const 256)) (i32.load offset=12 (local.get $p)))"
)
TRAP_ON_ZERO = module(
    f"(if (i32.eqz (i32.load8_u {INPUT})) (then unreachable))"
    f"(call $pair {INPUT} (i32.load offset=244 (local.get $p)))"
)
LOOP = module("(loop $l br $l) i64.const 0")
ONE_BYTE_SHORT = module(f"(call $pair {INPUT} (i32.sub (i32.load offset=244 (local.get $p)) (i32.const 1)))")


def line(data: bytes, *, before: int = 0, after: int = 0, edge: str = "reflect", out: int = -1) -> ChunkTask:
    """A chunk of bytes on one axis."""
    full = before + len(data) + after
    return ChunkTask(
        input=data,
        dtype="uint8",
        input_shape=(len(data),),
        clipped_before=(before,),
        clipped_after=(after,),
        halo=(0,),
        output_shape=(full,),
        output_start=(0,),
        array_shape=(full,),
        output_bytes=full if out < 0 else out,
        edge=edge,
    )


def tiles(
    array: np.ndarray, tile: tuple[int, ...], halo: tuple[int, ...], edge: str, out: int = 0
) -> Iterator[tuple[tuple[slice, ...], ChunkTask]]:
    """Cut an array as the planner does: each output region with the chunk that makes it."""
    starts = [range(0, size, step) for size, step in zip(array.shape, tile, strict=True)]
    for start in product(*starts):
        stop = [min(s + t, n) for s, t, n in zip(start, tile, array.shape, strict=True)]
        low = [s - h for s, h in zip(start, halo, strict=True)]
        high = [e + h for e, h in zip(stop, halo, strict=True)]
        inner = tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, array.shape, strict=True))
        region = np.ascontiguousarray(array[inner])
        shape = tuple(e - s for s, e in zip(start, stop, strict=True))
        yield (
            tuple(slice(s, e) for s, e in zip(start, stop, strict=True)),
            ChunkTask(
                input=region.tobytes(),
                dtype=array.dtype.name,
                input_shape=region.shape,
                clipped_before=tuple(max(-a, 0) for a in low),
                clipped_after=tuple(max(b - n, 0) for b, n in zip(high, array.shape, strict=True)),
                halo=halo,
                output_shape=shape,
                output_start=tuple(start),
                array_shape=array.shape,
                output_bytes=out or int(np.prod(shape)) * array.itemsize,
                edge=edge,
            ),
        )


def with_pool(
    body: Callable[[ProcessorPool], Awaitable[None]], workers: int = 1, idle_ms_max: int = 30_000
) -> None:
    async def run() -> None:
        pool = ProcessorPool(workers, idle_ms_max=idle_ms_max)
        await pool.start()
        try:
            async with asyncio.timeout(60):
                await body(pool)
        finally:
            await pool.stop()
        assert list(pool.pids) == []

    asyncio.run(run())


def wait_until_dead(pid: int) -> None:
    """Wait by the process's own descriptor; it is readable when the process has ended."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        assert poll.poll(DEADLINE_S * 1000), f"process {pid} lives on"
    finally:
        os.close(watch)
