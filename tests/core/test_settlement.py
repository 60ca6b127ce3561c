"""Settlement: one SETTLED for each microjob, whatever is submitted, and falsehoods that convict whoever signed them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sgnus.core import claims, fraud
from sgnus.core import effects as fx
from sgnus.core import settlement as st
from sgnus.core.claims import Claim
from sgnus.crypto.digests import digest
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import (
    AUDIT_AGAIN_MS_MIN,
    CASES_CLOSED_MAX,
    CASES_OPEN_MAX,
    CLAIMS_PER_MICROJOB_MAX,
    FALSE_CLAIMS_KEPT_MAX,
    SETTLE_GRACE_MS,
)
from sgnus.messages.v1.types import EntryKind, FraudProof, SettledBody, SettlementState
from sgnus.runtime.pens import EnvelopePen
from tests.round_support import (
    FULL,
    NETWORK,
    Output,
    Round,
    false_output,
    identity_of,
    output_of,
    proven,
)

Submitted = tuple[Claim, bytes]


def submitted(output: Output = output_of, **other: Any) -> Submitted:
    """A receipt in which workers and checkers agree on what `output` gives."""
    round_ = Round(policy=FULL, chunks=8, **other)
    round_.seal(output)
    round_.reveal()
    round_.speak()
    round_.judge(output)
    round_.disclose()
    data = round_.prove()
    return claims.read(EnvelopePen(identity_of("reader"), NETWORK), round_.terms, data), data


def false_in(chunk: int, salt: int = 0) -> Output:
    def output(number: int) -> bytes:
        return b"lie" + bytes([salt]) if number == chunk else output_of(number)

    return output


def renamed(given: Submitted, number: int) -> Submitted:
    """The same under another name, as if another round had made it: for crowds, where signatures do not matter."""
    return replace(given[0], digest=digest(number.to_bytes(4, "big"))), given[1]


@pytest.fixture(scope="module")
def honest() -> Submitted:
    return submitted()


@pytest.fixture(scope="module")
def again() -> Submitted:
    """Another round's receipt over the same results."""
    return submitted(members=4)


@pytest.fixture(scope="module")
def lie() -> Submitted:
    """Chunk 3 is false, and whoever checked it was in league."""
    return submitted(false_in(3))


@dataclass
class Node:
    """A SGNUS node: the machine, and what came out of it."""

    name: str = "sgnus node"
    grace_ms: int = SETTLE_GRACE_MS
    now_ms: int = 0
    out: list[st.Effect] = field(default_factory=list)
    tokens: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.pen = EnvelopePen(identity_of(self.name), NETWORK)
        self.machine = st.Settlement(self.pen, self.grace_ms)

    def handle(self, given: st.Input) -> list[st.Effect]:
        effects = self.machine.handle(given, self.now_ms)
        self.machine.check()
        self.out += effects
        return effects

    def submit(self, given: Submitted) -> SettlementState | None:
        token = next(self.tokens)
        effects = self.handle(st.ReceiptSubmitted(token, *given))
        (answer,) = [one for one in effects if isinstance(one, st.Answer)]
        assert answer.token == token
        return answer.state

    def take(self, given: Submitted) -> None:
        claim = given[0]
        self.handle(st.MicrojobTaken(claim.job, claim.microjob, claim.digest))

    def run_audits(self, output: Output = output_of) -> list[tuple[int, ...]]:
        """Run what was asked for; the sub-blocks of each audit."""
        done: list[tuple[int, ...]] = []
        while audits := self.all_of(st.Audit)[len(done) :]:
            for audit in audits:
                done.append(audit.sub_blocks)
                if self.machine.cases[audit.job, audit.microjob].asked == audit.sub_blocks:
                    self.handle(st.AuditEnded(audit.job, audit.microjob, right_of(audit, output)))
        return done

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.out if isinstance(one, kind)]

    def settled(self) -> list[SettledBody]:
        entries = self.all_of(fx.PublishEntry)
        assert all(one.kind is EntryKind.SETTLED for one in entries)
        return [one.body for one in entries]


def right_of(audit: st.Audit, output: Output = output_of) -> Mapping[int, bytes]:
    """The digests that an honest run gives: two chunks a sub-block."""
    return {
        number: b"".join(digest(output(chunk)) for chunk in (2 * number, 2 * number + 1))
        for number in audit.sub_blocks
    }


