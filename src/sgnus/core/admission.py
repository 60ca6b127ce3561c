"""Who gets a seat where not all can: peers whose work was proven before go first, and a share stays open to strangers.

A record is the number of microjobs in which a peer worked or verified and whose receipt a SGNUS node settled, or this node
checked itself as their publisher. Records decide about seats alone, never about who is drawn, how many samples are run or
what is audited: many cheap rooms must not buy one false result. Seats are held back for a while only, and only
as far as there are peers to hold them for, so that a network of strangers works as any other. docs/protocol/room.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sgnus.core.inputs import SeatAsked
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import KNOWN_ROOMS_MIN, ROOM_MEMBERS_MAX, SEATS_HELD_MS, STRANGER_SEATS


@dataclass(frozen=True, slots=True)
class Standing:
    """Whom this node knows by their records: valid rooms by peer."""

    records: Mapping[PeerId, int] = field(default_factory=dict)

    def is_known(self, peer: PeerId) -> bool:
        """Whether it has a record."""
        return self.records.get(peer, 0) >= KNOWN_ROOMS_MIN

    def known(self) -> int:
        """How many have one."""
        return sum(rooms >= KNOWN_ROOMS_MIN for rooms in self.records.values())

    def stranger_seats(self) -> int:
        """How many seats of a room strangers may have while seats are held back."""
        return max(STRANGER_SEATS, ROOM_MEMBERS_MAX - self.known())


@dataclass(slots=True)
class Door:
    """What a host decides seats by: who asks and when they are seated, who was struck out of the room, whom it knows."""

    standing: Standing = field(default_factory=Standing)
    pending: list[SeatAsked] = field(default_factory=list)
    seat_ms: int | None = None
    struck: list[PeerId] = field(default_factory=list)


def admitted(
    standing: Standing, host: PeerId, members: Sequence[PeerId], waiting: Sequence[PeerId], age_ms: int
) -> list[PeerId]:
    """Who of those that wait is seated now, in the order of their asking: known peers before strangers, and strangers up to
    their share until the room is `SEATS_HELD_MS` old. `members` have seats, the host among them.
    """
    free = max(0, ROOM_MEMBERS_MAX - len(members))
    known = [peer for peer in waiting if standing.is_known(peer)][:free]
    strangers = [peer for peer in waiting if not standing.is_known(peer)]
    room_for = free - len(known)
    if age_ms < SEATS_HELD_MS:
        seated = sum(peer != host and not standing.is_known(peer) for peer in members)
        room_for = min(room_for, max(0, standing.stranger_seats() - seated))
    chosen = dict.fromkeys([*known, *strangers[:room_for]])
    return [peer for peer in waiting if peer in chosen]
