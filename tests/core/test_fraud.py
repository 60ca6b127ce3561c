"""The proof of fraud: it convicts by the guilty's own signature about this very chunk, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sgnus.core import fraud, roster
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.v1.types import FraudProof, ProcessedRecord, SignedKind
from sgnus.runtime.pens import EnvelopePen
from tests.round_support import (
    FULL,
    NETWORK,
    OTHER_NETWORK,
    Round,
    disputed,
    false_output,
    identity_of,
    input_of,
    job_of,
    output_of,
    proof_of,
    proven,
)

CHUNK = 2


@pytest.fixture(scope="module")
def round_() -> Round:
    """Its workers lied about all chunks."""
    return disputed()


def charged(round_: Round, proof: FraudProof) -> fraud.Charge:
    pen = EnvelopePen(identity_of("reader"), NETWORK)
    return fraud.check(pen, round_.terms, round_.plan, round_.job.body.manifest_root, proof)


def refused(round_: Round, proof: FraudProof, why: str) -> None:
    with pytest.raises(PeerFault, match=why):
        charged(round_, proof)


def test_the_charge_says_what_both_signed_of_the_chunk(round_: Round) -> None:
    proof = proof_of(round_, CHUNK)
    charge = charged(round_, proof)
    assert (charge.microjob, charge.chunk) == (0, CHUNK)
    assert (charge.worker, charge.returned) == (proof.record.author, digest(false_output(CHUNK)))
    assert (charge.checker, charge.judged) == (proof.verdict.author, digest(output_of(CHUNK)))
    assert charge.input_digest == digest(input_of(CHUNK))


def test_only_the_chunks_own_run_says_who_is_guilty(round_: Round) -> None:
    charge = charged(round_, proof_of(round_, CHUNK))
    assert fraud.guilty(charge, charge.judged) == (charge.worker,)
    assert fraud.guilty(charge, charge.returned) == (charge.checker,)
    assert fraud.guilty(charge, digest(b"neither")) == (charge.worker, charge.checker)


def test_without_its_branch_or_its_plan_a_proof_holds_but_shows_no_input(round_: Round) -> None:
    bare = replace(proof_of(round_, CHUNK), branch=b"", path=())
    assert charged(round_, bare).input_digest is None
    pen = EnvelopePen(identity_of("reader"), NETWORK)
    assert fraud.check(pen, round_.terms, None, b"", proof_of(round_, CHUNK)).input_digest is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"network": OTHER_NETWORK}, "another network"),
        ({"job": b"another"}, "another job"),
        ({"chunk": 4}, "record is not about the chunk"),
        ({"founder": "somebody"}, "room of another job"),
        ({"nonce": 8}, "room of another job"),
        ({"branch": bytes(5 * 32)}, "do not lead to the job's manifest"),
        ({"branch": bytes(32)}, "bytes of digests"),
        ({"path": (bytes(32),)}, "do not lead to the job's manifest"),
    ],
)
def test_a_proof_with_another_part_convicts_nobody(round_: Round, changes: dict[str, Any], why: str) -> None:
    refused(round_, replace(proof_of(round_, CHUNK), **changes), why)


def test_an_opening_that_was_made_up_convicts_nobody(round_: Round) -> None:
    proof = proof_of(round_, CHUNK)
    for changes, why in (
        ({"salt_seed": bytes(32)}, "does not fit"),
        ({"digests": bytes(64)}, "does not fit"),
        ({"digests": bytes(32)}, "bytes of digests"),
        ({"salt_seed": b""}, "not 32 bytes"),
        ({"sub_block": 0}, "another record"),
    ):
        refused(round_, replace(proof, opening=replace(proof.opening, **changes)), why)  # type: ignore[arg-type]


def test_a_signature_of_somebody_else_convicts_nobody(round_: Round) -> None:
    proof, innocent = proof_of(round_, CHUNK), identity_of("innocent").peer_id
    refused(round_, replace(proof, record=replace(proof.record, author=innocent)), "signature")
    refused(round_, replace(proof, verdict=replace(proof.verdict, author=innocent)), "signature")
    refused(round_, replace(proof, verdict=proof.record), "kind RECORD where VERDICT")


def test_where_both_agree_nobody_is_charged() -> None:
    round_ = Round(policy=FULL)
    proven(round_)
    refused(round_, proof_of(round_, CHUNK), "agree")


def test_nobody_is_charged_with_checking_itself(round_: Round) -> None:
    proof = proof_of(round_, CHUNK)
    own = round_.pens[next(peer for peer in round_.peers if peer == proof.record.author)]
    verdict = own.sign(SignedKind.VERDICT, round_.verdict((CHUNK,)))
    refused(round_, replace(proof, verdict=verdict), "same peer")


def test_a_verdict_on_another_chunk_convicts_nobody(round_: Round) -> None:
    proof = proof_of(round_, CHUNK)
    checker = round_.pens[next(peer for peer in round_.peers if peer == proof.verdict.author)]
    verdict = checker.sign(SignedKind.VERDICT, round_.verdict((0, 1)))
    refused(round_, replace(proof, verdict=verdict), "verdict is not about the chunk")


def test_an_honest_verdict_on_another_job_convicts_nobody() -> None:
    """A worker in league with whoever publishes signs a record that names the room of another job: the honest checker's
    verdict there is about other inputs, and so its digest differs. The room's own name gives that away.
    """
    honest, trap = disputed(), Round(job=job_of(5, 2, FULL, deadline_ms=1234))
    proof = proof_of(honest, CHUNK)
    colluder = trap.pens[trap.peers[1]]
    seed, chunks = bytes(32), trap.plan.chunks_of(0, 1)
    digests = [digest(b"what the other job gives") for _ in chunks]
    root = commit_root_of(
        trap.terms.job, honest.list.instance, colluder.peer, seed=seed, chunks=chunks, digests=digests
    )
    record = ProcessedRecord(
        job=trap.terms.job,
        microjob=0,
        instance=honest.instance,
        sub_block=1,
        chunks=len(chunks),
        root=root,
        elapsed_ms=1,
        vrf_key=bytes(32),
    )
    forged = replace(
        proof,
        job=trap.terms.entry,
        record=colluder.sign(SignedKind.RECORD, record),
        opening=replace(proof.opening, salt_seed=seed, digests=b"".join(digests)),
    )
    assert roster.instance_id(honest.terms.job, 0, honest.peers[0], 7) == honest.list.instance
    refused(trap, forged, "room of another job")