def unsampled(given: Submitted) -> Node:
    """A node whose VRF does not choose this receipt."""
    return next(
        node
        for node in (Node(f"node {number}") for number in range(100))
        if not st.sampled(node.pen, given[0])
    )


def sampling(given: Submitted) -> Node:
    """A node whose VRF chooses this receipt."""
    return next(
        node for node in (Node(f"node {number}") for number in range(500)) if st.sampled(node.pen, given[0])
    )


def convicted(node: Node) -> list[str]:
    """Whom the published accusations convict, checked as anybody checks them: by the chunk's own run."""
    round_ = Round(policy=FULL, chunks=8)
    found = []
    for one in node.all_of(fx.Accuse):
        proof = FraudProof(
            network=NETWORK,
            job=round_.terms.entry,
            chunk=one.chunk,
            record=one.record,
            opening=one.opening,
            verdict=one.verdict,
            branch=b"",
            path=(),
            founder=one.founder,
            nonce=one.nonce,
        )
        charge = fraud.check(node.pen, round_.terms, None, b"", proof)
        guilty = fraud.guilty(charge, digest(output_of(one.chunk)))
        assert guilty == (one.accused,)
        found += guilty
    return found


def test_a_receipt_is_durable_before_it_is_answered(honest: Submitted) -> None:
    node = Node()
    assert node.submit(honest) is SettlementState.ACCEPTED
    claim, data = honest
    place = f"{claim.job}/0"
    assert node.out[:2] == [
        fx.Persist(st.OPEN, place, b"1"),
        fx.Persist(st.RECEIPTS, f"{place}/{claim.digest.hex()}", data),
    ]
    assert isinstance(node.out[2], st.Answer)


def test_what_the_publisher_took_is_settled_at_once(honest: Submitted) -> None:
    node = unsampled(honest)
    node.submit(honest)
    assert node.settled() == []
    node.take(honest)
    (body,) = node.settled()
    assert (body.microjob, body.receipt, body.audited, body.rerun) == (0, honest[0].digest, False, 0)
    assert sum(share.made for share in body.shares) == 8
    assert sum(share.checked for share in body.shares) == 8
    assert node.pen.check_proof(node.pen.vrf_key, st.alpha_of(body.receipt), body.audit_proof or b"")


def test_what_was_taken_before_it_came_is_settled_when_it_comes(honest: Submitted) -> None:
    node = unsampled(honest)
    claim = honest[0]
    node.handle(st.CaseRestored(claim.job, 0, (), None, claim.digest))
    node.submit(honest)
    assert len(node.settled()) == 1


def test_without_the_publisher_a_receipt_is_settled_once_all_of_it_was_run_again(honest: Submitted) -> None:
    node = Node()
    node.submit(honest)
    assert node.machine.wake_ms() == SETTLE_GRACE_MS
    node.now_ms = SETTLE_GRACE_MS - 1
    node.handle(st.Tick())
    assert node.all_of(st.Audit) == []
    node.now_ms += 1
    node.handle(st.Tick())
    assert node.settled() == []
    assert node.run_audits() == [(0, 1, 2, 3)]
    (body,) = node.settled()
    assert (body.audited, body.rerun) == (True, 8)


def test_a_false_receipt_is_not_settled_without_the_publisher_either(lie: Submitted) -> None:
    node = Node()
    node.submit(lie)
    node.now_ms = SETTLE_GRACE_MS
    node.handle(st.Tick())
    node.run_audits()
    assert node.settled() == []
    assert node.submit(lie) is SettlementState.REFUSED
    assert sorted(convicted(node)) == sorted(guilty_of(lie))


def guilty_of(given: Submitted) -> list[str]:
    """Who signed for chunk 3 of a lie: its worker and its checker."""
    claim = given[0]
    worker = next(work.worker for work in claim.works if 3 in work.chunks)
    return [worker, *(check.checker for check in claim.checks if 3 in check.digests)]


def test_a_chosen_receipt_is_settled_after_a_sub_block_of_it_was_run_again(honest: Submitted) -> None:
    node = sampling(honest)
    node.submit(honest)
    node.take(honest)
    assert node.settled() == []
    assert [len(numbers) for numbers in node.run_audits()] == [1]
    (body,) = node.settled()
    assert (body.audited, body.rerun) == (True, 2)


