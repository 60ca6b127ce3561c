"""A member's part in one round of verification: its state, and how it speaks. `proving.py` has the steps.

A round has no phases of its own: what was signed is the state, and each step is taken once, when its time has come.
docs/protocol/verification.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.core.docket import Docket
from sgnus.core.pen import Pen
from sgnus.core.sealing import seated_by
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import Opening, SignedEnvelope, SignedKind


@dataclass(frozen=True, slots=True)
class Basis:
    """What a member knows of its complete room, enough to propose a seal: nobody's word is needed for it. `seats` follows
    from the rest: it is asked for at every input, and reading the list takes long.
    """

    list: SignedEnvelope
    held: tuple[SignedEnvelope, ...]
    seats: tuple[PeerId, ...]

    @staticmethod
    def of(pen: Pen, listing: SignedEnvelope, held: tuple[SignedEnvelope, ...]) -> Basis:
        return Basis(listing, held, seated_by(pen, listing, held))


@dataclass(slots=True)
class Steps:
    """What this member has done, and what it said (to say it again to whom it may not have reached). `again_ms`: from when on it
    may run again what it was `asked` for and could not.
    """

    sealed: list[tuple[int, PeerId]] = field(default_factory=list)
    revealed: bytes | None = None
    asked: tuple[int, ...] = ()
    again_ms: int = 0
    missed: bool = False
    opened: bool = False
    proven: bool = False
    said: list[SignedEnvelope] = field(default_factory=list)


@dataclass(slots=True)
class Moments:
    """When it next acts by itself. `moved_ms`: of the last news, `proposed_ms`: of the last proposal; `revealed_ms`: since when
    all have revealed; `due`: which chunks the draw names each checker for, and since when; `severed`: since when a member's
    stream is broken.
    """

    born_ms: int
    moved_ms: int
    propose_ms: int
    repeat_ms: int
    wake_ms: int
    proposed_ms: int = 0
    due: dict[PeerId, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    open_ms: int | None = None
    revealed_ms: int | None = None
    severed: dict[PeerId, int] = field(default_factory=dict)


@dataclass(slots=True)
class Verification:
    """One round at one member. `own` are the openings of its commits; `banned` are those whom the job's publisher convicted: it
    gives them no inputs any more, so nobody waits for what they owe. `out` collects the effects of a step.
    """

    docket: Docket
    microjob: int
    moments: Moments
    verdict_ms: int
    basis: Basis | None = None
    own: Mapping[tuple[InstanceId, int], Opening] = field(default_factory=dict)
    banned: tuple[PeerId, ...] = ()
    steps: Steps = field(default_factory=Steps)
    is_over: bool = False
    out: list[fx.Effect] = field(default_factory=list)

    @property
    def me(self) -> PeerId:
        return self.docket.pen.peer

    def audience(self) -> tuple[PeerId, ...]:
        """All that follow the round but ourselves."""
        peers = dict.fromkeys(self.docket.seats())
        if self.basis is not None:
            peers.update(dict.fromkeys(self.basis.seats))
        peers.update(dict.fromkeys((self.docket.terms.publisher, self.docket.terms.beacon)))
        return tuple(peer for peer in peers if peer != self.me)

    def seats(self) -> tuple[PeerId, ...]:
        """Of our own room, as we know it; of a round that others proposed to us, theirs."""
        if self.basis is None:
            return self.docket.seats()
        return self.basis.seats

    def results(self) -> list[tuple[bytes, ...]]:
        """The HELDs that its proposals are over."""
        proposals = [attempt.sealing.proposal for attempt in self.docket.attempts.values()]
        return [tuple(word.payload for word in proposal.held) for proposal in proposals]

    def place(self) -> int:
        """Staggers what anybody may do."""
        seats = sorted(self.docket.seats())
        return seats.index(self.me) if self.me in seats else len(seats)

    def say(self, kind: SignedKind, message: Message) -> bool:
        """Sign it, count it ourselves, tell all; False if it cannot be said (our room is too small, say)."""
        envelope = self.docket.pen.sign(kind, message)
        try:
            self.docket.take(envelope)
        except PeerFault as fault:
            self.tell(f"cannot say {kind.name.lower()}: {fault}")
            return False
        self.steps.said.append(envelope)
        self.out += [fx.Send(self.audience(), envelope)]
        return True

    def words(self) -> list[SignedEnvelope]:
        """What we said, and what the others may lack of those that are gone: seals, reveals, beacon, verdicts. Of several sealed
        attempts those of the one for which we revealed.
        """
        docket, known = self.docket, []
        sealed = docket.sealed()
        sealing = next((one for one in sealed if one.r == self.steps.revealed), next(iter(sealed), None))
        if sealing is not None:
            attempt = docket.attempts[sealing.proposal.attempt, sealing.proposer]
            known += [sealing.envelope, *attempt.seals.values()]
        beacon = docket.spoken.envelope if docket.spoken is not None else None
        if beacon is not None:
            known.append(beacon)
        elif sealing is not None:
            known += docket.lot.words(sealing.r)
        known += [verdict for peer in sorted(docket.verdicts) for verdict in docket.verdicts[peer]]
        return list(dict.fromkeys([*known, *self.steps.said]))

    def end(self, why: str) -> None:
        """The round is over for us."""
        if not self.is_over:
            self.is_over = True
            self.tell(f"verification ends: {why}")

    def tell(self, line: str) -> None:
        """A line of the story."""
        instance = self.docket.round.instance
        self.out.append(fx.Told(self.docket.terms.job, f"room {self.microjob}/{instance[:8]}: {line}"))
