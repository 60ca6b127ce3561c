"""Asking a room's host for a seat, on the room's topic: one request at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgnus.core import effects as fx
from sgnus.core.lobby import KnownRoom, Lobby
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    JOIN_ANSWER_MS_MAX,
    WORKERS_MAX,
)
from sgnus.messages.topics import room_topic
from sgnus.messages.v1.types import (
    GossipMessage,
    JoinRequest,
    SignedKind,
)

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore


@dataclass(slots=True)
class Pending:
    """A seat that was asked for and not answered yet."""

    job: BlockId
    microjob: int
    instance: InstanceId
    host: PeerId
    nonce: int
    until_ms: int


def ask(node: NodeCore, lobby: Lobby, known: KnownRoom, now_ms: int) -> None:
    """Ask a room's host for a seat, on the room's topic."""
    said = known.announcement
    request = JoinRequest(
        job=said.job,
        microjob=said.microjob,
        instance=said.instance,
        epoch=said.epoch,
        workers=min(WORKERS_MAX, max(1, node.own.workers)),
        address=node.address,
        nonce=node.own.next_nonce(),
        vrf_key=node.pen.vrf_key,
    )
    until_ms = now_ms + JOIN_ANSWER_MS_MAX
    instance = InstanceId(said.instance)
    node.search.pending = Pending(
        lobby.facts.job, said.microjob, instance, known.host, request.nonce, until_ms
    )
    node.search.seek_ms = until_ms
    node.out += node.links.open(known.host, said.address, now_ms)
    envelope = node.pen.sign(SignedKind.JOIN, request)
    topic = room_topic(lobby.facts.job, said.microjob)
    node.out.append(fx.Gossip(topic, GossipMessage(body=envelope)))
