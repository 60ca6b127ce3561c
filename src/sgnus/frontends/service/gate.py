"""Who may speak HTTP to this node: decided before any route is looked up, and before any body is read.

Every page in a browser on this machine can reach a loopback port. The Host list meets names that are rebound to
127.0.0.1, the Origin list pages of other sites, and the token everything else, other users of this machine included.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sgnus.frontends.service.bounds import CALLS_AT_ONCE_MAX
from sgnus.frontends.service.faults import Refusal
from sgnus.frontends.service.probes import PROBE_PATHS

HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def answer_of(refusal: Refusal) -> JSONResponse:
    """A refusal as the HTTP answer that the definition describes."""
    return JSONResponse(refusal.problem(), status_code=refusal.status, headers=dict(refusal.headers))


class Gate:
    """ASGI: checks host, origin and token in this order, and bounds the calls under way."""

    def __init__(self, app: ASGIApp, *, port: int, token: str, public: frozenset[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._public = public
        self._hosts = frozenset(f"{host}:{port}" for host in HOSTS)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        self._open_calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] != "http":
            return
        careful = _with_headers(send)
        refusal = self._refusal(Headers(scope=scope), scope["path"])
        if refusal is not None:
            await answer_of(refusal)(scope, receive, careful)
            return
        self._open_calls += 1
        try:
            await self._app(scope, receive, careful)
        finally:
            self._open_calls -= 1

    def _refusal(self, headers: Headers, path: str) -> Refusal | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return Refusal(
                421, "PERMISSION_DENIED", "This node serves 127.0.0.1 and localhost at its own port only."
            )
        if any(origin not in self._origins for origin in origins):
            return Refusal(403, "PERMISSION_DENIED", "Pages of another origin may not use this node.")
        if path not in self._public and not self._is_known(headers.getlist("authorization")):
            return Refusal(
                401,
                "UNAUTHENTICATED",
                "The token is missing or wrong: send `Authorization: Bearer` and the text of the file `token` in the home.",
                {"WWW-Authenticate": 'Bearer realm="sgnus"'},
            )
        if self._open_calls >= CALLS_AT_ONCE_MAX and path not in PROBE_PATHS:
            return Refusal(503, "UNAVAILABLE", f"{CALLS_AT_ONCE_MAX} calls are under way: try again later.")
        return None

    def _is_known(self, authorizations: list[str]) -> bool:
        if len(authorizations) != 1:
            return False
        scheme, _, token = authorizations[0].partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token)


def _with_headers(send: Send) -> Send:
    async def careful(message: Message) -> None:
        if message["type"] == "http.response.start":
            present: list[Any] = list(message.get("headers", ()))
            names = {name.lower() for name, _ in present}
            message = {**message, "headers": [*present, *(one for one in HEADERS if one[0] not in names)]}
        await send(message)

    return careful
