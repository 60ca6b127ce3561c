"""Receipts on their way out of a round, and back to a publisher that was away when its microjob was settled."""

from __future__ import annotations

import pytest

from sgnus.core import claims, judging
from sgnus.core import effects as fx
from sgnus.core.arbiter import Arbitration
from sgnus.core.inputs import JobFacts, PublisherRan, ReceiptFetched
from sgnus.core.publication import Publication
from sgnus.core.receipt import digest_of
from sgnus.core.verification import Verification
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import EntryKind, Opening
from tests.core.round_table import Table
from tests.round_support import FULL, Output, Round, false_output, identity_of, job_of, output_of, proven

SETTLER = identity_of("sgnus node").peer_id


def round_for(settlement: PeerId | None) -> Round:
    key = bytes(32) if settlement is not None else None
    return Round(job=job_of(5, 2, FULL, settlement=settlement, settlement_vrf_key=key))


class Noting(Table):
    """A table that notes what is submitted, and what lay on disk by then."""

    def __init__(self, of: Round) -> None:
        self.submitted: list[tuple[PeerId, fx.SubmitReceipt]] = []
        self.kept: list[str] = []
        super().__init__(of)

    def _collect(self, peer: PeerId, part: Verification | Arbitration) -> None:
        for effect in part.out:
            if isinstance(effect, fx.Persist) and effect.namespace == claims.SUBMISSIONS:
                self.kept.append(effect.key)
            if isinstance(effect, fx.SubmitReceipt):
                assert effect.key in self.kept, "submitted before it was on disk"
                self.submitted.append((peer, effect))
        super()._collect(peer, part)


def test_who_brings_the_receipt_submits_it_to_the_sgnus_node_that_the_job_names() -> None:
    table = Noting(round_for(SETTLER).commit())
    proven_ = table.proven()
    (peer, submitted), *_later = table.submitted
    assert peer == proven_.draw.verifier
    assert submitted.node == SETTLER
    assert digest_of(submitted.receipt) == proven_.digest
    assert submitted.key == f"{submitted.job}/0/{proven_.digest.hex()}/{SETTLER}"


def test_in_a_network_without_a_sgnus_node_nothing_is_submitted() -> None:
    table = Noting(round_for(None).commit())
    table.proven()
    assert table.submitted == []
    assert table.kept == []


def publication(round_: Round) -> Publication:
    """The publisher, back again: it holds all results of the microjob, and never took it."""
    facts = JobFacts(
        job=round_.terms.job,
        publisher=round_.publisher.peer,
        address=None,
        processor="builtin:invert@1",
        sub_blocks=3,
        microjobs=1,
        deadline_ms=60_000,
        terms=round_.terms,
        taken=frozenset([0]),
        settled=frozenset([0]),
    )
    own = Publication(round_.publisher, facts)
    own.shelf(0).held = dict(enumerate(round_.held))
    own.shelf(0).openings = dict(round_.openings)
    return own


def ran_here(own: Publication, number: int, output: Output = output_of) -> PublisherRan:
    """The publisher's own run of a sub-block of two chunks (the last has one)."""
    chunks = [chunk for chunk in (2 * number, 2 * number + 1) if chunk < 5]
    digests = [digest(output(chunk)) for chunk in chunks]
    job, instance, seed = own.facts.job, InstanceId("publisher"), bytes(32)
    root = commit_root_of(job, instance, own.pen.peer, seed=seed, chunks=chunks, digests=digests)
    opening = Opening(instance=instance, sub_block=number, salt_seed=seed, digests=b"".join(digests))
    return PublisherRan(job, 0, number, root, "", len(chunks), opening)


def test_a_publisher_takes_what_was_settled_while_it_was_away() -> None:
    round_ = round_for(SETTLER)
    data = proven(round_)
    own = publication(round_)
    judging.take_settled(own, ReceiptFetched(round_.terms.job, 0, data))
    taken, verified = (
        [one for one in own.out if isinstance(one, kind)] for kind in (fx.PublishEntry, fx.Verified)
    )
    assert own.out[1:3] == [
        fx.Persist("receipt", f"{round_.terms.job}/0", data),
        *claims.submit(round_.terms, 0, data)[:1],
    ]
    assert [one.kind for one in taken] == [EntryKind.TAKEN, EntryKind.DONE]
    assert verified == [fx.Verified(round_.terms.job, 0, digest_of(data))]
    own.out = []
    judging.take_settled(own, ReceiptFetched(round_.terms.job, 0, data))
    assert own.out == []


def test_what_was_voided_when_it_was_settled_is_run_here_and_then_taken() -> None:
    round_ = round_for(SETTLER)
    settled = ReceiptFetched(round_.terms.job, 0, proven(round_))
    own = publication(round_)
    judging.void(own, round_.peers[0])
    lacking = [number for number in range(3) if number not in own.shelf(0).held]
    own.out = []
    for _again in range(2):
        judging.take_settled(own, settled)
    asked = [one for one in own.out if isinstance(one, fx.RunHere)]
    assert asked == [fx.RunHere(round_.terms.job, 0, number) for number in lacking]
    assert lacking and not own.shelf(0).taken
    for number in lacking:
        own.ran(ran_here(own, number))
    judging.take_settled(own, settled)
    assert own.shelf(0).taken and own.is_done


def test_where_it_holds_other_results_than_were_settled_its_own_run_decides() -> None:
    round_ = round_for(SETTLER)
    settled = ReceiptFetched(round_.terms.job, 0, proven(round_))
    own = publication(round_)
    other = round_for(SETTLER).commit(false_output)
    own.shelf(0).held, own.shelf(0).openings = dict(enumerate(other.held)), dict(other.openings)
    judging.take_settled(own, settled)
    assert own.shelf(0).held == {}
    assert [one.sub_block for one in own.out if isinstance(one, fx.RunHere)] == [0, 1, 2]
    for number in range(3):
        own.ran(ran_here(own, number, false_output))
    own.out = []
    with pytest.raises(PeerFault, match="other results than we got ourselves"):
        judging.take_settled(own, settled)
    assert not own.shelf(0).taken
    assert own.out == []


def test_a_receipt_that_does_not_hold_is_not_taken_whoever_gives_it() -> None:
    round_ = round_for(SETTLER)
    data = proven(round_)
    own = publication(round_)
    with pytest.raises(PeerFault):
        judging.take_settled(own, ReceiptFetched(round_.terms.job, 0, data[:-1]))
    assert not own.shelf(0).taken


def test_what_is_settled_and_not_taken_needs_no_room_but_is_not_taken_either() -> None:
    own = publication(round_for(SETTLER))
    assert 0 in own.facts.taken
    assert not own.shelf(0).taken
