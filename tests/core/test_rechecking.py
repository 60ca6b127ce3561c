"""The publisher's private share: what it runs again, whom that convicts, and what a receipt waits for."""

from __future__ import annotations

import pytest

from sgnus.core import effects as fx
from sgnus.core import fraud, judging, observing, rechecking
from sgnus.core.inputs import JobFacts, OutputsStored, Rechecked
from sgnus.core.publication import Publication
from sgnus.crypto.digests import digest
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import RECHECK_WAIT_MS
from sgnus.messages.v1.types import (
    CloseReason,
    EntryKind,
    FraudProof,
    Held,
    OnPeerListChanged,
    RoomClosed,
    SignedKind,
)
from tests.round_support import Output, Round, false_output, output_of, proven

CHUNKS = (2, 3)
NUMBER = 1
"""The sub-block that holds them; it is the second member's."""


def committed(output: Output = output_of) -> Round:
    return Round().commit(output)


def publication(of: Round, *, verified: bool = True) -> Publication:
    facts = JobFacts(
        job=of.terms.job,
        publisher=of.publisher.peer,
        address=None,
        processor="builtin:invert@1",
        sub_blocks=of.plan.sub_blocks,
        microjobs=1,
        deadline_ms=60_000,
        terms=of.terms if verified else None,
    )
    own = Publication(of.publisher, facts)
    observing.see_list(own, of.peers[0], OnPeerListChanged(list=of.list.envelope))
    own.out = []
    return own


def stored(of: Round, number: int = NUMBER, recheck: tuple[int, ...] = CHUNKS) -> OutputsStored:
    held = of.publisher.open(of.held[number], SignedKind.HELD, Held)
    return OutputsStored(
        token=number,
        job=of.terms.job,
        microjob=0,
        instance=InstanceId(held.instance),
        sub_block=number,
        member=PeerId(held.member),
        root=held.root,
        record=held.record,
        opening=of.openings[number],
        recheck=recheck,
    )


def rerun(of: Round, output: Output = output_of) -> Rechecked:
    digests = b"".join(digest(output(chunk)) for chunk in CHUNKS)
    return Rechecked(of.terms.job, 0, NUMBER, CHUNKS, digests)


def drained(own: Publication) -> list[fx.Effect]:
    effects, own.out = own.out, []
    return effects


def holding(of: Round) -> Publication:
    """It holds the sub-block, and runs it again."""
    own = publication(of)
    rechecking.store(own, stored(of))
    own.out = []
    return own


def lines(effects: list[fx.Effect]) -> list[str]:
    return [effect.line for effect in effects if isinstance(effect, fx.Told)]


def test_what_the_dice_chose_is_run_again_once_it_is_held_and_answered() -> None:
    of = committed()
    own = publication(of)
    rechecking.store(own, stored(of))
    kinds = [type(effect) for effect in drained(own)]
    assert kinds[-2:] == [fx.AnswerHeld, fx.Recheck]
    rechecking.store(own, stored(of))
    assert [type(effect) for effect in drained(own)] == [fx.AnswerHeld]


def test_without_a_throw_without_proof_and_for_our_own_result_nothing_is_run_again() -> None:
    of = committed()
    for own, given in (
        (publication(of), stored(of, recheck=())),
        (publication(of, verified=False), stored(of)),
    ):
        rechecking.store(own, given)
        assert not any(isinstance(effect, fx.Recheck) for effect in drained(own))
    own = publication(of)
    ours = OutputsStored(1, of.terms.job, 0, InstanceId("publisher"), NUMBER, own.pen.peer, bytes(32))
    rechecking.store(own, ours)
    assert not own.shelves[0].rechecks


def test_a_result_that_is_right_has_no_effect() -> None:
    of = committed()
    own = holding(of)
    rechecking.rechecked(own, rerun(of), 5)
    assert (drained(own), own.shelves[0].rechecks) == ([], {})
    assert NUMBER in own.shelves[0].held


def test_a_false_result_is_voided_its_worker_banned_and_its_microjob_open_again() -> None:
    of = committed(lambda chunk: false_output(chunk) if chunk == CHUNKS[1] else output_of(chunk))
    own = holding(of)
    rechecking.store(own, stored(of, 0, recheck=()))
    own.out = []
    rechecking.rechecked(own, rerun(of), 5)
    effects, liar = drained(own), of.peers[NUMBER]
    key = f"{of.terms.job}/0/{NUMBER}"
    accused = next(effect for effect in effects if isinstance(effect, fx.Accuse))
    assert effects == [
        fx.Told(
            of.terms.job,
            f"publisher: {liar[-6:]} returned a false chunk {CHUNKS[1]}, by its own signature: we ran it again",
        ),
        accused,
        fx.Persist("turn", key, (1).to_bytes(4, "big")),
        fx.Persist("held", key, b""),
        fx.Voided(of.terms.job, 0, NUMBER),
        fx.Send(of.peers, RoomClosed(instance=of.instance, reason=CloseReason.FAILED)),
    ]
    assert (accused.accused, accused.chunk) == (liar, CHUNKS[1])
    assert not own.may_write(liar, 0, InstanceId(of.instance))
    assert list(own.shelves[0].held) == [0]


