"""Votes for a new host: when to stand, whom to vote for, how many votes are enough.

A claim of epoch e stands on a list signed by the host of an earlier epoch and on votes of more than half of that list's
members other than that host; what proves it is in `succession.py`. A member persists one vote per epoch. docs/protocol/room.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sgnus.core.pen import Pen
from sgnus.core.roster import Roster, rank
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import STAGGER_MS, VOTED_INSTANCES_MAX
from sgnus.messages.v1.types import OnHostChanged, SignedEnvelope, SignedKind, Vote


@dataclass(slots=True)
class Votes:
    """Whom this peer voted for, by instance and epoch: a seat that it lost and got again gives it no second vote. `before`: until
    it was started again.
    """

    by_instance: dict[InstanceId, dict[int, PeerId]] = field(default_factory=dict)
    before: dict[InstanceId, dict[int, PeerId]] = field(default_factory=dict)

    def of(self, instance: InstanceId) -> dict[int, PeerId]:
        """Those in this instance, to be added to. Of other instances, those that we sat in longest ago are forgotten."""
        known = self.by_instance.pop(instance, None) or dict(self.before.get(instance, {}))
        voted = self.by_instance[instance] = known
        while len(self.by_instance) > VOTED_INSTANCES_MAX:
            del self.by_instance[next(iter(self.by_instance))]
        return voted


def voted_before(facts: Mapping[str, bytes]) -> Votes:
    """The votes that we gave before we were started again, out of what was persisted: keys are `<job>/<instance>/<epoch>`."""
    votes = Votes()
    for key, candidate in facts.items():
        instance, epoch = key.split("/")[-2:]
        votes.before.setdefault(InstanceId(instance), {})[int(epoch)] = PeerId(candidate.decode())
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
