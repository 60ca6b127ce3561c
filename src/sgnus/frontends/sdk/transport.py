"""Calls to the local service over one gRPC channel; statuses become typed errors with the node's own sentence."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

import grpc
import grpc.aio

from sgnus.frontends.sdk.errors import Conflict, NodeUnreachable, NotFound
from sgnus.frontends.sdk.home import Home, Target
from sgnus.messages.errors import OurFault, SgnusError, UserFault, WorldFault
from sgnus.messages.limits import GRPC_MESSAGE_BYTES_MAX
from sgnus.messages.v1 import sgnus_pb2

CALL_S_MAX: Final = 30.0
UPLOADS_MAX: Final = 8
CONNECT_MS_MAX: Final = 5_000
"""How long a node may take to greet: one that is busy, or was frozen for a moment, is no node that is gone."""
_OPTIONS: Final = (
    ("grpc.max_send_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
    # Channels of one process must not share a connection: each closes its own.
    ("grpc.use_local_subchannel_pool", 1),
)
# What gRPC itself says about a connection, as against what a node says about its disk with the same status.
_CONNECTION: Final = re.compile(
    r"failed to connect|connections? to all|socket closed|connection (reset|refused)|broken pipe|goaway|"
    r"stream removed|transport|recvmsg|end of tcp stream|endpoint|channel|shutdown|shutting down",
    re.IGNORECASE,
)
# What grpc.aio says when a write failed because the call had ended.
_LOST: Final = "Internal error from Core"
# What gRPC says when a connection was accepted, and then nothing came.
_NO_GREETING: Final = "timed out before receiving SETTINGS"
_FAULTS: Final[dict[grpc.StatusCode, type[SgnusError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: UserFault,
    grpc.StatusCode.OUT_OF_RANGE: UserFault,
    grpc.StatusCode.UNAUTHENTICATED: UserFault,
    grpc.StatusCode.PERMISSION_DENIED: UserFault,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.RESOURCE_EXHAUSTED: WorldFault,
}


class ReasonLost(Exception):
    """The node ended a call that we still wrote to, and gRPC does not know why."""


class Transport:
    """One channel to a node's `Processing` service. All calls belong to the event loop that opened it."""

    def __init__(self, home: Home, target: Target) -> None:
        self.home = home
        self._token = target.token
        # To gRPC, the least time between two attempts is also the most that one may take.
        options = (*_OPTIONS, ("grpc.min_reconnect_backoff_ms", CONNECT_MS_MAX))
        self._channel = grpc.aio.insecure_channel(target.address, options=options)

    async def close(self) -> None:
        await self._channel.close(None)

    async def call(self, name: str, request: Any, wait_s: float = CALL_S_MAX) -> Any:
        """One question, one answer."""
        method = self._channel.unary_unary(**self._codec(name))
        try:
            return await method(request, timeout=wait_s, metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise self._fault(error) from error

    async def upload(self, name: str, requests: Callable[[], AsyncIterator[Any]]) -> Any:
        """Many requests, one answer, however long it takes. What `requests` itself raises is raised here.

        A call that the node ends while we still write can lose the node's reason on the way (a race in grpc.aio, between
        the write that fails and the status that comes): we ask again, for what was refused left nothing behind.
        """
        for _ in range(UPLOADS_MAX):
            try:
                return await self._upload(name, requests())
            except ReasonLost:
                continue
        raise WorldFault("The node ended the upload, and its reason was lost on the way; try again.")

    async def _upload(self, name: str, requests: AsyncIterator[Any]) -> Any:
        faults: list[Exception] = []
        call = self._channel.stream_unary(**self._codec(name))(
            _watched(requests, faults), metadata=self._metadata()
        )
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INTERNAL and error.details() == _LOST:
                raise ReasonLost from error
            raise self._fault(error) from error
        except asyncio.CancelledError:
            # gRPC cancels a call whose requests fail, and forgets why.
            if faults:
                raise faults[0] from None
            raise
        finally:
            call.cancel()

    async def stream(self, name: str, request: Any) -> AsyncGenerator[Any, None]:
        """One request, many answers. Leaving the loop ends the call."""
        call = self._channel.unary_stream(**self._codec(name))(request, metadata=self._metadata())
        try:
            async for reply in call:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise self._fault(error) from error
        finally:
            call.cancel()

    def _codec(self, name: str) -> dict[str, Any]:
        return {
            "method": f"/sgnus.v1.Processing/{name}",
            "request_serializer": getattr(sgnus_pb2, f"{name}Request").SerializeToString,
            "response_deserializer": getattr(sgnus_pb2, f"{name}Reply").FromString,
        }

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token}"),) if self._token else ()

    def _fault(self, error: grpc.aio.AioRpcError) -> SgnusError:
        code, details = error.code(), (error.details() or "").strip()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED or (
            code is grpc.StatusCode.UNAVAILABLE and _NO_GREETING in details
        ):
            return NodeUnreachable(self._silent())
        if code is grpc.StatusCode.UNAVAILABLE:
            return NodeUnreachable(self._nobody()) if _CONNECTION.search(details) else WorldFault(details)
        if code is grpc.StatusCode.CANCELLED:
            return NodeUnreachable(f"The call to the node of {self.home.path} was broken off.")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return UserFault(
                f"The node of {self.home.path} is of another version of sgnus; restart it. ({details})"
            )
        fault = _FAULTS.get(code, OurFault)
        return fault(details or f"The node answered {code.name} without a word.")

    def _silent(self) -> str:
        pid = self.home.pid()
        return (
            f"A node runs in {self.home.path}{f' (process {pid})' if pid else ''} but does not answer in time; it may "
            f"be frozen or very busy. Try again, or end it: sgnus node stop --home {self.home.path}"
        )

    def _nobody(self) -> str:
        return (
            f"No node answers in {self.home.path}. Start one: sgnus node start --home {self.home.path} "
            f"(why it ended may stand in {self.home.log_path})."
        )


async def _watched(requests: AsyncIterator[Any], faults: list[Exception]) -> AsyncIterator[Any]:
    try:
        async for request in requests:
            yield request
    except Exception as fault:
        faults.append(fault)
        raise
