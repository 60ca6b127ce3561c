"""Votes for a new host: when to stand, whom to vote for, what proves a claim.

A claim of epoch e stands on a list signed by the host of an earlier epoch and on votes of more than half of that list's
members other than that host. It brings the elections that led to that host, from the first epoch on, which is the founder's:
so anybody can check it, at any distance in epochs. A member persists one vote per epoch. docs/protocol/room.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sgnus.core.pen import Pen
from sgnus.core.roster import Roster, rank, read
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import EPOCHS_AHEAD_MAX, STAGGER_MS, SUCCESSIONS_MAX, VOTED_INSTANCES_MAX
from sgnus.messages.v1.types import OnHostChanged, SignedEnvelope, SignedKind, Succession, Vote

Term = tuple[int, PeerId]
"""An epoch and its host."""


@dataclass(slots=True)
class Votes:
    """Whom this peer voted for, by instance and epoch: a seat that it lost and got again gives it no second vote."""

    by_instance: dict[InstanceId, dict[int, PeerId]] = field(default_factory=dict)

    def of(self, instance: InstanceId) -> dict[int, PeerId]:
        """Those in this instance, to be added to. Of other instances, those that we sat in longest ago are forgotten."""
        voted = self.by_instance[instance] = self.by_instance.pop(instance, {})
        while len(self.by_instance) > VOTED_INSTANCES_MAX:
            del self.by_instance[next(iter(self.by_instance))]
        return voted


def voted_before(facts: Mapping[str, bytes]) -> Votes:
    """The votes that we gave before we were started again, out of what was persisted of them."""
    votes = Votes()
    for key, candidate in facts.items():
        instance, epoch = key.split("/")
        votes.by_instance.setdefault(InstanceId(instance), {})[int(epoch)] = PeerId(candidate.decode())
    return votes


@dataclass(slots=True)
class Ballot:
    """This peer's part in the elections of one room. `hopeless_ms`: since when it hears too few others to elect anybody;
    `is_given_up`: it found no quorum, and heard others, so that it is the host that is gone.
    """

    voted: dict[int, PeerId] = field(default_factory=dict)
    epoch: int = 0
    votes: dict[PeerId, SignedEnvelope] = field(default_factory=dict)
    until_ms: int = 0
    since_ms: int | None = None
    hopeless_ms: int | None = None
    is_given_up: bool = False
    waiting: dict[PeerId, int] = field(default_factory=dict)
    claim: OnHostChanged | None = None
    hurry: bool = False

    def stand(self, epoch: int, own: SignedEnvelope, me: PeerId, until_ms: int) -> None:
        """Become a candidate of `epoch`, with our own vote."""
        self.epoch, self.votes, self.until_ms = epoch, {me: own}, until_ms

    def rest(self) -> None:
        """The election is over, one way or the other; the claim that made the current epoch is kept for the late."""
        self.epoch, self.votes, self.since_ms, self.hopeless_ms, self.hurry = 0, {}, None, None, False
        self.waiting.clear()


def electors(base: Roster) -> tuple[PeerId, ...]:
    """Who may vote: the members other than the host that is suspected."""
    return tuple(peer for peer in base.peers if peer != base.host)


def has_quorum(base: Roster, votes: int) -> bool:
    """More than half of the electors."""
    return 2 * votes > len(electors(base))


def stand_at_ms(base: Roster, epoch: int, me: PeerId, suspected_ms: int) -> int:
    """When this peer's turn to stand comes: the ranks of the electors stagger the claims."""
    order = sorted(electors(base), key=lambda peer: rank(base.instance, epoch, peer))
    return suspected_ms + STAGGER_MS * order.index(me)


def cast(pen: Pen, base: Roster, epoch: int, candidate: PeerId) -> SignedEnvelope:
    """This peer's signed vote."""
    vote = Vote(instance=base.instance, epoch=epoch, candidate=candidate, list=base.digest)
    return pen.sign(SignedKind.VOTE, vote)


def check_vote(pen: Pen, base: Roster, epoch: int, candidate: PeerId, envelope: SignedEnvelope) -> PeerId:
    """The elector who gave this vote. Faults: PeerFault."""
    vote = pen.open(envelope, SignedKind.VOTE, Vote)
    named = (vote.instance, vote.epoch, vote.candidate, vote.list)
    if named != (base.instance, epoch, candidate, base.digest):
        raise PeerFault("the vote is for another claim")
    voter = PeerId(envelope.author)
    if voter not in electors(base):
        raise PeerFault("the vote is of a peer that may not vote")
    return voter


def elections(base: Roster, claim: OnHostChanged | None) -> tuple[Succession, ...] | None:
    """Those that led to the epoch of this list, out of the claim that made it; None if we cannot show them, or they are too many
    for a claim: then a room had so many hosts that it had better be founded anew.
    """
    if base.epoch == 1:
        return ()
    if claim is None or (claim.epoch, claim.host) != (base.epoch, base.host):
        return None
    found = (*claim.before, Succession(base=claim.base, votes=claim.votes))
    return found if len(found) <= SUCCESSIONS_MAX else None


def check_claim(pen: Pen, claim: OnHostChanged, known: Term | None = None) -> tuple[Roster, Roster]:
    """Check a claim to host; returns its base and the first list of its epoch. What led to the base need not be shown from the
    `known` term on, which the reader believes already. Faults: PeerFault.
    """
    base, first = read(pen, claim.base), read(pen, claim.list)
    host = PeerId(claim.host)
    if (base.instance, first.instance) != (claim.instance, claim.instance):
        raise PeerFault("the claim's lists are of another instance")
    if claim.epoch != first.epoch or first.host != host:
        raise PeerFault("the claim's epoch or host does not fit its first list")
    if first.list.previous != base.digest or first.sequence != base.sequence + 1:
        raise PeerFault("the claim's first list does not follow its base")
    if any(peer not in base.peers for peer in first.peers):
        raise PeerFault("the claim seats newcomers")
    _check_election(pen, base, (claim.epoch, host), claim.votes)
    _check_descent(pen, base, claim.before, known)
    return base, first


def _check_descent(pen: Pen, base: Roster, before: tuple[Succession, ...], known: Term | None) -> None:
    """Whether the base's host was elected, or founded the room. Two keys could else make up a list of any later epoch."""
    for election in reversed(before):
        if (base.epoch, base.host) == known:
            return
        earlier = read(pen, election.base)
        if earlier.instance != base.instance or earlier.sequence >= base.sequence:
            raise PeerFault("an election before the claim is of another instance, or after it")
        _check_election(pen, earlier, (base.epoch, base.host), election.votes)
        base = earlier
    if base.epoch != 1 and (base.epoch, base.host) != known:
        raise PeerFault("the claim stands on a list of a host that was not elected")


def _check_election(pen: Pen, base: Roster, term: Term, votes: tuple[SignedEnvelope, ...]) -> None:
    """Whether more than half of those that may vote on this list made that peer the host of that epoch."""
    epoch, host = term
    if not base.epoch < epoch <= base.epoch + EPOCHS_AHEAD_MAX:
        raise PeerFault("an epoch does not follow the one of its base, or is too far ahead of it")
    if host not in electors(base):
        raise PeerFault("a host is elected that was no elector")
    voters = {check_vote(pen, base, epoch, host, vote) for vote in votes}
    if not has_quorum(base, len(voters)):
        raise PeerFault("the claim has no majority")