def test_the_proof_convicts_the_worker_in_the_hands_of_anybody() -> None:
    of = committed(false_output)
    own = holding(of)
    rechecking.rechecked(own, rerun(of), 5)
    accused = next(effect for effect in drained(own) if isinstance(effect, fx.Accuse))
    proof = FraudProof(
        network=of.terms.network,
        job=of.terms.entry,
        chunk=accused.chunk,
        record=accused.record,
        opening=accused.opening,
        verdict=accused.verdict,
        branch=b"",
        path=(),
        founder=accused.founder,
        nonce=accused.nonce,
    )
    reader = of.pens[of.peers[0]]
    charge = fraud.check(reader, of.terms, of.plan, b"", proof)
    assert fraud.guilty(charge, digest(output_of(accused.chunk))) == (of.peers[NUMBER],)
    assert charge.checker == of.publisher.peer


def test_a_chunk_that_gives_no_output_here_convicts_nobody() -> None:
    of = committed(false_output)
    own = holding(of)
    rechecking.rechecked(own, Rechecked(of.terms.job, 0, NUMBER, CHUNKS, None), 5)
    assert drained(own) == []
    assert NUMBER in own.shelves[0].held


def test_an_answer_that_nobody_waits_for_convicts_nobody() -> None:
    of = committed(false_output)
    own = publication(of)
    rechecking.store(own, stored(of, recheck=(2,)))
    own.out = []
    rechecking.rechecked(own, rerun(of), 5)
    assert drained(own) == [] and list(own.shelves[0].rechecks) == [NUMBER]


def test_what_is_found_false_after_its_microjob_was_taken_is_said_and_not_taken_back() -> None:
    of = committed(false_output)
    own = holding(of)
    own.take(0, b"r" * 32)
    own.out = []
    rechecking.rechecked(own, rerun(of), 5)
    effects = drained(own)
    assert [type(effect) for effect in effects] == [fx.Told, fx.Told, fx.Accuse]
    assert "microjob 0 was taken before that was known" in lines(effects)[1]
    assert NUMBER in own.shelves[0].held and own.shelves[0].taken


def judged(of: Round) -> tuple[Publication, bytes]:
    """A publication whose round has its receipt on the way, with a result of it still running again."""
    receipt = proven(of)
    own = publication(of)
    for number in range(len(of.held)):
        rechecking.store(own, stored(of, number, CHUNKS if number == NUMBER else ()))
        own.shelves[0].held[number] = of.held[number]
    (attempt,) = of.docket.attempts.values()
    judging.propose(own, attempt.sealing.envelope, 0, ())
    court = own.court.rounds[InstanceId(of.instance)]
    spoken = of.docket.spoken
    assert spoken is not None
    for envelope in [attempt.sealing.envelope, *attempt.seals.values(), spoken.envelope]:
        court.docket.take(envelope)
    own.out = []
    return own, receipt


def taken(own: Publication) -> bool:
    return any(isinstance(x, fx.PublishEntry) and x.kind is EntryKind.TAKEN for x in drained(own))


def test_a_receipt_waits_for_what_is_being_run_again() -> None:
    of = Round()
    own, receipt = judged(of)
    judging.take_receipt(own, InstanceId(of.instance), receipt, 10)
    assert not taken(own)
    rechecking.rechecked(own, rerun(of), 20)
    assert taken(own)


def test_a_receipt_does_not_wait_for_ever() -> None:
    of = Round()
    own, receipt = judged(of)
    judging.take_receipt(own, InstanceId(of.instance), receipt, 10)
    judging.tick(own, 9 + RECHECK_WAIT_MS)
    assert not taken(own)
    judging.tick(own, 10 + RECHECK_WAIT_MS)
    assert taken(own)


def test_the_story_of_a_publisher_tells_of_its_rounds() -> None:
    of = Round()
    own, receipt = judged(of)
    rechecking.rechecked(own, rerun(of), 5)
    judging.take_receipt(own, InstanceId(of.instance), receipt, 10)
    own.out, told = [], lines(own.out)
    assert [line.partition(": its ")[2] or line.partition(": the ")[2] for line in told] == [
        "beacon has spoken over 3 reveals; of 1 samples "
        + ", ".join(f"{peer[-6:]} checks {len(due)}" for peer, due in of.draw().dues.items()),
        "receipt is here and right; the microjob is taken",
    ]


@pytest.mark.parametrize("number", [0, 2])
def test_only_the_chunks_of_the_own_sub_block_are_compared(number: int) -> None:
    of = committed(false_output)
    own = holding(of)
    rechecking.rechecked(own, Rechecked(of.terms.job, 0, number, CHUNKS, rerun(of).digests), 5)
    assert drained(own) == []
