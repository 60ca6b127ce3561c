"""The processors that ship: against plain references, and the same bytes whole or in tiles."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.local import run_local, whole_array
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core.processors import PROCESSORS, check_parameters, required_halo
from sgnus.ports import ChunkTask, Computed, SubBlockTask, Trapped
from tests.missing_tool import miss

from .processor_samples import tiles

SOURCES = Path(__file__).resolve().parents[2] / "processors"
MODES = {"reflect": "reflect", "nearest": "edge", "constant": "constant", "wrap": "wrap"}
Given = dict[str, str | int | float]


def picture(shape: Sequence[int], dtype: str = "uint8", seed: int = 7) -> np.ndarray:
    """Smooth shapes with noise: something that every filter changes."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    smooth = 0.5 + 0.3 * np.sin(x / 5.0) * np.cos(y / 7.0) + 0.1 * ((x // 9 + y // 9) % 2)
    smooth = smooth.reshape(smooth.shape + (1,) * (len(shape) - 2))
    noisy = np.clip(smooth + rng.normal(0, 0.05, tuple(shape)), 0, 1)
    if dtype.startswith("float"):
        return noisy.astype(dtype)
    return (noisy * np.iinfo(dtype).max).astype(dtype)


def whole(name: str, array: np.ndarray, given: Given, edge: str = "reflect", halo: int = 0) -> np.ndarray:
    """The processor over the whole array as one chunk; `halo` on top of what it needs."""
    parameters = check_parameters(name, given, array.dtype.name, array.shape)
    needed = required_halo(name, parameters, array.ndim)
    task = whole_array(
        array.tobytes(),
        array.dtype.name,
        array.shape,
        halo=[n + halo if axis < 2 else 0 for axis, n in enumerate(needed)],
        edge=edge,
        output_bytes=PROCESSORS[name].output_bytes,
    )
    outcome = run_local(shipped_module(name), parameters, task)
    assert isinstance(outcome, Computed), outcome
    if PROCESSORS[name].output_bytes:
        return np.frombuffer(outcome.outputs[0], np.uint8)
    return np.frombuffer(outcome.outputs[0], array.dtype).reshape(array.shape)


def padded(array: np.ndarray, radius: int, edge: str) -> np.ndarray:
    margins = [(radius, radius)] * 2 + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, margins, mode=MODES[edge])  # type: ignore[call-overload,no-any-return]


def correlate(array: np.ndarray, kernel: np.ndarray, height: int, width: int) -> np.ndarray:
    """Plain sum of shifted copies over the two image axes of a padded array."""
    total = np.zeros((height, width, *array.shape[2:]), dtype=kernel.dtype)
    for (dy, dx), weight in np.ndenumerate(kernel):
        total = total + array[dy : dy + height, dx : dx + width].astype(kernel.dtype) * weight
    return total


IMAGES = [(41, 37), (30, 45, 3), (5, 1), (1, 7, 4)]
NUMBERS = ["uint8", "uint16", "float32", "float64"]


@pytest.mark.parametrize("shape", [(17,), (3, 5, 7, 2), *IMAGES])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_invert_agrees_with_numpy(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(3).integers(0, 256, shape).astype(dtype)
    top = np.array(1 if dtype.startswith("float") else np.iinfo(dtype).max, dtype)
    assert np.array_equal(whole("invert", array, {}), top - array)
    assert np.array_equal(whole("invert", array, {}, halo=2), top - array)


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_sobel_agrees_with_numpy(dtype: str, shape: tuple[int, ...]) -> None:
    array = picture(shape, dtype)
    kernel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    around = padded(array, 1, "reflect")
    gx, gy = correlate(around, kernel, *shape[:2]), correlate(around, kernel.T, *shape[:2])
    length = np.sqrt(gx * gx + gy * gy)
    found = whole("sobel", array, {})
    if dtype.startswith("float"):
        assert np.allclose(found, length, rtol=1e-6, atol=1e-6)
    else:
        top = np.iinfo(dtype).max
        assert np.array_equal(found, np.minimum(np.floor(length), top).astype(dtype))
        assert np.array_equal(
            whole("sobel", np.full(shape, top, dtype), {}, "constant")[1:-1, 1:-1].max(initial=0), 0
        )


def gaussian_weights(sigma: float) -> np.ndarray:
    """Whole-number weights of sum 65536, as the processor's head says."""
    radius = math.ceil(3 * sigma)
    shape = [math.exp(-(i * i) / (2 * sigma * sigma)) for i in range(-radius, radius + 1)]
    found = [math.floor(s / sum(shape) * 65536 + 0.5) for s in shape]
    found[radius] += 65536 - sum(found)
    return np.array(found, np.int64)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.7, 10.0])
