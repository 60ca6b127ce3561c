"""What a node knows of the rooms of one job, and which of them it should try.

Decides nothing about seats (hosts do). Forgets rooms that were not announced for long or did not answer, so that an
abandoned microjob is founded again. docs/protocol/room.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sgnus.core.finished import Finished
from sgnus.core.inputs import JobFacts, RoomHeard
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    ANNOUNCE_MS_MAX,
    ANNOUNCE_MS_MIN,
    DEAD_ROOM_MS,
    FOUNDING_HEAD_START_MS,
    FOUNDING_STAGGER_MS,
    LOBBY_LISTEN_MS,
    RANK_MAX,
    REFUSED_MS,
    ROOM_STALE_MS,
    ROOMS_PER_JOB_MAX,
)
from sgnus.messages.v1.types import RoomAnnouncement


@dataclass(slots=True)
class KnownRoom:
    """The last announcement of an instance, and since when its host is not worth asking."""

    host: PeerId
    announcement: RoomAnnouncement
    heard_ms: int
    not_before_ms: int = 0

    @property
    def has_work(self) -> bool:
        return self.announcement.unleased > 0


@dataclass(slots=True)
class Lobby:
    """One job's rooms as this node knows them."""

    me: PeerId
    facts: JobFacts
    turn_from_ms: int
    rooms: dict[InstanceId, KnownRoom] = field(default_factory=dict)
    ended: list[tuple[InstanceId, PeerId]] = field(default_factory=list)
    postponed: dict[PeerId, int] = field(default_factory=dict)
    shunned: dict[PeerId, int] = field(default_factory=dict)
    yielded: dict[PeerId, int] = field(default_factory=dict)
    finished: Finished = field(default_factory=Finished)

    def hear(self, heard: RoomHeard, now_ms: int) -> None:
        """Keep the newest announcement of an instance. A host speaks for its own room alone, and has one."""
        said, host = heard.announcement, heard.host
        instance = InstanceId(said.instance)
        known = self.rooms.get(instance)
        if said.closing or (instance, host) in self.ended:
            self._end(instance, heard, now_ms)
            return
        if said.microjob >= self.facts.microjobs or (known is not None and _is_older(heard, known, now_ms)):
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
        self.rooms[instance] = KnownRoom(host, said, now_ms)

    def _postpone(self, host: PeerId, now_ms: int) -> None:
        """Turns begin anew with a new room, but not with each of a host that opens one after the other: it would keep all
        others from founding.
        """
        if now_ms < self.postponed.get(host, now_ms):
            return
        self.turn_from_ms = max(self.turn_from_ms, now_ms)
        self.postponed.pop(host, None)
        self.postponed[host] = now_ms + ANNOUNCE_MS_MAX
        if len(self.postponed) > ROOMS_PER_JOB_MAX:
            del self.postponed[next(iter(self.postponed))]

    def _end(self, instance: InstanceId, heard: RoomHeard, now_ms: int) -> None:
        """The host says that its room ended: nobody else can."""
        known, host, terms = self.rooms.get(instance), heard.host, self.facts.terms
        if known is not None and known.host == host:
            del self.rooms[instance]
            if terms is not None and known.announcement.microjob == heard.announcement.microjob:
                self.finished.hear(host, heard.announcement, terms.policy.min_members, now_ms)
        if (instance, host) not in self.ended:
            self.ended = [*self.ended[-255:], (instance, host)]

    def joinable(self, now_ms: int, *, with_work: bool) -> list[KnownRoom]:
        """Rooms to ask for a seat: most open work first; equal ones in an order of our own, so that nodes spread."""
        rooms = [
            known
            for known in self.living(now_ms)
            if known.announcement.seats > 0
            and known.not_before_ms <= now_ms
            and known.has_work is with_work
            and known.host != self.me
            and (
                known.announcement.delivered < known.announcement.sub_blocks or self._waits_for_members(known)
            )
        ]
        return sorted(
            rooms,
            key=lambda known: (-known.announcement.unleased, _order(self.me, known.announcement.instance)),
        )

    def _waits_for_members(self, known: KnownRoom) -> bool:
        """All its work is done, and too few are there to verify it."""
        terms = self.facts.terms
        return terms is not None and known.announcement.members < terms.policy.min_members

    def room_of(self, microjob: int, now_ms: int) -> KnownRoom | None:
        """A living room of this microjob, the lower instance first."""
        rooms = [known for known in self.living(now_ms) if known.announcement.microjob == microjob]
        return min(rooms, key=lambda known: known.announcement.instance, default=None)

    def without_room(self, now_ms: int) -> list[int]:
        """Open microjobs in which nobody is at work, in an order of our own, so that founders seldom collide."""
        busy = {known.announcement.microjob for known in self.living(now_ms)}
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
        once would found at once.
        """
        order = sorted(
            neighbours, key=lambda peer: (peer == self.facts.publisher, _order(self.facts.job, peer))
        )
        place = order.index(self.me) if self.me in order else 0
        if place == 0:
            return self.turn_from_ms
        return self.turn_from_ms + FOUNDING_HEAD_START_MS + min(place, RANK_MAX) * FOUNDING_STAGGER_MS

    def listen(self, now_ms: int) -> None:
        """Our room ended before its work did: rooms that live announce themselves before we found another."""
        self.turn_from_ms = now_ms + ANNOUNCE_MS_MIN + LOBBY_LISTEN_MS

    def refuse(self, instance: InstanceId, now_ms: int, *, dead: bool) -> None:
        """A host refused us, or did not answer (`dead`)."""
        known = self.rooms.get(instance)
        if known is not None:
            known.not_before_ms = now_ms + (DEAD_ROOM_MS if dead else REFUSED_MS)
            if dead:
                known.heard_ms = now_ms - ROOM_STALE_MS

    def shun(self, host: PeerId, now_ms: int) -> None:
        """A host did not answer: none of its rooms counts for a while, whatever it announces."""
        self.shunned = {peer: until for peer, until in self.shunned.items() if until > now_ms}
        self.shunned[host] = now_ms + DEAD_ROOM_MS

    def finish(self, instance: InstanceId, microjob: int) -> None:
        """All of this microjob is held, as we know before TAKEN tells."""
        self.rooms.pop(instance, None)
        self.finished.own[microjob] = None

    def living(self, now_ms: int) -> list[KnownRoom]:
        """Rooms that were heard of lately, of microjobs that are still open, and whose hosts were not convicted."""
        return [
            known
            for known in self.rooms.values()
            if now_ms - known.heard_ms < ROOM_STALE_MS
            and self.is_open(known.announcement.microjob)
            and self.shunned.get(known.host, now_ms) <= now_ms
            and known.host not in self.facts.banned
        ]


def _order(*names: object) -> bytes:
    """An order that everybody computes alike and nobody chooses."""
    return hashlib.sha256("/".join(map(str, names)).encode()).digest()


def _is_older(heard: RoomHeard, known: KnownRoom, now_ms: int) -> bool:
    """Known already, or of an epoch that is over, unless the host of the later one is gone (or never was)."""
    said, last = heard.announcement, known.announcement
    if heard.host == known.host:
        return (said.epoch, said.sequence) <= (last.epoch, last.sequence)
    is_gone = now_ms - known.heard_ms >= ROOM_STALE_MS
    return said.epoch < last.epoch and not (is_gone and said.sequence)
