"""Settlement at a SGNUS node: which receipt of a microjob is recorded as complete and verified, once for good.

A **case** is one microjob of which receipts have come. It is open, with claims that wait for the publisher's TAKEN, for
the grace period or for an audit; then settled. Chunks that were run here again are facts: every claim, old or new, is
held against them. It must never settle a microjob twice, nor a claim that an audit found false, nor (without TAKEN) one
that was not run again in full; and never accuse anybody whose signature agrees with the chunk's own run. What it
answers is on disk before. DESIGN section 9, step 10; docs/protocol/settlement.md.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from sgnus.core import claims as claims_
from sgnus.core import effects as fx
from sgnus.core.claims import Claim
from sgnus.core.pen import Pen
from sgnus.messages.errors import OurFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    AUDIT_AGAIN_MS_MAX,
    AUDIT_AGAIN_MS_MIN,
    AUDITED_ONE_IN,
    AUDITED_SUB_BLOCKS_ONE_IN,
    CASES_CLOSED_MAX,
    CASES_OPEN_MAX,
    CLAIMS_PER_MICROJOB_MAX,
    FALSE_CLAIMS_KEPT_MAX,
    SETTLE_GRACE_MS,
)
from sgnus.messages.v1.types import EntryKind, SettledBody, SettlementState

RECEIPTS: Final = "settlement"
"""Namespace of receipts that are kept, by job/microjob/digest."""
OPEN: Final = "settling"
"""Namespace of the cases that are not settled yet."""
Place = tuple[BlockId, int]


# ---- inputs
@dataclass(frozen=True, slots=True)
class ReceiptSubmitted:
    """`claim` was checked, `data` are its bytes. Ends in Answer, for `token`."""

    token: int
    claim: Claim
    data: bytes


@dataclass(frozen=True, slots=True)
class CaseRestored:
    """What disk and database know of a case, before anything else is said of it. `settled` and `taken` are digests."""

    job: BlockId
    microjob: int
    claims: tuple[Claim, ...]
    settled: bytes | None
    taken: bytes | None


@dataclass(frozen=True, slots=True)
class MicrojobTaken:
    """The publisher's TAKEN names this receipt."""

    job: BlockId
    microjob: int
    receipt: bytes


@dataclass(frozen=True, slots=True)
class AuditEnded:
    """Sub-blocks were run again: the digests of each, end to end. Those that could not be run are missing."""

    job: BlockId
    microjob: int
    digests: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class JobGone:
    """The job expired."""

    job: BlockId


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Input = ReceiptSubmitted | CaseRestored | MicrojobTaken | AuditEnded | JobGone | Tick


# ---- effects beside Persist, PublishEntry and Accuse
@dataclass(frozen=True, slots=True)
class Answer:
    """To ReceiptSubmitted. `state` None: no place for it now, try again."""

    token: int
    state: SettlementState | None
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Run these sub-blocks again, from inputs of the publisher or of `holders`; ends in AuditEnded."""

    job: BlockId
    microjob: int
    instance: InstanceId
    sub_blocks: tuple[int, ...]
    holders: tuple[PeerId, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """Facts that are not needed any more."""

    namespace: str
    keys: tuple[str, ...]


Effect = fx.Persist | fx.PublishEntry | fx.Accuse | Answer | Audit | Forget


# ---- state
class Phase(Enum):
    """Of a case."""

    WAITING = "waiting"
    AUDITING = "auditing"
    SETTLED = "settled"


@dataclass(slots=True)
class Due:
    """When an audit that failed is tried again."""

    at_ms: int = 0
    wait_ms: int = AUDIT_AGAIN_MS_MIN

    def failed(self, now_ms: int) -> None:
        """Later, each time in a row."""
        self.at_ms = now_ms + self.wait_ms
        self.wait_ms = min(AUDIT_AGAIN_MS_MAX, 2 * self.wait_ms)


@dataclass(slots=True)
class Case:
    """One microjob. `right`: digests of sub-blocks that we ran again. `false`: claims that it refuted. `asked`: an audit
    under way; `due_ms`: not before then another one.
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
    asked: tuple[int, ...] = ()
    due: Due = field(default_factory=Due)

    @property
    def phase(self) -> Phase:
        if self.settled is not None:
            return Phase.SETTLED
        return Phase.AUDITING if self.asked else Phase.WAITING

    @property
    def is_open(self) -> bool:
        """Whether something is to be decided yet."""
        return bool(self.claims) and (self.settled is None or len(self.claims) > 1)

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


