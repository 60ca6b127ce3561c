"""One microjob at a SGNUS node: the receipts that claim it, what the publisher took, and which chunks were run again.

Chunks that were run here again are facts: every claim, old or new, is held against them. It must never accuse anybody
whose signature agrees with the chunk's own run, and never let a claim stand that an audit found false.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sgnus.core import audit_lot, claims
from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.core.claims import Claim
from sgnus.core.pen import Pen
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import AUDIT_AGAIN_MS_MAX, AUDIT_AGAIN_MS_MIN, FALSE_CLAIMS_KEPT_MAX
from sgnus.messages.v1.types import SettlementState

Said = tuple[SettlementState, str]


class Phase(Enum):
    """Of a case."""

    WAITING = "waiting"
    AUDITING = "auditing"
    SETTLED = "settled"


@dataclass(slots=True)
class Audits:
    """The sub-blocks that are being run (none: no audit is under way); when one that failed may be tried again."""

    asked: tuple[int, ...] = ()
    due_ms: int = 0
    wait_ms: int = AUDIT_AGAIN_MS_MIN

    def ended(self, now_ms: int, *, has_all: bool) -> None:
        """Later, each time in a row that something is missing."""
        self.asked = ()
        if has_all:
            self.due_ms, self.wait_ms = 0, AUDIT_AGAIN_MS_MIN
            return
        self.due_ms = now_ms + self.wait_ms
        self.wait_ms = min(AUDIT_AGAIN_MS_MAX, 2 * self.wait_ms)


@dataclass(slots=True)
class Case:
    """One microjob. `taken` and `settled` are digests of receipts; `right` are the digests of sub-blocks that we ran
    again, `false` the claims that they refuted, `accused` whom we published a proof against.
    """

    job: BlockId
    microjob: int
    born_ms: int
    claims: dict[bytes, Claim] = field(default_factory=dict)
    taken: bytes | None = None
    settled: bytes | None = None
    right: dict[int, bytes] = field(default_factory=dict)
    false: dict[bytes, None] = field(default_factory=dict)
    accused: dict[PeerId, None] = field(default_factory=dict)
    audits: Audits = field(default_factory=Audits)

    @property
    def phase(self) -> Phase:
        if self.settled is not None:
            return Phase.SETTLED
        return Phase.AUDITING if self.audits.asked else Phase.WAITING

    @property
    def is_open(self) -> bool:
        """Whether something is to be decided yet."""
        return bool(self.claims) and (self.settled is None or len(self.claims) > 1)

    @property
    def is_due(self) -> bool:
        """Whether it need not wait for the end of the grace period."""
        return bool(self.conflicts()) or self.leader(is_over=False) is not None

    def key(self, digest: bytes | None = None) -> str:
        """Of its facts."""
        place = f"{self.job}/{self.microjob}"
        return place if digest is None else f"{place}/{digest.hex()}"

    def conflicts(self) -> tuple[int, ...]:
        """The sub-blocks of which its claims say different things."""
        results = [claim.results() for claim in self.claims.values()]
        return tuple(
            number
            for number in range(len(results[0]) if results else 0)
            if any(one[number] != results[0][number] for one in results)
        )

    def leader(self, *, is_over: bool) -> Claim | None:
        """What TAKEN names; without that, once the grace period is over, the first that came and still stands. A receipt
        without a beacon need not wait: no publisher takes it before it was audited in full.
        """
        if self.taken is not None and self.taken in self.claims:
            return self.claims[self.taken]
        return next((claim for claim in self.claims.values() if is_over or not claim.has_beacon), None)

    def known(self, claim: Claim) -> Said | None:
        """The answer to a receipt that needs no place: it is here, or the like is settled, or it is false."""
        if claim.digest in self.false:
            return SettlementState.REFUSED, "its chunks were run again, and gave something else"
        if claim.digest in self.claims:
            return SettlementState.DUPLICATE, self._said()
        settled = self.claims.get(self.settled) if self.settled is not None else None
        if settled is not None and settled.results() == claim.results():
            return SettlementState.DUPLICATE, self._said()
        return None

    def became(self, claim: Claim) -> Said:
        """The answer to a receipt that was taken in."""
        if claim.digest in self.false:
            return SettlementState.REFUSED, "its chunks were run again, and gave something else"
        if claim.digest not in self.claims:
            return SettlementState.DUPLICATE, self._said()
        if self.audits.asked:
            return SettlementState.AUDITING, "it is audited"
        return SettlementState.ACCEPTED, self._said()

    def _said(self) -> str:
        return "the microjob is settled" if self.phase is Phase.SETTLED else "it waits to be settled"


def wanted(case: Case, pen: Pen, *, is_over: bool) -> list[int]:
    """The sub-blocks that have to be run again before anything is settled."""
    found = dict.fromkeys(case.conflicts())
    leader = case.leader(is_over=is_over) if case.settled is None else None
    if leader is not None:
        is_sampled = leader.digest == case.taken and leader.has_beacon
        parts = audit_lot.sampled(pen, leader) if is_sampled else range(len(leader.works))
        found.update(dict.fromkeys(parts))
    return sorted(found)


def refute(case: Case, pen: Pen) -> list[ev.Effect]:
    """Whoever signed something else than what we ran is accused; its claim is not settled any more."""
    out: list[ev.Effect] = []
    for claim in list(case.claims.values()):
        if claim.digest in case.false or not claims.is_false(claim, case.right):
            continue
        out += accuse(case, pen, claim)
        if claim.digest != case.settled:
            out += drop(case, [claim.digest])
    return out


def accuse(case: Case, pen: Pen, claim: Claim) -> list[ev.Effect]:
    """The claim is false: publish what convicts whoever signed for it."""
    case.false[claim.digest] = None
    while len(case.false) > FALSE_CLAIMS_KEPT_MAX:
        del case.false[next(iter(case.false))]
    out: list[fx.Accuse] = []
    for accusation in claims.accusations(pen, claim, case.right):
        if accusation.accused not in case.accused:
            case.accused[accusation.accused] = None
            out.append(accusation)
    return [*out]


def drop(case: Case, digests: list[bytes]) -> list[ev.Effect]:
    """These claims are not needed any more, and neither are their bytes."""
    for digest in digests:
        del case.claims[digest]
    keys = tuple(case.key(digest) for digest in digests)
    return [ev.Forget(ev.RECEIPTS, keys)] if keys else []
