"""sgnus for asyncio: `async with sgnus.aio.connect() as grid: ...`; every call of `sgnus` that waits is awaited here."""

from sgnus.frontends.sdk.connecting import connect
from sgnus.frontends.sdk.grid import Grid
from sgnus.frontends.sdk.job import Job
from sgnus.frontends.sdk.room import Room

__all__ = ["Grid", "Job", "Room", "connect"]
