"""An app that sees one job through, whatever becomes of the node that published it.

It submits, and when the node dies it comes back with the job's BLOCKID (or, if it died before it had told, with the name)
and goes on after the last sub-block that it has.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

import sgnus.aio
from sgnus.frontends.sdk.tiles import Tile
from sgnus.frontends.sdk.views import HostChanged, PeerListChanged
from sgnus.messages.errors import SgnusError, WorldFault
from tests.soak.fleet import Broken, Fleet, Node, rest
from tests.soak.orders import Order, Pixels

STUCK_S: Final = 240.0
"""A job that has not ended although its publisher was there for so long is stuck: rooms wait for a publisher that is away."""
LOOK_S: Final = 1.0
PAUSE_S: Final = 0.3
PATIENCE_S: Final = 2.0
ASK_S_MAX: Final = 10.0


@dataclass(slots=True)
class Done:
    """A job that ended with the right bytes."""

    kind: str
    seconds: float
    returns: int
    """How often its app had to come back to it."""


@dataclass(slots=True)
class Asking:
    """One job on its way: `publisher` stays the same, `job` is its BLOCKID once that is known."""

    order: Order
    publisher: Node
    fleet: Fleet
    job: str = ""
    returns: int = 0
    _cursor: int = 0
    _tiles: dict[int, None] = field(default_factory=dict)
    _made: Pixels | None = None

    async def see_through(self) -> Done:
        """Until it has ended with the right bytes. Broken if it does not, with a folder that tells more."""
        began = time.monotonic()
        try:
            made = await self._in_time()
        except TimeoutError:
            folder = await self.keep_stories()
            raise Broken(
                f"{self} did not end although its publisher was there for {STUCK_S:g} s: {len(self._tiles)} tiles came; "
                f"what each node saw of it is in {folder}"
            ) from None
        except SgnusError as fault:
            raise Broken(
                f"{self}: {fault} What each node saw of it is in {await self.keep_stories()}"
            ) from fault
        if made.tobytes() != self.order.right.tobytes():
            folder = await self.keep_stories()
            np.save(folder / "made.npy", made)
            np.save(folder / "right.npy", self.order.right)
            raise Broken(f"{self}: {_difference(made, self.order.right)}; see {folder}")
        return Done(self.order.kind, time.monotonic() - began, self.returns)

    def __str__(self) -> str:
        return f"job {self.order.wishes['name']} ({self.order.kind}) of {self.publisher.name}, {self.job or 'not submitted'}"

    async def host(self) -> Node | None:
        """The node that hosts the room which was heard of last; None when nobody can say."""
        if not self.job or not self.publisher.is_calm:
            return None
        try:
            async with asyncio.timeout(ASK_S_MAX), self._connect() as grid:
                job = await grid.job(self.job)
                told = [event async for event in job.events(follow=False)]
        except (WorldFault, TimeoutError):
            return None
        rooms = [one.instance for one in told if isinstance(one, PeerListChanged) and len(one.members) > 1]
        hosts = [one.host for one in told if isinstance(one, HostChanged) and one.instance in rooms[-1:]]
        return self.fleet.of_peer(hosts[-1]) if hosts else None

    async def keep_stories(self) -> Path:
        """What each node that answers saw of the job, into a folder of its own."""
        folder = (
            self.fleet.folder / f"stories-{self.order.wishes['name'].replace('/', '-').replace(' ', '-')}"
        )
        folder.mkdir(exist_ok=True)
        for node in self.fleet.calm():
            try:
                async with asyncio.timeout(ASK_S_MAX), sgnus.aio.connect(node.home, start=False) as grid:
                    lines = await (await grid.job(self.job)).story()
            except (SgnusError, TimeoutError) as fault:
                lines = [f"it could not be asked: {fault}"]
            (folder / f"{node.name}.txt").write_text("\n".join([node.running.peer, *lines]) + "\n")
        return folder

    def _connect(self) -> AbstractAsyncContextManager[sgnus.aio.Grid]:
        return sgnus.aio.connect(self.publisher.home, start=False, patience_s=PATIENCE_S)

    async def _in_time(self) -> Pixels:
        """What the grid makes of the order. TimeoutError when it is stuck."""
        work, present_s = asyncio.create_task(self._ask()), 0.0
        try:
            while present_s < STUCK_S:
                done, _ = await asyncio.wait([work], timeout=LOOK_S)
                if done:
                    return work.result()
                present_s += LOOK_S * self.publisher.is_calm
            raise TimeoutError
        finally:
            work.cancel()

    async def _ask(self) -> Pixels:
        await self._submit()
        return await self._collect()

    async def _submit(self) -> None:
        while not self.job:
            try:
                async with self._connect() as grid:
                    known = await grid.statuses(own=True) if self.returns else ()
                    found = [one.job for one in known if one.name == self.order.wishes["name"]]
                    self.job = (
                        found[0] if found else (await grid.submit(self.order.source, **self.order.wishes)).id
                    )
            except WorldFault:
                await self._come_back()

    async def _collect(self) -> Pixels:
        chunks = 0
        while True:
            try:
                async with self._connect() as grid:
                    job = await grid.job(self.job)
                    status = await job.status()
                    chunks = status.chunks
                    if self._made is None:
                        self._made = np.zeros(status.output.shape, status.output.dtype)
                    async for delivery in job.deliveries(after=self._cursor):
                        for tile in delivery.tiles:
                            self._place(tile, self._made)
                        self._cursor = delivery.cursor
                break
            except WorldFault:
                await self._come_back()
        if len(self._tiles) != chunks:
            raise Broken(f"{self} ended with {len(self._tiles)} of {chunks} tiles")
        return self._made

    def _place(self, tile: Tile, made: Pixels) -> None:
        if tile.index in self._tiles:
            raise Broken(f"{self}: tile {tile.index} came twice")
        self._tiles[tile.index] = None
        tile.place(made)

    async def _come_back(self) -> None:
        self.returns += 1
        await rest(PAUSE_S)
        await self.publisher.calm.wait()


def _difference(made: Pixels, right: Pixels) -> str:
    one, two = (np.frombuffer(each.tobytes(), np.uint8) for each in (made, right))
    if one.size != two.size:
        return f"{one.size} bytes instead of {two.size}"
    wrong = np.flatnonzero(one != two)
    return f"{wrong.size} bytes are wrong, the first at {wrong[0]}"
