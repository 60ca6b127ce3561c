"""sgnus: a peer-to-peer processing grid.

    import sgnus

    with sgnus.connect() as grid:
        job = grid.submit(array, processor="sobel", tile=(256, 256), halo=1)
        edges = job.result()

`sgnus.aio` is the same for asyncio. Names load when they are first used: importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sgnus.frontends.sdk.errors import (
        Conflict,
        JobCancelled,
        JobFailed,
        NodeUnreachable,
        NoSeat,
        NotFound,
    )
    from sgnus.frontends.sdk.geometry import Chunk
    from sgnus.frontends.sdk.sync import Grid, Job, Room, connect
    from sgnus.frontends.sdk.tiles import InputTile, SubBlock, Tile
    from sgnus.frontends.sdk.views import JobStatus, Plan, Progress
    from sgnus.messages.errors import OurFault, PeerFault, SgnusError, UserFault, WorldFault

__version__ = "0.1.0"

_PLACES = {
    "sgnus.messages.errors": ("OurFault", "PeerFault", "SgnusError", "UserFault", "WorldFault"),
    "sgnus.frontends.sdk.errors": (
        "Conflict",
        "JobCancelled",
        "JobFailed",
        "NoSeat",
        "NodeUnreachable",
        "NotFound",
    ),
    "sgnus.frontends.sdk.geometry": ("Chunk",),
    "sgnus.frontends.sdk.sync": ("Grid", "Job", "Room", "connect"),
    "sgnus.frontends.sdk.tiles": ("InputTile", "SubBlock", "Tile"),
    "sgnus.frontends.sdk.views": ("JobStatus", "Plan", "Progress"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "Chunk",
    "Conflict",
    "Grid",
    "InputTile",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobStatus",
    "NoSeat",
    "NodeUnreachable",
    "NotFound",
    "OurFault",
    "PeerFault",
    "Plan",
    "Progress",
    "Room",
    "SgnusError",
    "SubBlock",
    "Tile",
    "UserFault",
    "WorldFault",
    "__version__",
    "connect",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name == "aio":
        return importlib.import_module("sgnus.aio")
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'sgnus' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "aio"]
