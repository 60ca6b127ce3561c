"""Settlement under duplicates, conflicts and lies: one SETTLED all the same, and the false side convicted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.core import claims
from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.crypto.digests import digest
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import (
    AUDIT_AGAIN_MS_MIN,
    CASES_CLOSED_MAX,
    CASES_OPEN_MAX,
    CLAIMS_PER_MICROJOB_MAX,
    FALSE_CLAIMS_KEPT_MAX,
    SETTLE_GRACE_MS,
)
from sgnus.messages.v1.types import SettlementState, SignedKind
from tests.core.settled import (
    AGAIN,
    HONEST,
    LIE,
    Node,
    Submitted,
    beaconless,
    convicted,
    false_in,
    guilty_of,
    renamed,
    right_of,
    sampling,
    submitted,
    unsampled,
)
from tests.round_support import SAMPLE, Round, false_output


def test_without_the_publisher_a_receipt_is_settled_once_all_of_it_was_run_again() -> None:
    node = Node()
    node.submit(HONEST)
    assert node.machine.wake_ms() == SETTLE_GRACE_MS
    node.now_ms = SETTLE_GRACE_MS - 1
    node.handle(ev.Tick())
    assert node.all_of(ev.Audit) == []
    node.now_ms += 1
    node.handle(ev.Tick())
    assert node.settled() == []
    assert node.run_audits() == [(0, 1, 2, 3)]
    (body,) = node.settled()
    assert (body.audited, body.rerun) == (True, 8)


def test_what_another_node_settled_meanwhile_is_not_settled_again() -> None:
    node = Node()
    node.submit(HONEST)
    claim = HONEST[0]
    effects = node.handle(ev.MicrojobSettled(claim.job, claim.microjob, claim.digest))
    assert ev.Forget(ev.OPEN, (f"{claim.job}/{claim.microjob}",)) in effects
    node.take(HONEST)
    node.now_ms = 2 * SETTLE_GRACE_MS
    node.handle(ev.Tick())
    node.run_audits()
    assert node.settled() == []
    assert node.machine.wake_ms() is None


def test_a_lie_that_another_node_settled_is_convicted_and_nothing_is_settled_again() -> None:
    node = Node()
    node.submit(LIE)
    node.handle(ev.MicrojobSettled(LIE[0].job, LIE[0].microjob, LIE[0].digest))
    node.submit(HONEST)
    node.run_audits()
    assert convicted(node) == guilty_of(LIE)
    assert node.settled() == []


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_receipt_without_a_beacon_is_run_again_in_full_and_at_once(is_taken: bool) -> None:
    given = beaconless()
    node = unsampled(given)
    if is_taken:
        node.handle(ev.CaseRestored(given[0].job, 0, (), None, given[0].digest))
    assert node.submit(given) is SettlementState.AUDITING
    assert node.settled() == []
    assert node.run_audits() == [(0, 1, 2, 3)]
    (body,) = node.settled()
    assert (body.audited, body.rerun) == (True, 8)


def test_a_false_receipt_is_not_settled_without_the_publisher_either() -> None:
    node = Node()
    node.submit(LIE)
    node.now_ms = SETTLE_GRACE_MS
    node.handle(ev.Tick())
    node.run_audits()
    assert node.settled() == []
    assert node.submit(LIE) is SettlementState.REFUSED
    assert sorted(convicted(node)) == sorted(guilty_of(LIE))


def test_a_chosen_receipt_is_settled_after_a_sub_block_of_it_was_run_again() -> None:
    node = sampling(HONEST)
    node.submit(HONEST)
    node.take(HONEST)
    assert node.settled() == []
    assert [len(numbers) for numbers in node.run_audits()] == [1]
    (body,) = node.settled()
    assert (body.audited, body.rerun) == (True, 2)


def test_a_thousand_duplicates_and_a_hundred_conflicts_make_one_settlement() -> None:
    node = unsampled(HONEST)
    states: list[SettlementState | None] = []
    lies = [submitted(false_in(3, salt)) for salt in range(2)]
    for number in range(100):
        states.append(node.submit(renamed(lies[number % 2], number)))
        for _ in range(10):
            states.append(node.submit(HONEST))
        if number == 50:
            node.take(HONEST)
        if number == 70:
            node.run_audits()
    node.run_audits()
    assert len(node.settled()) == 1
    assert node.settled()[0].receipt == HONEST[0].digest
    case = node.machine.cases[HONEST[0].job, 0]
    assert list(case.claims) == [HONEST[0].digest]
    assert len(case.false) <= FALSE_CLAIMS_KEPT_MAX
    assert states.count(SettlementState.DUPLICATE) >= 998
    kept = {one.key for one in node.all_of(fx.Persist) if one.namespace == ev.RECEIPTS}
    for forgotten in node.all_of(ev.Forget):
        kept -= {*forgotten.keys}
    assert kept == {case.key(HONEST[0].digest)}
    accused = [one.accused for one in node.all_of(fx.Accuse)]
    assert len(accused) == len({*accused}) > 0


def test_another_receipt_of_the_same_results_is_a_duplicate() -> None:
    node = unsampled(HONEST)
    node.submit(HONEST)
    node.take(HONEST)
    assert AGAIN[0].digest != HONEST[0].digest
    kept = node.all_of(fx.Persist)
    assert node.submit(AGAIN) is SettlementState.DUPLICATE
    assert node.submit(HONEST) is SettlementState.DUPLICATE
    assert len(node.settled()) == 1
    assert node.all_of(ev.Audit) == []
    assert node.all_of(fx.Persist) == kept


def test_of_two_receipts_of_the_same_results_the_one_that_was_taken_is_settled() -> None:
    node = unsampled(AGAIN)
    node.submit(HONEST)
    assert node.submit(AGAIN) is SettlementState.ACCEPTED
    node.take(AGAIN)
    assert [body.receipt for body in node.settled()] == [AGAIN[0].digest]


def test_of_two_that_differ_the_one_that_is_right_is_settled_and_the_other_side_convicted() -> None:
    node = unsampled(HONEST)
    node.submit(LIE)
    assert node.submit(HONEST) is SettlementState.AUDITING
    node.take(HONEST)
    assert node.settled() == []
    assert node.run_audits() == [(1,)]
    assert [body.receipt for body in node.settled()] == [HONEST[0].digest]
    assert sorted(convicted(node)) == sorted(guilty_of(LIE))
    assert node.submit(LIE) is SettlementState.REFUSED


def test_what_the_publisher_took_is_not_settled_if_it_is_false() -> None:
    node = unsampled(LIE)
    node.submit(HONEST)
    node.submit(LIE)
    node.take(LIE)
    node.run_audits()
    assert node.settled() == []
    node.now_ms = SETTLE_GRACE_MS
    node.handle(ev.Tick())
    node.run_audits()
    assert [body.receipt for body in node.settled()] == [HONEST[0].digest]


def test_what_is_settled_stays_and_a_conflict_that_comes_later_convicts_the_false_side() -> None:
    node = unsampled(LIE)
    node.submit(LIE)
    node.take(LIE)
    assert [body.receipt for body in node.settled()] == [LIE[0].digest]
    assert node.submit(HONEST) is SettlementState.AUDITING
    node.run_audits()
    assert len(node.settled()) == 1
    assert sorted(convicted(node)) == sorted(guilty_of(LIE))


def test_a_false_checker_is_convicted_though_the_worker_was_right() -> None:
    """Nobody can have such a receipt; but a claim may be false in a verdict that its draw did not ask for."""
    claim, _data = submitted()
    node = Node()
    check = claim.checks[0]
    wrong = {chunk: digest(false_output(chunk)) for chunk in check.digests}
    false = replace(claim, checks=(replace(check, digests=wrong), *claim.checks[1:]))
    right = right_of(ev.Audit(claim.job, 0, claim.instance, (0, 1, 2, 3), ()))
    accused = [one.accused for one in claims.accusations(node.pen, false, right)]
    assert accused == [check.checker]


def test_an_audit_that_cannot_be_is_tried_again_later_and_nothing_is_settled_meanwhile() -> None:
    node = sampling(HONEST)
    node.submit(HONEST)
    node.take(HONEST)
    (audit,) = node.all_of(ev.Audit)
    node.handle(ev.AuditEnded(audit.job, audit.microjob, {}))
    assert node.machine.wake_ms() == AUDIT_AGAIN_MS_MIN
    node.handle(ev.Tick())
    assert len(node.all_of(ev.Audit)) == 1
    node.now_ms = AUDIT_AGAIN_MS_MIN
    node.handle(ev.Tick())
    assert len(node.all_of(ev.Audit)) == 2
    assert node.settled() == []
    node.handle(ev.AuditEnded(audit.job, audit.microjob, {}))
    assert node.machine.wake_ms() == 3 * AUDIT_AGAIN_MS_MIN


def test_claims_of_a_microjob_are_bounded_but_what_was_taken_has_a_place() -> None:
    node = unsampled(HONEST)
    for number in range(CLAIMS_PER_MICROJOB_MAX):
        assert node.submit(renamed(LIE, number)) is not None
    assert node.submit(renamed(LIE, 99)) is None
    assert node.submit(HONEST) is None
    node.take(HONEST)
    assert node.submit(HONEST) is SettlementState.AUDITING
    node.run_audits()
    assert [body.receipt for body in node.settled()] == [HONEST[0].digest]


def test_open_cases_are_bounded_and_settled_ones_make_room() -> None:
    claim, data = HONEST
    node = unsampled(HONEST)

    def of_job(number: int) -> Submitted:
        return replace(claim, job=BlockId(f"job {number}")), data

    for number in range(CASES_OPEN_MAX):
        assert node.machine.handle(ev.ReceiptSubmitted(number, *of_job(number)), 0)
    node.machine.check()
    assert node.submit(of_job(CASES_OPEN_MAX)) is None
    for number in range(CASES_CLOSED_MAX + 5):
        node.machine.handle(ev.MicrojobTaken(BlockId(f"job {number}"), 0, claim.digest), 0)
    assert node.submit(of_job(CASES_OPEN_MAX)) is SettlementState.ACCEPTED
    assert len(node.machine.cases) <= CASES_OPEN_MAX + CASES_CLOSED_MAX


def test_what_was_not_drawn_earns_no_credit() -> None:
    """A checker signs more than the draw asks of it: the receipt holds all the same."""
    round_ = Round(policy=SAMPLE, chunks=8)
    round_.seal()
    round_.reveal()
    round_.speak()
    ((checker, due),) = round_.draw().dues.items()
    workers = round_.docket.spoken.sealing.workers() if round_.docket.spoken else {}
    padded = tuple(chunk for chunk, worker in workers.items() if worker != checker)
    assert len(padded) > len(due)
    round_.take(checker, SignedKind.VERDICT, round_.verdict(padded))
    round_.disclose()
    claim = claims.read(round_.publisher, round_.terms, round_.prove())
    assert [share.checked for share in claim.shares() if share.peer == checker] == [len(due)]