@pytest.mark.parametrize("shape", IMAGES[:2])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_gaussian_blur_agrees_with_numpy(dtype: str, shape: tuple[int, ...], sigma: float) -> None:
    array = picture(shape, dtype)
    weights = gaussian_weights(sigma)
    around = padded(array, len(weights) // 2, "nearest")
    found = whole("gaussian-blur", array, {"sigma": sigma}, "nearest")
    if dtype.startswith("float"):
        kernel = np.outer(weights, weights) / 2.0**32
        assert np.allclose(found, correlate(around, kernel, *shape[:2]), rtol=1e-5)
        return
    down = correlate(around, weights[:, None], shape[0], around.shape[1])
    if dtype == "uint8":
        down = (down + 128) >> 8
    total = correlate(down, weights[None, :], *shape[:2])
    bits = 24 if dtype == "uint8" else 32
    assert np.array_equal(found, ((total + (1 << (bits - 1))) >> bits).astype(dtype))


def non_local_means(array: np.ndarray, patch: int, search: int, h: float) -> np.ndarray:
    """The definition in plain Python, in the whole numbers that the processor's head gives."""
    height, width, channels = array.shape
    around = padded(array, patch + search, "reflect").astype(int)
    unit = (2 * patch + 1) ** 2 * channels * h * h
    cutoff, factor = int(8 * unit), int(1024 / (8 * unit) * 2**32)
    table = [int(math.exp(-8 * i / 1024) * 16384 + 0.5) for i in range(1024)]
    out = np.zeros_like(array)

    def patch_at(y: int, x: int) -> np.ndarray:
        return around[y - patch : y + patch + 1, x - patch : x + patch + 1]

    for y in range(height):
        for x in range(width):
            cy, cx, total, sums = y + patch + search, x + patch + search, 0, np.zeros(channels, int)
            for dy in range(-search, search + 1):
                for dx in range(-search, search + 1):
                    distance = int(((patch_at(cy, cx) - patch_at(cy + dy, cx + dx)) ** 2).sum())
                    weight = table[distance * factor >> 32] if distance < cutoff else 0
                    total += weight
                    sums += weight * around[cy + dy, cx + dx]
            out[y, x] = (sums + total // 2) // total
    return out


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("patch", "search", "h"), [(1, 2, 10.0), (2, 1, 55.5), (3, 3, 1.0)])
def test_non_local_means_agrees_with_its_definition(channels: int, patch: int, search: int, h: float) -> None:
    array = picture((9, 11, channels))
    given: Given = {"patch": patch, "search": search, "h": h}
    expected = non_local_means(array, patch, search, h)
    assert np.array_equal(whole("non-local-means", array, given), expected)
    if channels == 1:
        assert np.array_equal(whole("non-local-means", array[:, :, 0], given), expected[:, :, 0])


def test_non_local_means_sums_do_not_overflow_at_its_largest_window() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    assert np.array_equal(whole("non-local-means", white, {"search": 15, "patch": 3, "h": 100}), white)


def test_non_local_means_takes_noise_away() -> None:
    clean = np.repeat(np.repeat(np.array([[60, 180], [180, 60]], np.uint8), 24, axis=0), 24, axis=1)
    noisy = np.clip(clean + np.random.default_rng(1).normal(0, 10, clean.shape), 0, 255).astype(np.uint8)
    found = whole("non-local-means", noisy, {})
    assert np.abs(found.astype(int) - clean).mean() < 0.5 * np.abs(noisy.astype(int) - clean).mean()


@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 3), (7, 5, 4)])
def test_mandelbrot_agrees_with_numpy(shape: tuple[int, ...]) -> None:
    x = -0.7 + (np.arange(shape[1]) + 0.5 - shape[1] / 2) * (2.5 / shape[1])
    y = 0.1 + (np.arange(shape[0]) + 0.5 - shape[0] / 2) * (2.5 / shape[1])
    re0, im0 = np.meshgrid(x, y)
    re, im, count = np.zeros_like(re0), np.zeros_like(im0), np.zeros(re0.shape, int)
    inside = np.ones(re0.shape, bool)
    for _ in range(60):
        inside &= re * re + im * im <= 4.0
        count += inside
        re, im = np.where(inside, re * re - im * im + re0, re), np.where(inside, (re + re) * im + im0, im)
    level = count * 255 // 60
    waves = [(level << c) * 2 % 511 for c in range(3)]
    colours = [np.where(count >= 60, 0, np.minimum(wave, 510 - wave)) for wave in waves]
    if len(shape) == 2:
        expected = np.where(count >= 60, 0, level)
    else:
        expected = np.stack([*colours, np.full(re0.shape, 255)][: shape[2]], axis=2)
    given: Given = {"center_x": -0.7, "center_y": 0.1, "scale": 2.5, "iterations": 60}
    found = whole("mandelbrot", np.zeros(shape, np.uint8), given)
    assert np.array_equal(found, expected.astype(np.uint8))


@pytest.mark.parametrize("length", [1, 55, 56, 63, 64, 65, 119, 120, 1000])
def test_sha256_agrees_with_hashlib(length: int) -> None:
    array = np.random.default_rng(length).integers(0, 256, (length,), dtype=np.uint8)
    assert whole("sha256", array, {}).tobytes() == hashlib.sha256(array.tobytes()).digest()


