"""How long to wait on a machine that may have much else to do: twelve nodes are many for two cores already."""

from __future__ import annotations

import os
from typing import Final

LOAD_PER_CORE: Final = 4.0
"""What a grid of twelve that works makes of two cores by itself."""


def stretched(seconds: float) -> float:
    """`seconds` of a machine that has this to do alone: as many more as others keep its cores busy."""
    load = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return seconds * max(1.0, load / LOAD_PER_CORE)
