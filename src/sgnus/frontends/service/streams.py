"""A server stream over HTTP, as JSON lines or as server-sent events.

A stream that fails at once is answered with the status of its fault. One that fails later has its status behind it: it
ends with a Problem as its last item. A client that goes away cancels it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sgnus.frontends.service.bodies import json_line
from sgnus.frontends.service.bounds import FIRST_ITEM_MS_MAX
from sgnus.frontends.service.calls import closing
from sgnus.frontends.service.faults import Refusal, refusal_of

JSON_LINES: Final = "application/jsonl"
SERVER_SENT_EVENTS: Final = "text/event-stream"


def accepted(accepts: list[str]) -> str:
    """The media type that the client prefers; JSON lines when it says nothing. Refusal 406 when it takes neither."""
    best, best_weight = "", 0.0
    for part in ",".join(accepts or ["*/*"]).split(","):
        name, _, parameters = part.strip().lower().partition(";")
        weight = _weight(parameters)
        for media_type in (JSON_LINES, SERVER_SENT_EVENTS):
            kind = media_type.partition("/")[0] + "/*"
            if name.strip() in (media_type, kind, "*/*") and weight > best_weight:
                best, best_weight = media_type, weight
    if not best:
        raise Refusal(
            406, "INVALID_ARGUMENT", f"This call answers with {JSON_LINES} or {SERVER_SENT_EVENTS}."
        )
    return best


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class StreamAnswer(Response):
    """The answer to one call, whose items come from `items`."""

    def __init__(self, call: str, media_type: str, items: AsyncIterator[Any]) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._call = call
        self._items = items
        self._is_events = media_type == SERVER_SENT_EVENTS
        self._first: asyncio.Task[Any] | None = None

    async def begin(self) -> None:
        """Wait a while for the first item. Raises what the call raises in that time."""
        self._first = asyncio.ensure_future(anext(self._items, None))
        try:
            await asyncio.wait({self._first}, timeout=FIRST_ITEM_MS_MAX / 1000)
        except asyncio.CancelledError:
            await self._drop_first()
            raise
        if self._first.done():
            self._first.result()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the items until the stream ends or the client leaves."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
            await self._drop_first()

    async def _send_all(self, send: Send) -> None:
        try:
            async with closing(self._items):
                async for item in self._all_items():
                    await _send_piece(send, self._piece(json_line(item)))
        except OSError:
            return  # The client is gone; there is nobody to tell.
        except Exception as error:  # noqa: BLE001 - the border of the node: every fault becomes an answer
            problem = json.dumps(refusal_of(error, self._call).problem()).encode()
            await _send_piece(send, self._piece(problem, event=b"problem"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _all_items(self) -> AsyncIterator[Any]:
        assert self._first is not None
        first = await self._first
        if first is not None:
            yield first
            async for item in self._items:
                yield item

    def _piece(self, line: bytes, event: bytes = b"") -> bytes:
        if not self._is_events:
            return line + b"\n"
        return (b"event: " + event + b"\n" if event else b"") + b"data: " + line + b"\n\n"

    async def _drop_first(self) -> None:
        assert self._first is not None
        self._first.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._first


async def begun(answer: StreamAnswer) -> StreamAnswer:
    """`answer` with its first item at hand or on its way."""
    await answer.begin()
    return answer


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_piece(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})