@dataclass(slots=True)
class Settlement:
    """All cases of a SGNUS node. `out` collects effects."""

    pen: Pen
    grace_ms: int = SETTLE_GRACE_MS
    cases: OrderedDict[Place, Case] = field(default_factory=OrderedDict)
    out: list[Effect] = field(default_factory=list)

    def handle(self, given: Input, now_ms: int) -> list[Effect]:
        """The one door."""
        self.out = []
        _DOORS[type(given)](self, given, now_ms)
        effects, self.out = self.out, []
        return effects

    def knows(self, job: BlockId, microjob: int) -> bool:
        """Whether the case is here; if not, CaseRestored comes before all else."""
        return (job, microjob) in self.cases

    def wake_ms(self) -> int | None:
        """When time alone changes something."""
        moments = [
            max(case.due.at_ms, 0 if _is_due(case) else case.born_ms + self.grace_ms)
            for case in self.cases.values()
            if not case.asked and case.is_open
        ]
        return min(moments) if moments else None

    def check(self) -> None:
        """The invariants; OurFault if one does not hold."""
        opened = [case for case in self.cases.values() if case.is_open]
        if len(opened) > CASES_OPEN_MAX or len(self.cases) - len(opened) > CASES_CLOSED_MAX:
            raise OurFault("more cases than are allowed")
        for case in self.cases.values():
            if len(case.claims) > CLAIMS_PER_MICROJOB_MAX + 1 or len(case.false) > FALSE_CLAIMS_KEPT_MAX:
                raise OurFault("more claims of a microjob than are allowed")
            if any(digest in case.false for digest in case.claims if digest != case.settled):
                raise OurFault("a claim that was refuted still stands")

    # ---- doors
    def _restored(self, given: CaseRestored, now_ms: int) -> None:
        place = (given.job, given.microjob)
        if place in self.cases or self._open_cases() >= CASES_OPEN_MAX:
            return
        case = Case(given.job, given.microjob, now_ms, taken=given.taken, settled=given.settled)
        case.claims = {claim.digest: claim for claim in given.claims[: CLAIMS_PER_MICROJOB_MAX + 1]}
        self.cases[place] = case
        self._advance(case, now_ms)
        self._bound()

    def _submitted(self, given: ReceiptSubmitted, now_ms: int) -> None:
        claim = given.claim
        place = (claim.job, claim.microjob)
        case = self.cases.get(place) or Case(claim.job, claim.microjob, now_ms)
        if claim.digest not in case.false and claims_.is_false(claim, case.right):
            self._accuse(case, claim)
        known = _known(case, claim)
        if known is not None:
            self.out.append(Answer(given.token, *known))
            return
        if not self._has_room(case, claim):
            self.out.append(Answer(given.token, None, "there is no place for another receipt now"))
            return
        if not case.claims and case.settled is None:
            self.out.append(fx.Persist(OPEN, case.key(), b"1"))
        self.cases[place] = case
        case.claims[claim.digest] = claim
        self.out.append(fx.Persist(RECEIPTS, case.key(claim.digest), given.data))
        durable = len(self.out)
        self._advance(case, now_ms)
        self.out.insert(durable, Answer(given.token, *_became(case, claim)))
        self._bound()

    def _taken(self, given: MicrojobTaken, now_ms: int) -> None:
        case = self.cases.get((given.job, given.microjob))
        if case is not None and case.taken != given.receipt:
            case.taken = given.receipt
            self._advance(case, now_ms)

    def _audited(self, given: AuditEnded, now_ms: int) -> None:
        case = self.cases.get((given.job, given.microjob))
        if case is None:
            return
        asked, case.asked = case.asked, ()
        case.right.update({number: given.digests[number] for number in asked if number in given.digests})
        if any(number not in given.digests for number in asked):
            case.due.failed(now_ms)
        else:
            case.due = Due()
        self._advance(case, now_ms)

    def _gone(self, given: JobGone, _now_ms: int) -> None:
        for place in [place for place in self.cases if place[0] == given.job]:
            del self.cases[place]

    def _tick(self, _given: Tick, now_ms: int) -> None:
        for case in list(self.cases.values()):
            self._advance(case, now_ms)

    # ---- inner
    def _has_room(self, case: Case, claim: Claim) -> bool:
        """The receipt that TAKEN names always has a place: whoever brings others cannot keep it out."""
        if not case.is_open and self._open_cases() >= CASES_OPEN_MAX:
            return False
        return len(case.claims) < CLAIMS_PER_MICROJOB_MAX or case.taken == claim.digest

    def _advance(self, case: Case, now_ms: int) -> None:
        """Refute what can be refuted, run what must be run, settle what may be settled."""
        self._refute(case)
        if case.asked or now_ms < case.due.at_ms or not case.claims:
            return
        missing = tuple(number for number in self._wanted(case, now_ms) if number not in case.right)
        if missing:
            case.asked = missing
            instance = next(iter(case.claims.values())).instance
            holders = dict.fromkeys(peer for one in case.claims.values() for peer in one.holders())
            self.out.append(Audit(case.job, case.microjob, instance, missing, tuple(holders)))
            return
        leader = _leader(case, is_over=now_ms - case.born_ms >= self.grace_ms)
        if case.settled is None and leader is not None:
            self._settle(case, leader)
        if case.settled is not None:
            self._drop(case, [digest for digest in case.claims if digest != case.settled])

    def _wanted(self, case: Case, now_ms: int) -> list[int]:
        """The sub-blocks that have to be run again before anything is settled."""
        wanted = dict.fromkeys(case.conflicts())
        if case.settled is None:
            leader = _leader(case, is_over=now_ms - case.born_ms >= self.grace_ms)
            if leader is not None:
                is_taken = leader.digest == case.taken
                wanted.update(
                    dict.fromkeys(sampled(self.pen, leader) if is_taken else range(len(leader.works)))
                )
        return sorted(wanted)

    def _refute(self, case: Case) -> None:
        """Whoever signed something else than what we ran is accused; its claim is not settled any more."""
        for claim in list(case.claims.values()):
            if claim.digest in case.false or not claims_.is_false(claim, case.right):
                continue
            self._accuse(case, claim)
            if claim.digest != case.settled:
                self._drop(case, [claim.digest])

    def _accuse(self, case: Case, claim: Claim) -> None:
        case.false[claim.digest] = None
        while len(case.false) > FALSE_CLAIMS_KEPT_MAX:
            del case.false[next(iter(case.false))]
        for accusation in claims_.accusations(self.pen, claim, case.right):
            if accusation.accused not in case.accused:
                case.accused[accusation.accused] = None
                self.out.append(accusation)

    def _settle(self, case: Case, claim: Claim) -> None:
        case.settled = claim.digest
        rerun = sum(len(work.chunks) for number, work in enumerate(claim.works) if number in case.right)
        body = SettledBody(
            microjob=case.microjob,
            receipt=claim.digest,
            audited=rerun > 0,
            audit_proof=self.pen.prove(alpha_of(claim.digest)),
            shares=claim.shares(),
            rerun=rerun,
        )
        self.out.append(fx.PublishEntry(EntryKind.SETTLED, case.job, body))
        self.out.append(Forget(OPEN, (case.key(),)))

    def _drop(self, case: Case, digests: list[bytes]) -> None:
        for digest in digests:
            del case.claims[digest]
        if digests:
            self.out.append(Forget(RECEIPTS, tuple(case.key(digest) for digest in digests)))

    def _open_cases(self) -> int:
        return sum(case.is_open for case in self.cases.values())

    def _bound(self) -> None:
        """Of cases in which nothing is open the newest are remembered; others are read again when somebody asks."""
        closed = [place for place, case in self.cases.items() if not case.is_open]
        for place in closed[: max(0, len(closed) - CASES_CLOSED_MAX)]:
            del self.cases[place]


