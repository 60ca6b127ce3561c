"""multistream and yamux of py-libp2p 0.8.1, against peers that count on them: each fault that we mend has a test here.

A muxer stands on a pipe in memory, and a test writes the frames of its peer by hand.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.exceptions import ParseError
from libp2p.peer.id import ID
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_FIN,
    FLAG_RST,
    FLAG_SYN,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
)

from sgnus.adapters.gossip import swarm
from sgnus.adapters.gossip.muxer import GossipMuxer
from sgnus.adapters.gossip.negotiation import BoundedReader
from sgnus.messages.limits import GOSSIP_NEGOTIATION_BYTES_MAX, GOSSIP_UNREAD_BYTES_MAX
from tests.ports.gossip_support import DEADLINE_S, meshed, real_nodes, works_on

PEER = ID(b"\x00\x24\x08\x01\x12\x20" + bytes(32))
BIG = 200_000


def yamux(kind: int, stream: int, payload: bytes = b"", flags: int = 0, length: int | None = None) -> bytes:
    """A frame; `length` may lie about the payload."""
    said = len(payload) if length is None else length
    return struct.pack("!BBHII", 0, kind, flags, stream, said) + payload


class Wire:
    """A secured connection that is a pipe."""

    is_initiator = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def read(self, n: int) -> bytes:
        data: bytes = await self._stream.receive_some(n)
        return data

    async def write(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def close(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def muxed() -> AsyncIterator[tuple[GossipMuxer, Any]]:
    """A muxer at work, and the other end of its pipe."""
    ours, theirs = trio.testing.memory_stream_pair()
    muxer = GossipMuxer(Wire(ours), PEER, is_initiator=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(muxer.start)
        with trio.fail_after(DEADLINE_S):
            await muxer.event_started.wait()
            yield muxer, theirs
        nursery.cancel_scope.cancel()


def in_trio(story: Callable[[GossipMuxer, Any], Awaitable[None]]) -> None:
    async def main() -> None:
        async with muxed() as (muxer, theirs):
            await story(muxer, theirs)

    trio.run(main)


def unread(muxer: GossipMuxer) -> int:
    return sum(map(len, muxer.stream_buffers.values()))


def test_a_peer_that_sends_beyond_a_streams_window_is_cut_off() -> None:
    async def story(muxer: GossipMuxer, theirs: Any) -> None:
        await theirs.send_all(yamux(TYPE_DATA, 1, bytes(BIG), FLAG_SYN))
        await muxer.accept_stream()
        assert unread(muxer) == BIG
        await theirs.send_all(yamux(TYPE_DATA, 1, bytes(DEFAULT_WINDOW_SIZE - BIG)))
        await trio.testing.wait_all_tasks_blocked()
        assert not muxer.event_closed.is_set(), "the whole window is a peer's right"
        await theirs.send_all(yamux(TYPE_DATA, 1, b"x"))
        await trio.testing.wait_all_tasks_blocked()
        assert muxer.event_closed.is_set()

    in_trio(story)


def test_a_peer_whose_streams_together_leave_too_much_unread_is_cut_off() -> None:
    async def story(muxer: GossipMuxer, theirs: Any) -> None:
        full = GOSSIP_UNREAD_BYTES_MAX // BIG
        for number in range(full + 1):
            assert not muxer.event_closed.is_set()
            await theirs.send_all(yamux(TYPE_DATA, 2 * number + 1, bytes(BIG), FLAG_SYN))
            await trio.testing.wait_all_tasks_blocked()
            if number < full:
                await muxer.accept_stream()
        await trio.testing.wait_all_tasks_blocked()
        assert muxer.event_closed.is_set()

    in_trio(story)


def test_a_frame_larger_than_any_window_is_not_waited_for() -> None:
    async def story(muxer: GossipMuxer, theirs: Any) -> None:
        await theirs.send_all(yamux(TYPE_DATA, 1, flags=FLAG_SYN, length=DEFAULT_WINDOW_SIZE + 1))
        await trio.testing.wait_all_tasks_blocked()
        assert muxer.event_closed.is_set()

    in_trio(story)


@pytest.mark.parametrize("flags", [FLAG_RST, FLAG_FIN])
def test_what_a_stream_that_is_over_had_received_is_forgotten(flags: int) -> None:
    """Reset by its peer, or ended by it and then reset here, as a stream of garbage is."""

    async def story(muxer: GossipMuxer, theirs: Any) -> None:
        for number in range(4 * GOSSIP_UNREAD_BYTES_MAX // BIG):
            stream_id = 2 * number + 1
            await theirs.send_all(yamux(TYPE_DATA, stream_id, bytes(BIG), FLAG_SYN))
            stream = await muxer.accept_stream()
            await theirs.send_all(yamux(TYPE_WINDOW_UPDATE, stream_id, flags=flags))
            await trio.testing.wait_all_tasks_blocked()
            if flags == FLAG_FIN:
                await stream.reset()
            assert not muxer.event_closed.is_set() and unread(muxer) == 0 and not muxer.streams

    in_trio(story)


def test_a_stream_that_is_read_takes_any_amount() -> None:
    async def story(muxer: GossipMuxer, theirs: Any) -> None:
        await theirs.send_all(yamux(TYPE_WINDOW_UPDATE, 1, flags=FLAG_SYN))
        stream = await muxer.accept_stream()
        for _ in range(4 * GOSSIP_UNREAD_BYTES_MAX // BIG):
            await theirs.send_all(yamux(TYPE_DATA, 1, bytes(BIG)))
            left = BIG
            while left:
                left -= len(await stream.read(left))
        assert not muxer.event_closed.is_set() and unread(muxer) == 0

    in_trio(story)


def test_a_negotiation_reads_so_much_and_no_more() -> None:
    class Endless:
        async def read(self, n: int) -> bytes:
            return bytes(n)

    async def story() -> None:
        reader = BoundedReader(Endless())
        for _ in range(GOSSIP_NEGOTIATION_BYTES_MAX // 64):
            assert len(await reader.read(64)) == 64
        with pytest.raises(ParseError):
            await reader.read(1)

    trio.run(story)


@pytest.mark.parametrize("announced", [GOSSIP_NEGOTIATION_BYTES_MAX, 2**30, 2**62, 2**64 - 1])
def test_a_stranger_that_announces_a_huge_line_is_sent_away_at_once(
    announced: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before noise, where nobody has said who it is: not when the time of its handshake is up."""
    monkeypatch.setattr(swarm, "_UPGRADE_S", 10 * DEADLINE_S)

    async def story() -> None:
        async with real_nodes(2) as nodes:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(nodes[0].address.split("/")[4]))
            writer.write(varint(announced))
            async with asyncio.timeout(DEADLINE_S):
                await reader.read()
            writer.close()
            await meshed(nodes, "topic")
            await works_on(nodes, "topic", b"after")

    asyncio.run(story())


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
