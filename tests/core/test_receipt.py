"""The receipt: a whole round in canonical bytes, of which nothing can be altered, left out, added or moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from sgnus.core import findings, receipt
from sgnus.core.terms import Terms
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.v1.types import Policy, Receipt, SignedEnvelope, SignedKind, Suspicion, Verify
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.codec import decode, encode
from tests.round_support import (
    FULL,
    NETWORK,
    OTHER_NETWORK,
    Round,
    false_output,
    identity_of,
    job_of,
    output_of,
    proven,
)

TWO_CHECKERS: Final = Policy(verify=Verify.FULL, samples_permille=1000, verifiers=2, min_members=2)
Alter = Callable[[Receipt], Receipt]


@pytest.fixture(scope="module")
def honest() -> tuple[Round, bytes]:
    round_ = Round()
    return round_, proven(round_)


@pytest.fixture(scope="module")
def skipping() -> tuple[Round, bytes]:
    """Five members and two checkers; one of them judges, the other is not heard by anybody and passed over."""
    round_ = Round(members=5, policy=TWO_CHECKERS, chunks=10)
    round_.seal()
    round_.reveal()
    round_.speak()
    silent, *_ = round_.draw().order
    first = {peer: chunks for peer, chunks in round_.draw().dues.items() if peer != silent}
    for peer, chunks in first.items():
        round_.take(peer, SignedKind.VERDICT, round_.verdict(chunks))
    round_.suspect(silent, [peer for peer in round_.peers if peer != silent])
    round_.judge()
    round_.disclose()
    return round_, round_.prove()


def reader() -> EnvelopePen:
    """Somebody who took no part."""
    return EnvelopePen(identity_of("reader"), NETWORK)


def refused(round_: Round, altered: Receipt, why: str | None = None) -> None:
    with pytest.raises(PeerFault, match=why):
        receipt.check(reader(), round_.terms, encode(altered))


def forged(round_: Round, envelope: SignedEnvelope, by: str = "somebody else") -> SignedEnvelope:
    """The same words, signed by another."""
    author = identity_of(by).peer_id
    return replace(envelope, author=author)


def test_whoever_has_nothing_but_the_receipt_can_check_it(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    proven_ = receipt.check(reader(), round_.terms, data)
    assert proven_.digest == receipt.digest_of(data)
    assert (proven_.microjob, proven_.draw) == (0, round_.draw())
    assert proven_.sealing.members == tuple(sorted(round_.peers))


def test_a_room_of_two_and_a_job_verified_in_full_give_receipts() -> None:
    round_ = Round(members=2, chunks=4, policy=FULL)
    proven_ = receipt.check(reader(), round_.terms, proven(round_))
    assert proven_.draw.samples == (0, 1, 2, 3)
    assert set(proven_.draw.dues) == set(round_.peers)


def test_a_checker_that_nobody_heard_is_passed_over(skipping: tuple[Round, bytes]) -> None:
    round_, data = skipping
    proven_ = receipt.check(reader(), round_.terms, data)
    assert len(proven_.draw.skipped) == 1
    assert proven_.draw.skipped[0] not in proven_.draw.dues


def test_a_receipt_that_is_cut_off_or_has_more_behind_it_is_refused(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    pen = reader()
    for damaged in (*(data[:end] for end in range(0, len(data), 97)), data + b"\0", data + b"\x7a\x00"):
        with pytest.raises(PeerFault):
            receipt.check(pen, round_.terms, damaged)


@pytest.mark.parametrize("part", ["seals", "verdicts", "openings", "suspicions"])
def test_each_part_that_is_left_out_is_missed(skipping: tuple[Round, bytes], part: str) -> None:
    round_, data = skipping
    whole = decode(Receipt, data)
    parts = getattr(whole, part)
    assert parts
    for left_out in range(len(parts)):
        rest = parts[:left_out] + parts[left_out + 1 :]
        refused(round_, replace(whole, **{part: rest}))
    refused(round_, replace(whole, **{part: ()}))


@pytest.mark.parametrize("part", ["seals", "verdicts", "openings", "suspicions"])
def test_each_part_has_one_order(skipping: tuple[Round, bytes], part: str) -> None:
    round_, data = skipping
    whole = decode(Receipt, data)
    parts = getattr(whole, part)
    for first in range(len(parts) - 1):
        swapped = (*parts[:first], parts[first + 1], parts[first], *parts[first + 2 :])
        refused(round_, replace(whole, **{part: swapped}), "order|more than it needs")


@pytest.mark.parametrize("part", ["seals", "verdicts", "openings", "suspicions"])
def test_nothing_stands_twice(skipping: tuple[Round, bytes], part: str) -> None:
    round_, data = skipping
    whole = decode(Receipt, data)
    parts = getattr(whole, part)
    refused(round_, replace(whole, **{part: (*parts, parts[0])}))


def test_the_receipt_takes_no_more_suspicions_than_it_needs(skipping: tuple[Round, bytes]) -> None:
    round_, data = skipping
    whole, (silent,) = decode(Receipt, data), round_.draw().skipped
    assert len(whole.suspicions) == 3 < len(round_.docket.suspicions[silent]) == 4
    everybody = round_.docket.suspicions[silent]
    extra = tuple(everybody[author] for author in sorted(everybody))
    refused(round_, replace(whole, suspicions=extra), "more than it needs")


def test_a_suspicion_of_somebody_who_was_not_passed_over_is_refused(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    author, silent = round_.draw().order[0], round_.draw().order[-1]
    suspicion = Suspicion(instance=round_.instance, round=1, attempt=0, silent=silent)
    extra = round_.pens[author].sign(SignedKind.SUSPICION, suspicion)
    refused(round_, replace(decode(Receipt, data), suspicions=(extra,)), "more than it needs")


def test_a_verdict_on_chunks_that_nobody_drew_is_refused(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    whole, verifier = decode(Receipt, data), round_.draw().order[0]
    others = tuple(chunk for chunk in range(5) if chunk not in round_.draw().samples)
    extra = round_.pens[verifier].sign(SignedKind.VERDICT, round_.verdict(others))
    refused(round_, replace(whole, verdicts=(*whole.verdicts, extra)), "more than it needs")


def test_verdicts_of_one_checker_stand_by_their_chunks_whenever_they_were_given() -> None:
    receipts = []
    for is_backwards in (False, True):
        round_ = Round(members=3, chunks=6, policy=FULL)
        round_.seal()
        round_.reveal()
        round_.speak()
        for peer, chunks in round_.draw().dues.items():
            for chunk in reversed(chunks) if is_backwards else chunks:
                round_.take(peer, SignedKind.VERDICT, round_.verdict((chunk,)))
        round_.disclose()
        receipts.append(round_.prove())
    assert receipts[0] == receipts[1]
    whole = decode(Receipt, receipts[0])
    first, second, *rest = whole.verdicts
    assert first.author == second.author
    refused(round_, replace(whole, verdicts=(second, first, *rest)), "another order")


def test_a_verdict_of_somebody_else_is_refused(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    whole, dealt = decode(Receipt, data), round_.draw()
    other = next(peer for peer in round_.peers if peer not in dealt.dues)
    verdict = round_.pens[other].sign(SignedKind.VERDICT, round_.verdict(dealt.samples))
    refused(round_, replace(whole, verdicts=(verdict,)), "no verdict by the member that the draw names")
    refused(
        round_, replace(whole, verdicts=tuple(forged(round_, one) for one in whole.verdicts)), "signature"
    )


def test_an_opening_of_another_salt_is_refused(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    whole = decode(Receipt, data)
    other = replace(whole.openings[0], salt_seed=bytes(32))
    refused(round_, replace(whole, openings=(other, *whole.openings[1:])), "does not fit the signed root")


def test_a_word_of_another_kind_is_no_word_of_a_round(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    whole = decode(Receipt, data)
    for kind in (SignedKind.LIST, SignedKind.UNSPECIFIED):
        refused(round_, replace(whole, beacon=replace(whole.beacon, kind=kind)), "no word of a round")


def test_a_receipt_of_another_network_or_of_another_job_is_refused(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    pen = EnvelopePen(identity_of("reader"), OTHER_NETWORK)
    with pytest.raises(PeerFault, match="another network"):
        receipt.check(pen, replace(round_.terms, network=OTHER_NETWORK), data)
    renamed = replace(decode(Receipt, data), network=OTHER_NETWORK)
    with pytest.raises(PeerFault, match="signature"):
        receipt.check(pen, replace(round_.terms, network=OTHER_NETWORK), encode(renamed))
    other = Terms.of(NETWORK, job_of(6, 2, FULL), 6)
    assert other is not None
    with pytest.raises(PeerFault, match="another job"):
        receipt.check(reader(), other, data)


def test_a_network_is_written_in_one_way(honest: tuple[Round, bytes]) -> None:
    """In capitals it has the same bytes, so all signatures would hold: only the form tells."""
    round_, data = honest
    loud = NETWORK.upper()
    with pytest.raises(PeerFault, match="canonical"):
        receipt.check(
            reader(),
            replace(round_.terms, network=loud),
            encode(replace(decode(Receipt, data), network=loud)),
        )


def test_there_is_no_receipt_before_the_round_is_proven() -> None:
    round_ = Round()
    for step in (round_.seal, round_.reveal, round_.speak, round_.judge):
        step()
        with pytest.raises(OurFault):
            round_.prove()


def test_where_worker_and_checker_differ_there_is_no_receipt() -> None:
    round_ = Round(policy=FULL)
    round_.seal(false_output)
    round_.reveal()
    round_.speak()
    round_.judge(output_of)
    round_.disclose()
    assert [one.chunk for one in findings.mismatches(round_.docket)] == [0, 1, 2, 3, 4]
    with pytest.raises(OurFault):
        round_.prove()
