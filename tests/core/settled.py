"""Receipts for tests of settlement, honest and false, and a SGNUS node that notes what comes of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sgnus.core import audit_lot, claims, fraud
from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.core.claims import Claim
from sgnus.core.settlement import Settlement
from sgnus.crypto.digests import digest
from sgnus.messages.limits import (
    SETTLE_GRACE_MS,
)
from sgnus.messages.v1.types import EntryKind, FraudProof, SettledBody, SettlementState
from sgnus.runtime.pens import EnvelopePen
from tests.round_support import (
    FULL,
    NETWORK,
    Output,
    Round,
    identity_of,
    output_of,
    proven_without_beacon,
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


def beaconless() -> Submitted:
    """The receipt of a round whose beacon was missed."""
    round_ = Round(policy=FULL, chunks=8)
    data = proven_without_beacon(round_)
    return claims.read(EnvelopePen(identity_of("reader"), NETWORK), round_.terms, data), data


def false_in(chunk: int, salt: int = 0) -> Output:
    def output(number: int) -> bytes:
        return b"lie" + bytes([salt]) if number == chunk else output_of(number)

    return output


def renamed(given: Submitted, number: int) -> Submitted:
    """The same under another name, as if another round had made it: for crowds, where signatures do not matter."""
    return replace(given[0], digest=digest(number.to_bytes(4, "big"))), given[1]


HONEST = submitted()
AGAIN = submitted(members=4)
"""Another round's receipt over the same results."""
LIE = submitted(false_in(3))
"""Chunk 3 is false, and whoever checked it was in league."""


@dataclass
class Node:
    """A SGNUS node: the machine, and what came out of it."""

    name: str = "sgnus node"
    grace_ms: int = SETTLE_GRACE_MS
    now_ms: int = 0
    out: list[ev.Effect] = field(default_factory=list)
    tokens: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.pen = EnvelopePen(identity_of(self.name), NETWORK)
        self.machine = Settlement(self.pen, self.grace_ms)

    def handle(self, given: ev.Input) -> list[ev.Effect]:
        effects = self.machine.handle(given, self.now_ms)
        self.machine.check()
        self.out += effects
        return effects

    def submit(self, given: Submitted) -> SettlementState | None:
        token = next(self.tokens)
        effects = self.handle(ev.ReceiptSubmitted(token, *given))
        (answer,) = [one for one in effects if isinstance(one, ev.Answer)]
        assert answer.token == token
        return answer.state

    def take(self, given: Submitted) -> None:
        claim = given[0]
        self.handle(ev.MicrojobTaken(claim.job, claim.microjob, claim.digest))

    def run_audits(self, output: Output = output_of) -> list[tuple[int, ...]]:
        """Run what was asked for; the sub-blocks of each audit."""
        done: list[tuple[int, ...]] = []
        while audits := self.all_of(ev.Audit)[len(done) :]:
            for audit in audits:
                done.append(audit.sub_blocks)
                if self.machine.cases[audit.job, audit.microjob].audits.asked == audit.sub_blocks:
                    self.handle(ev.AuditEnded(audit.job, audit.microjob, right_of(audit, output)))
        return done

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.out if isinstance(one, kind)]

    def settled(self) -> list[SettledBody]:
        entries = self.all_of(fx.PublishEntry)
        assert all(one.kind is EntryKind.SETTLED for one in entries)
        return [one.body for one in entries]


def right_of(audit: ev.Audit, output: Output = output_of) -> Mapping[int, bytes]:
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
        if not audit_lot.sampled(node.pen, given[0])
    )


def sampling(given: Submitted) -> Node:
    """A node whose VRF chooses this receipt."""
    return next(
        node
        for node in (Node(f"node {number}") for number in range(500))
        if audit_lot.sampled(node.pen, given[0])
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


def guilty_of(given: Submitted) -> list[str]:
    """Who signed for chunk 3 of a lie: its worker and its checker."""
    claim = given[0]
    worker = next(work.worker for work in claim.works if 3 in work.chunks)
    return [worker, *(check.checker for check in claim.checks if 3 in check.digests)]
