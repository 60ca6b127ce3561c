"""Who was elected to host: reckoned from the signatures alone, beside the core's own rule, to hold one against the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ROOM_MEMBERS_MAX
from sgnus.messages.v1.types import JoinRequest, MemberList, SignedEnvelope, Vote
from sgnus.sim.pens import digest_of
from sgnus.wire.codec import decode

Term = tuple[str, int, str]
"""Instance, epoch and host."""


@dataclass(slots=True)
class Elections:
    """What was signed of lists and votes by any peer of the network, and which terms that makes. Keys that were made up sign
    nothing here. `seen` is which instances each peer follows: who is new to a room has its host's word alone. Where nothing
    ever fails (`is_fair`), an honest host's room gets no other by hostile votes alone, unless they are more than half of those
    that sit there.
    """

    is_fair: bool = False
    lists: dict[bytes, tuple[Term, tuple[str, ...]]] = field(default_factory=dict)
    votes: dict[tuple[bytes, int, str], dict[str, bool]] = field(default_factory=dict)
    newest: dict[Term, tuple[str, ...]] = field(default_factory=dict)
    terms: dict[Term, None] = field(default_factory=dict)
    seen: dict[tuple[PeerId, str], None] = field(default_factory=dict)

    def signed(self, envelope: SignedEnvelope, message: object, *, is_honest: bool) -> None:
        """Somebody signed a list, or a vote on one."""
        if isinstance(message, MemberList):
            seats = tuple(member.peer for member in message.members if member.peer != envelope.author)
            term = (message.instance, message.epoch, envelope.author)
            self.lists[digest_of(envelope)] = (term, seats)
            if is_honest:
                self.newest[term] = seats
        elif isinstance(message, Vote):
            self._count(message, envelope.author, is_honest=is_honest)

    def wrong_seats(self, following: MemberList) -> str:
        """What is wrong with whom an honest host's list seats, in words: too many, or one that asked for another room, or for
        another epoch of its own.
        """
        peers = [member.peer for member in following.members]
        if len(peers) > ROOM_MEMBERS_MAX or len(dict.fromkeys(peers)) != len(peers):
            return f"signed a list of {peers}"
        term, seats = self.lists.get(following.previous, (None, ()))
        if term is None or term[1] != following.epoch:
            return ""
        for member in following.members:
            if member.join is None or member.peer in (*seats, term[2]):
                continue
            asked = decode(JoinRequest, member.join.payload)
            if (asked.instance, asked.epoch) != (following.instance, following.epoch):
                return f"seats {member.peer}, who asked for epoch {asked.epoch} of {asked.instance[:8]}"
        return ""

    def _count(self, vote: Vote, voter: str, *, is_honest: bool) -> None:
        term, seats = self.lists.get(vote.list, (None, ()))
        voters = self.votes.setdefault((vote.list, vote.epoch, vote.candidate), {})
        if voter in seats and vote.candidate in seats:
            voters[voter] = is_honest
        if term is None or 2 * len(voters) <= len(seats) or (term[1] != 1 and term not in self.terms):
            return
        both = dict.fromkeys((*seats, *self.newest.get(term, ())))
        if self.is_fair and not any(voters.values()) and 2 * len(voters) <= len(both):
            return
        self.terms[vote.instance, vote.epoch, vote.candidate] = None

    def unelected(self, peer: PeerId, effect: fx.HostChanged | fx.RoomLeft) -> str:
        """`peer` takes somebody for a host, or leaves a room. What is wrong with that, in words."""
        place = (peer, effect.instance)
        if isinstance(effect, fx.RoomLeft):
            self.seen.pop(place, None)
            return ""
        is_new = place not in self.seen
        self.seen[place] = None
        term = (effect.instance, effect.epoch, effect.host)
        if is_new or effect.epoch == 1 or term in self.terms:
            return ""
        return f"{peer} takes {effect.host} for the host of epoch {effect.epoch}"
