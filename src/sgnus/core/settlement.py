"""Settlement at a SGNUS node: which receipt of a microjob is recorded as complete and verified, once for good.

A **case** (`case.py`) is one microjob of which receipts have come. It is open, with claims that wait for the publisher's
TAKEN, for the grace period or for an audit; then settled. It must never settle a microjob twice, nor a claim that an audit
found false, nor (without TAKEN) one that was not run again in full. What it answers is on disk before.
docs/protocol/settlement.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sgnus.core import audit_lot, claims
from sgnus.core import case as cases_
from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.core.case import Case
from sgnus.core.claims import Claim
from sgnus.core.pen import Pen
from sgnus.messages.errors import OurFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import (
    CASES_CLOSED_MAX,
    CASES_OPEN_MAX,
    CLAIMS_PER_MICROJOB_MAX,
    FALSE_CLAIMS_KEPT_MAX,
    SETTLE_GRACE_MS,
)
from sgnus.messages.v1.types import EntryKind, SettledBody


@dataclass(slots=True)
class Settlement:
    """All cases of a SGNUS node. `out` collects effects."""

    pen: Pen
    grace_ms: int = SETTLE_GRACE_MS
    cases: OrderedDict[tuple[BlockId, int], Case] = field(default_factory=OrderedDict)
    out: list[ev.Effect] = field(default_factory=list)

    def handle(self, given: ev.Input, now_ms: int) -> list[ev.Effect]:
        """The one door."""
        self.out = []
        _DOORS[type(given)](self, given, now_ms)
        self._bound()
        effects, self.out = self.out, []
        return effects

    def knows(self, job: BlockId, microjob: int) -> bool:
        """Whether the case is here; if not, CaseRestored comes before all else."""
        return (job, microjob) in self.cases

    def open_cases(self) -> int:
        """Of how many microjobs something is to be decided yet."""
        return sum(case.is_open for case in self.cases.values())

    def wake_ms(self) -> int | None:
        """When time alone changes something."""
        moments = [
            max(case.audits.due_ms, 0 if case.is_due else case.born_ms + self.grace_ms)
            for case in self.cases.values()
            if not case.audits.asked and case.is_open
        ]
        return min(moments) if moments else None

    def check(self) -> None:
        """The invariants; OurFault if one does not hold."""
        opened = self.open_cases()
        if opened > CASES_OPEN_MAX or len(self.cases) - opened > CASES_CLOSED_MAX:
            raise OurFault("more cases than are allowed")
        for case in self.cases.values():
            if len(case.claims) > CLAIMS_PER_MICROJOB_MAX + 1 or len(case.false) > FALSE_CLAIMS_KEPT_MAX:
                raise OurFault("more claims of a microjob than are allowed")
            if any(digest in case.false for digest in case.claims if digest != case.settled):
                raise OurFault("a claim that was refuted still stands")

    # ---- doors
    def _restored(self, given: ev.CaseRestored, now_ms: int) -> None:
        place = (given.job, given.microjob)
        if place in self.cases or self.open_cases() >= CASES_OPEN_MAX:
            return
        case = Case(given.job, given.microjob, now_ms, taken=given.taken, settled=given.settled)
        case.claims = {claim.digest: claim for claim in given.claims[: CLAIMS_PER_MICROJOB_MAX + 1]}
        self.cases[place] = case
        self._advance(case, now_ms)

    def _submitted(self, given: ev.ReceiptSubmitted, now_ms: int) -> None:
        claim = given.claim
        place = (claim.job, claim.microjob)
        case = self.cases.get(place) or Case(claim.job, claim.microjob, now_ms)
        if claim.digest not in case.false and claims.is_false(claim, case.right):
            self.out += cases_.accuse(case, self.pen, claim)
        known = case.known(claim)
        if known is not None:
            self.out.append(ev.Answer(given.token, *known))
            return
        if not self._has_room(case, claim):
            self.out.append(ev.Answer(given.token, None, "there is no place for another receipt now"))
            return
        if not case.claims and case.settled is None:
            self.out.append(fx.Persist(ev.OPEN, case.key(), b"1"))
        self.cases[place] = case
        case.claims[claim.digest] = claim
        self.out.append(fx.Persist(ev.RECEIPTS, case.key(claim.digest), given.data))
        durable = len(self.out)
        self._advance(case, now_ms)
        self.out.insert(durable, ev.Answer(given.token, *case.became(claim)))

    def _recorded(self, given: ev.MicrojobTaken | ev.MicrojobSettled, now_ms: int) -> None:
        """The database says so. Where another SGNUS node was first, what differs is still examined, and nothing is settled
        here any more.
        """
        case = self.cases.get((given.job, given.microjob))
        if case is None:
            return
        if isinstance(given, ev.MicrojobTaken):
            case.taken = given.receipt
        elif case.settled is None:
            case.settled = given.receipt
            self.out.append(ev.Forget(ev.OPEN, (case.key(),)))
        self._advance(case, now_ms)

    def _audited(self, given: ev.AuditEnded, now_ms: int) -> None:
        case = self.cases.get((given.job, given.microjob))
        if case is None:
            return
        asked = case.audits.asked
        case.right.update({number: given.digests[number] for number in asked if number in given.digests})
        case.audits.ended(now_ms, has_all=all(number in given.digests for number in asked))
        self._advance(case, now_ms)

    def _gone(self, given: ev.JobGone, _now_ms: int) -> None:
        for place in [place for place in self.cases if place[0] == given.job]:
            del self.cases[place]

    def _tick(self, _given: ev.Tick, now_ms: int) -> None:
        for case in list(self.cases.values()):
            self._advance(case, now_ms)

    # ---- inner
    def _has_room(self, case: Case, claim: Claim) -> bool:
        """The receipt that TAKEN names always has a place: whoever brings others cannot keep it out."""
        if not case.is_open and self.open_cases() >= CASES_OPEN_MAX:
            return False
        return len(case.claims) < CLAIMS_PER_MICROJOB_MAX or case.taken == claim.digest

    def _advance(self, case: Case, now_ms: int) -> None:
        """Refute what can be refuted, run what must be run, settle what may be settled."""
        self.out += cases_.refute(case, self.pen)
        if case.audits.asked or now_ms < case.audits.due_ms or not case.claims:
            return
        is_over = now_ms - case.born_ms >= self.grace_ms
        wanted = cases_.wanted(case, self.pen, is_over=is_over)
        missing = tuple(number for number in wanted if number not in case.right)
        if missing:
            case.audits.asked = missing
            instance = next(iter(case.claims.values())).instance
            holders = dict.fromkeys(peer for one in case.claims.values() for peer in one.holders())
            self.out.append(ev.Audit(case.job, case.microjob, instance, missing, tuple(holders)))
            return
        leader = case.leader(is_over=is_over)
        if case.settled is None and leader is not None:
            self._settle(case, leader)
        if case.settled is not None:
            self.out += cases_.drop(case, [digest for digest in case.claims if digest != case.settled])

    def _settle(self, case: Case, claim: Claim) -> None:
        case.settled = claim.digest
        rerun = sum(len(work.chunks) for number, work in enumerate(claim.works) if number in case.right)
        body = SettledBody(
            microjob=case.microjob,
            receipt=claim.digest,
            audited=rerun > 0,
            audit_proof=self.pen.prove(audit_lot.alpha_of(claim.digest)),
            shares=claim.shares(),
            rerun=rerun,
        )
        self.out.append(fx.PublishEntry(EntryKind.SETTLED, case.job, body))
        self.out.append(ev.Forget(ev.OPEN, (case.key(),)))

    def _bound(self) -> None:
        """Of cases in which nothing is open the newest are remembered; others are read again when somebody asks."""
        closed = [place for place, case in self.cases.items() if not case.is_open]
        for place in closed[: max(0, len(closed) - CASES_CLOSED_MAX)]:
            del self.cases[place]


_DOORS: Final[dict[type, Callable[[Settlement, Any, int], None]]] = {
    ev.ReceiptSubmitted: Settlement._submitted,
    ev.CaseRestored: Settlement._restored,
    ev.MicrojobTaken: Settlement._recorded,
    ev.MicrojobSettled: Settlement._recorded,
    ev.AuditEnded: Settlement._audited,
    ev.JobGone: Settlement._gone,
    ev.Tick: Settlement._tick,
}
