"""A hostile libp2p peer: noise and yamux as anybody's, and then whatever bytes a test wants to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.lowlevel
from libp2p.pubsub.pb import rpc_pb2
from libp2p.tools.anyio_service import background_trio_service

from sgnus.adapters.gossip.addresses import parse_address
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.dialler import dial
from sgnus.adapters.gossip.router import MESHSUB
from sgnus.adapters.gossip.rpc_queue import frame_of
from sgnus.adapters.gossip.swarm import make_host, make_swarm
from sgnus.adapters.overruns import Overruns
from sgnus.crypto.identity import Identity, base58_decode

SIGNING_PREFIX = b"libp2p-pubsub:"


@asynccontextmanager
async def _connected(seed: int, address: str) -> AsyncIterator[tuple[Any, Any]]:
    swarm = make_swarm(bytes([seed]) * 32, None, 8, Counters(), Overruns())
    host = make_host(swarm, [])
    host.set_stream_handler(MESHSUB, _swallow)
    target = parse_address(address)
    async with background_trio_service(swarm):
        from libp2p.peer.id import ID

        peer = ID.from_base58(target.peer)
        connection = await dial(swarm, peer, target)
        try:
            yield host, peer
        finally:
            await connection.muxed_conn.abort()


async def _swallow(stream: Any) -> None:
    while await stream.read(65_536):
        pass


async def attack(seed: int, address: str, script: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Connect as the peer of `seed`, and run `script(host, peer)`."""

    async def main() -> None:
        async with _connected(seed, address) as (host, peer):
            await script(host, peer)

    try:
        await asyncio.to_thread(trio.run, main)
    except BaseExceptionGroup as group:
        raise innermost(group) from group


def innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def send_on_meshsub(seed: int, address: str, *payloads: bytes, until: Callable[[], Any]) -> None:
    """Each payload on a meshsub stream of its own; then wait, with a deadline, for `until`."""

    async def script(host: Any, peer: Any) -> None:
        for payload in payloads:
            stream = await host.new_stream(peer, [MESHSUB])
            await stream.write(payload)
            await trio.lowlevel.checkpoint()
        with trio.fail_after(30):
            while not until():  # noqa: ASYNC110 - it looks at another thread
                await trio.sleep(0.01)

    await attack(seed, address, script)


def signed(seed: int, topic: str, data: bytes, sequence: int = 1, **changes: Any) -> Any:
    """A correct message of the peer of `seed`, with fields changed after signing."""
    identity = Identity.from_seed(bytes([seed]) * 32)
    message = rpc_pb2.Message(
        from_id=base58_decode(identity.peer_id),
        data=data,
        seqno=sequence.to_bytes(8, "big"),
        topicIDs=[topic],
    )
    message.signature = identity.sign(SIGNING_PREFIX + message.SerializeToString())
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def frame(*messages: Any) -> bytes:
    return frame_of(rpc_pb2.RPC(publish=messages))
