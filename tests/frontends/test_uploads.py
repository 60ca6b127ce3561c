"""A node that ends an upload in the middle is heard, whatever the client was writing at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sgnus.frontends.sdk.home import Home, Target
from sgnus.frontends.sdk.transport import Transport
from sgnus.messages.errors import WorldFault
from sgnus.messages.v1 import sgnus_pb2

UPLOADS = 100


async def _refuse(requests: AsyncIterator[Any], context: Any) -> Any:
    """Says why after the first message, while more are on their way."""
    async for _request in requests:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the disk has no room")


async def _pieces() -> AsyncIterator[Any]:
    for _ in range(64):
        yield sgnus_pb2.SubmitJobRequest(data=bytes(1 << 19))


def test_the_reason_of_a_node_that_ends_an_upload_is_never_lost(tmp_path: Path) -> None:
    async def scene() -> None:
        server = grpc.aio.server()
        handler = grpc.stream_unary_rpc_method_handler(
            _refuse,
            request_deserializer=sgnus_pb2.SubmitJobRequest.FromString,
            response_serializer=sgnus_pb2.SubmitJobReply.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("sgnus.v1.Processing", {"SubmitJob": handler}),)
        )
        address = f"unix:{tmp_path / 's'}"
        server.add_insecure_port(address)
        await server.start()
        transport = Transport(Home(tmp_path), Target(address, ""))
        try:
            for _ in range(UPLOADS):
                with pytest.raises(WorldFault, match="the disk has no room"):
                    await transport.upload("SubmitJob", _pieces)
        finally:
            await transport.close()
            await server.stop(None)

    asyncio.run(scene())
