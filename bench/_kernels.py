"""What every side computes: a tile's Sobel with numpy, and non-local means in the very same WebAssembly module."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
TILE = 256
NLM_TILE = 128


def nothing(value: int) -> int:
    """A task without work."""
    return value


def photograph(side: int) -> Picture:
    """Shapes, gradients and noise, from a fixed seed."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    smooth = 128 + 60 * np.sin(x / 37) * np.cos(y / 53) + 30 * ((x // 101 + y // 77) % 2)
    smooth += np.random.default_rng(1).normal(0, 8, (side, side)).astype(np.float32)
    return np.clip(smooth, 0, 255).astype(np.uint8)


def padded_tiles(image: Picture, tile: int, halo: int) -> list[Picture]:
    """All tiles with their halo, edges reflected, in rows."""
    whole = np.pad(image, halo, mode="reflect")
    reach = tile + 2 * halo
    rows, columns = image.shape
    return [
        np.ascontiguousarray(whole[row : row + reach, column : column + reach])
        for row in range(0, rows, tile)
        for column in range(0, columns, tile)
    ]


def sobel(region: Picture) -> Picture:
    """Length of the gradient of a tile that has its halo, floored and capped."""
    a = region.astype(np.int16)
    sums = a[:-2] + 2 * a[1:-1] + a[2:]
    gx = (sums[:, 2:] - sums[:, :-2]).astype(np.float32)
    sums = a[:, :-2] + 2 * a[:, 1:-1] + a[:, 2:]
    gy = (sums[2:] - sums[:-2]).astype(np.float32)
    gx *= gx
    gy *= gy
    gx += gy
    np.sqrt(gx, out=gx)
    np.minimum(gx, 255, out=gx)
    return gx.astype(np.uint8)


@lru_cache(1)
def _program() -> tuple[Any, Any]:
    from sgnus.adapters.processors import engine
    from sgnus.adapters.processors.library import shipped_module
    from sgnus.messages.limits import MODULE_BYTES_MAX

    made = engine.new_engine()
    return engine.Program(made, shipped_module("non-local-means"), MODULE_BYTES_MAX), made


@lru_cache(1)
def nlm_parameters() -> dict[str, str]:
    from sgnus.core.processors import check_parameters

    return dict(check_parameters("non-local-means", {}, "uint8", (NLM_TILE, NLM_TILE)))


@lru_cache(1)
def nlm_halo() -> int:
    from sgnus.core.processors import required_halo

    return required_halo("non-local-means", nlm_parameters(), 2)[0]


def nlm(region: Picture) -> Picture:
    """Non-local means of a tile that has its halo: the module that ships, run in this process."""
    import ctypes

    from sgnus.adapters.processors import abi, engine
    from sgnus.core.processors import parameters_text
    from sgnus.ports import ChunkTask, ProcessorLimits

    halo = (nlm_halo(),) * 2
    shape = tuple(side - 2 * edge for side, edge in zip(region.shape, halo, strict=True))
    zero = (0, 0)
    task = ChunkTask(
        input=region.tobytes(),
        dtype="uint8",
        input_shape=region.shape,
        clipped_before=zero,
        clipped_after=zero,
        halo=halo,
        output_shape=shape,
        output_start=zero,
        array_shape=shape,
        output_bytes=shape[0] * shape[1],
    )
    head = abi.request_block(task, parameters_text(nlm_parameters()))
    output = bytearray(task.output_bytes)
    target = (ctypes.addressof((ctypes.c_char * len(output)).from_buffer(output)), len(output))
    limits = ProcessorLimits()
    bounds = engine.Limits(limits.fuel_per_chunk, limits.memory_bytes, limits.chunk_ms_max)
    _program()[0].run(head, (task.input, len(task.input)), target, bounds)
    return np.frombuffer(bytes(output), np.uint8).reshape(shape)
