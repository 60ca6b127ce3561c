"""The beacon of a round: the publisher or the node that the job names, and what becomes of a round that it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from sgnus.core import beacon, receipt
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.beacon import Beacon
from sgnus.core.docket import Docket, RoundId
from sgnus.messages.errors import PeerFault
from sgnus.messages.limits import BEACON_MS
from sgnus.messages.v1.types import BeaconMissed, Receipt, SignedEnvelope, SignedKind
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.codec import decode, encode
from tests.core.round_table import Table
from tests.round_support import (
    FULL,
    NETWORK,
    Round,
    identity_of,
    job_of,
    member_of,
    miss_beacon,
    proven_without_beacon,
)

OTHER: Final = identity_of("a SGNUS node")
MEMBERS: Final = 4


def named() -> Round:
    """A complete room whose job names another beacon than its publisher."""
    return Round(members=MEMBERS, job=job_of(MEMBERS, 1, FULL, beacon=OTHER)).commit()


def seat_of(of: Round) -> Beacon:
    """The named beacon."""
    docket = Docket(EnvelopePen(OTHER, NETWORK), of.terms, RoundId(of.list.instance))
    return Beacon(docket, 0, 0)


def reader() -> EnvelopePen:
    return EnvelopePen(identity_of("reader"), NETWORK)


def test_the_node_that_the_job_names_is_its_beacon() -> None:
    of = named()
    table = Table(of, beacon=seat_of(of))
    assert table.proven().has_beacon
    spoken = table.court.docket.spoken
    assert spoken is not None and spoken.envelope is not None
    assert spoken.envelope.author == OTHER.peer_id


def test_what_a_publisher_says_as_beacon_of_a_job_that_names_another_is_refused() -> None:
    of = named()
    of.seal()
    of.reveal()
    with pytest.raises(PeerFault, match="a beacon that the job does not name"):
        of.speak()


def test_a_beacon_that_is_not_heard_is_missed_by_all_and_the_receipt_is_provisional() -> None:
    of = named()
    table = Table(of)
    receipts = [member.steps for member in table.members.values()]
    assert table.sit(BEACON_MS + 10_000, lambda: any(steps.proven for steps in receipts))
    assert all(SignedKind.BEACON_MISSED in table.kinds(peer) for peer in of.peers)
    assert not table.sit(table.now_ms + 5_000, lambda: table.court.receipt is not None)


def test_a_beacon_that_speaks_in_time_is_missed_by_nobody() -> None:
    of = named()
    table = Table(of, beacon=seat_of(of))
    table.proven()
    assert not any(SignedKind.BEACON_MISSED in table.kinds(peer) for peer in of.peers)


def test_a_receipt_without_a_beacon_can_be_checked_by_anybody_and_says_that_it_has_none() -> None:
    of = named()
    proven = receipt.check(reader(), of.terms, proven_without_beacon(of))
    assert not proven.has_beacon
    assert proven.sealing.members == tuple(sorted(of.peers))


def test_half_of_the_members_cannot_do_without_the_beacon() -> None:
    of = named()
    of.seal()
    of.reveal()
    miss_beacon(of, of.peers[: MEMBERS // 2])
    assert of.docket.spoken is None


def test_without_the_reveals_of_all_nothing_is_drawn_without_a_beacon() -> None:
    of = named()
    of.seal()
    of.reveal(silent=of.peers[:1])
    miss_beacon(of, of.peers)
    assert of.docket.spoken is None


def test_a_stranger_cannot_miss_the_beacon() -> None:
    of = named()
    of.seal()
    (sealing,) = of.docket.sealed()
    stranger = EnvelopePen(identity_of("stranger"), NETWORK)
    word = BeaconMissed(instance=of.instance, round=1, r=sealing.r)
    with pytest.raises(PeerFault, match="not drawn from"):
        of.docket.take(stranger.sign(SignedKind.BEACON_MISSED, word))


def late_word(of: Round) -> SignedEnvelope:
    """What the beacon of `of` says over all its reveals."""
    seat = seat_of(of)
    attempt = next(iter(of.docket.attempts.values()))
    (sealing,) = of.docket.sealed()
    revealed = [envelope for envelope, _output in of.docket.lot.reveals[sealing.r].values()]
    for word in (attempt.sealing.envelope, *attempt.seals.values(), *revealed):
        seat.docket.take(word)
    beacon.speak(seat, 0)
    spoken = seat.docket.spoken
    assert spoken is not None and spoken.envelope is not None
    return spoken.envelope


def test_a_beacon_that_comes_late_counts_as_long_as_nothing_is_opened() -> None:
    of = named()
    of.seal()
    of.reveal()
    miss_beacon(of, of.peers)
    assert of.docket.take(late_word(of))
    of.judge()
    of.disclose()
    assert receipt.check(reader(), of.terms, of.prove()).has_beacon


def test_a_beacon_that_was_away_and_hears_that_it_was_missed_speaks_all_the_same() -> None:
    of = named()
    of.seal()
    of.reveal()
    miss_beacon(of, of.peers)
    attempt = next(iter(of.docket.attempts.values()))
    r = attempt.sealing.r
    revealed = [envelope for envelope, _output in of.docket.lot.reveals[r].values()]
    seat = seat_of(of)
    for word in (
        *of.docket.lot.missed[r].values(),
        attempt.sealing.envelope,
        *attempt.seals.values(),
        *revealed,
    ):
        beacon.hear(seat, word, 0)
    spoken = seat.docket.spoken
    assert spoken is not None and spoken.envelope is not None
    assert of.docket.take(spoken.envelope)


def test_a_beacon_that_comes_after_an_opening_changes_no_draw() -> None:
    of = named()
    proven_without_beacon(of)
    before = of.draw()
    assert not of.docket.take(late_word(of))
    assert of.draw() == before


@pytest.mark.parametrize("part", ["reveals", "missed", "seals"])
def test_each_part_of_a_receipt_without_beacon_is_needed_and_has_one_order(part: str) -> None:
    of = named()
    whole = decode(Receipt, proven_without_beacon(of))
    parts = getattr(whole, part)
    assert len(parts) >= 3
    for altered in (parts[1:], parts[:-1], (parts[1], parts[0], *parts[2:]), (*parts, parts[0])):
        with pytest.raises(PeerFault):
            receipt.check(reader(), of.terms, encode(replace(whole, **{part: altered})))


def test_each_altered_byte_of_a_receipt_without_beacon_is_refused() -> None:
    of = named()
    data = proven_without_beacon(of)
    pen = reader()
    for place in range(0, len(data), 11):
        with pytest.raises(PeerFault):
            receipt.check(
                pen, of.terms, data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
            )


def test_a_proposal_that_seats_the_beacon_is_refused() -> None:
    of = named()
    pens = [*of.pens.values(), EnvelopePen(OTHER, NETWORK)]
    seats = tuple(member_of(pen, of.terms.job, of.instance) for pen in pens)
    listed = rosters.found(of.pens[of.peers[0]], of.terms.job, 0, 7, seats)
    proposal = replace(of.proposal(of.held), list=listed.envelope)
    with pytest.raises(PeerFault, match="seats the beacon"):
        sealings.read(of.publisher, of.terms, of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, proposal))
