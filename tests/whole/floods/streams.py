"""Floods on the stream of a pair."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import LeaseRequest, PeerMessage
from sgnus.wire.codec import encode

WAITING_MAX: Final = 1_000
BURST: Final = 100
PAUSE_S: Final = 0.001


async def lease_requests(parts: Any, peer: PeerId) -> None:
    """A member that asks its host for work, again and again."""
    room = parts.core.room
    instance = room.seat.instance if room is not None else secrets.token_hex(32)
    epoch = room.roster.epoch if room is not None else 1
    asked = LeaseRequest(instance=instance, epoch=epoch, free=1, working_on=())
    await _send(parts, peer, encode(PeerMessage(body=asked)))


async def garbage(parts: Any, peer: PeerId) -> None:
    """Bytes that are no message."""
    await _send(parts, peer, secrets.token_bytes(200))


async def _send(parts: Any, peer: PeerId, message: bytes) -> None:
    """As many as the stream takes."""
    peers = parts.drivers.peers
    peers.open(peer)
    pair = peers._pairs._pairs.get(peer)
    for _ in range(BURST):
        if pair is None or not pair.is_connected or len(pair.streams.outbox) > WAITING_MAX:
            await asyncio.sleep(PAUSE_S)
            return
        peers.send(peer, message, urgent=True)
    await asyncio.sleep(0)
