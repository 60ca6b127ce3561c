"""What a node knows of the rooms of one job, and which of them it should try.

Decides nothing about seats (hosts do). Forgets rooms that were not announced for long or did not answer, so that an
abandoned microjob is founded again. docs/protocol/room.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from sgnus.core.doubts import Doubts
from sgnus.core.finished import Finished
from sgnus.core.inputs import JobFacts, RoomHeard
from sgnus.core.pacing import stale_ms
from sgnus.core.patience import patience_ms
from sgnus.core.terms import Terms
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    ANNOUNCE_MS_MAX,
    ANNOUNCE_MS_MIN,
    CROWD_NEIGHBOURS_MIN,
    DEAD_ROOM_MS,
    FOUNDING_HEAD_START_MS,
    FOUNDING_SPREAD_MS,
    FOUNDING_SPREAD_MS_MAX,
    FOUNDING_STAGGER_MS,
    LOBBY_LISTEN_MS,
    LOTS_MAX,
    PEERS_PER_FOUNDER,
    RANK_MAX,
    REFUSED_MS,
    ROOM_STALE_MS,
    ROOMS_PER_JOB_MAX,
)
from sgnus.messages.v1.types import RoomAnnouncement

LOT_BYTES: Final = 3


@dataclass(slots=True)
class KnownRoom:
    """The last announcement of an instance, our lots for it, and since when its host is not worth asking."""

    host: PeerId
    announcement: RoomAnnouncement
    heard_ms: int
    lots: bytes = b""
    not_before_ms: int = 0

    @property
    def has_work(self) -> bool:
        return self.announcement.unleased > 0

    @property
    def lot(self) -> bytes:
        """The lowest of our lots: one for each sub-block that is open there."""
        count = max(1, min(LOTS_MAX, self.announcement.unleased))
        return min(self.lots[LOT_BYTES * n : LOT_BYTES * (n + 1)] for n in range(count))


@dataclass(slots=True)
class Lobby:
    """One job's rooms as this node knows them."""

    me: PeerId
    facts: JobFacts
    turn_from_ms: int
    entered_ms: int | None = None
    rooms: dict[InstanceId, KnownRoom] = field(default_factory=dict)
    ended: list[tuple[InstanceId, PeerId]] = field(default_factory=list)
    shunned: dict[PeerId, int] = field(default_factory=dict)
    doubts: Doubts = field(default_factory=Doubts)
    finished: Finished = field(default_factory=Finished)

    def hear(self, heard: RoomHeard, now_ms: int) -> None:
        """Keep the newest announcement of an instance. A host speaks for its own room alone, and has one."""
        said, host = heard.announcement, heard.host
        instance = InstanceId(said.instance)
        known = self.rooms.get(instance)
        if said.closing or (instance, host) in self.ended:
            self._end(instance, heard, now_ms)
            return
        if said.microjob >= self.facts.microjobs or (
            known is not None and _is_older(heard, known, now_ms - stale_ms(self.crowd))
        ):
            return
        if said.sequence:
            # Nobody has two seats: else one liar could occupy all microjobs.
            others = [name for name, room in self.rooms.items() if room.host == host and name != instance]
            for other in others:
                del self.rooms[other]
        if known is None:
            if len(self.rooms) >= ROOMS_PER_JOB_MAX:
                stalest = min(self.rooms, key=lambda known: self.rooms[known].heard_ms)
                del self.rooms[stalest]  # Else a flood of rooms that never were would hide those that are.
            self._postpone(host, now_ms)
        lots = known.lots if known is not None else _order(self.me, instance)
        self.rooms[instance] = KnownRoom(host, said, now_ms, lots)

    @property
    def crowd(self) -> int:
        """How many rooms speak here, as far as we know; no more than there are open microjobs, whoever makes up rooms."""
        return min(len(self.rooms), self.facts.microjobs - len(self.facts.taken))

    def _postpone(self, host: PeerId, now_ms: int) -> None:
        """Turns begin anew with a new room, but not with each of a host that opens one after the other: it would keep all
        others from founding.
        """
        postponed = self.doubts.postponed
        if now_ms < postponed.get(host, now_ms):
            return
        self.turn_from_ms = max(self.turn_from_ms, now_ms)
        postponed.pop(host, None)
        postponed[host] = now_ms + ANNOUNCE_MS_MAX
        if len(postponed) > ROOMS_PER_JOB_MAX:
            del postponed[next(iter(postponed))]

    def _end(self, instance: InstanceId, heard: RoomHeard, now_ms: int) -> None:
        """The host says that its room ended: nobody else can."""
        known, host, terms = self.rooms.get(instance), heard.host, self.facts.terms
        if known is not None and known.host == host:
            del self.rooms[instance]
            if terms is not None and known.announcement.microjob == heard.announcement.microjob:
                until_ms = now_ms + patience_ms(self.facts.deadline_ms)
                self.finished.hear(host, heard.announcement, terms.policy.min_members, until_ms)
        if (instance, host) not in self.ended:
            self.ended = [*self.ended[-255:], (instance, host)]

    def joinable(self, now_ms: int, *, with_work: bool) -> list[KnownRoom]:
        """Rooms to ask for a seat, in an order of our own, so that nodes spread. A room has as many of our lots as it has open
        sub-blocks, and the lowest lot goes first: of many nodes so many come first to each room as it has work for.
        """
        rooms = [
            known
            for known in self.living(now_ms)
            if known.announcement.seats > 0
            and known.not_before_ms <= now_ms
            and known.has_work is with_work
            and (not with_work or now_ms - known.heard_ms < ROOM_STALE_MS)
            and known.host != self.me
            and (
                known.announcement.delivered < known.announcement.sub_blocks
                or _waits_for_members(known, self.facts.terms)
            )
        ]
        return sorted(rooms, key=lambda known: (known.lot, known.announcement.instance))

    def room_of(self, microjob: int, now_ms: int) -> KnownRoom | None:
        """A living room of this microjob, the lower instance first."""
        rooms = [known for known in self.living(now_ms) if known.announcement.microjob == microjob]
        return min(rooms, key=lambda known: known.announcement.instance, default=None)

    def without_room(self, now_ms: int) -> list[int]:
        """Open microjobs in which nobody is at work, in an order of our own, so that founders seldom collide."""
        busy = {
            known.announcement.microjob
            for known in self.living(now_ms)
            if not is_stalled(self, known.host, known.announcement.microjob, now_ms)
        }
        busy.update(self.finished.under_way(now_ms))
        free = [n for n in range(self.facts.microjobs) if self.is_open(n) and n not in busy]
        return sorted(free[:256], key=lambda microjob: _order(self.facts.job, microjob, self.me))

    def is_open(self, microjob: int) -> bool:
        """Somebody still has to work on it."""
        return microjob not in self.facts.taken and microjob not in self.finished.own

    def founding_ms(self, neighbours: tuple[PeerId, ...]) -> int:
        """When it is our turn to found: the first at once, the others after time enough to hear of its room.

        The publisher comes last: it serves the data.

        Turns begin anew with a room that is heard of, and when our own seat ends: else all whose seat ended at
        once would found at once. In a crowd some of us are among the first, each at a moment of its own.
        """
        order = sorted(
            neighbours, key=lambda peer: (peer == self.facts.publisher, _order(self.facts.job, peer))
        )
        place = order.index(self.me) if self.me in order else 0
        spread_ms = self.spread_ms(neighbours)
        first = len(neighbours) // PEERS_PER_FOUNDER if spread_ms else 1
        if place >= first:
            wait_ms = FOUNDING_HEAD_START_MS + min(place - first + 1, RANK_MAX) * FOUNDING_STAGGER_MS
            return self.turn_from_ms + wait_ms
        if self.entered_ms is None or not spread_ms:
            return self.turn_from_ms
        return (
            self.entered_ms + int.from_bytes(_order(self.facts.job, self.me, "founds")[:4], "big") % spread_ms
        )

    def spread_ms(self, neighbours: tuple[PeerId, ...]) -> int:
        """In a crowd: how long rooms are founded before anybody asks for a seat. Else the first few would be asked by all, and
        many would be founded twice.
        """
        if self.entered_ms is None or len(neighbours) <= CROWD_NEIGHBOURS_MIN:
            return 0
        return min(FOUNDING_SPREAD_MS_MAX, FOUNDING_SPREAD_MS * self.facts.microjobs)

    def listen(self, now_ms: int) -> None:
        """Our room ended before its work did: rooms that live announce themselves before we found another."""
        self.turn_from_ms = now_ms + ANNOUNCE_MS_MIN + LOBBY_LISTEN_MS

    def refuse(self, instance: InstanceId, now_ms: int, *, dead: bool) -> None:
        """A host refused us, or did not answer (`dead`)."""
        known = self.rooms.get(instance)
        if known is not None:
            known.not_before_ms = now_ms + (DEAD_ROOM_MS if dead else REFUSED_MS)
            if dead:
                known.heard_ms = now_ms - stale_ms(self.crowd)

    def shun(self, host: PeerId, now_ms: int, *, has_ended: bool) -> None:
        """A host did not answer: none of its rooms counts for a while, whatever it announces. That its room had ended meanwhile
        excuses it once: else it could keep us busy, with one room after the other.
        """
        lately_ms = now_ms - DEAD_ROOM_MS
        self.shunned = {peer: until for peer, until in self.shunned.items() if until > lately_ms}
        is_excused = has_ended and host not in self.shunned
        until_ms = now_ms + (0 if is_excused else DEAD_ROOM_MS)
        self.shunned[host] = max(until_ms, self.shunned.get(host, 0))

    def finish(self, instance: InstanceId, microjob: int) -> None:
        """All of this microjob is held, as we know before TAKEN tells."""
        self.rooms.pop(instance, None)
        self.finished.own[microjob] = None

    def living(self, now_ms: int) -> list[KnownRoom]:
        """Rooms that were heard of lately, of microjobs that are still open, and whose hosts were not convicted."""
        fresh_ms = now_ms - stale_ms(self.crowd)
        return [
            known
            for known in self.rooms.values()
            if known.heard_ms > fresh_ms
            and self.is_open(known.announcement.microjob)
            and self.shunned.get(known.host, now_ms) <= now_ms
            and known.host not in self.facts.banned
        ]


