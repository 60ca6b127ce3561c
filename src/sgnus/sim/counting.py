"""Steps that count: what each peer hears, asks and is told, and what reaches the lobby and the database."""

from __future__ import annotations

from collections import Counter

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    EntryKind,
    JoinAnswer,
    JoinReason,
    RoomAnnouncement,
    RoomBody,
    SignedEnvelope,
    SignedKind,
)
from sgnus.sim.peer import Peer, Process
from sgnus.sim.steps import Steps
from sgnus.wire.codec import encode

SEEN_FIRST = 2
"""A room that is founded says so, and once more soon after: gossip may lose the one."""


class CountingSteps(Steps):
    """`heard` is by peer; `published` and `bytes` are of all together."""

    heard: dict[PeerId, Counter[str]]
    published: Counter[str]
    bytes: Counter[str]
    founded: Counter[int]
    founded_ms: dict[int, int]
    seats: Counter[PeerId]
    seated_ms: dict[PeerId, int]

    def begin_counting(self) -> None:
        """Before anything happens."""
        self.heard = {name: Counter() for name in self._peers}
        self.published, self.bytes, self.founded = Counter(), Counter(), Counter()
        self.founded_ms, self.seats, self.seated_ms = {}, Counter(), {}

    def total(self) -> Counter[str]:
        """What all peers heard."""
        return sum(self.heard.values(), Counter())

    def give(self, peer: Peer, given: ins.Input) -> None:
        """One step, counted."""
        heard = self.heard[peer.name]
        heard["inputs"] += 1
        kind = _kind_of(peer, given)
        if kind:
            heard[kind] += 1
        super().give(peer, given)

    def _perform(self, peer: Peer, process: Process, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Gossip):
            self._count_gossip(effect)
        elif isinstance(effect, fx.PublishEntry):
            self.published["entry"] += 1
            if effect.kind is EntryKind.ROOM and isinstance(effect.body, RoomBody):
                self.founded[effect.body.microjob] += 1
                self.founded_ms.setdefault(effect.body.microjob, self._agenda.now_ms)
        elif isinstance(effect, fx.HostChanged) and self._is_new(peer):
            self._count_seat(peer)
        super()._perform(peer, process, effect)

    def _count_gossip(self, effect: fx.Gossip) -> None:
        body = effect.message.body
        is_news = isinstance(body, SignedEnvelope) and body.kind is SignedKind.ANNOUNCEMENT
        kind = "announcement" if is_news else "request"
        self.published[kind] += 1
        self.bytes[kind] += len(encode(effect.message))

    def _is_new(self, peer: Peer) -> bool:
        """It sat down in this very step."""
        room = peer.core.room if peer.core is not None else None
        return room is not None and room.seat.joined_ms == peer.clock.says(self._agenda.now_ms)

    def _count_seat(self, peer: Peer) -> None:
        self.seats[peer.name] += 1
        self.seated_ms.setdefault(peer.name, self._agenda.now_ms)


def _kind_of(peer: Peer, given: ins.Input) -> str:
    """What it costs a peer: `birth`, `end` and `news` of others' rooms, `own`, `claim`, `rejected`, `stranger`."""
    room = peer.core.room if peer.core is not None else None
    if isinstance(given, ins.RoomHeard):
        said = given.announcement
        is_own = said.sequence > 0 and room is not None and room.seat.microjob == said.microjob
        return "own" if is_own else _kind_of_word(said)
    if not isinstance(given, ins.PeerSaid):
        return ""
    if isinstance(given.message, JoinAnswer):
        return "accepted" if given.message.reason is JoinReason.ACCEPTED else "rejected"
    return "" if _is_expected(peer, given.peer) else "stranger"


def _is_expected(peer: Peer, sender: PeerId) -> bool:
    """It is of our room, or of one whose verification still concerns us; a publisher's rooms are all its own."""
    core = peer.core
    if core is None or core.publications or sender in core.rounds.peers():
        return True
    return core.room is not None and sender in (*core.room.roster.peers, core.room.seat.publisher)


def _kind_of_word(said: RoomAnnouncement) -> str:
    if said.sequence == 0:
        return "claim"
    if said.closing:
        return "end"
    return "birth" if said.sequence <= SEEN_FIRST else "news"
