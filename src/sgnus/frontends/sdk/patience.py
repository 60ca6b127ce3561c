"""How long to go on asking a node that went away, as when it restarts."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from sgnus.messages.errors import WorldFault

PAUSE_S_MIN: Final = 0.1
PAUSE_S_MAX: Final = 2.0


class Patience:
    """Pauses that grow, until `seconds` have passed without a sign of life."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """The node answered."""
        self._pause = PAUSE_S_MIN
        self._deadline = time.monotonic() + self._seconds

    async def wait(self, fault: WorldFault) -> None:
        """Pause before the next try; raises `fault` when the time is over."""
        if time.monotonic() + self._pause > self._deadline:
            raise fault
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, PAUSE_S_MAX)
