"""A receipt checked by whoever has nothing else: what it proves, how surely, and that no byte of it can be altered."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest

from sgnus.core import receipt
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.v1.types import EntryKind, Policy, Receipt, TakenBody, Verify
from sgnus.runtime import receipts
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.codec import decode, encode
from sgnus.wire.entry import seal_entry
from tests.round_support import (
    FULL,
    NETWORK,
    NOW_MS,
    OTHER_NETWORK,
    PUBLISHER,
    Round,
    identity_of,
    job_of,
    proven,
)


@pytest.fixture(scope="module")
def honest() -> tuple[Round, bytes]:
    round_ = Round()
    return round_, proven(round_)


@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_any_single_altered_byte_is_refused(honest: tuple[Round, bytes], mask: int) -> None:
    """One reader for all, who has seen the right receipt: so what did not change costs little."""
    round_, data = honest
    pen, altered = EnvelopePen(identity_of("reader"), NETWORK), bytearray(data)
    receipt.check(pen, round_.terms, data)
    for position in range(len(data)):
        altered[position] ^= mask
        with pytest.raises(PeerFault):
            receipt.check(pen, round_.terms, bytes(altered))
        altered[position] ^= mask


@pytest.mark.parametrize("mask", [0x01, 0x20])
def test_nor_can_network_and_job_be_altered_for_one_who_knows_neither(
    honest: tuple[Round, bytes], mask: int
) -> None:
    round_, data = honest
    altered = bytearray(data)
    for position in range(data.index(round_.terms.entry) + len(round_.terms.entry)):
        altered[position] ^= mask
        with pytest.raises(PeerFault):
            receipts.verify(bytes(altered))
        altered[position] ^= mask


def test_the_report_says_what_the_round_was(honest: tuple[Round, bytes]) -> None:
    round_, data = honest
    report = receipts.verify(data)
    dealt = round_.draw()
    assert report.digest == receipt.digest_of(data).hex()
    assert (report.job, report.publisher, report.beacon) == (
        round_.terms.job,
        PUBLISHER.peer_id,
        PUBLISHER.peer_id,
    )
    assert report.is_beacon_publisher and report.has_beacon
    assert (report.microjob, report.microjobs, report.chunks, report.samples) == (0, 1, 5, 1)
    assert report.members == tuple(sorted(round_.peers))
    assert list(report.checked.items()) == [
        (peer, len(dealt.dues[peer])) for peer in dealt.order if peer in dealt.dues
    ]
    assert report.verifier == next(iter(report.checked))
    assert sum(report.made.values()) == 5
    assert (report.policy.verify, report.policy.samples_permille) == ("sample", 100)
    assert receipts.microjob_of(data) == 0


def test_members_that_were_late_and_checkers_that_were_passed_over_are_named() -> None:
    policy = Policy(verify=Verify.FULL, samples_permille=1000, verifiers=2, min_members=2)
    round_ = Round(members=5, chunks=10, policy=policy)
    round_.seal()
    late = round_.peers[-1]
    round_.reveal(silent=[late])
    round_.speak()
    silent = round_.draw().order[0]
    round_.suspect(silent, [peer for peer in round_.peers if peer != silent])
    round_.judge()
    round_.disclose()
    report = receipts.verify(round_.prove())
    assert (report.unrevealed, report.skipped, report.excused) == ((late,), (silent,), ())
    assert silent not in report.checked
    assert report.second == list(report.checked)[1]


def test_a_job_with_a_list_of_chunks_is_checked_without_the_list() -> None:
    job = job_of(5, 2, FULL, explicit_digest=digest(b"the list"))
    report = receipts.verify(proven(Round(job=job)))
    assert (report.microjobs, report.chunks) == (None, 5)


def test_full_verification_lets_nothing_slip_through() -> None:
    report = receipts.verify(proven(Round(chunks=10, policy=FULL)))
    assert [one.probability for one in report.escapes] == [0.0, 0.0, 0.0]


def test_the_chance_to_slip_through_is_that_of_counting_all_draws() -> None:
    for chunks, samples, false_chunks in ((7, 3, 2), (6, 1, 3), (5, 5, 1), (8, 2, 8)):
        draws = list(combinations(range(chunks), samples))
        missed = [one for one in draws if all(chunk >= false_chunks for chunk in one)]
        assert receipts.escape_probability(chunks, samples, false_chunks) == Fraction(len(missed), len(draws))


def test_the_report_of_110_chunks_has_the_known_chances() -> None:
    report = receipts.verify(proven(Round(members=11, chunks=110, per_sub_block=11)))
    assert [(one.percent, one.false_chunks) for one in report.escapes] == [(1, 2), (10, 11), (50, 55)]
    assert report.escapes[0].probability == pytest.approx(99 * 98 / (110 * 109))


def test_a_receipt_for_another_network_or_with_another_entry_is_refused(honest: tuple[Round, bytes]) -> None:
    whole = decode(Receipt, honest[1])
    with pytest.raises(PeerFault, match="not signed by its publisher for this network"):
        receipts.verify(encode(replace(whole, network=OTHER_NETWORK)))
    taken = TakenBody(microjob=0, root=bytes(32), receipt=bytes(32))
    entry = seal_entry(PUBLISHER, NETWORK, EntryKind.TAKEN, honest[0].terms.job, taken, seq=0, expires=NOW_MS)
    with pytest.raises(PeerFault, match="no JOB entry"):
        receipts.verify(encode(replace(whole, job=entry)))
    unproven = Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1)
    with pytest.raises(PeerFault, match="no verification"):
        receipts.verify(encode(replace(whole, job=job_of(5, 2, unproven).raw)))


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", bytes(1000), b"\x0a\xff\xff\xff\xff\x0f"])
def test_what_is_no_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(PeerFault):
        receipts.verify(data)
    with pytest.raises(PeerFault):
        receipts.microjob_of(data)
