"""Asking a room's host for a seat, on the room's topic: one seat at a time.

A request goes by gossip, where it is lost if the host's subscription has not spread yet. A pool tries the next room then;
an app wants this very room, so its request is made a second time after half of the wait.
"""

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
    RoomAnnouncement,
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
    epoch: int
    nonces: tuple[int, ...]
    again_ms: int | None
    until_ms: int

    @property
    def next_ms(self) -> int:
        """When there is something to do about it, unless it is answered before."""
        return self.until_ms if self.again_ms is None else min(self.again_ms, self.until_ms)


def ask(node: NodeCore, lobby: Lobby, known: KnownRoom, now_ms: int) -> None:
    """Ask a room's host for a seat, on the room's topic."""
    said = known.announcement
    until_ms = now_ms + JOIN_ANSWER_MS_MAX
    again_ms = None if node.app is None else now_ms + JOIN_ANSWER_MS_MAX // 2
    job, instance = lobby.facts.job, InstanceId(said.instance)
    node.search.pending = Pending(
        job, said.microjob, instance, known.host, said.epoch, (), again_ms, until_ms
    )
    node.out += node.links.open(known.host, said.address, now_ms)
    _request(node, node.search.pending, said)


def ask_again(node: NodeCore, pending: Pending, now_ms: int) -> None:
    """The second request for the same seat, if it is time for it; the host answers whichever it hears, or both."""
    if pending.again_ms is None or now_ms < pending.again_ms:
        return
    pending.again_ms = None
    lobby = node.jobs.get(pending.job)
    known = lobby.rooms.get(pending.instance) if lobby is not None else None
    if known is not None:
        _request(node, pending, known.announcement)


def is_known(node: NodeCore, pending: Pending) -> bool:
    """As far as we know there still is such a room. If not, an answer may be on its way, but its host owes none."""
    lobby = node.jobs.get(pending.job)
    return lobby is not None and pending.instance in lobby.rooms


def _request(node: NodeCore, pending: Pending, said: RoomAnnouncement) -> None:
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
    pending.nonces += (request.nonce,)
    node.search.seek_ms = pending.next_ms
    envelope = node.pen.sign(SignedKind.JOIN, request)
    topic = room_topic(pending.job, pending.microjob)
    node.out.append(fx.Gossip(topic, GossipMessage(body=envelope)))
