"""What a round seals: the members that are drawn from, one held record of each sub-block, and R, the hash over both.

Decides whether a proposal may be sealed. Nobody is left out of the draw by anybody's word: only by its own signed LEAVE,
or by suspicions of more than half of the others, which the proposal carries.
docs/protocol/verification.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sgnus.core import roster as rosters
from sgnus.core.pen import Pen
from sgnus.core.terms import Terms
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import ATTEMPTS_MAX
from sgnus.messages.v1.types import (
    Held,
    JoinRequest,
    Leave,
    Member,
    ProcessedRecord,
    Proposal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
)

VRF_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Commit:
    """One sub-block's held record: whose it is, and which chunks of the job it commits to."""

    sub_block: int
    member: PeerId
    instance: InstanceId
    root: bytes
    chunks: range
    record: SignedEnvelope
    vrf_key: bytes


@dataclass(frozen=True, slots=True)
class Sealing:
    """A checked proposal. `seats` has all that it seats, `members` those that are drawn from, sorted, with their VRF keys."""

    proposal: Proposal
    envelope: SignedEnvelope
    seats: tuple[PeerId, ...]
    members: tuple[PeerId, ...]
    keys: tuple[bytes, ...]
    commits: tuple[Commit, ...]
    r: bytes

    @property
    def proposer(self) -> PeerId:
        return PeerId(self.envelope.author)

    def key_of(self, peer: PeerId) -> bytes:
        """The VRF key that `peer` bound in its join. PeerFault for somebody who is not drawn from."""
        if peer not in self.members:
            raise PeerFault("a word of a peer that is not drawn from")
        return self.keys[self.members.index(peer)]

    def workers(self) -> dict[int, PeerId]:
        """Whose result each chunk of the microjob is."""
        return {chunk: commit.member for commit in self.commits for chunk in commit.chunks}


def read(pen: Pen, terms: Terms, envelope: SignedEnvelope) -> Sealing:
    """Open and check a proposal. Faults: PeerFault."""
    proposal = pen.open(envelope, SignedKind.PROPOSAL, Proposal)
    roster = rosters.read(pen, proposal.list)
    named = (roster.list.job, roster.list.microjob, roster.instance)
    if named != (proposal.job, proposal.microjob, proposal.instance) or proposal.job != terms.job:
        raise PeerFault("the proposal's list is of another room, or of another job")
    if proposal.round != 1 or proposal.attempt >= ATTEMPTS_MAX:
        raise PeerFault("the proposal is of a round or attempt that cannot be")
    commits = _commits(pen, terms, proposal)
    seats = _seats(pen, proposal, roster.list.members)
    if terms.publisher in seats:
        raise PeerFault("the proposal seats the publisher")
    for commit in commits:
        if commit.member != terms.publisher:
            seats.setdefault(commit.member, commit.vrf_key)
    if terms.beacon in seats:
        raise PeerFault("the proposal seats the beacon")
    excused = _left(pen, proposal, tuple(seats)) + _suspected(pen, proposal, tuple(seats))
    members = tuple(sorted(peer for peer in seats if peer not in excused))
    if len(members) < terms.policy.min_members or PeerId(envelope.author) not in members:
        raise PeerFault("the proposal has too few members, or its author is none of them")
    keys = tuple(seats[peer] for peer in members)
    r = _r_of(pen, terms, proposal, members, keys)
    return Sealing(proposal, envelope, tuple(seats), members, keys, commits, r)


def seated(pen: Pen, proposal: Proposal) -> tuple[PeerId, ...]:
    """All that a proposal seats, the excused included."""
    return seated_by(pen, proposal.list, proposal.held)


def seated_by(pen: Pen, listing: SignedEnvelope, held: Sequence[SignedEnvelope]) -> tuple[PeerId, ...]:
    """The members of a list, and whoever committed to a held result, in whichever room: never the publisher."""
    peers = dict.fromkeys(rosters.read(pen, listing).peers)
    for envelope in held:
        member = PeerId(pen.open(envelope, SignedKind.HELD, Held).member)
        if member != envelope.author:
            peers[member] = None
    return tuple(peers)


def is_of_convicted(checked: Sealing, banned: Collection[PeerId]) -> bool:
    """Whether somebody convicted proposes it, or hosts a room in which nothing was done: over the results of others alone."""
    proposal = checked.proposal
    is_idle = all(commit.instance != proposal.instance for commit in checked.commits)
    return checked.proposer in banned or (is_idle and proposal.list.author in banned)


def majority(suspects: int, others: int) -> bool:
    """Whether so many suspicions are more than half of the others."""
    return 2 * suspects > others


def _commits(pen: Pen, terms: Terms, proposal: Proposal) -> tuple[Commit, ...]:
    commits = []
    for number, envelope in enumerate(proposal.held):
        if envelope.author != terms.publisher:
            raise PeerFault("a HELD that is not signed by the publisher")
        held = pen.open(envelope, SignedKind.HELD, Held)
        if (held.job, held.microjob, held.sub_block) != (proposal.job, proposal.microjob, number):
            raise PeerFault("the proposal's HELDs are not those of its sub-blocks, in their order")
        commits.append(commit_of(pen, terms, held))
    terms.check_cover(proposal.microjob, tuple(len(commit.chunks) for commit in commits))
    return tuple(commits)


