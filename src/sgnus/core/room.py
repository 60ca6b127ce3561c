"""One seat in one instance of a room: its state, and what every part of the room's machine does with it.

States: MEMBER (works, watches the host), STANDING (asks for votes to host), HOST (seats, leases, removes), CLOSED.
All transitions stand in `room_table.py`; `seating.py`, `leasing.py`, `membership.py` and `election.py` hold the handlers.
A room never forges or alters a result, never counts one that the publisher does not hold, and never seats more than 11.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.core.admission import Door
from sgnus.core.ballot import Ballot
from sgnus.core.leases import LeaseBoard
from sgnus.core.pen import Pen
from sgnus.core.pulse import Pulse
from sgnus.core.records import RecordBook
from sgnus.core.roster import Roster
from sgnus.messages.errors import OurFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import ROOM_MEMBERS_MAX
from sgnus.messages.topics import room_topic
from sgnus.messages.v1.types import RemovalReason, SignedEnvelope


class Phase(enum.Enum):
    """What this peer is in the room."""

    MEMBER = "member"
    STANDING = "standing"
    HOST = "host"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Seat:
    """What does not change while we sit in a room."""

    pen: Pen
    job: BlockId
    microjob: int
    instance: InstanceId
    sub_blocks: int
    publisher: PeerId
    deadline_ms: int
    workers: int
    by_app: bool
    address: SignedEnvelope
    joined_ms: int
    members_min: int = 1

    @property
    def me(self) -> PeerId:
        return self.pen.peer


@dataclass(slots=True)
class Work:
    """What this member works on, and when it next speaks of itself. `going_ms`: when it last asked to be let go; `leaves_ms`:
    this node stops, and leaves by then; `is_complete_elsewhere`: our seat ended since all is held, as the host says, though
    we may not have heard it yet; `is_removed`: the host took our seat, and we had not asked it to.
    """

    running: list[int] = field(default_factory=list)
    processed: list[int] = field(default_factory=list)
    beat_ms: int = 0
    asked_ms: int = 0
    going_ms: int | None = None
    leaves_ms: int | None = None
    is_complete_elsewhere: bool = False
    is_removed: bool = False

    def free(self, workers: int) -> int:
        """Leases that it can take now: one a worker, and one beyond so that a worker need not wait."""
        if self.leaves_ms is not None:
            return 0
        return max(0, workers + 1 - len(self.running)) if workers else 0


@dataclass(slots=True)
class Voice:
    """What a host says of its room in the lobby, and when next (`pacing.py`). `was_open`: the lobby was told that there are seats
    and work; `rooms`: how many other microjobs of this job have one, as we hear.
    """

    next_ms: int = 0
    spoken_ms: int = 0
    sequence: int = 0
    has_news: bool = False
    was_open: bool = True
    rooms: int = 0


@dataclass(slots=True)
class Hosting:
    """What only the host needs: who may come in, announcements, the publisher's view, or since when it has said nothing, and
    since when nothing has been leased.
    """

    door: Door = field(default_factory=Door)
    voice: Voice = field(default_factory=Voice)
    has_view: bool = False
    silent_ms: int = 0
    preferred: str = ""
    grace_ms: int = 0
    paused_ms: int | None = None
    idle_ms: int | None = None


@dataclass(slots=True)
class Room:
    """The state of one seat. `out` collects the effects of the input that is being handled."""

    seat: Seat
    roster: Roster
    board: LeaseBoard
    phase: Phase = Phase.MEMBER
    pulse: Pulse = field(default_factory=Pulse)
    ballot: Ballot = field(default_factory=Ballot)
    work: Work = field(default_factory=Work)
    hosting: Hosting = field(default_factory=Hosting)
    is_publisher_here: bool = False
    out: list[fx.Effect] = field(default_factory=list)

    @property
    def book(self) -> RecordBook:
        return self.board.book

    @property
    def host(self) -> PeerId:
        return self.roster.host

    def is_host_gone(self, limit_ms: int, now_ms: int) -> bool:
        """Broken, silent for so long, or banned: who was convicted in this job hosts none of its rooms, however loud it is."""
        return self.host in self.board.banned or self.pulse.is_gone(self.host, limit_ms, now_ms)

    def others(self) -> tuple[PeerId, ...]:
        """All that follow this room but ourselves: members, and the publisher as observer."""
        peers = [peer for peer in self.roster.peers if peer != self.seat.me]
        if self.seat.publisher not in self.roster.peers and self.seat.publisher != self.seat.me:
            peers.append(self.seat.publisher)
        return tuple(peers)

    def audience(self) -> tuple[PeerId, ...]:
        """`others`, and ourselves when we publish the job: a publisher's own part hears its rooms, too."""
        here = (self.seat.me,) if self.seat.publisher == self.seat.me else ()
        return self.others() + here

    def say(self, message: Message, to: Iterable[PeerId] | None = None) -> None:
        """Send to these, or to all that follow the room."""
        peers = self.audience() if to is None else tuple(to)
        if peers:
            self.out.append(fx.Send(peers, message))

    def tell(self, line: str) -> None:
        """A line of the story."""
        self.out.append(fx.Told(self.seat.job, f"room {self.seat.microjob}/{self.seat.instance[:8]}: {line}"))

    def blame(self, peer: PeerId, reason: str) -> None:
        self.out.append(fx.Blame(peer, reason))

    def close(self, why: str) -> None:
        """This seat ends. Outputs that are not delivered yet stay with the node's outbox."""
        if self.phase is Phase.CLOSED:
            return
        for sub_block in list(self.work.running):
            self.stop(sub_block)
        self.phase = Phase.CLOSED
        self.tell(f"left: {why}")
        self.out.append(fx.RoomLeft(self.seat.job, self.seat.microjob, self.seat.instance, why))
        self.out.append(fx.Unsubscribe(room_topic(self.seat.job, self.seat.microjob)))

    def stop(self, sub_block: int) -> None:
        """Stop our own work on a sub-block."""
        if sub_block in self.work.running:
            self.work.running.remove(sub_block)
            self.out.append(fx.StopProcessing(self.seat.instance, sub_block))

    def adopt(self, roster: Roster, now_ms: int) -> None:
        """The current list is now this one."""
        changed = roster.host != self.roster.host or roster.epoch != self.roster.epoch
        before = self.roster.list.members
        self.roster = roster
        if self.phase is Phase.STANDING:
            self.phase = Phase.MEMBER  # Our votes stand on the list before; the next request names this one.
            self.ballot.votes = {}
        left = [x.peer for x in roster.list.removals if x.reason is RemovalReason.LEFT]
        for member in before:
            if roster.member(PeerId(member.peer)) is None:
                self.board.forget(PeerId(member.peer), delivers=member.peer in left)
        watched = tuple(peer for peer in roster.peers if peer != self.seat.me)
        self.pulse.watch((*watched, self.seat.publisher), now_ms)
        seat = self.seat
        if changed:
            self.out.append(fx.HostChanged(seat.job, seat.microjob, seat.instance, roster.epoch, roster.host))
        self.out.append(
            fx.PeersChanged(seat.job, seat.microjob, seat.instance, roster.peers, roster.list.removals)
        )

    def check(self) -> None:
        """Assert what must hold after every step. OurFault if it does not."""
        if self.phase is Phase.CLOSED:
            return
        peers = self.roster.peers
        if len(peers) > ROOM_MEMBERS_MAX or len(set(peers)) != len(peers):
            raise OurFault("a room holds more than 11 members, or one twice")
        if (self.phase is Phase.HOST) != (self.host == self.seat.me):
            raise OurFault("the host's phase and the list disagree")
        if self.seat.me not in peers:
            raise OurFault("a room goes on without our seat in it")
        if any(x.member not in peers and not x.processed for x in self.board.leases):
            raise OurFault("a lease is held by a peer without a seat")
        if any(self.book.is_held(x.sub_block) for x in self.board.leases):
            raise OurFault("a lease stands on a sub-block that is held")
