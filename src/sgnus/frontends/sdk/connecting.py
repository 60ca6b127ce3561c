"""Finding the local node, or starting one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sgnus.frontends.sdk import starting
from sgnus.frontends.sdk.errors import NodeUnreachable
from sgnus.frontends.sdk.grid import Grid
from sgnus.frontends.sdk.home import Home, Target
from sgnus.frontends.sdk.job import PATIENCE_S


@asynccontextmanager
async def connect(
    home: str | os.PathLike[str] | None = None,
    *,
    start: bool = True,
    options: Sequence[str] = (),
    address: str | None = None,
    token: str | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator[Grid]:
    """The grid through the node of `home` (else SGNUS_HOME, else ~/.sgnus); see `open_grid`."""
    grid = await open_grid(
        home, start=start, options=options, address=address, token=token, patience_s=patience_s
    )
    async with grid:
        yield grid


async def open_grid(
    home: str | os.PathLike[str] | None = None,
    *,
    start: bool = True,
    options: Sequence[str] = (),
    address: str | None = None,
    token: str | None = None,
    patience_s: float = PATIENCE_S,
) -> Grid:
    """Connect to the node of `home`; `start` one in the background (with `options` of `sgnus node run`) when none runs.

    `address` and `token` call a node over loopback instead. `patience_s`: how long results, events and rooms wait
    for a node that restarts. NodeUnreachable, at once, when no node answers and none was to be started.
    """
    # Imported here so that the first call pays for gRPC, not the import of the package.
    from sgnus.frontends.sdk.transport import Transport

    place = Home.of(home)
    has_started = False
    if address is None:
        has_started = await asyncio.to_thread(_see_to_node, place, start, options)
    target = Target(address, token) if address else place.target()
    return Grid(Transport(place, target), patience_s, has_started)


def _see_to_node(home: Home, start: bool, options: Sequence[str]) -> bool:
    if start:
        return starting.start_node(home, options)
    if not home.is_answering():
        raise NodeUnreachable(f"No node runs in {home.path}. Start one: sgnus node start --home {home.path}")
    return False