def alpha_of(digest: bytes) -> bytes:
    """What a SGNUS node proves over, for the receipt of this digest."""
    return b"sgnus/v1/audit\0" + digest


def is_chosen(output: bytes) -> bool:
    """Whether this VRF output says that the receipt is to be audited."""
    return int.from_bytes(output[:8], "big") * AUDITED_ONE_IN < 1 << 64


def parts_of(output: bytes, sub_blocks: int) -> tuple[int, ...]:
    """Which sub-blocks of a chosen receipt are run again: one of ten, at least one, by the VRF output."""

    def ticket(number: int) -> bytes:
        return hashlib.sha256(b"sgnus/v1/audit-part\0" + output + number.to_bytes(4, "big")).digest()

    count = -(-sub_blocks // AUDITED_SUB_BLOCKS_ONE_IN)
    return tuple(sorted(sorted(range(sub_blocks), key=ticket)[:count]))


def sampled(pen: Pen, claim: Claim) -> tuple[int, ...]:
    """The sub-blocks that our own VRF says we have to run again: of most receipts none."""
    alpha = alpha_of(claim.digest)
    output = pen.check_proof(pen.vrf_key, alpha, pen.prove(alpha))
    if output is None:
        raise OurFault("a VRF proof of our own does not hold")
    return parts_of(output, len(claim.works)) if is_chosen(output) else ()


def _is_due(case: Case) -> bool:
    """Whether it need not wait for the end of the grace period."""
    return bool(case.conflicts()) or (case.taken is not None and case.taken in case.claims)


def _leader(case: Case, *, is_over: bool) -> Claim | None:
    """What TAKEN names; without that, once the grace period is over, the first that came and still stands."""
    if case.taken is not None and case.taken in case.claims:
        return case.claims[case.taken]
    return next(iter(case.claims.values()), None) if is_over else None


def _known(case: Case, claim: Claim) -> tuple[SettlementState, str] | None:
    """The answer to what needs no place: it is here, or the like is settled, or it is false."""
    if claim.digest in case.false:
        return SettlementState.REFUSED, "its chunks were run again, and gave something else"
    if claim.digest in case.claims:
        return SettlementState.DUPLICATE, _said(case)
    settled = case.claims.get(case.settled) if case.settled is not None else None
    if settled is not None and settled.results() == claim.results():
        return SettlementState.DUPLICATE, _said(case)
    return None


def _became(case: Case, claim: Claim) -> tuple[SettlementState, str]:
    if claim.digest in case.false:
        return SettlementState.REFUSED, "its chunks were run again, and gave something else"
    if claim.digest not in case.claims:
        return SettlementState.DUPLICATE, _said(case)
    if case.conflicts() or case.asked:
        return SettlementState.AUDITING, "it is audited"
    return SettlementState.ACCEPTED, _said(case)


def _said(case: Case) -> str:
    return "the microjob is settled" if case.settled is not None else "it waits to be settled"


_DOORS: Final[dict[type, Callable[[Settlement, Any, int], None]]] = {
    ReceiptSubmitted: Settlement._submitted,
    CaseRestored: Settlement._restored,
    MicrojobTaken: Settlement._taken,
    AuditEnded: Settlement._audited,
    JobGone: Settlement._gone,
    Tick: Settlement._tick,
}
