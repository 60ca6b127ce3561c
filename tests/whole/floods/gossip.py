"""Floods by gossip. What one node says goes to all its neighbours; `peer` only names whom the flood is counted for."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import replace
from typing import Any, Final

from sgnus.crypto.identity import Identity
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.topics import ADDRESS_TOPIC, DATABASE_TOPIC, lobby_topic, room_topic
from sgnus.messages.v1.types import (
    EntryBatch,
    EntryKind,
    GossipMessage,
    JoinRequest,
    RoomAnnouncement,
    SignedKind,
)
from sgnus.runtime.jobs import unix_ms
from sgnus.wire.codec import encode
from sgnus.wire.entry import seal_entry
from tests.database_support import job_body

PAUSE_S: Final = 0.001
ENTRIES_A_MESSAGE: Final = 64
MESSAGES_AT_ONCE: Final = 16
WAITING_MAX: Final = 1_000
FRAMES_KEPT: Final = 512
_FRAMES: Final[deque[bytes]] = deque(maxlen=FRAMES_KEPT)
_SEEN: Final[deque[RoomAnnouncement]] = deque(maxlen=16)


async def garbage(parts: Any, peer: PeerId) -> None:
    """Messages whose signatures are none, on a topic that all are in."""
    del peer
    payloads = [secrets.token_bytes(64) for _ in range(MESSAGES_AT_ONCE)]
    await _send_all(parts, ADDRESS_TOPIC, payloads, is_signed=False)


async def announcements(parts: Any, peer: PeerId) -> None:
    """Rooms that never were, of a job that is."""
    del peer
    _look(parts)
    if not _SEEN:
        raise WorldFault("no room was heard of yet")
    job = BlockId(_SEEN[-1].job)
    payloads = []
    for _ in range(MESSAGES_AT_ONCE):
        instance = secrets.token_hex(32)
        said = replace(_SEEN[-1], instance=instance, address=parts.addresses.own, sequence=1, closing=False)
        envelope = parts.core.pen.sign(SignedKind.ANNOUNCEMENT, said)
        payloads.append(encode(GossipMessage(body=envelope)))
    await _send_all(parts, lobby_topic(job), payloads)


async def joins(parts: Any, peer: PeerId) -> None:
    """Requests for a seat in a room that is known."""
    del peer
    _look(parts)
    if not _SEEN:
        raise WorldFault("no room was heard of yet")
    said = _SEEN[-1]
    payloads = []
    for _ in range(MESSAGES_AT_ONCE):
        request = JoinRequest(
            job=said.job,
            microjob=said.microjob,
            instance=said.instance,
            epoch=said.epoch,
            workers=1,
            address=parts.addresses.own,
            nonce=secrets.randbits(60),
            vrf_key=parts.core.pen.vrf_key,
        )
        envelope = parts.core.pen.sign(SignedKind.JOIN, request)
        payloads.append(encode(GossipMessage(body=envelope)))
    await _send_all(parts, room_topic(BlockId(said.job), said.microjob), payloads)


async def own_entries(parts: Any, peer: PeerId) -> None:
    """Jobs that it signs itself, and that nobody can work on."""
    del peer
    await _send_all(parts, DATABASE_TOPIC, [_batch(parts, [parts.addresses._identity] * ENTRIES_A_MESSAGE)])


async def entries_of_fresh_keys(parts: Any, peer: PeerId) -> None:
    """The same, each message in another name: gossip carries only what its author signed."""
    del peer
    name = Identity.from_seed(secrets.token_bytes(32))
    await _send_all(parts, DATABASE_TOPIC, [_batch(parts, [name] * ENTRIES_A_MESSAGE)], author=name)


def jobs(network: NetworkId, authors: list[Identity]) -> tuple[bytes, ...]:
    """One valid JOB entry each, of a processor that there is, whose input nobody has; it is the first to expire."""
    return tuple(
        seal_entry(
            author,
            network,
            EntryKind.JOB,
            None,
            job_body(secrets.randbits(100)),
            seq=secrets.randbits(40),
            expires=unix_ms() + 600_000,
        )
        for author in authors
    )


def _batch(parts: Any, authors: list[Identity]) -> bytes:
    return encode(GossipMessage(body=EntryBatch(entries=jobs(NetworkId(parts.network.id), authors))))


def _look(parts: Any) -> None:
    """Keep what rooms announce: the flood goes on when their job is over."""
    for lobby in parts.core.jobs.values():
        _SEEN.extend(
            known.announcement for known in lobby.rooms.values() if known.host != parts.core.pen.peer
        )


async def _send_all(
    parts: Any, topic: str, payloads: list[bytes], *, author: Identity | None = None, is_signed: bool = True
) -> None:
    """Into the gossip thread, and no faster than that sends: what waits here would only be dropped here.

    Signing costs a flooder more than sending does: what it said once it says again.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    async def send(node: Any) -> None:
        try:
            signer = author or node.pubsub._identity
            _FRAMES.extend(_frame(signer, topic, payload, is_signed=is_signed) for payload in payloads)
            await _send(node.pubsub, list(_FRAMES))
        finally:
            loop.call_soon_threadsafe(_settle, done)

    parts.drivers.gossip._commands.put(send)
    await done


def _frame(author: Identity, topic: str, payload: bytes, *, is_signed: bool) -> bytes:
    from libp2p.peer.id import ID
    from libp2p.pubsub.pb import rpc_pb2

    from sgnus.adapters.gossip.gate import SIGNING_PREFIX
    from sgnus.adapters.gossip.rpc_queue import frame_of

    name, number = ID.from_base58(author.peer_id).to_bytes(), secrets.token_bytes(8)
    message = rpc_pb2.Message(data=payload, topicIDs=[topic], from_id=name, seqno=number)
    signed = author.sign(SIGNING_PREFIX + message.SerializeToString())
    signature = signed if is_signed else secrets.token_bytes(64)
    message.signature = signature
    return frame_of(rpc_pb2.RPC(publish=[message]))


async def _send(pubsub: Any, frames: list[bytes]) -> None:
    import trio

    for peer, queue in list(pubsub.peer_queues.items()):
        for frame in frames:
            while len(queue) > WAITING_MAX and pubsub.peer_queues.get(peer) is queue:  # noqa: ASYNC110 - nobody tells of room
                await trio.sleep(PAUSE_S)
            queue.push_frame(frame)
    await trio.lowlevel.checkpoint()


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