def forget(lobby: Lobby, instance: InstanceId) -> None:
    """The publisher ended this room: whoever asked for a seat there would wait in vain, and take its host for gone."""
    known = lobby.rooms.pop(instance, None)
    if known is not None:
        lobby.ended = [*lobby.ended[-255:], (instance, known.host)]


def is_stalled(lobby: Lobby, host: PeerId, microjob: int, now_ms: int) -> bool:
    """Nothing has been done for long in this host's room of this microjob, by its own word. Apps take any time, and where many
    rooms speak, news does.
    """
    facts = lobby.facts
    is_of_apps = facts.processor.startswith("app:")
    said_ms = now_ms - (stale_ms(lobby.crowd) - ROOM_STALE_MS)
    return not is_of_apps and lobby.doubts.is_stalled(host, microjob, facts.deadline_ms, said_ms)


def lose(lobby: Lobby, host: PeerId, instance: InstanceId, now_ms: int) -> None:
    """A host is gone, as far as we hear: whatever it announced before, nobody is there to ask for a seat."""
    lobby.shun(host, now_ms, has_ended=instance not in lobby.rooms)
    lobby.refuse(instance, now_ms, dead=True)


def _waits_for_members(known: KnownRoom, terms: Terms | None) -> bool:
    """All its work is done, and too few are there to verify it."""
    return terms is not None and known.announcement.members < terms.policy.min_members


def _order(*names: object) -> bytes:
    """An order that everybody computes alike and nobody chooses."""
    return hashlib.sha256("/".join(map(str, names)).encode()).digest()


def _is_older(heard: RoomHeard, known: KnownRoom, fresh_ms: int) -> bool:
    """Known already, or of an epoch that is over, unless the host of the later one is gone (or never was)."""
    said, last = heard.announcement, known.announcement
    if heard.host == known.host:
        return (said.epoch, said.sequence) <= (last.epoch, last.sequence)
    is_gone = known.heard_ms <= fresh_ms
    return said.epoch < last.epoch and not (is_gone and said.sequence)
