"""Everything that comes in from peers, checked and decoded before the core sees it.

Order of checks: size and budget (adapters), topic, signature, decode, core. What is malformed is counted and dropped.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sgnus.core import inputs as ins
from sgnus.core.pen import Pen
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    LEASE_REQUEST_MESSAGES,
    MALFORMED_MESSAGES,
    UNUSUAL_MESSAGES,
)
from sgnus.messages.topics import ADDRESS_TOPIC, DATABASE_TOPIC, lobby_topic, room_topic
from sgnus.messages.v1.types import (
    EntryBatch,
    GossipMessage,
    HeldNotice,
    JoinRequest,
    LeaseRequest,
    OnProcessed,
    OnSubBlockProcessingStarted,
    PeerMessage,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
)
from sgnus.ports import (
    GossipEvent,
    GossipReceived,
    NeighbourConnected,
    NeighbourLost,
    PeerConnected,
    PeerEvent,
    PeerLost,
    PeerSent,
)
from sgnus.runtime.intakes import GossipedEntries
from sgnus.wire.codec import decode, encode

if TYPE_CHECKING:
    from sgnus.runtime.acquaintance import Acquaintance
    from sgnus.runtime.addresses import AddressBook
    from sgnus.runtime.drivers import Drivers
    from sgnus.runtime.engine import Engine
    from sgnus.runtime.inquiries import Inquiries
    from sgnus.runtime.job_watch import JobWatch
    from sgnus.runtime.work import Hands

LOG: Final = logging.getLogger("sgnus.hearing")
ENTRIES_AT_ONCE_MAX: Final = 64
COSTS: Final[Mapping[type, int]] = {
    OnSubBlockProcessingStarted: 1,
    OnProcessed: 1,
    HeldNotice: 1,
    LeaseRequest: LEASE_REQUEST_MESSAGES,
}
"""What a message on the stream of a pair counts as. As many come as there are sub-blocks only of those that tell of one."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """The parts that hearing feeds."""

    engine: Engine
    addresses: AddressBook
    acquaintance: Acquaintance
    drivers: Drivers
    watch: JobWatch
    hands: Hands
    inquiries: Inquiries


class Hearing:
    """Turns the adapters' events into inputs. `connect` closes the circle of parts before anything starts."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self.faults: Counter[str] = Counter()
        self._receiving_entries = 0
        self.entries = GossipedEntries()

    def connect(self, feeds: Feeds) -> None:
        """Give the parts that hearing feeds."""
        self._feeds = feeds

    # ---- gossip
    def gossip_event(self, event: GossipEvent) -> bool:
        """The gossip adapter's door."""
        if isinstance(event, GossipReceived):
            try:
                self._gossiped(event)
            except PeerFault as fault:
                self.blame(event.author, str(fault))
            return True
        if isinstance(event, NeighbourConnected) and self._feeds.addresses.own is not None:
            self._feeds.acquaintance.tell(self._feeds.addresses.own)
        if isinstance(event, NeighbourLost):
            known = self._feeds.addresses.of(event.peer)
            if known is not None:
                self._feeds.acquaintance.meet(known[0])
        neighbours = tuple(sorted({*self._feeds.drivers.gossip.neighbours(), self._pen.peer}))
        return self._feeds.engine.put(ins.NeighboursChanged(neighbours))

    def publish(self, topic: str, message: GossipMessage) -> None:
        self._feeds.drivers.gossip.publish(topic, encode(message))

    def publish_entries(self, payload: bytes) -> None:
        """Entries of the database, encoded already."""
        self._feeds.drivers.gossip.publish(DATABASE_TOPIC, payload)

    def _gossiped(self, event: GossipReceived) -> None:
        message = decode(GossipMessage, event.payload).body
        if isinstance(message, EntryBatch):
            if event.topic != DATABASE_TOPIC:
                raise PeerFault("entries on a topic that is not the database's")
            self._take_entries(message, event)
            return
        if event.topic == ADDRESS_TOPIC:
            self._feeds.addresses.learn(message)
        elif message.kind is SignedKind.ANNOUNCEMENT:
            self._announced(event.topic, message)
        elif message.kind is SignedKind.JOIN:
            self._asked(event.topic, message)
        else:
            raise PeerFault(f"{message.kind.name} does not travel by gossip")

    def _take_entries(self, batch: EntryBatch, event: GossipReceived) -> None:
        database, author = self._feeds.drivers.database, event.author
        unseen = database.unseen(batch.entries)
        is_near = self._feeds.drivers.is_near(author)
        paid = 0
        if self._receiving_entries < ENTRIES_AT_ONCE_MAX:
            paid = self.entries.afford(len(unseen), author, event.neighbour, is_near=is_near)
        if paid < len(unseen):
            self.faults["entries left to reconciliation"] += 1
        if not paid:
            return
        self._receiving_entries += 1

        async def receive() -> None:
            try:
                intake = await database.receive(unseen[:paid], author)
                for reason in intake.blamed:
                    self.blame(author, reason)
            finally:
                self._receiving_entries -= 1

        self._feeds.hands.spawn(receive())

    def _announced(self, topic: str, envelope: SignedEnvelope) -> None:
        said = self._pen.open(envelope, SignedKind.ANNOUNCEMENT, RoomAnnouncement)
        if topic != lobby_topic(BlockId(said.job)):
            raise PeerFault("an announcement in another job's lobby")
        if said.address.author != envelope.author:
            raise PeerFault("an announcement with another peer's address")
        self._feeds.addresses.try_learn(said.address)
        self._feeds.engine.put(ins.RoomHeard(PeerId(envelope.author), said))

    def _asked(self, topic: str, envelope: SignedEnvelope) -> None:
        request = self._pen.open(envelope, SignedKind.JOIN, JoinRequest)
        if topic != room_topic(BlockId(request.job), request.microjob):
            raise PeerFault("a join request on another room's topic")
        if request.address.author != envelope.author:
            raise PeerFault("a join request with another peer's address")
        self._feeds.addresses.try_learn(request.address)
        if self._feeds.engine.core.hosts(request.instance):
            self._feeds.inquiries.asked(PeerId(envelope.author))
        self._feeds.engine.put(ins.SeatAsked(PeerId(envelope.author), request, envelope))

    # ---- peers
    def peer_event(self, event: PeerEvent) -> bool:
        """The peer adapter's door."""
        if isinstance(event, PeerSent):
            charge = self._feeds.drivers.charge
            try:
                message = decode(PeerMessage, event.payload).body
            except PeerFault as fault:
                charge(event.peer, MALFORMED_MESSAGES)
                self.blame(event.peer, str(fault))
                return True
            charge(event.peer, COSTS.get(type(message), UNUSUAL_MESSAGES) - 1)
            return self._feeds.engine.put(ins.PeerSaid(event.peer, message))
        if isinstance(event, PeerConnected):
            return self._feeds.engine.put(ins.PeerConnected(event.peer))
        if isinstance(event, PeerLost):
            return self._feeds.engine.put(ins.PeerLost(event.peer))
        self.blame(event.peer, event.reason)
        return True

    def admit(self, envelope: SignedEnvelope) -> None:
        """An address that the core needs: known to us, and to the peer adapter."""
        self._feeds.addresses.try_learn(envelope)

    # ---- the database
    def job_changed(self, job: BlockId) -> None:
        """The database's door."""
        self._feeds.watch.changed(job)

    def blame(self, peer: PeerId, reason: str) -> None:
        """Count what a peer did wrong."""
        self.faults["messages refused"] += 1
        LOG.info("%s: %s", peer, reason, extra={"peer": peer})
