"""Words that no honest member says: made up, said twice, or brought from elsewhere. They are refused, and change nothing."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from sgnus.core import arbiter, findings, proving, receipt
from sgnus.core import draw as draws
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.docket import Docket, RoundId
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    BeaconOutput,
    Held,
    JoinRequest,
    Member,
    ProcessedRecord,
    Proposal,
    Receipt,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    Verdict,
)
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.codec import decode, encode
from tests.core.round_table import Table
from tests.round_support import (
    FULL,
    NETWORK,
    OTHER_NETWORK,
    Round,
    identity_of,
    member_of,
    proven,
)

TYPES: dict[SignedKind, Any] = {
    SignedKind.SEAL: Seal,
    SignedKind.REVEAL: Reveal,
    SignedKind.BEACON: BeaconOutput,
    SignedKind.VERDICT: Verdict,
    SignedKind.SUSPICION: Suspicion,
    SignedKind.PROPOSAL: Proposal,
}


def committed(members: int = 3) -> Round:
    return Round(members=members, chunks=2 * members, per_sub_block=2, policy=FULL).commit()


def evidence(docket: Docket) -> tuple[object, ...]:
    """All that counts in a docket."""
    attempts = {key: dict(one.seals) for key, one in docket.attempts.items()}
    parts = (
        attempts,
        docket.lot.reveals,
        docket.lot.missed,
        docket.suspicions,
        docket.spoken,
        docket.verdicts,
        docket.openings,
    )
    return copy.deepcopy(parts)


def refused(docket: Docket, word: SignedEnvelope) -> None:
    """Whether by a fault or as nothing new: it leaves no trace in what counts."""
    before = evidence(docket)
    with contextlib.suppress(PeerFault):
        assert not docket.take(word)
    assert evidence(docket) == before


def elsewhere() -> Round:
    """Another room of the same microjob, with the same members."""
    of = Round(members=3, chunks=6, per_sub_block=2, policy=FULL)
    founder = of.pens[of.peers[0]]
    instance = rosters.instance_id(of.terms.job, 0, founder.peer, 8)
    seats = tuple(member_of(pen, of.terms.job, instance) for pen in of.pens.values())
    of.list = rosters.found(founder, of.terms.job, 0, 8, seats)
    of.docket = Docket(of.publisher, of.terms, RoundId(of.list.instance))
    return of


def judged(of: Round) -> Round:
    """Up to the verdicts."""
    of.seal()
    of.reveal()
    of.speak()
    of.judge()
    return of


# ---- invented members
def invented(of: Round, liar: EnvelopePen, instance: str, number: int) -> Member:
    """A member that never asked: its join is signed by the liar."""
    like = member_of(EnvelopePen(identity_of(f"invented {number}"), NETWORK), of.terms.job, instance)
    assert like.join is not None
    join = liar.open(like.join, SignedKind.JOIN, JoinRequest)
    return replace(like, join=liar.sign(SignedKind.JOIN, join))


def with_invented(of: Round, liar: EnvelopePen) -> SignedEnvelope:
    instance = rosters.instance_id(of.terms.job, 0, liar.peer, 3)
    seats = (member_of(liar, of.terms.job, instance), *(invented(of, liar, instance, n) for n in range(8)))
    listed = rosters.found(liar, of.terms.job, 0, 3, seats)
    proposal = replace(of.proposal(of.held), instance=instance, list=listed.envelope)
    return liar.sign(SignedKind.PROPOSAL, proposal)


def test_a_proposal_over_invented_members_is_refused() -> None:
    of = committed()
    word = with_invented(of, of.pens[of.peers[0]])
    with pytest.raises(PeerFault, match="by a request of another peer"):
        sealings.read(of.publisher, of.terms, word)
    with pytest.raises(PeerFault, match="by a request of another peer"):
        proving.hear(Table(of).members[of.peers[1]], word, 0)


def test_a_member_cannot_be_listed_by_the_join_of_another_job_or_without_one() -> None:
    of = committed()
    liar, honest = (of.pens[peer] for peer in of.peers[:2])
    instance = rosters.instance_id(of.terms.job, 0, liar.peer, 3)
    elsewhere = member_of(honest, "bafyreianother", instance)
    for seat in (elsewhere, replace(elsewhere, join=None)):
        seats = (member_of(liar, of.terms.job, instance), seat)
        listed = rosters.found(liar, of.terms.job, 0, 3, seats)
        proposal = replace(of.proposal(of.held), instance=instance, list=listed.envelope)
        with pytest.raises(PeerFault, match=r"never asked|another job"):
            sealings.read(of.publisher, of.terms, liar.sign(SignedKind.PROPOSAL, proposal))


# ---- results left out, or made up
@pytest.mark.parametrize("left_out", range(3))
def test_a_proposal_without_one_of_the_results_is_refused(left_out: int) -> None:
    of = committed()
    held = of.held[:left_out] + of.held[left_out + 1 :]
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(held))
    with pytest.raises(PeerFault, match=r"not those of its sub-blocks|do not cover"):
        sealings.read(of.publisher, of.terms, word)


def made_up(of: Round, liar: EnvelopePen) -> tuple[SignedEnvelope, ...]:
    """HELDs of records that the liar signed of nothing, by itself."""
    found = []
    for envelope in of.held:
        held = liar.open(envelope, SignedKind.HELD, Held)
        assert held.record is not None
        record = liar.open(held.record, SignedKind.RECORD, ProcessedRecord)
        root = hashlib.sha256(b"nothing").digest()
        signed = liar.sign(SignedKind.RECORD, replace(record, root=root, vrf_key=liar.vrf_key))
        found.append(liar.sign(SignedKind.HELD, replace(held, member=liar.peer, root=root, record=signed)))
    return tuple(found)


def test_a_receipt_for_work_that_nobody_did_is_refused() -> None:
    of = Round(members=3, chunks=6, per_sub_block=2, policy=FULL)
    whole, liar = decode(Receipt, proven(of)), of.pens[of.peers[0]]
    proposal = liar.sign(SignedKind.PROPOSAL, of.proposal(made_up(of, liar)))
    with pytest.raises(PeerFault, match="not signed by the publisher"):
        receipt.check(of.publisher, of.terms, encode(replace(whole, proposal=proposal)))


def test_a_held_over_another_record_than_its_members_own_is_refused() -> None:
    """Not even the publisher can say what a member committed to."""
    of = committed()
    other = of.publisher.open(of.held[1], SignedKind.HELD, Held).record
    held = of.publisher.open(of.held[0], SignedKind.HELD, Held)
    altered = of.publisher.sign(SignedKind.HELD, replace(held, record=other))
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal((altered, *of.held[1:])))
    with pytest.raises(PeerFault, match="differ"):
        sealings.read(of.publisher, of.terms, word)


# ---- said twice
def test_a_second_seal_of_one_attempt_counts_for_nothing() -> None:
    of = Round(members=3, chunks=6, per_sub_block=2, policy=FULL)
    of.seal()
    liar = of.pens[of.peers[0]]
    other = Seal(instance=of.instance, round=1, attempt=0, r=hashlib.sha256(b"another").digest())
    refused(of.docket, liar.sign(SignedKind.SEAL, other))


def test_a_second_reveal_counts_for_nothing() -> None:
    of = Round(members=3, chunks=6, per_sub_block=2, policy=FULL)
    of.seal()
    of.reveal()
    (sealing,) = of.docket.sealed()
    liar = of.pens[of.peers[0]]
    other = Reveal(instance=of.instance, round=1, r=sealing.r, proof=liar.prove(b"another"))
    refused(of.docket, liar.sign(SignedKind.REVEAL, other))


def test_the_first_beacon_of_two_counts() -> None:
    of = Round(members=3, chunks=6, per_sub_block=2, policy=FULL)
    of.seal()
    of.reveal(silent=of.peers[2:])
    of.speak()
    first, seed = of.docket.spoken, of.draw().order
    of.reveal(silent=of.peers[:2])
    (sealing,) = of.docket.sealed()
    refused(of.docket, beacon(of, of.publisher, sealing.r))
    assert (of.docket.spoken, of.draw().order) == (first, seed)


# ---- a beacon that is none
def beacon(of: Round, pen: EnvelopePen, r: bytes, proof: bytes = b"") -> SignedEnvelope:
    """A beacon over all reveals by whoever holds the pen."""
    said = of.docket.lot.reveals[r]
    outputs = {peer: said[peer][1] for peer in sorted(said)}
    output = BeaconOutput(
        instance=of.instance,
        round=1,
        reveals=tuple(said[peer][0] for peer in sorted(said)),
        proof=proof or pen.prove(draws.beacon_alpha(r, outputs)),
    )
    return pen.sign(SignedKind.BEACON, output)


def test_a_beacon_by_a_member_or_with_a_number_of_its_own_choice_is_refused() -> None:
    of = Round(members=3, chunks=6, per_sub_block=2, policy=FULL)
    of.seal()
    of.reveal()
    (sealing,) = of.docket.sealed()
    before = evidence(of.docket)
    with pytest.raises(PeerFault, match="does not name"):
        of.docket.take(beacon(of, of.pens[of.peers[0]], sealing.r))
    for proof in (of.publisher.prove(b"chosen"), bytes(80)):
        with pytest.raises(PeerFault, match="proof is wrong"):
            of.docket.take(beacon(of, of.publisher, sealing.r, proof))
    assert evidence(of.docket) == before
    assert of.docket.take(beacon(of, of.publisher, sealing.r))


# ---- brought from elsewhere
def words_of(of: Round) -> list[SignedEnvelope]:
    """One word of each kind, as it was said in this round."""
    docket = of.docket
    (attempt,) = docket.attempts.values()
    (reveals,) = docket.lot.reveals.values()
    assert docket.spoken is not None
    verdicts = [word for given in docket.verdicts.values() for word in given]
    one = next(iter(attempt.seals.values())), next(iter(reveals.values()))[0]
    return [attempt.sealing.envelope, *one, docket.spoken.envelope, verdicts[0]]


@pytest.mark.parametrize("number", range(5), ids=["proposal", "seal", "reveal", "beacon", "verdict"])
@pytest.mark.parametrize("where", ["room", "round", "network"])
def test_a_word_of_another_room_round_or_network_counts_for_nothing(number: int, where: str) -> None:
    here = judged(Round(members=3, chunks=6, per_sub_block=2, policy=FULL))
    word = words_of(judged(elsewhere()) if where == "room" else here)[number]
    here.docket.verdicts.clear()
    if where != "room":
        author = {here.publisher.peer: here.publisher, **here.pens}[PeerId(word.author)]
        said = author.open(word, word.kind, TYPES[word.kind])
        if where == "network":
            author = EnvelopePen(author._identity, OTHER_NETWORK)
        word = author.sign(word.kind, replace(said, round=2) if where == "round" else said)
    refused(here.docket, word)


def test_a_member_does_not_seal_the_held_of_another_room_for_one_that_it_knows() -> None:
    of, other = committed(), elsewhere().commit()
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal((other.held[0], *of.held[1:])))
    sealing = sealings.read(of.publisher, of.terms, word)
    assert sealing.commits[0].instance == other.instance
    table = Table(of)
    proving.hear(table.members[of.peers[1]], word, 0)
    assert SignedKind.SEAL not in [one.kind for one in table.members[of.peers[1]].steps.said]


def test_the_publishers_court_keeps_nothing_of_what_it_refuses() -> None:
    of = committed()
    table = Table(of)
    before = evidence(table.court.docket)
    for word in (
        with_invented(of, of.pens[of.peers[0]]),
        of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held[1:])),
        of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(made_up(of, of.pens[of.peers[0]]))),
    ):
        with pytest.raises(PeerFault):
            arbiter.hear(table.court, word, 0)
    assert evidence(table.court.docket) == before
    assert not findings.is_proven(table.court.docket)
