"""What a service manager asks over HTTP beside the calls of the definition: is the node alive, is it ready?

Whoever reaches this port on this machine may ask, without the token: the answers hold no job, no peer and no path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

LIVE: Final = ("/health", "/health/live")
READY: Final = "/health/ready"
PROBE_PATHS: Final = frozenset((*LIVE, READY))


class Probed(Protocol):
    """What is asked of the node; `runtime.health.Health` answers."""

    def failed(self) -> Mapping[str, str]:
        """Parts that have ended for good, and what is wrong with them."""
        ...

    async def lacking(self) -> Mapping[str, str]:
        """Parts that keep the node from work now, and why."""
        ...


def probe_routes(probed: Probed) -> list[BaseRoute]:
    """The routes; HEAD is answered as GET is."""

    async def live(request: Request) -> Response:
        del request
        return _answer("live", probed.failed())

    async def ready(request: Request) -> Response:
        del request
        return _answer("ready", await probed.lacking())

    routes: list[BaseRoute] = [Route(path, live, methods=["GET"]) for path in LIVE]
    return [*routes, Route(READY, ready, methods=["GET"])]


def _answer(state: str, reasons: Mapping[str, str]) -> Response:
    if not reasons:
        return JSONResponse({"status": state})
    return JSONResponse({"status": f"not {state}", "reasons": dict(reasons)}, status_code=503)
