"""What proves a claim to host: its election, and those before it, back to the founder or to a host that the reader knows.

Anybody can check it, at any distance in epochs. Decides what a claim is worth; never who stands or votes (`ballot.py`,
`election.py`). A reader keeps of a claim what it checked, and nothing else, since it shows that to others as its own.
docs/protocol/room.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sgnus.core.ballot import check_vote, electors, has_quorum
from sgnus.core.pen import Pen
from sgnus.core.roster import Roster, read
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import EPOCHS_AHEAD_MAX, SUCCESSIONS_MAX
from sgnus.messages.v1.types import OnHostChanged, SignedEnvelope, Succession

Term = tuple[int, PeerId]
"""An epoch and its host."""


@dataclass(frozen=True, slots=True)
class History:
    """What a reader knows of a room's hosts: the newest list, and the claim that made its host."""

    roster: Roster
    claim: OnHostChanged | None = None

    def elections(self) -> tuple[Succession, ...] | None:
        """Those that led to the host, the oldest first; None if we cannot show them."""
        if self.roster.epoch == 1:
            return ()
        if self.claim is None or (self.claim.epoch, self.claim.host) != term_of(self.roster):
            return None
        return (*self.claim.before, Succession(base=self.claim.base, votes=self.claim.votes))

    def may_be_followed(self) -> bool:
        """Whether a claim can be made that shows them. A room that had too many hosts for that had better be founded anew."""
        elections = self.elections()
        return elections is not None and len(elections) <= SUCCESSIONS_MAX

    def lists(self, pen: Pen) -> dict[Term, Roster]:
        """The newest list that we know of each term."""
        known = [read(pen, election.base) for election in self.elections() or ()]
        return {term_of(roster): roster for roster in (*known, self.roster)}

    def is_outvoted(self, pen: Pen, shown: Roster) -> bool:
        """Whether an election that led to our host stood on an older list of this one's term, and had too few votes for both."""
        for election in self.elections() or ():
            base = read(pen, election.base)
            if base.instance == shown.instance and term_of(base) == term_of(shown):
                return _is_too_old(base, shown, len(election.votes))
        return False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that holds, with the elections before it that were checked, its base, and the first list of its epoch.
    `is_outvoted`: it stands on an older list of a term than the reader's, with too few votes for both.
    """

    claim: OnHostChanged
    base: Roster
    first: Roster
    is_outvoted: bool


@dataclass(frozen=True, slots=True)
class Election:
    """The list that one stood on, and how many votes it had."""

    base: Roster
    votes: int

    @property
    def term(self) -> Term:
        """Whose list it is."""
        return term_of(self.base)


def term_of(roster: Roster) -> Term:
    return roster.epoch, roster.host


def check_claim(pen: Pen, claim: OnHostChanged, known: History | None = None) -> Claimed:
    """Check a claim to host. What led to the host that the reader knows need not be shown, and is not believed.
    Faults: PeerFault.
    """
    base, first = read(pen, claim.base), read(pen, claim.list)
    if (base.instance, first.instance) != (claim.instance, claim.instance):
        raise PeerFault("the claim's lists are of another instance")
    if term_of(first) != (claim.epoch, claim.host):
        raise PeerFault("the claim's epoch or host does not fit its first list")
    if first.list.previous != base.digest or first.sequence != base.sequence + 1:
        raise PeerFault("the claim's first list does not follow its base")
    if any(peer not in base.peers for peer in first.peers):
        raise PeerFault("the claim seats newcomers")
    mine = known if known is not None and known.roster.instance == base.instance else None
    last = Succession(base=claim.base, votes=claim.votes)
    shown = _descent(pen, term_of(first), (*claim.before, last), mine)
    before = claim.before[len(claim.before) + 1 - len(shown) :]
    if mine is not None and shown[-1].term == term_of(mine.roster):
        before = (*(mine.elections() or ()), *before)
    if len(before) > SUCCESSIONS_MAX:
        raise PeerFault("a room had too many hosts for a claim")
    is_outvoted = mine is not None and _outvotes(pen, mine, shown)
    return Claimed(replace(claim, before=before), base, first, is_outvoted)


def _outvotes(pen: Pen, mine: History, shown: list[Election]) -> bool:
    """Whether we know a newer list of the last host that we have in common, and too few of both lists voted for another."""
    newest = mine.lists(pen)
    common = next((one for one in shown if one.term in newest), None)
    return common is not None and _is_too_old(common.base, newest[common.term], common.votes)


def _descent(pen: Pen, term: Term, elections: tuple[Succession, ...], mine: History | None) -> list[Election]:
    """The elections that were checked, the newest first: back to the founder's, or to the reader's own
    host, if it could show how that came to be. Two keys could else make up a list of any later epoch.
    """
    stop = term_of(mine.roster) if mine is not None and mine.elections() is not None else None
    found: list[Election] = []
    for election in reversed(elections):
        base = read(pen, election.base)
        if found and (base.instance != found[-1].base.instance or base.sequence >= found[-1].base.sequence):
            raise PeerFault("an election before the claim is of another instance, or after it")
        found.append(Election(base, _check_election(pen, base, term, election.votes)))
        term = term_of(base)
        if term == stop:
            return found
    if term[0] != 1:
        raise PeerFault("the claim stands on a list of a host that was not elected")
    return found


def _check_election(pen: Pen, base: Roster, term: Term, votes: tuple[SignedEnvelope, ...]) -> int:
    """How many of those that may vote on this list made that peer the host of that epoch: more than half, or it is a fault."""
    epoch, host = term
    if not base.epoch < epoch <= base.epoch + EPOCHS_AHEAD_MAX:
        raise PeerFault("an epoch does not follow the one of its base, or is too far ahead of it")
    if host not in electors(base):
        raise PeerFault("a host is elected that was no elector")
    voters = dict.fromkeys(check_vote(pen, base, epoch, host, vote) for vote in votes)
    if len(voters) != len(votes):
        raise PeerFault("a claim brings a vote twice")
    if not has_quorum(base, len(voters)):
        raise PeerFault("the claim has no majority")
    return len(voters)


def _is_too_old(base: Roster, newer: Roster, votes: int) -> bool:
    """Whether a list that was followed by another of its host has too few votes for both. Else whoever sat in a room when it was
    small could take it over for ever after.
    """
    both = dict.fromkeys((*electors(base), *electors(newer)))
    return newer.sequence > base.sequence and 2 * votes <= len(both)