def test_a_tenth_of_receipts_is_chosen_and_nobody_else_can_tell_which(honest: Submitted) -> None:
    pen = EnvelopePen(identity_of("sgnus node"), NETWORK)
    chosen = 0
    for number in range(600):
        chosen += bool(st.sampled(pen, renamed(honest, number)[0]))
    assert 30 <= chosen <= 95
    assert st.parts_of(bytes(32), 10) != st.parts_of(bytes([1]) * 32, 10)


def test_a_thousand_duplicates_and_a_hundred_conflicts_make_one_settlement(
    honest: Submitted, again: Submitted, lie: Submitted
) -> None:
    node = unsampled(honest)
    states: list[SettlementState | None] = []
    lies = [submitted(false_in(3, salt)) for salt in range(2)]
    for number in range(100):
        states.append(node.submit(renamed(lies[number % 2], number)))
        for _ in range(10):
            states.append(node.submit(honest))
        if number == 50:
            node.take(honest)
        if number == 70:
            node.run_audits()
    node.run_audits()
    assert len(node.settled()) == 1
    assert node.settled()[0].receipt == honest[0].digest
    case = node.machine.cases[honest[0].job, 0]
    assert list(case.claims) == [honest[0].digest]
    assert len(case.false) <= FALSE_CLAIMS_KEPT_MAX
    assert states.count(SettlementState.DUPLICATE) >= 998
    kept = {one.key for one in node.all_of(fx.Persist) if one.namespace == st.RECEIPTS}
    for forgotten in node.all_of(st.Forget):
        kept -= {*forgotten.keys}
    assert kept == {case.key(honest[0].digest)}


def test_another_receipt_of_the_same_results_is_a_duplicate(honest: Submitted, again: Submitted) -> None:
    node = unsampled(honest)
    node.submit(honest)
    node.take(honest)
    assert again[0].digest != honest[0].digest
    assert node.submit(again) is SettlementState.DUPLICATE
    assert node.submit(honest) is SettlementState.DUPLICATE
    assert len(node.settled()) == 1
    assert node.all_of(st.Audit) == []


def test_of_two_receipts_of_the_same_results_the_one_that_was_taken_is_settled(
    honest: Submitted, again: Submitted
) -> None:
    node = unsampled(again)
    node.submit(honest)
    assert node.submit(again) is SettlementState.ACCEPTED
    node.take(again)
    assert [body.receipt for body in node.settled()] == [again[0].digest]


def test_of_two_that_differ_the_one_that_is_right_is_settled_and_the_other_side_convicted(
    honest: Submitted, lie: Submitted
) -> None:
    node = unsampled(honest)
    node.submit(lie)
    assert node.submit(honest) is SettlementState.AUDITING
    node.take(honest)
    assert node.settled() == []
    assert node.run_audits() == [(1,)]
    assert [body.receipt for body in node.settled()] == [honest[0].digest]
    assert sorted(convicted(node)) == sorted(guilty_of(lie))
    assert node.submit(lie) is SettlementState.REFUSED


def test_what_the_publisher_took_is_not_settled_if_it_is_false(honest: Submitted, lie: Submitted) -> None:
    node = unsampled(lie)
    node.submit(honest)
    node.submit(lie)
    node.take(lie)
    node.run_audits()
    assert node.settled() == []
    node.now_ms = SETTLE_GRACE_MS
    node.handle(st.Tick())
    node.run_audits()
    assert [body.receipt for body in node.settled()] == [honest[0].digest]


def test_what_is_settled_stays_and_a_conflict_that_comes_later_convicts_the_false_side(
    honest: Submitted, lie: Submitted
) -> None:
    node = unsampled(lie)
    node.submit(lie)
    node.take(lie)
    assert [body.receipt for body in node.settled()] == [lie[0].digest]
    assert node.submit(honest) is SettlementState.AUDITING
    node.run_audits()
    assert len(node.settled()) == 1
    assert sorted(convicted(node)) == sorted(guilty_of(lie))