TILED = [
    ("invert", "uint8", (50, 61, 3), {}),
    ("invert", "float64", (10, 11, 12, 3), {}),
    *[("sobel", dtype, (50, 61), {}) for dtype in NUMBERS],
    ("sobel", "uint8", (50, 61, 3), {}),
    *[("gaussian-blur", dtype, (50, 61), {"sigma": 1.7}) for dtype in NUMBERS],
    ("gaussian-blur", "uint8", (50, 61, 4), {"sigma": 3.3}),
    ("non-local-means", "uint8", (70, 61), {"search": 4}),
    ("non-local-means", "uint8", (40, 61, 3), {"search": 3, "patch": 3}),
    ("mandelbrot", "uint8", (50, 61), {}),
    ("mandelbrot", "uint8", (50, 61, 3), {"iterations": 50}),
]


@pytest.mark.parametrize("edge", ["reflect", "nearest", "constant"])
@pytest.mark.parametrize(("name", "dtype", "shape", "given"), TILED)
def test_an_image_in_tiles_comes_out_as_in_one_piece(
    name: str, dtype: str, shape: tuple[int, ...], given: Given, edge: str
) -> None:
    array = picture(shape, dtype) if len(shape) < 4 else np.random.default_rng(5).random(shape)
    parameters = check_parameters(name, given, dtype, shape)
    halo = required_halo(name, parameters, len(shape))
    larger = tuple(h + 2 if axis < 2 else 0 for axis, h in enumerate(halo))
    expected = whole(name, array, given, edge)

    async def run() -> None:
        pool = ProcessorPool(1)
        await pool.start()
        try:
            for tile, margin in [((16, 16), halo), ((7, 61), larger)]:
                await tile_by_tile(pool, (*tile, *shape[2:]), margin)
        finally:
            await pool.stop()

    async def tile_by_tile(pool: ProcessorPool, tile: tuple[int, ...], margin: tuple[int, ...]) -> None:
        cut = list(tiles(array, tile, margin, edge))
        outcome = await pool.run(SubBlockTask(shipped_module(name), parameters, [chunk for _, chunk in cut]))
        assert isinstance(outcome, Computed), outcome
        found = np.zeros_like(array)
        for (where, chunk), output in zip(cut, outcome.outputs, strict=True):
            found[where] = np.frombuffer(output, dtype).reshape(chunk.output_shape)
        assert found.tobytes() == expected.tobytes()

    asyncio.run(run())


def test_sha256_hashes_each_tile_by_itself() -> None:
    array = picture((20, 20), "uint16")
    for where, chunk in tiles(array, (7, 20), (0, 0), "reflect", out=32):
        outcome = run_local(shipped_module("sha256"), {}, chunk)
        assert isinstance(outcome, Computed)
        assert outcome.outputs == [hashlib.sha256(array[where].tobytes()).digest()]


@pytest.mark.parametrize(
    ("name", "parameters", "halo", "dtype"),
    [
        ("sobel", {}, (0, 0), "uint8"),
        ("sobel", {}, (1, 1), "int8"),
        ("gaussian-blur", {"sigma": "1"}, (2, 3), "uint8"),
        ("gaussian-blur", {"sigma": "99"}, (30, 30), "uint8"),
        ("gaussian-blur", {"sigma": "one"}, (30, 30), "uint8"),
        ("gaussian-blur", {"sigma": "1e"}, (30, 30), "uint8"),
        ("non-local-means", {"search": "2.5"}, (30, 30), "uint8"),
        ("non-local-means", {"search": "9"}, (10, 10), "uint8"),
        ("mandelbrot", {"iterations": "0"}, (0, 0), "uint8"),
        ("sha256", {}, (1, 1), "uint8"),
    ],
)
def test_a_processor_traps_on_a_request_that_it_cannot_serve(
    name: str, parameters: dict[str, str], halo: tuple[int, int], dtype: str
) -> None:
    task: ChunkTask = whole_array(
        bytes(64), dtype, (8, 8), halo=halo, output_bytes=PROCESSORS[name].output_bytes
    )
    assert run_local(shipped_module(name), parameters, task) == Trapped(0, "unreachable code reached")


@pytest.mark.parametrize(
    "text", ["1", "+1.0", "1.", "1e0", "10e-1", "0.1e+1", "1000000000000000000000e-21", ".1e1"]
)
def test_numbers_are_read_in_any_spelling(text: str) -> None:
    array = picture((16, 16))
    task = whole_array(array.tobytes(), "uint8", array.shape, halo=(3, 3))
    outcome = run_local(shipped_module("gaussian-blur"), {"sigma": text}, task)
    assert isinstance(outcome, Computed), outcome
    assert outcome.outputs == [whole("gaussian-blur", array, {"sigma": 1}).tobytes()]


@pytest.mark.timeout(300)
def test_the_shipped_modules_are_what_their_sources_build(tmp_path: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        miss(
            "the compiler ziglang is not installed: `pip install -r requirements.lock`, then run this test again"
        )
    spec = importlib.util.spec_from_file_location("build_processors", SOURCES / "build.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    built = {path.stem.replace("_", "-"): path.read_bytes() for path in build.build(tmp_path)}
    assert sorted(built) == sorted(PROCESSORS)
    for name, module in built.items():
        assert module == shipped_module(name), f"{name}: run python processors/build.py and commit"
