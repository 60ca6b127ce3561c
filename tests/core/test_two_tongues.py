"""A checker that says more than one thing of a chunk: what says the same is merged, what differs is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sgnus.core import receipt
from sgnus.core.docket import VERDICTS_MAX
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Receipt, SignedEnvelope, SignedKind, Verdict
from sgnus.wire.codec import decode, encode
from tests.core.round_table import Table
from tests.round_support import FULL, Output, Round, false_output, output_of


def spoken(chunks: int = 6, per_sub_block: int = 2) -> Round:
    """A round in which the beacon has spoken, and nobody judged yet."""
    of = Round(members=3, chunks=chunks, per_sub_block=per_sub_block, policy=FULL)
    of.seal()
    of.reveal()
    of.speak()
    return of


def verifier_of(of: Round) -> tuple[PeerId, tuple[int, ...]]:
    """Who checks, and what."""
    peer = of.draw().order[0]
    return peer, of.draw().dues[peer]


def signed(of: Round, peer: PeerId, chunks: Sequence[int], output: Output = output_of) -> SignedEnvelope:
    return of.pens[peer].sign(SignedKind.VERDICT, of.verdict(tuple(chunks), output))


def test_a_second_verdict_on_a_chunk_that_says_something_else_is_refused() -> None:
    of = spoken()
    peer, due = verifier_of(of)
    of.docket.take(signed(of, peer, due))
    before = dict(of.docket.verdicts[peer])
    with pytest.raises(PeerFault, match="two different verdicts"):
        of.docket.take(signed(of, peer, due[:1], false_output))
    assert of.docket.verdicts[peer] == before


def test_verdicts_that_overlap_and_agree_are_merged() -> None:
    of = spoken()
    peer, due = verifier_of(of)
    assert of.docket.take(signed(of, peer, due[:2]))
    assert of.docket.take(signed(of, peer, due[1:]))
    assert tuple(sorted(of.docket.judged_by(peer))) == due


def test_a_verdict_that_says_nothing_new_is_not_counted() -> None:
    of = spoken()
    peer, due = verifier_of(of)
    of.docket.take(signed(of, peer, due))
    assert not of.docket.take(signed(of, peer, due[:2]))
    assert len(of.docket.verdicts[peer]) == 1


def test_a_whole_verdict_is_heard_however_many_parts_of_it_came_before() -> None:
    of = spoken(chunks=60, per_sub_block=6)
    peer, due = verifier_of(of)
    assert len(due) > VERDICTS_MAX
    for chunk in due[:VERDICTS_MAX]:
        of.docket.take(signed(of, peer, (chunk,)))
    with pytest.raises(PeerFault, match="more verdicts"):
        of.docket.take(signed(of, peer, due[VERDICTS_MAX : VERDICTS_MAX + 1]))
    assert of.docket.take(signed(of, peer, due))
    assert tuple(sorted(of.docket.judged_by(peer))) == due


@pytest.mark.parametrize("is_backwards", [False, True])
def test_a_receipt_holds_of_verdicts_that_overlap_those_that_are_needed_in_one_order(
    is_backwards: bool,
) -> None:
    of = spoken()
    peer, due = verifier_of(of)
    words = [signed(of, peer, due[:3]), signed(of, peer, due[2:]), signed(of, peer, due[:2])]
    for word in reversed(words) if is_backwards else words:
        of.docket.take(word)
    of.judge()
    of.disclose()
    data = of.prove()
    assert receipt.check(of.publisher, of.terms, data)
    whole = decode(Receipt, data)
    mine = [word for word in whole.verdicts if word.author == peer]
    assert len(mine) == 2
    others = tuple(word for word in whole.verdicts if word.author != peer)
    for verdicts in ((mine[1], mine[0], *others), (*others, mine[1], mine[0]), (*mine, words[2], *others)):
        with pytest.raises(PeerFault):
            receipt.check(of.publisher, of.terms, encode(replace(whole, verdicts=verdicts)))


def test_a_checker_that_tells_some_less_than_others_holds_nobody_up() -> None:
    of = Round(members=4, chunks=8, per_sub_block=2, policy=FULL).commit()
    verifier = Table(of).proven().draw.verifier
    assert verifier is not None
    table = Table(of, lambda who, kind: who == verifier and kind is SignedKind.VERDICT)
    parts: dict[bytes, SignedEnvelope] = {}
    for _ in range(100):
        table.sit(table.now_ms + 100)
        for word in table.members[verifier].steps.said:
            if word.kind is SignedKind.VERDICT and word.payload not in parts:
                parts[word.payload] = word
                _tell_in_two_ways(table, verifier, word)
    assert parts
    assert table.proven(table.now_ms + 10_000).draw.skipped == ()


def _tell_in_two_ways(table: Table, verifier: PeerId, word: SignedEnvelope) -> None:
    """The publisher is told a part; a member another part, which it repeats to all, and then the whole."""
    of = table.round
    verdict = of.publisher.open(word, SignedKind.VERDICT, Verdict)
    member = next(peer for peer in of.peers if peer != verifier)
    table.tell(table.publisher, signed(of, verifier, verdict.chunks[:2]))
    table.tell(member, signed(of, verifier, verdict.chunks[1:3]))
    table.tell(member, word)
