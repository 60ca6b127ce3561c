"""HTTP connections that have asked nothing yet: when there are too many, the one that has waited longest gives way.

Whoever may reach the port (any user of this machine) could else open as many as are allowed, say a byte each or none, and
keep everybody out: uvicorn waits for the end of a request's head for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def yielding_protocol(waiting_max: int) -> type[H11Protocol]:
    """uvicorn's protocol for one server, at most `waiting_max` of whose connections wait at once."""
    waiting: dict[YieldingProtocol, None] = {}

    class YieldingProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            waiting.pop(self, None)
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            cycle: Any = self.cycle
            if cycle is not None and not cycle.response_complete:
                waiting.pop(self, None)

        def on_response_complete(self) -> None:
            if not self.transport.is_closing():
                self._wait()
            super().on_response_complete()  # which may begin the next request, if it is there already

        def _wait(self) -> None:
            waiting[self] = None
            if len(waiting) > waiting_max:
                oldest = next(iter(waiting))
                del waiting[oldest]
                oldest.transport.close()

    return YieldingProtocol
