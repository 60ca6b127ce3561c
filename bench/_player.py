"""One side of a comparison, in a process and a network namespace of its own; work comes by lines on standard input.

`python -m bench._player futures|dask|sgnus` answers each line {"work": NAME, ...} with {"wall_s": SECONDS, ...}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from bench import _kernels as kernels
from bench._proc import enter_own_network

WORKERS = 2


class Side(Protocol):
    """What each side can do; each call returns once all results are there."""

    def noop(self, chunks: int, per_sub_block: int) -> dict[str, Any]: ...
    def image(self, side: int) -> dict[str, Any]: ...
    def compute(self, side: int) -> dict[str, Any]: ...


def paste(tiles: Sequence[kernels.Picture], shape: tuple[int, int], tile: int) -> kernels.Picture:
    """The tiles in rows as one array."""
    whole = np.empty(shape, np.uint8)
    columns = shape[1] // tile
    for index, one in enumerate(tiles):
        row, column = divmod(index, columns)
        whole[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile] = one
    return whole


class Tasks:
    """Sides whose unit is a task: `run(function, items)` gives the results in order."""

    def __init__(self, run: Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]) -> None:
        self._run = run
        self._images: dict[int, kernels.Picture] = {}

    def noop(self, chunks: int, per_sub_block: int) -> dict[str, Any]:
        del per_sub_block
        return timed(lambda: self._run(kernels.nothing, range(chunks)))

    def image(self, side: int) -> dict[str, Any]:
        image = self._image(side)

        def work() -> kernels.Picture:
            tiles = kernels.padded_tiles(image, kernels.TILE, 1)
            return paste(self._run(kernels.sobel, tiles), image.shape, kernels.TILE)

        return timed(work)

    def compute(self, side: int) -> dict[str, Any]:
        image = self._image(side)

        def work() -> kernels.Picture:
            tiles = kernels.padded_tiles(image, kernels.NLM_TILE, kernels.nlm_halo())
            return paste(self._run(kernels.nlm, tiles), image.shape, kernels.NLM_TILE)

        return timed(work)

    def _image(self, side: int) -> kernels.Picture:
        if side not in self._images:
            self._images = {side: kernels.photograph(side)}
        return self._images[side]


class Grid:
    """Three nodes; the app is this process."""

    def __init__(self, grid: Any) -> None:
        self._grid = grid
        self._images: dict[int, kernels.Picture] = {}

    def noop(self, chunks: int, per_sub_block: int) -> dict[str, Any]:
        """Chunks of one byte, inverted."""
        array = np.zeros(chunks, np.uint8)

        def work() -> int:
            job = self._grid.submit(
                array, verify="none", processor="invert", tile=(1,), chunks_per_sub_block=per_sub_block
            )
            return sum(1 for _ in job.results())

        return timed(work)

    def image(self, side: int) -> dict[str, Any]:
        image = self._image(side)
        return timed(lambda: self._whole(image, processor="sobel", tile=(kernels.TILE,) * 2, halo=1))

    def compute(self, side: int) -> dict[str, Any]:
        image = self._image(side)
        wishes = {"processor": "non-local-means", "tile": (kernels.NLM_TILE,) * 2, "chunks_per_sub_block": 4}
        return timed(lambda: self._whole(image, **wishes))

    def _whole(self, image: kernels.Picture, **wishes: Any) -> kernels.Picture:
        whole = np.empty_like(image)
        for tile in self._grid.submit(image, **{"verify": "none", **wishes}).results():
            whole[tile.region] = tile.array
        return whole

    def _image(self, side: int) -> kernels.Picture:
        if side not in self._images:
            self._images = {side: kernels.photograph(side)}
        return self._images[side]


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """Wall seconds, and what shows that all came: a count, or a digest of the picture."""
    started = time.perf_counter()
    outcome = work()
    wall_s = time.perf_counter() - started
    if isinstance(outcome, np.ndarray):
        from sgnus.crypto.digests import digest

        return {"wall_s": wall_s, "digest": digest(outcome.reshape(-1).data).hex()}
    return {"wall_s": wall_s, "count": outcome if isinstance(outcome, int) else len(outcome)}


def open_futures(stack: ExitStack) -> Side:
    from concurrent.futures import ProcessPoolExecutor

    pool = stack.enter_context(ProcessPoolExecutor(WORKERS))
    return Tasks(lambda function, items: list(pool.map(function, items)))


def open_dask(stack: ExitStack) -> Side:
    import logging
    import warnings

    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "Sending large graph")
    cluster = stack.enter_context(
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None)
    )
    client = stack.enter_context(Client(cluster))

    def run(function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        gathered: Sequence[Any] = client.gather(client.map(function, items, pure=False))
        return gathered

    return Tasks(run)


def open_serial(stack: ExitStack) -> Side:
    del stack
    return Tasks(lambda function, items: [function(item) for item in items])


def open_sgnus(stack: ExitStack, workers: Sequence[int]) -> Side:
    import sgnus
    from bench._nodes import Nodes, wait_until_met

    nodes = stack.enter_context(Nodes(workers))
    grid = stack.enter_context(sgnus.connect(home=nodes.home(0), start=False))
    wait_until_met(grid, len(workers) - 1)
    return Grid(grid)


def main() -> None:
    kind, *rest = sys.argv[1:]
    is_alone = enter_own_network()
    with ExitStack() as stack:
        if kind == "sgnus":
            side = open_sgnus(stack, [int(count) for count in rest])
        else:
            side = {"futures": open_futures, "dask": open_dask, "serial": open_serial}[kind](stack)
        answer({"ready": True, "alone": is_alone})
        for line in sys.stdin:
            order = json.loads(line)
            answer(getattr(side, order.pop("work"))(**order))


def answer(reply: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
