"""What a conviction outlasts: other entries, outputs on their way, and rooms that the convicted founds over what others did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.core import inputs as ins
from sgnus.core import judging
from sgnus.core import roster as rosters
from sgnus.core.quotas import OF_CONVICTIONS
from sgnus.core.shelf import fold
from sgnus.crypto.identity import Identity
from sgnus.messages.v1.types import EntryKind, FraudBody, Held, SignedEnvelope, SignedKind
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.entry import OpenedEntry
from tests.core.test_gone_for_good import publisher_of
from tests.core.test_hostile_rounds import committed, node_of, replace_list, words
from tests.database_support import job_entry, sealed
from tests.round_support import NETWORK, Round, identity_of, member_of

JOB = job_entry()
LIAR = EnvelopePen(identity_of("convicted"), NETWORK)


def fraud(number: int, *, by: Identity | None = None, seq: int = 1) -> OpenedEntry:
    body = FraudBody(accused=f"liar {number}", proof=bytes([number]))
    return sealed(EntryKind.FRAUD, body, JOB.cid, seq=seq, **({} if by is None else {"by": by}))


def test_all_whom_the_author_convicts_stay_convicted() -> None:
    found = fold([JOB, *(fraud(number, seq=number) for number in range(OF_CONVICTIONS.per_author))])
    assert len(found.banned) == OF_CONVICTIONS.per_author


def test_what_strangers_say_takes_no_conviction_away() -> None:
    strangers = [Identity.from_seed(bytes([9, number]) * 16) for number in range(70)]
    noise = [fraud(number, by=by, seq=2**63 - 1) for by in strangers for number in range(5)]
    assert fold([JOB, fraud(77), *noise]).banned == ("liar 77",)
    assert len(fold([JOB, fraud(77), *noise]).frauds) == 1 + 64


def test_what_was_on_its_way_when_its_worker_was_convicted_is_not_held() -> None:
    of = committed()
    own, liar = publisher_of(of), of.peers[3]
    held = own.pen.open(own.shelf(0).held[3], SignedKind.HELD, Held)
    own.court.banned[liar] = None
    judging.void(own, liar)
    late = ins.OutputsStored(
        1, of.terms.job, 0, of.list.instance, 3, liar, held.root, held.record, of.openings[3]
    )
    own.store(late)
    assert 3 not in own.shelf(0).held


def proposed_by_liar(of: Round) -> SignedEnvelope:
    """A room of its own over what others did: itself alone on the list; who committed is drawn from as well."""
    instance = rosters.instance_id(of.terms.job, 0, LIAR.peer, 100)
    seats = (member_of(LIAR, of.terms.job, instance),)
    theirs = replace_list(of, rosters.found(LIAR, of.terms.job, 0, 100, seats))
    return LIAR.sign(SignedKind.PROPOSAL, theirs.proposal(of.held))


@pytest.mark.parametrize("is_convicted", [True, False])
def test_members_take_no_part_in_a_room_that_the_convicted_founds_over_their_results(
    is_convicted: bool,
) -> None:
    of = committed()
    node = node_of(of, of.peers[1])
    facts = node.jobs[of.terms.job].facts
    node.handle(ins.JobChanged(replace(facts, banned=(LIAR.peer,) if is_convicted else ())), 5)
    said = words(node.handle(ins.PeerSaid(LIAR.peer, proposed_by_liar(of)), 30))
    assert (SignedKind.SEAL in said) is not is_convicted


@pytest.mark.parametrize("is_convicted", [True, False])
def test_nor_does_the_publisher(is_convicted: bool) -> None:
    of = committed()
    own, word = publisher_of(of), proposed_by_liar(of)
    own.facts = replace(own.facts, banned=(LIAR.peer,) if is_convicted else ())
    for now_ms in (0, 30_000):  # It waits once, as strangers do.
        judging.propose(own, word, now_ms, ())
    assert bool(own.court.rounds) is not is_convicted


def test_a_home_room_whose_host_was_convicted_later_is_still_verified() -> None:
    of = committed()
    own = publisher_of(of)
    own.court.banned[of.peers[0]] = None
    word = of.pens[of.peers[1]].sign(SignedKind.PROPOSAL, of.proposal(of.held))
    judging.propose(own, word, 0, ())
    assert own.court.rounds, "what it did itself would have been taken back"
