"""Which nodes the demo kills, and when. Decides only: it sees a job's events and names victims.

At `MEMBER_AT` of the delivered sub-blocks a member that hosts nothing dies, at `HOST_AT` the host of a room with three
members or more, as soon as there is one whose work is not all but done: a room that only waits for its host's last
sub-block has nobody left to take over, and its microjob is founded again instead. From `HOST_AT_LAST` on any such room
will do. Never the publisher: its death is another test's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from sgnus.frontends.sdk.views import HostChanged, PeerListChanged, Processed, ProcessingStarted

MEMBER_AT: Final = 0.25
HOST_AT: Final = 0.50
HOST_AT_LAST: Final = 0.80
MEMBERS_MIN: Final = 3
HOSTS_MAX: Final = 2


class Role(Enum):
    """What a victim was in its room."""

    MEMBER = "member"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Victim:
    """A peer to kill, in which room."""

    peer: str
    role: Role
    microjob: int
    instance: str
    members: int


@dataclass(slots=True)
class SeenRoom:
    """One instance as the publisher sees it."""

    microjob: int
    instance: str
    sub_blocks: int
    host: str = ""
    members: tuple[str, ...] = ()
    held: dict[int, None] = field(default_factory=dict)
    leased: dict[int, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether work is left in it."""
        return len(self.held) < self.sub_blocks

    @property
    def unleased(self) -> int:
        """Sub-blocks that nobody has begun: what keeps idle members here."""
        return self.sub_blocks - len(self.held.keys() | self.leased.keys())

    def busy(self) -> list[str]:
        """Who works on a sub-block now, in the order of the sub-blocks."""
        at_work = sorted((number, peer) for number, peer in self.leased.items() if number not in self.held)
        return list(dict.fromkeys(peer for _, peer in at_work))

    def has_successors(self) -> bool:
        """Whether enough members stay to elect another host, should this one die now: they have begun to work here
        (a newcomer on the list may not know yet that it was accepted), and have reason to stay.
        """
        others = [peer for peer in self.members if peer != self.host]
        settled = set(self.leased.values()).intersection(others)
        electors = settled if self.unleased else settled.intersection(self.busy())
        return len(electors) >= MEMBERS_MIN - 1 and 2 * len(electors) > len(others)


@dataclass(slots=True)
class Chaos:
    """Feed it events; ask it for the next victim after each."""

    publisher: str
    sub_blocks: int
    sub_blocks_per_room: int
    rooms: dict[str, SeenRoom] = field(default_factory=dict)
    victims: list[Victim] = field(default_factory=list)
    removed: dict[tuple[str, str], str] = field(default_factory=dict)
    takeovers: int = 0
    _seats: dict[str, str] = field(default_factory=dict)
    _held: dict[tuple[int, int], None] = field(default_factory=dict)

    @property
    def delivered(self) -> int:
        """Sub-blocks that the publisher holds."""
        return len(self._held)

    def see(self, event: object) -> None:
        """Take one event of the job into account."""
        if isinstance(event, HostChanged):
            room = self._room(event.microjob, event.instance)
            self.takeovers += bool(room.host) and room.host != event.host
            if room.host != event.host:
                self._seats[event.host] = event.instance
            room.host = event.host
        elif isinstance(event, PeerListChanged):
            room = self._room(event.microjob, event.instance)
            self._seats.update((peer, event.instance) for peer in event.members if peer not in room.members)
            room.members = event.members
            for removal in event.removals:
                self.removed.setdefault((event.instance, removal.peer), removal.reason)
        elif isinstance(event, ProcessingStarted):
            self._room(event.microjob, event.instance).leased[event.sub_block] = event.member
        elif isinstance(event, Processed) and event.held:
            self._held[event.microjob, event.sub_block] = None
            for room in self.rooms.values():
                if room.microjob == event.microjob:
                    room.held[event.sub_block] = None

    def next_victim(self, living: Collection[str]) -> Victim | None:
        """Whom to kill now, of the processes that live; None for nobody. The answer counts as killed."""
        victim = None
        if not self._killed(Role.MEMBER) and self._is_past(MEMBER_AT):
            victim = self._member(living)
        if victim is None and self._wants_host() and self._is_past(HOST_AT):
            victim = self._host(living)
        if victim is not None:
            self.victims.append(victim)
        return victim

    @property
    def removals(self) -> int:
        """Members that others removed; those that left by themselves are none."""
        return sum(reason != "left" for reason in self.removed.values())

    def _killed(self, role: Role) -> list[Victim]:
        return [victim for victim in self.victims if victim.role is role]

    def _wants_host(self) -> bool:
        """None died yet, or the room of the one that died ended with it."""
        hosts = self._killed(Role.HOST)
        is_wasted = not self.takeovers and len(hosts) < HOSTS_MAX
        return not hosts or (is_wasted and not self.rooms[hosts[-1].instance].is_open)

    def _is_past(self, share: float) -> bool:
        return self.delivered >= share * self.sub_blocks

    def _room(self, microjob: int, instance: str) -> SeenRoom:
        if instance not in self.rooms:
            before = microjob * self.sub_blocks_per_room
            size = min(self.sub_blocks_per_room, self.sub_blocks - before)
            room = self.rooms[instance] = SeenRoom(microjob, instance, size)
            room.held.update((number, None) for place, number in self._held if place == microjob)
        return self.rooms[instance]

    def _open_rooms(self) -> Iterable[SeenRoom]:
        """Rooms with work left, the one with the most of it first. A node sits in one room at a time: one whose host
        was seen elsewhere since was given up, as happens when a room is founded twice.
        """
        living = [room for name, room in self.rooms.items() if self._seats.get(room.host) == name]
        rooms = [room for room in living if room.is_open]
        return sorted(rooms, key=lambda room: len(room.held) - room.sub_blocks)

    def _member(self, living: Collection[str]) -> Victim | None:
        """At work, in the smallest room that has one: large rooms are wanted for the host's death."""
        rooms = list(self._open_rooms())
        hosts = [room.host for room in rooms]
        for room in sorted(rooms, key=lambda room: len(room.members)):
            for peer in room.busy():
                if peer in room.members and peer in living and peer not in (self.publisher, *hosts):
                    return Victim(peer, Role.MEMBER, room.microjob, room.instance, len(room.members))
        return None

    def _host(self, living: Collection[str]) -> Victim | None:
        for room in self._open_rooms():
            present = [peer for peer in room.members if peer in living]
            if room.host == self.publisher or room.host not in present or len(present) < MEMBERS_MIN:
                continue
            if room.has_successors() or self._is_past(HOST_AT_LAST):
                return Victim(room.host, Role.HOST, room.microjob, room.instance, len(present))
        return None
