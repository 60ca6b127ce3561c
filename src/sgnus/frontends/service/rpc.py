"""The gRPC face: the same calls on the unix socket, where the folder protects, and on loopback, where a token does."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc

from sgnus.frontends.service.bounds import CALLS_AT_ONCE_MAX
from sgnus.frontends.service.calls import LOCAL_CALLS, closing, method_of
from sgnus.frontends.service.faults import Refusal, malformed, refusal_of
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.fields import Call, Message
from sgnus.messages.limits import GRPC_MESSAGE_BYTES_MAX
from sgnus.runtime.local_api import LocalApi
from sgnus.wire.codec import decode, encode

Context = grpc.aio.ServicerContext[Any, Any]
OPTIONS: Final = (
    ("grpc.max_receive_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", GRPC_MESSAGE_BYTES_MAX),
    # Without this a second node could take half of the calls of the first one's port.
    ("grpc.so_reuseport", 0),
)


def socket_server(api: LocalApi, path: Path) -> grpc.aio.Server:
    """A server on the unix socket `path`, which must be free. It asks for no token."""
    server = _server(api, ())
    _bind(server, f"unix:{path}")
    return server


def loopback_server(api: LocalApi, token: str, port: int) -> tuple[grpc.aio.Server, int]:
    """A server on 127.0.0.1 that asks for the token in the metadata, and its port."""
    server = _server(api, (TokenInterceptor(token),))
    return server, _bind(server, f"127.0.0.1:{port}")


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses every call without `authorization: Bearer <token>`, unknown methods included."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """The method's own handler, or one that refuses."""
        sent = [
            value for key, value in handler_call_details.invocation_metadata or () if key == "authorization"
        ]
        if len(sent) == 1 and hmac.compare_digest(_bytes(sent[0]), self._expected):
            return await continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse_unknown)


async def _refuse_unknown(request: bytes, context: Context) -> bytes:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "the token is missing or wrong: it is the file `token` in the node's home",
    )
    raise AssertionError("abort raises")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _server(api: LocalApi, interceptors: tuple[Any, ...]) -> grpc.aio.Server:
    server = grpc.aio.server(
        interceptors=interceptors, options=OPTIONS, maximum_concurrent_rpcs=CALLS_AT_ONCE_MAX
    )
    handlers = {call.name: _handler(api, call) for call in LOCAL_CALLS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("sgnus.v1.Processing", handlers),))
    return server


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise WorldFault(f"cannot listen on {address}: {error}") from error
    if port == 0:
        raise WorldFault(f"cannot listen on {address}")
    return port


def _handler(api: LocalApi, call: Call) -> Any:
    method = method_of(api, call)

    async def unary(request: bytes, context: Context) -> bytes:
        try:
            return encode(await method(_decoded(call, request)))
        except Exception as error:  # noqa: BLE001 - the border of the node: every fault becomes an answer
            return await _abort(context, refusal_of(error, call.name))

    async def client_stream(requests: AsyncIterator[bytes], context: Context) -> bytes:
        incoming = _Incoming(call, requests)
        try:
            return encode(await method(incoming.messages()))
        except Exception as error:  # noqa: BLE001 - as above
            return await _abort(context, refusal_of(incoming.fault or error, call.name))

    async def server_stream(request: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            async with closing(method(_decoded(call, request))) as items:
                async for item in items:
                    yield encode(item)
        except Exception as error:  # noqa: BLE001 - as above
            await _abort(context, refusal_of(error, call.name))

    if call.request_stream:
        return grpc.stream_unary_rpc_method_handler(client_stream)
    if call.response_stream:
        return grpc.unary_stream_rpc_method_handler(server_stream)
    return grpc.unary_unary_rpc_method_handler(unary)


class _Incoming:
    """The messages of a client stream, and what was wrong with them."""

    def __init__(self, call: Call, requests: AsyncIterator[bytes]) -> None:
        self._call = call
        self._requests = requests
        self.fault: Refusal | None = None

    async def messages(self) -> AsyncIterator[Message]:
        async for request in self._requests:
            try:
                message = _decoded(self._call, request)
            except Refusal as fault:
                self.fault = fault
                raise
            yield message


def _decoded(call: Call, request: bytes) -> Message:
    try:
        return decode(call.request, request)
    except PeerFault as fault:
        raise malformed(str(fault)) from None


async def _abort(context: Context, refusal: Refusal) -> bytes:
    await context.abort(grpc.StatusCode[refusal.code], refusal.message)
    raise AssertionError("abort raises")
