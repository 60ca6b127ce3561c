"""The signed member list of a room: who founded, who hosts, who sits.

Decides whether a list is well formed; never whether its host had the right to make it (`election.py` does that).
docs/protocol/room.md. Each list names the one before it, so that two lists in one sequence are proof of equivocation.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from sgnus.core.pen import Pen
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    DIGEST_BYTES,
    EPOCH_MAX,
    JOIN_BYTES_MAX,
    LIST_BYTES_MAX,
    ROOM_MEMBERS_MAX,
    SEQUENCE_MAX,
)
from sgnus.messages.v1.types import (
    JoinRequest,
    Member,
    MemberList,
    Removal,
    SignedEnvelope,
    SignedKind,
)

BENCH_NONCE: Final = 0
"""Of the room that a publisher works in by itself: founded by it, and nobody sits there. A real one has a higher nonce."""


def instance_id(job: BlockId, microjob: int, founder: PeerId, nonce: int) -> InstanceId:
    """The name of one founding: sha256 over its four parts, each preceded by its length, in hex."""
    state = hashlib.sha256()
    for part in (job, str(microjob), founder, str(nonce)):
        raw = part.encode()
        state.update(len(raw).to_bytes(4, "big") + raw)
    return InstanceId(state.hexdigest())


def bench(job: BlockId, microjob: int, publisher: PeerId) -> InstanceId:
    """Where a publisher runs sub-blocks itself, and judges what it runs again. Each microjob of each job has its own: an opening
    names instance and sub-block alone, and must not be taken for that of another microjob.
    """
    return instance_id(job, microjob, publisher, BENCH_NONCE)


def rank(instance: InstanceId, epoch: int, peer: PeerId) -> bytes:
    """Orders claims to host; the lowest goes first, and wins between two claims of one epoch."""
    return hashlib.sha256(f"{instance}/{epoch}/{peer}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Roster:
    """A checked member list with its signature. `host` is its author."""

    list: MemberList
    envelope: SignedEnvelope
    digest: bytes
    host: PeerId
    peers: tuple[PeerId, ...] = field(init=False, compare=False)
    """All who have a seat, in order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "peers", tuple(PeerId(member.peer) for member in self.list.members))

    @property
    def instance(self) -> InstanceId:
        return InstanceId(self.list.instance)

    @property
    def epoch(self) -> int:
        return self.list.epoch

    @property
    def sequence(self) -> int:
        return self.list.sequence

    def member(self, peer: PeerId) -> Member | None:
        """The seat of `peer`, if it has one."""
        return next((member for member in self.list.members if member.peer == peer), None)

    def standing(self) -> tuple[int, bytes]:
        """Greater wins: a higher epoch, then the lower rank of its host."""
        inverted = bytes(255 - octet for octet in rank(self.instance, self.epoch, self.host))
        return self.epoch, inverted


def found(pen: Pen, job: BlockId, microjob: int, nonce: int, members: tuple[Member, ...]) -> Roster:
    """The first list of a new instance, with this peer as founder and host."""
    first = MemberList(
        job=job,
        microjob=microjob,
        instance=instance_id(job, microjob, pen.peer, nonce),
        founder=pen.peer,
        nonce=nonce,
        epoch=1,
        sequence=1,
        previous=b"",
        members=members,
        removals=(),
    )
    return _signed(pen, first)


def successor(
    pen: Pen, before: Roster, members: tuple[Member, ...], removals: tuple[Removal, ...], epoch: int
) -> Roster:
    """The list after `before`, signed by this peer as host of `epoch`."""
    following = MemberList(
        job=before.list.job,
        microjob=before.list.microjob,
        instance=before.list.instance,
        founder=before.list.founder,
        nonce=before.list.nonce,
        epoch=epoch,
        sequence=before.sequence + 1,
        previous=before.digest,
        members=members,
        removals=removals,
    )
    return _signed(pen, following)


def read(pen: Pen, envelope: SignedEnvelope) -> Roster:
    """Open and check a list that a peer sent. Faults: PeerFault."""
    listing = pen.open(envelope, SignedKind.LIST, MemberList)
    host = PeerId(envelope.author)
    named = instance_id(BlockId(listing.job), listing.microjob, PeerId(listing.founder), listing.nonce)
    if named != listing.instance:
        raise PeerFault("the list's instance is not the hash of its founding")
    seats = [member.peer for member in listing.members]
    if not 1 <= len(seats) <= ROOM_MEMBERS_MAX or len(set(seats)) != len(seats):
        raise PeerFault("the list has no members, too many, or one twice")
    if len(listing.previous) not in (0, DIGEST_BYTES) or len(envelope.payload) > LIST_BYTES_MAX:
        raise PeerFault("the list is longer than any list is")
    if listing.epoch > EPOCH_MAX or listing.sequence > SEQUENCE_MAX:
        raise PeerFault("the list is numbered beyond any room's life")
    if host not in seats or listing.epoch < 1 or listing.sequence < 1:
        raise PeerFault("the list's host has no seat in it, or it is numbered below 1")
    if listing.epoch == 1 and host != listing.founder:
        raise PeerFault("the first epoch belongs to the founder")
    for member in listing.members:
        _check_join(pen, listing, member)
    return Roster(listing, envelope, pen.digest(envelope), host)


def _check_join(pen: Pen, listing: MemberList, member: Member) -> None:
    """Nobody is seated by a host's word alone: each member but the founder signed a request for this job."""
    check_size(member.join or member.address)
    if member.join is None:
        if member.peer != listing.founder:
            raise PeerFault("the list seats a member that never asked")
        return
    request = pen.open(member.join, SignedKind.JOIN, JoinRequest)
    if member.join.author != member.peer or request.job != listing.job:
        raise PeerFault("the list seats a member by a request of another peer or for another job")
    if member.address != request.address:
        raise PeerFault("the list gives a member another address than it asked with")


def check_size(envelope: SignedEnvelope) -> None:
    """A request for a seat, or an address, is not too long: every list has it, and every claim to host several lists."""
    if len(envelope.payload) + len(envelope.signature) + len(envelope.author) > JOIN_BYTES_MAX:
        raise PeerFault("a request for a seat is too long")


def _signed(pen: Pen, listing: MemberList) -> Roster:
    envelope = pen.sign(SignedKind.LIST, listing)
    return Roster(listing, envelope, pen.digest(envelope), pen.peer)
