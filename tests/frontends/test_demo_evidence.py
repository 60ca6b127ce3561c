"""What stands against the demo's liar, and what the demo makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sgnus.frontends.demo.chaos import Chaos
from sgnus.frontends.demo.evidence import Evidence
from sgnus.frontends.demo.liar import falsified
from sgnus.frontends.demo.options import DemoOptions
from sgnus.frontends.demo.outcome import Outcome, failures, report, rows
from sgnus.frontends.sdk.views import ArraySpec, JobStatus, Processed
from tests.round_support import FULL, Round, proven

LIAR = "12D3KooWliarAb9xY"
STORY = [
    "    9.000 s  room 0: sub-block 1 is held from Ab9xYz",
    "   25.016 s  publisher: iarAb9xY returned a false chunk 30, by its own signature",
]


def evidence(*, lies: int = 1, is_caught: bool = True, is_complete: bool = True) -> Evidence:
    made = Evidence(liar=LIAR, receipts=4 if is_complete else 3, is_complete=is_complete)
    for number in range(lies):
        made.see(Processed("job", 0, "i", number, LIAR, held=True))
    if is_caught:
        made.read([STORY[1].replace("iarAb9xY", LIAR[-6:])])
    return made


def outcome(found: Evidence, *, identical: bool = True, takeovers: int = 1) -> Outcome:
    spec = ArraySpec((4, 4), "uint8")
    status = JobStatus(
        "job", "x", "p", "invert", "completed", "", 40, 40, 4, 40, 4, 16, spec, spec, 0, 0, True, (), takeovers, 0
    )  # fmt: skip
    return Outcome(identical, status, Chaos("p", 40, 10), found, 16, 1.0)


def options(verify: str = "full", samples: float = 1.0) -> DemoOptions:
    return DemoOptions(output=Path("o.png"), parameters={}, verify=verify, samples=samples)


def test_a_lie_counts_when_the_publisher_holds_it() -> None:
    made = Evidence(liar=LIAR)
    made.see(Processed("job", 0, "i", 1, LIAR, held=False))
    made.see(Processed("job", 0, "i", 1, "another", held=True))
    assert not made.lies
    made.see(Processed("job", 0, "i", 1, LIAR, held=True))
    made.see(Processed("job", 0, "i", 1, LIAR, held=True))
    assert list(made.lies) == [(0, 1)]


def test_a_conviction_is_read_from_the_publishers_story_once() -> None:
    made = Evidence(liar=LIAR)
    assert made.read(STORY) == ["iarAb9xY"] and made.read(STORY) == []
    assert made.is_liar_caught and made.wronged == []
    assert made.convicted["iarAb9xY"] == "returned a false chunk 30, by its own signature"


def test_receipts_prove_a_job_once_they_cover_it_and_hold() -> None:
    round_ = Round(members=3, chunks=10, per_sub_block=1, policy=FULL)
    data = proven(round_)
    made = Evidence()
    made.check(round_.terms.job, 1, [data])
    assert (made.receipts, made.is_complete) == (1, True)
    made.check(round_.terms.job, 2, [data])
    assert (made.receipts, made.is_complete) == (1, False), "one microjob has none"
    made.check("another", 1, [data])
    assert (made.receipts, made.is_complete) == (0, False)
    made.check(round_.terms.job, 1, [data[:-1] + bytes([data[-1] ^ 1])])
    assert (made.receipts, made.is_complete) == (0, False)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (outcome(evidence(), identical=False), "the result differs from a single process's"),
        (outcome(evidence(is_caught=False), identical=False), "was believed (--verify full)"),
        (outcome(evidence(), takeovers=0), "nobody took over"),
        (outcome(evidence(is_caught=False)), "the liar delivered, and was not caught"),
        (outcome(evidence(is_complete=False)), "the receipts do not cover the job: 3 of 4 hold"),
        (outcome(replace(evidence(), liar="another")), "somebody was convicted who did not lie: iarAb9"),
    ],
)
def test_what_goes_wrong_is_said(made: Outcome, sentence: str) -> None:
    wrong = failures(options(), made)
    assert any(sentence.replace("iarAb9", "") in one for one in wrong), wrong


def test_a_lie_between_the_samples_breaks_no_promise_but_a_picture_that_it_spoils_is_none() -> None:
    missed = outcome(evidence(is_caught=False))
    assert failures(options("sample", 0.1), missed) == []
    assert failures(options("sample"), missed) == ["the liar delivered, and was not caught"]
    (sentence,) = failures(options("sample", 0.1), replace(missed, identical=False))
    assert sentence.endswith("was believed (--verify sample --samples 10%)")


def test_all_well_is_no_failure_also_when_the_liar_delivered_nothing() -> None:
    assert failures(options(), outcome(evidence())) == []
    idle = outcome(evidence(lies=0, is_caught=False))
    assert failures(options(), idle) == []
    told = dict(rows(report(options(), idle, 2.0)))
    assert "delivered nothing this time, so there was nothing to catch" in told["liars"]


def test_a_false_output_differs_in_one_bit() -> None:
    right = bytes(range(9))
    false = falsified(right)
    assert len(false) == 9 and sum(bin(a ^ b).count("1") for a, b in zip(right, false, strict=True)) == 1
