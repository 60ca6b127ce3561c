"""What watches a node asks over HTTP, beside the calls of the definition: is it alive, is it ready, what does it count?

Whoever reaches this port on this machine may ask after its health, without the token: the answers hold no job, no peer and
no path. How much the node does for whom is nobody's business: /metrics wants the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

LIVE: Final = ("/health", "/health/live")
READY: Final = "/health/ready"
METRICS: Final = "/metrics"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PROBE_PATHS: Final = frozenset((*LIVE, READY))


class Probed(Protocol):
    """What is asked of the node; `runtime.health.Health` answers."""

    def failed(self) -> Mapping[str, str]:
        """Parts that have ended for good, and what is wrong with them."""
        ...

    async def lacking(self) -> Mapping[str, str]:
        """Parts that keep the node from work now, and why."""
        ...


class Counted(Protocol):
    """What is counted in the node; `runtime.figures.Figures` tells it."""

    def text(self) -> bytes:
        """All figures, in the text format 0.0.4 of Prometheus."""
        ...


@dataclass(frozen=True, slots=True)
class Probes:
    """The node as those who watch it see it."""

    health: Probed
    figures: Counted


def probe_routes(probes: Probes) -> list[BaseRoute]:
    """The routes; HEAD is answered as GET is."""
    probed = probes.health

    async def live(request: Request) -> Response:
        del request
        return _answer("live", probed.failed())

    async def ready(request: Request) -> Response:
        del request
        return _answer("ready", await probed.lacking())

    async def metrics(request: Request) -> Response:
        del request
        return Response(probes.figures.text(), headers={"Content-Type": CONTENT_TYPE})

    routes: list[BaseRoute] = [Route(path, live, methods=["GET"]) for path in LIVE]
    routes.append(Route(READY, ready, methods=["GET"]))
    return [*routes, Route(METRICS, metrics, methods=["GET"])]


def _answer(state: str, reasons: Mapping[str, str]) -> Response:
    if not reasons:
        return JSONResponse({"status": state})
    return JSONResponse({"status": f"not {state}", "reasons": dict(reasons)}, status_code=503)
