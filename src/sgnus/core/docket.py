"""All that was signed in one round of verification: proposals, seals, reveals, beacon, suspicions, verdicts, openings.

Evidence is only ever added, in any order, twice or not at all. What follows from it is computed anew from what is there
(`findings.py`). Members, the publisher and whoever checks a receipt use this one class. It never decides when to speak:
`verification.py` and `arbiter.py` do. docs/protocol/verification.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sgnus.core import lot
from sgnus.core import sealing as sealings
from sgnus.core.lot import Lot, Spoken
from sgnus.core.pen import Pen
from sgnus.core.sealing import Commit, Sealing
from sgnus.core.terms import Terms
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.crypto.merkle import split_digests
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    ATTEMPTS_KEPT_MAX,
    EARLY_WORD_BYTES_MAX,
    EARLY_WORDS_MAX,
    PROPOSALS_MAX,
    ROOM_MEMBERS_MAX,
)
from sgnus.messages.v1.types import (
    BeaconMissed,
    BeaconOutput,
    Opening,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    Verdict,
)

Signed = dict[PeerId, SignedEnvelope]
VERDICTS_MAX: Final = 2 * ROOM_MEMBERS_MAX


@dataclass(frozen=True, slots=True)
class RoundId:
    """Which round of which instance."""

    instance: InstanceId
    number: int = 1

    def names(self, said: Seal | Reveal | Suspicion | BeaconOutput | BeaconMissed | Verdict) -> bool:
        """Whether this was said in this round."""
        return (said.instance, said.round) == (self.instance, self.number)


@dataclass(slots=True)
class Attempt:
    """A checked proposal, and who sealed it."""

    sealing: Sealing
    seals: Signed = field(default_factory=dict)

    def is_sealed(self) -> bool:
        """Whether all of its members have."""
        return len(self.seals) == len(self.sealing.members)


@dataclass(slots=True)
class Docket:
    """The evidence of one round. `early` are words that came before what they rest on."""

    pen: Pen
    terms: Terms
    round: RoundId
    attempts: dict[tuple[int, PeerId], Attempt] = field(default_factory=dict)
    lot: Lot = field(default_factory=Lot)
    suspicions: dict[PeerId, Signed] = field(default_factory=dict)
    verdicts: dict[PeerId, dict[SignedEnvelope, Mapping[int, bytes]]] = field(default_factory=dict)
    openings: dict[int, Opening] = field(default_factory=dict)
    early: list[SignedEnvelope] = field(default_factory=list)

    def take(self, envelope: SignedEnvelope) -> bool:
        """Add one signed word and whatever waited for it; False if nothing new came of it. Faults: PeerFault."""
        add = _ADDERS.get(envelope.kind)
        if add is None:
            raise PeerFault(f"a signed {envelope.kind.name} is no word of a round")
        if not add(self, envelope):
            if envelope not in self.early and len(envelope.payload) <= EARLY_WORD_BYTES_MAX:
                self.early = [*self.early[1 - EARLY_WORDS_MAX :], envelope]
            return False
        lot.conclude(self)
        waiting, self.early = self.early, []
        for word in waiting:
            try:
                self.take(word)
            except PeerFault:
                continue  # It came from somebody else, whose fault it is; it just does not count.
        return True

    def seats(self) -> tuple[PeerId, ...]:
        """Everybody that any proposal seats: who may suspect."""
        found: dict[PeerId, None] = {}
        for key in sorted(self.attempts):
            found.update(dict.fromkeys(self.attempts[key].sealing.seats))
        return tuple(found)

    def sealed(self) -> list[Sealing]:
        """The attempts that all of their members have sealed, the first one first."""
        return [attempt.sealing for _key, attempt in sorted(self.attempts.items()) if attempt.is_sealed()]

    def standing(self) -> tuple[int, int]:
        """Of rounds that are too many the lowest gives way: how many results were made in this very room, then how many
        sealed. Anybody can found rooms over what others made, and have its friends seal them.
        """
        attempts = self.attempts.values()
        made = [
            sum(commit.instance == self.round.instance for commit in one.sealing.commits) for one in attempts
        ]
        return max(made, default=0), max((len(one.seals) for one in attempts), default=0)

    def with_r(self, r: bytes) -> Sealing | None:
        """The sealing whose R this is; of several proposals that seal the same, one that is sealed."""
        known = [one for _key, one in sorted(self.attempts.items()) if one.sealing.r == r]
        known.sort(key=lambda one: not one.is_sealed())
        return known[0].sealing if known else None

    def is_suspected(self, peer: PeerId, among: Sequence[PeerId]) -> bool:
        """Whether more than half of the others of `among` have not heard `peer`."""
        by = [author for author in self.suspicions.get(peer, {}) if author in among and author != peer]
        return sealings.majority(len(by), len([one for one in among if one != peer]))

    def judged_by(self, peer: PeerId) -> dict[int, bytes]:
        """The digests that a checker signed, by chunk. It may have signed more than one verdict, as others fell silent; where
        they overlap they agree.
        """
        return {chunk: one[chunk] for one in self.verdicts.get(peer, {}).values() for chunk in one}

    @property
    def spoken(self) -> Spoken | None:
        """What the draw is made of, once that is known."""
        return self.lot.spoken

    def commits(self) -> tuple[Commit, ...]:
        """The commits that the draw was made over."""
        return self.spoken.sealing.commits if self.spoken else ()

    # ---- adding; PeerFault for what cannot be, False for what is known already or cannot be told yet
    def _add_proposal(self, envelope: SignedEnvelope) -> bool:
        sealing = sealings.read(self.pen, self.terms, envelope)
        proposal = sealing.proposal
        if (proposal.instance, proposal.round) != (self.round.instance, self.round.number):
            raise PeerFault("a proposal of another room or round")
        key = (proposal.attempt, sealing.proposer)
        mine = [author for _number, author in self.attempts if author == sealing.proposer]
        if key in self.attempts or len(mine) >= PROPOSALS_MAX or len(self.attempts) >= ATTEMPTS_KEPT_MAX:
            return False
        self.attempts[key] = Attempt(sealing)
        return True

    def _add_seal(self, envelope: SignedEnvelope) -> bool:
        seal = self.pen.open(envelope, SignedKind.SEAL, Seal)
        author = PeerId(envelope.author)
        if not self.round.names(seal):
            return False
        found = [
            one
            for (number, _by), one in self.attempts.items()
            if number == seal.attempt and one.sealing.r == seal.r and author in one.sealing.members
        ]
        added = [one for one in found if author not in one.seals]
        for one in added:
            one.seals[author] = envelope
        return bool(added)

    def _add_suspicion(self, envelope: SignedEnvelope) -> bool:
        said = self.pen.open(envelope, SignedKind.SUSPICION, Suspicion)
        author, silent, seats = PeerId(envelope.author), PeerId(said.silent), self.seats()
        if not self.round.names(said) or author == silent or author in self.suspicions.get(silent, {}):
            return False
        if author not in seats or silent not in seats:
            return False
        self.suspicions.setdefault(silent, {})[author] = envelope
        return True

    def _add_verdict(self, envelope: SignedEnvelope) -> bool:
        verdict = self.pen.open(envelope, SignedKind.VERDICT, Verdict)
        author = PeerId(envelope.author)
        known = self.verdicts.get(author, {})
        if self.spoken is None or not self.round.names(verdict) or envelope in known:
            return False
        if author not in self.spoken.revealed:
            # It may follow another attempt, or have missed the beacon.
            if author in self.seats():
                return False
            raise PeerFault("a verdict by a peer that is not drawn from")
        digests, judged = digests_of(verdict), self.judged_by(author)
        if any(judged.get(chunk, digest) != digest for chunk, digest in digests.items()):
            raise PeerFault("two different verdicts on one chunk")
        if all(chunk in judged for chunk in digests):
            return False
        # What the new one says as well counts no more: else parts told first would keep the whole out.
        kept = {word: one for word, one in known.items() if any(chunk not in digests for chunk in one)}
        if len(kept) >= VERDICTS_MAX:
            raise PeerFault("more verdicts than a checker may give")
        self.verdicts[author] = {**kept, envelope: digests}
        return True

    def _add_opening(self, envelope: SignedEnvelope) -> bool:
        return self.add_opening(self.pen.open(envelope, SignedKind.OPENING, Opening))

    def add_opening(self, opening: Opening) -> bool:
        """Whoever brings it: it opens a signed root, or it is nothing."""
        commits = self.commits()
        if opening.sub_block >= len(commits) or opening.sub_block in self.openings:
            return False
        if opening.instance != commits[opening.sub_block].instance:
            return False
        if not opens(self.terms, commits[opening.sub_block], opening):
            raise PeerFault("an opening that does not fit the signed root")
        self.openings[opening.sub_block] = opening
        return True


def digests_of(verdict: Verdict) -> dict[int, bytes]:
    """The digests of a verdict by chunk. PeerFault if it has not one of each, in order."""
    if not verdict.chunks or list(verdict.chunks) != sorted(dict.fromkeys(verdict.chunks)):
        raise PeerFault("a verdict that names no chunk, or one twice, or without order")
    digests = split_digests(verdict.digests, len(verdict.chunks))
    return dict(zip(verdict.chunks, digests, strict=True))


def sealed_as(docket: Docket, r: bytes) -> Attempt | None:
    """A sealed attempt with this R."""
    found = [one for _key, one in sorted(docket.attempts.items()) if one.is_sealed() and one.sealing.r == r]
    return found[0] if found else None


def opens(terms: Terms, commit: Commit, opening: Opening) -> bool:
    """Whether salt seed and digests are what `commit` hid. PeerFault if they do not even have its form."""
    if len(opening.salt_seed) != DIGEST_BYTES:
        raise PeerFault("an opening whose salt seed is not 32 bytes")
    digests = split_digests(opening.digests, len(commit.chunks))
    root = commit_root_of(
        terms.job,
        commit.instance,
        commit.member,
        seed=opening.salt_seed,
        chunks=commit.chunks,
        digests=digests,
    )
    return root == commit.root


_ADDERS: Final[Mapping[SignedKind, Callable[[Docket, SignedEnvelope], bool]]] = {
    SignedKind.PROPOSAL: Docket._add_proposal,
    SignedKind.SEAL: Docket._add_seal,
    SignedKind.REVEAL: lot.add_reveal,
    SignedKind.SUSPICION: Docket._add_suspicion,
    SignedKind.BEACON: lot.add_beacon,
    SignedKind.BEACON_MISSED: lot.add_missed,
    SignedKind.VERDICT: Docket._add_verdict,
    SignedKind.OPENING: Docket._add_opening,
}
WORDS: Final = tuple(_ADDERS)
"""The kinds of signed words that make a round."""
