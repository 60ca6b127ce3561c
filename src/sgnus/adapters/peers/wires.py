"""gRPC streams as wires, and gRPC's errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

from sgnus.adapters.peers.channels import EOF
from sgnus.messages.errors import PeerFault, WorldFault

T = TypeVar("T")
# The other side decided against us; everything else is the network's doing and may pass.
REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.ALREADY_EXISTS,
    }
)
SENTENCE_CHARS_MAX: Final = 256


class FinalRefusal(PeerFault):
    """The peer is of another network or protocol version: trying again soon is pointless."""


class Unreachable(WorldFault):
    """Nobody answered at that address, or not as the peer whose address it is."""


def fault_of(error: grpc.aio.AioRpcError) -> PeerFault | WorldFault:
    """A gRPC error by whose fault it is. The sentence is the peer's, so it is cut and made printable."""
    code, details = error.code(), error.details() or ""
    sentence = "".join(char if char.isprintable() else "?" for char in details[:SENTENCE_CHARS_MAX])
    if code is grpc.StatusCode.FAILED_PRECONDITION:
        return FinalRefusal(f"refused: {sentence}")
    if code in REFUSALS:
        return PeerFault(f"refused ({code.name}): {sentence}")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in sentence:
        return PeerFault(f"an oversize message: {sentence}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unreachable(f"unreachable: {sentence}")
    return WorldFault(f"{code.name}: {sentence}")


async def within(ms: int, awaited: Awaitable[T]) -> T:
    """The outcome of a gRPC operation; WorldFault when it is late or broke, PeerFault when it was refused."""
    try:
        async with asyncio.timeout(ms / 1000):
            return await awaited
    except TimeoutError:
        raise WorldFault(f"no answer within {ms} ms") from None
    except grpc.aio.AioRpcError as error:
        raise fault_of(error) from None
    except (asyncio.InvalidStateError, grpc.aio.UsageError):
        raise WorldFault("the stream has ended") from None
    except asyncio.CancelledError:
        # A call that was cancelled, by its channel's closing say, looks as if our task had been.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise WorldFault("the call was cancelled") from None


def hang_up(call: Any) -> None:
    """End a call for good. grpc.aio takes a call for done once a write of it has failed, and cancels none that is done: the call,
    its connection and its channel would stay for as long as what the peer said last is not read, which is for ever.
    """
    inner = getattr(call, "_cython_call", None)
    if not call.cancel() and inner is not None:
        inner.cancel("hung up")


class ClientWire:
    """The dialler's end. `close` runs once the stream is over, for the channel that was opened for it."""

    lingers = True

    def __init__(self, call: Any, close: Callable[[], Awaitable[None]]) -> None:
        self._call = call
        self._close = close

    async def read(self) -> bytes | None:
        """See `Wire`."""
        try:
            data = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        return None if data is EOF else data

    async def write(self, data: bytes) -> None:
        """See `Wire`."""
        try:
            await self._call.write(data)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        except asyncio.InvalidStateError:
            raise WorldFault("the stream has ended") from None

    async def finish(self) -> None:
        """See `Wire`."""
        try:
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise WorldFault("the stream has ended") from None

    def abort(self) -> None:
        """See `Wire`."""
        hang_up(self._call)

    async def close(self) -> None:
        """Give the channel back."""
        hang_up(self._call)
        await self._close()


class ServerWire:
    """The acceptor's end. Its stream ends when the coroutine that serves it returns, or is cancelled."""

    lingers = False

    def __init__(self, context: Any) -> None:
        self._context = context

    async def begin(self) -> None:
        """Send the headers by themselves, before anything is written. gRPC sends them with the first message otherwise; a call
        that ends while that is still under way sends them once more, fails, and leaves its caller without a status.
        """
        try:
            await self._context.send_initial_metadata(())
        except (grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
            raise WorldFault("the stream broke") from None

    async def read(self) -> bytes | None:
        """See `Wire`."""
        try:
            data = await self._context.read()
        except (grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
            raise WorldFault("the stream broke") from None
        return None if data is EOF else data

    async def write(self, data: bytes) -> None:
        """See `Wire`."""
        try:
            await self._context.write(data)
        except (grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
            raise WorldFault("the stream broke") from None

    async def finish(self) -> None:
        """See `Wire`: the serving coroutine ends the stream, by returning."""

    def abort(self) -> None:
        """See `Wire`: likewise."""