def commit_of(pen: Pen, terms: Terms, held: Held) -> Commit:
    """The member's own signed record inside a HELD. PeerFault if it is missing or says something else."""
    if held.record is None:
        raise PeerFault("a HELD without the member's record, in a job that wants proof")
    record = pen.open(held.record, SignedKind.RECORD, ProcessedRecord)
    said = (record.job, record.microjob, record.instance, record.sub_block, held.record.author, record.root)
    if said != (held.job, held.microjob, held.instance, held.sub_block, held.member, held.root):
        raise PeerFault("the HELD and the member's record differ")
    return recorded(pen, terms, held.record)


def recorded(pen: Pen, terms: Terms, envelope: SignedEnvelope) -> Commit:
    """What a member's signed record commits to. PeerFault if it is of another job, or for chunks of other sub-blocks."""
    record = pen.open(envelope, SignedKind.RECORD, ProcessedRecord)
    if record.job != terms.job:
        raise PeerFault("the record is of another job")
    if not 1 <= record.chunks <= terms.chunks_per_sub_block:
        raise PeerFault("the record has more chunks than its sub-block, or none")
    if record.vrf_key is None or len(record.vrf_key) != VRF_KEY_BYTES:
        raise PeerFault("the record binds no VRF key")
    first = terms.first_chunk(record.microjob, record.sub_block)
    chunks = range(first, first + record.chunks)
    instance = InstanceId(record.instance)
    return Commit(
        record.sub_block, PeerId(envelope.author), instance, record.root, chunks, envelope, record.vrf_key
    )


def _seats(pen: Pen, proposal: Proposal, members: Sequence[Member]) -> dict[PeerId, bytes]:
    """Members with the VRF keys of their signed joins."""
    keys: dict[PeerId, bytes] = {}
    for member in members:
        if member.join is None or member.join.author != member.peer:
            raise PeerFault("a member without its own signed join")
        join = pen.open(member.join, SignedKind.JOIN, JoinRequest)
        if join.job != proposal.job or join.vrf_key is None or len(join.vrf_key) != VRF_KEY_BYTES:
            raise PeerFault("a join for another job, or without a VRF key")
        keys[PeerId(member.peer)] = join.vrf_key
    return keys


def _left(pen: Pen, proposal: Proposal, seats: Sequence[PeerId]) -> list[PeerId]:
    """Who said itself that it leaves."""
    gone = []
    for envelope in proposal.leaves:
        leave = pen.open(envelope, SignedKind.LEAVE, Leave)
        if leave.instance != proposal.instance or envelope.author not in seats:
            raise PeerFault("a LEAVE of another room")
        gone.append(PeerId(envelope.author))
    return gone


def _suspected(pen: Pen, proposal: Proposal, seats: Sequence[PeerId]) -> list[PeerId]:
    """Whom more than half of the others have not heard."""
    by = suspects_of(pen, proposal.suspicions, proposal.instance, proposal.round, seats)
    return [peer for peer in seats if majority(len(by.get(peer, ())), len(seats) - 1)]


def suspects_of(
    pen: Pen, envelopes: Sequence[SignedEnvelope], instance: str, number: int, seats: Sequence[PeerId]
) -> dict[PeerId, list[PeerId]]:
    """Who is suspected by whom, each pair once. PeerFault for a suspicion that does not belong here."""
    by: dict[PeerId, list[PeerId]] = {}
    for envelope in envelopes:
        said = pen.open(envelope, SignedKind.SUSPICION, Suspicion)
        author, silent = PeerId(envelope.author), PeerId(said.silent)
        if (said.instance, said.round) != (instance, number) or author not in seats or author == silent:
            raise PeerFault("a suspicion of another room or round, or by a stranger")
        if author in by.setdefault(silent, []):
            raise PeerFault("a suspicion stands twice")
        by[silent].append(author)
    return by


def _r_of(
    pen: Pen, terms: Terms, proposal: Proposal, members: Sequence[PeerId], keys: Sequence[bytes]
) -> bytes:
    """R = H(job, microjob, instance, round, policy, members with their keys, records)."""
    policy = terms.policy
    parts: list[bytes] = [
        proposal.job.encode(),
        proposal.microjob.to_bytes(4, "big"),
        proposal.instance.encode(),
        proposal.round.to_bytes(4, "big"),
        bytes([int(policy.verify)]) + policy.samples_permille.to_bytes(2, "big"),
        bytes([policy.verifiers, policy.min_members]),
        len(members).to_bytes(2, "big"),
    ]
    for peer, key in zip(members, keys, strict=True):
        parts += [peer.encode(), key]
    parts += [pen.digest(envelope) for envelope in proposal.held]
    state = hashlib.sha256(b"sgnus/v1/seal\0")
    for part in parts:
        state.update(len(part).to_bytes(4, "big") + part)
    return state.digest()
