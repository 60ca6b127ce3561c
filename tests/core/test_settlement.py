"""Settlement: one SETTLED for each microjob, when it may be, and after as much of an audit as is due."""

from __future__ import annotations

import pytest

from sgnus.core import audit_lot, claims
from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.limits import (
    SETTLE_GRACE_MS,
)
from sgnus.messages.v1.types import SettlementState
from sgnus.runtime.pens import EnvelopePen
from tests.core.settled import (
    HONEST,
    Node,
    renamed,
    unsampled,
)
from tests.round_support import NETWORK, Round, identity_of, proven


def test_a_receipt_is_durable_before_it_is_answered() -> None:
    node = Node()
    assert node.submit(HONEST) is SettlementState.ACCEPTED
    claim, data = HONEST
    place = f"{claim.job}/0"
    assert node.out[:2] == [
        fx.Persist(ev.OPEN, place, b"1"),
        fx.Persist(ev.RECEIPTS, f"{place}/{claim.digest.hex()}", data),
    ]
    assert isinstance(node.out[2], ev.Answer)


def test_what_the_publisher_took_is_settled_at_once() -> None:
    node = unsampled(HONEST)
    node.submit(HONEST)
    assert node.settled() == []
    node.take(HONEST)
    (body,) = node.settled()
    assert (body.microjob, body.receipt, body.audited, body.rerun) == (0, HONEST[0].digest, False, 0)
    assert sum(share.made for share in body.shares) == 8
    assert sum(share.checked for share in body.shares) == 8
    assert node.pen.check_proof(node.pen.vrf_key, audit_lot.alpha_of(body.receipt), body.audit_proof or b"")


def test_what_was_taken_before_it_came_is_settled_when_it_comes() -> None:
    node = unsampled(HONEST)
    claim = HONEST[0]
    node.handle(ev.CaseRestored(claim.job, 0, (), None, claim.digest))
    node.submit(HONEST)
    assert len(node.settled()) == 1


def test_a_tenth_of_receipts_is_chosen_and_nobody_else_can_tell_which() -> None:
    pen = EnvelopePen(identity_of("sgnus node"), NETWORK)
    chosen = 0
    for number in range(600):
        chosen += bool(audit_lot.sampled(pen, renamed(HONEST, number)[0]))
    assert 30 <= chosen <= 95
    assert audit_lot.parts_of(bytes(32), 10) != audit_lot.parts_of(bytes([1]) * 32, 10)


def test_after_a_restart_it_goes_on_where_it_was_and_settles_nothing_twice() -> None:
    claim = HONEST[0]
    node = unsampled(HONEST)
    node.handle(ev.CaseRestored(claim.job, 0, (claim,), None, claim.digest))
    assert len(node.settled()) == 1
    later = unsampled(HONEST)
    later.handle(ev.CaseRestored(claim.job, 0, (claim,), claim.digest, claim.digest))
    later.take(HONEST)
    assert later.submit(HONEST) is SettlementState.DUPLICATE
    later.now_ms = 10 * SETTLE_GRACE_MS
    later.handle(ev.Tick())
    assert later.settled() == []


def test_a_job_that_is_gone_leaves_nothing() -> None:
    node = Node()
    node.submit(HONEST)
    node.handle(ev.JobGone(HONEST[0].job))
    assert not node.machine.cases
    node.handle(ev.AuditEnded(HONEST[0].job, 0, {}))
    assert node.settled() == []


def test_a_state_that_cannot_be_is_noticed() -> None:
    node = Node()
    node.submit(HONEST)
    node.machine.cases[HONEST[0].job, 0].false[HONEST[0].digest] = None
    with pytest.raises(OurFault):
        node.machine.check()


def test_a_receipt_that_does_not_hold_makes_no_claim() -> None:
    round_ = Round()
    data = proven(round_)
    with pytest.raises(PeerFault):
        claims.read(round_.publisher, round_.terms, data[:-1])