def test_a_false_checker_is_convicted_though_the_worker_was_right() -> None:
    """Nobody can have such a receipt; but a claim may be false in a verdict that its draw did not ask for."""
    claim, _data = submitted()
    node = Node()
    check = claim.checks[0]
    wrong = {chunk: digest(false_output(chunk)) for chunk in check.digests}
    false = replace(claim, checks=(replace(check, digests=wrong), *claim.checks[1:]))
    right = right_of(st.Audit(claim.job, 0, claim.instance, (0, 1, 2, 3), ()))
    accused = [one.accused for one in claims.accusations(node.pen, false, right)]
    assert accused == [check.checker]


def test_an_audit_that_cannot_be_is_tried_again_later_and_nothing_is_settled_meanwhile(
    honest: Submitted,
) -> None:
    node = sampling(honest)
    node.submit(honest)
    node.take(honest)
    (audit,) = node.all_of(st.Audit)
    node.handle(st.AuditEnded(audit.job, audit.microjob, {}))
    assert node.machine.wake_ms() == AUDIT_AGAIN_MS_MIN
    node.handle(st.Tick())
    assert len(node.all_of(st.Audit)) == 1
    node.now_ms = AUDIT_AGAIN_MS_MIN
    node.handle(st.Tick())
    assert len(node.all_of(st.Audit)) == 2
    assert node.settled() == []
    node.handle(st.AuditEnded(audit.job, audit.microjob, {}))
    assert node.machine.wake_ms() == 3 * AUDIT_AGAIN_MS_MIN


def test_after_a_restart_it_goes_on_where_it_was_and_settles_nothing_twice(honest: Submitted) -> None:
    claim = honest[0]
    node = unsampled(honest)
    node.handle(st.CaseRestored(claim.job, 0, (claim,), None, claim.digest))
    assert len(node.settled()) == 1
    later = unsampled(honest)
    later.handle(st.CaseRestored(claim.job, 0, (claim,), claim.digest, claim.digest))
    later.take(honest)
    assert later.submit(honest) is SettlementState.DUPLICATE
    later.now_ms = 10 * SETTLE_GRACE_MS
    later.handle(st.Tick())
    assert later.settled() == []


def test_claims_of_a_microjob_are_bounded_but_what_was_taken_has_a_place(
    honest: Submitted, lie: Submitted
) -> None:
    node = unsampled(honest)
    for number in range(CLAIMS_PER_MICROJOB_MAX):
        assert node.submit(renamed(lie, number)) is not None
    assert node.submit(renamed(lie, 99)) is None
    assert node.submit(honest) is None
    node.take(honest)
    assert node.submit(honest) is SettlementState.AUDITING
    node.run_audits()
    assert [body.receipt for body in node.settled()] == [honest[0].digest]


def test_open_cases_are_bounded_and_settled_ones_make_room(honest: Submitted) -> None:
    claim, data = honest
    node = unsampled(honest)

    def of_job(number: int) -> Submitted:
        return replace(claim, job=BlockId(f"job {number}")), data

    for number in range(CASES_OPEN_MAX):
        assert node.machine.handle(st.ReceiptSubmitted(number, *of_job(number)), 0)
    node.machine.check()
    assert node.submit(of_job(CASES_OPEN_MAX)) is None
    for number in range(CASES_CLOSED_MAX + 5):
        node.machine.handle(st.MicrojobTaken(BlockId(f"job {number}"), 0, claim.digest), 0)
    assert node.submit(of_job(CASES_OPEN_MAX)) is SettlementState.ACCEPTED
    assert len(node.machine.cases) <= CASES_OPEN_MAX + CASES_CLOSED_MAX


def test_a_job_that_is_gone_leaves_nothing(honest: Submitted) -> None:
    node = Node()
    node.submit(honest)
    node.handle(st.JobGone(honest[0].job))
    assert not node.machine.cases
    node.handle(st.AuditEnded(honest[0].job, 0, {}))
    assert node.settled() == []


def test_a_state_that_cannot_be_is_noticed(honest: Submitted) -> None:
    node = Node()
    node.submit(honest)
    node.machine.cases[honest[0].job, 0].false[honest[0].digest] = None
    with pytest.raises(OurFault):
        node.machine.check()


def test_a_receipt_that_does_not_hold_makes_no_claim() -> None:
    round_ = Round()
    data = proven(round_)
    with pytest.raises(PeerFault):
        claims.read(round_.publisher, round_.terms, data[:-1])
