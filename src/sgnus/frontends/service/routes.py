"""The HTTP face: one route per call, read from the definition, and the page that documents them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sgnus.frontends.service.bodies import definition_text, json_line, messages_in, read_message
from sgnus.frontends.service.bounds import HTTP_BODY_BYTES_MAX
from sgnus.frontends.service.calls import LOCAL_CALLS, method_of
from sgnus.frontends.service.faults import Refusal, refusal_of
from sgnus.frontends.service.gate import answer_of
from sgnus.frontends.service.probes import PROBE_PATHS, Probes, probe_routes
from sgnus.frontends.service.streams import JSON_LINES, StreamAnswer, accepted, begun
from sgnus.messages.fields import Call, Message
from sgnus.runtime.local_api import LocalApi

JSON: Final = "application/json"
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGES: Final = {
    "/docs": ("docs.html", "text/html"),
    "/docs/docs.js": ("docs.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui.css", "text/css"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
}
DEFINITION_PATH: Final = "/openapi.json"
# Nothing secret lies here: a browser cannot send a token when it loads a page.
PUBLIC_PATHS: Final = frozenset((*PAGES, DEFINITION_PATH)) | PROBE_PATHS


def application(api: LocalApi, probes: Probes | None = None) -> Starlette:
    """The application without its gate. What cannot be probes has no /health."""
    routes: list[BaseRoute] = [_call_route(api, call) for call in LOCAL_CALLS]
    routes += [_page_route(path, *page) for path, page in PAGES.items()]
    routes.append(Route(DEFINITION_PATH, _definition, methods=["GET"]))
    routes += probe_routes(probes) if probes is not None else []
    app = Starlette(routes=routes, exception_handlers={HTTPException: _answer_unrouted})
    app.router.redirect_slashes = False
    return app


def _call_route(api: LocalApi, call: Call) -> Route:
    answer = _answer_stream if call.response_stream else _answer_one

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(api, call, request)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - the border of the node: every fault becomes an answer
            return answer_of(refusal_of(error, call.name))

    return Route(call.http_path, endpoint, methods=[call.http_method])


async def _answer_one(api: LocalApi, call: Call, request: Request) -> Response:
    method = method_of(api, call)
    if not call.request_stream:
        _check_media_type(request, JSON)
        reply = await method(await read_message(call.request, await _body(request)))
        return Response(json_line(reply), media_type=JSON)
    _check_media_type(request, JSON_LINES)
    incoming = _Incoming(call, request)
    try:
        reply = await method(incoming.messages())
    except Exception as error:
        # What the app sent wrongly is the answer, whatever the node made of a stream that broke off.
        raise (incoming.fault or error) from error
    return Response(json_line(reply), media_type=JSON)


async def _answer_stream(api: LocalApi, call: Call, request: Request) -> Response:
    media_type = accepted(request.headers.getlist("accept"))
    _check_media_type(request, JSON)
    message = await read_message(call.request, await _body(request))
    return await begun(StreamAnswer(call.name, media_type, method_of(api, call)(message)))


class _Incoming:
    """The messages of a client stream, and what was wrong with them."""

    def __init__(self, call: Call, request: Request) -> None:
        self._call = call
        self._request = request
        self.fault: Exception | None = None

    async def messages(self) -> AsyncIterator[Message]:
        try:
            async for message in messages_in(self._call.request, self._request.stream()):
                yield message
        except (Refusal, ClientDisconnect) as fault:
            self.fault = fault
            raise


async def _body(request: Request) -> bytes:
    pieces: list[bytes] = []
    total_bytes = 0
    async for piece in request.stream():
        total_bytes += len(piece)
        if total_bytes > HTTP_BODY_BYTES_MAX:
            raise Refusal(413, "RESOURCE_EXHAUSTED", f"The body is longer than {HTTP_BODY_BYTES_MAX} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _check_media_type(request: Request, expected: str) -> None:
    sent = request.headers.getlist("content-type")
    media_type, _, rest = sent[0].partition(";") if len(sent) == 1 else ("", "", "")
    charset = rest.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != expected or charset not in ("", "utf-8"):
        raise Refusal(
            415, "INVALID_ARGUMENT", f"The body of this call is {expected} in UTF-8: say so in Content-Type."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "INVALID_ARGUMENT", "The body may not be compressed.")


async def _answer_unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        message = f"{request.url.path} is called with {allow}."
        return answer_of(Refusal(405, "UNIMPLEMENTED", message, {"Allow": allow}))
    return answer_of(
        Refusal(error.status_code, "NOT_FOUND", "No call has this path: see /openapi.json or /docs.")
    )


def _page_route(path: str, name: str, media_type: str) -> Route:
    async def endpoint(request: Request) -> Response:
        content = resources.files("sgnus.frontends.pages").joinpath(name).read_bytes()
        return Response(content, media_type=media_type, headers={"Content-Security-Policy": PAGE_POLICY})

    return Route(path, endpoint, methods=["GET"])


async def _definition(request: Request) -> Response:
    return Response(definition_text(), media_type=JSON)
