"""Rooms for tests: peers with cheap pens, signed lists, seats."""

from __future__ import annotations

from sgnus.core import roster as rosters
from sgnus.core.leases import LeaseBoard, Pace
from sgnus.core.records import RecordBook
from sgnus.core.room import Phase, Room, Seat
from sgnus.core.roster import Roster
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import Held, JoinRequest, Member, SignedEnvelope, SignedKind
from sgnus.sim.pens import CheapPen, address_of

JOB = BlockId("job")
PUBLISHER = PeerId("publisher")


def pen(name: str) -> CheapPen:
    return CheapPen(PeerId(name))


def member(name: str, founder: str = "") -> Member:
    """A seat, with the signed request that everybody but the founder needs."""
    own = pen(name)
    request = JoinRequest(
        job=JOB, microjob=0, instance="", epoch=1, workers=1, address=address_of(own), nonce=1
    )
    join = None if name == founder else own.sign(SignedKind.JOIN, request)
    return Member(peer=name, workers=1, address=address_of(own), join=join)


def roster(*names: str) -> Roster:
    """The first list of a room that the first of these founded."""
    seats = tuple(member(name, founder=names[0]) for name in names)
    return rosters.found(pen(names[0]), JOB, 0, 7, seats)


def room(me: str, *names: str, sub_blocks: int = 3) -> Room:
    """The seat of `me` in the room of these, heard at 0 ms; work was given to nobody yet."""
    listed = roster(*names)
    seat = Seat(
        pen=pen(me),
        job=JOB,
        microjob=0,
        instance=listed.instance,
        sub_blocks=sub_blocks,
        publisher=PUBLISHER,
        deadline_ms=60_000,
        workers=1,
        by_app=False,
        address=address_of(pen(me)),
        joined_ms=0,
    )
    made = Room(seat, listed, LeaseBoard(RecordBook(sub_blocks), Pace(60_000)), is_publisher_here=True)
    made.phase = Phase.HOST if me == names[0] else Phase.MEMBER
    made.work.beat_ms = made.work.asked_ms = made.hosting.voice.next_ms = 10**9
    made.hosting.has_view = True
    made.adopt(listed, 0)
    made.out = []
    return made


def held(instance: str, sub_block: int, author: str = PUBLISHER) -> SignedEnvelope:
    word = Held(job=JOB, microjob=0, instance=instance, sub_block=sub_block, member="b", root=b"r" * 32)
    return pen(author).sign(SignedKind.HELD, word)
