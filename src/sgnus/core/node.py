"""A node's whole part in the grid: routes each input to the room, lobby, publication or outbox that it concerns.

Decides nothing about rooms itself; `seeking.py` decides which seat to look for. At most one room is worked in at a time.
One door in, effects out; the same inputs give the same effects, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sgnus.core import app_seats, departing, moving, room_table, rounds, seeking
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.admission import Standing
from sgnus.core.app_seats import AppClaim, AppSeat
from sgnus.core.asking import Pending
from sgnus.core.ballot import Votes
from sgnus.core.inputs import JobFacts
from sgnus.core.links import Links
from sgnus.core.lobby import Lobby, lose
from sgnus.core.node_table import ROUTES
from sgnus.core.outbox import Outbox
from sgnus.core.pen import Pen
from sgnus.core.publication import Publication
from sgnus.core.room import Phase, Room
from sgnus.core.round_list import Rounds
from sgnus.core.serving import Hosts, is_led_about, is_turned_out, shun
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import SignedEnvelope


@dataclass(slots=True)
class Own:
    """What this node is, and whom it knows by their records. `salt` differs with each start, so that no founding is ever named
    twice.
    """

    pen: Pen
    address: SignedEnvelope
    workers: int
    salt: int
    counter: int = 0
    refused: tuple[PeerId, ...] = ()
    """Who gets no seat here, whatever the job."""
    is_stopping: bool = False
    """Told to end: it takes no seat, and founds nothing."""
    standing: Standing = field(default_factory=Standing)
    votes: Votes = field(default_factory=Votes)

    def bans(self, facts: JobFacts) -> tuple[PeerId, ...]:
        """Whom we do not seat in this job: whom its publisher convicted, and whom we refuse everywhere."""
        return facts.banned + tuple(peer for peer in self.refused if peer not in facts.banned)

    def next_nonce(self) -> int:
        """Rises with every call, and differs between starts."""
        self.counter += 1
        return (self.salt << 20) + self.counter


@dataclass(slots=True)
class Search:
    """The search for a seat: what was asked for, when to look again, who else may be looking, which apps want us to host.
    `full`: how many rooms in a row were full when we asked; `ask_ms`: when the next may be asked. `unserved`: publishers that
    left a room of ours alone, and until when we take no seat in their jobs.
    """

    neighbours: tuple[PeerId, ...]
    pending: Pending | None = None
    seek_ms: int = 0
    full: int = 0
    ask_ms: int = 0
    claims: list[AppClaim] = field(default_factory=list)
    unserved: dict[PeerId, int] = field(default_factory=dict)
    hosts: Hosts = field(default_factory=Hosts)


@dataclass(slots=True)
class NodeCore:
    """State of one node."""

    own: Own
    search: Search
    links: Links
    outbox: Outbox = field(default_factory=Outbox)
    rounds: Rounds = field(default_factory=Rounds)
    jobs: dict[BlockId, Lobby] = field(default_factory=dict)
    publications: dict[BlockId, Publication] = field(default_factory=dict)
    room: Room | None = None
    app: AppSeat | None = None
    out: list[fx.Effect] = field(default_factory=list)

    @staticmethod
    def create(pen: Pen, address: SignedEnvelope, workers: int, salt: int) -> NodeCore:
        """A node that knows nothing yet."""
        return NodeCore(Own(pen, address, workers, salt), Search((pen.peer,)), Links(pen.peer))

    @property
    def pen(self) -> Pen:
        return self.own.pen

    @property
    def address(self) -> SignedEnvelope:
        """Our newest address record."""
        return self.own.address

    @address.setter
    def address(self, address: SignedEnvelope) -> None:
        self.own.address = address

    @property
    def neighbours(self) -> tuple[PeerId, ...]:
        """Peers of the network that we see, ourselves included."""
        return self.search.neighbours

    def handle(self, given: ins.Input, now_ms: int) -> list[fx.Effect]:
        """The one door. A PeerFault inside is the sender's: it becomes Blame, and nothing else of its message counts."""
        self._dispatch(given, now_ms)
        self._settle(now_ms)
        departing.go_when_due(self, now_ms)
        if self.room is not None and self.room.phase is Phase.CLOSED:
            self._forget_room(now_ms)
        app_seats.answer_claims(self, now_ms)
        seeking.seek(self, now_ms)
        self._settle(now_ms)
        self.out += self.outbox.due(now_ms)
        self.out += self.links.need(_needed(self), now_ms)
        effects, self.out = self.out, []
        return effects

    def wake_ms(self, now_ms: int) -> int | None:
        """When the next Tick is due, if nothing else happens before."""
        moments = [self.outbox.next_ms(), self.links.next_ms(), rounds.wake_ms(self, now_ms)]
        if self.room is not None:
            moments.append(room_table.wake_ms(self.room, now_ms))
        if seeking.is_seeking(self):
            moments.append(self.search.seek_ms)
        moments += [claim.until_ms for claim in self.search.claims]
        known = [moment for moment in moments if moment is not None]
        return max(now_ms + 1, min(known)) if known else None

    def hosts(self, instance: str, member: str = "") -> bool:
        """Whether we host that room, or (with `member`) any in which that peer sits."""
        room = self.room
        if room is None or room.phase is not Phase.HOST:
            return False
        return room.seat.instance == instance or member in room.roster.peers

    def abandon_room(self) -> list[fx.Effect]:
        """A bug of ours was met: our seat is given up, and what the failed input asked for is dropped."""
        room, self.room, self.out = self.room, None, []
        if room is None:
            return []
        room.out = []
        room.close("a bug was met here")
        return room.out

    def check(self) -> None:
        """Assert the invariants of every part. OurFault if one does not hold."""
        if self.room is not None:
            self.room.check()

    # ---- routing
    def _dispatch(self, given: ins.Input, now_ms: int) -> None:
        sender = getattr(given, "peer", self.pen.peer)
        try:
            handler = ROUTES[type(given)]
            handler(self, given, now_ms)
        except PeerFault as fault:
            self.out.append(fx.Blame(sender, str(fault)))

    def to_room(self, sender: PeerId, said: object, now_ms: int) -> None:
        """Let the room handle it; its deliveries go through the outbox."""
        if self.room is None:
            return
        try:
            effects = room_table.handle(self.room, sender, said, now_ms)
        except PeerFault as fault:
            effects, self.room.out = [*self.room.out, fx.Blame(sender, str(fault))], []
        for effect in effects:
            if isinstance(effect, fx.Deliver):
                self.outbox.add(effect)
            if isinstance(effect, fx.Open):
                self.out += self.links.open(effect.peer, effect.address, now_ms)
            else:
                self.out.append(effect)

    def to_publication(self, publication: Publication, door: Callable[..., None], *said: object) -> None:
        """Call one of a publication's doors and take its effects; a fault leaves nothing behind."""
        try:
            door(publication, *said)
            self.out += publication.out
        finally:
            publication.out = []

    def _settle(self, now_ms: int) -> None:
        """Deliver what we sent to ourselves, and end or move on a room that is complete, until nothing is left."""
        for _ in range(64):
            loops = [x for x in self.out if isinstance(x, fx.Send) and self.pen.peer in x.peers]
            if not loops:
                if not moving.move_on_if_complete(self, now_ms):
                    return
                continue
            self.out = [_without_me(x, self.pen.peer) for x in self.out]
            self.out = [x for x in self.out if not (isinstance(x, fx.Send) and not x.peers)]
            for sent in loops:
                self._dispatch(ins.PeerSaid(self.pen.peer, sent.message), now_ms)

    def _forget_room(self, now_ms: int) -> None:
        room, self.room = self.room, None
        self.search.seek_ms = 0
        if room is not None and room.seat.by_app:
            self.app = None
        lobby = self.jobs.get(room.seat.job) if room is not None else None
        if room is None or lobby is None:
            return
        if room.ballot.is_given_up:
            lose(lobby, room.host, room.seat.instance, now_ms)
        is_enough = len(room.roster.peers) >= room.seat.members_min  # Else another room has to verify it.
        if room.book.is_complete() and is_enough and not self.rounds.is_over(room.seat.instance):
            rounds.begin(self, room, now_ms)
            lobby.finish(room.seat.instance, room.seat.microjob)
            lobby.turn_from_ms = now_ms
            return
        if room.work.is_complete_elsewhere:
            rounds.keep_left(self, room)
        is_turned = room.work.is_removed and is_turned_out(self.search.hosts.removed, room.host, now_ms)
        is_led = room.work.going_ms is None and is_led_about(self.search.hosts.harvests, room, now_ms)
        if is_turned or is_led:
            shun(self.search, self.jobs.values(), room.host, now_ms)
            why = "took our seat too often" if is_turned else "lets nothing be done"
            room.tell(f"{room.host[-6:]} {why}")
            self.out += room.out
        if room.work.going_ms is None:
            lobby.listen(now_ms)


def _needed(node: NodeCore) -> list[PeerId]:
    """Whom we need a stream with."""
    needed = node.outbox.publishers() + node.rounds.peers()
    if node.room is not None:
        needed += node.room.others()
        for member in node.room.roster.list.members:
            node.links.learn(PeerId(member.peer), member.address)
    if node.search.pending is not None:
        needed.append(node.search.pending.host)
    for publication in node.publications.values():
        if publication.is_done:
            continue
        for shelf in publication.shelves.values():
            for observed in shelf.instances.values():
                if observed.learned is not observed.roster:
                    observed.learned = observed.roster
                    for member in observed.roster.list.members:
                        node.links.learn(PeerId(member.peer), member.address)
        needed += publication.observers_of()
        needed += [peer for one in publication.court.rounds.values() for peer in one.audience()]
    return needed


def _without_me(effect: fx.Effect, me: PeerId) -> fx.Effect:
    if isinstance(effect, fx.Send) and me in effect.peers:
        return fx.Send(tuple(peer for peer in effect.peers if peer != me), effect.message)
    return effect
