"""A proof of fraud in the hands of somebody else: the chunk is run again, and says whose signature is false."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sgnus.adapters.processors.library import shipped_module
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.v1.types import FraudProof, Policy, Verify
from sgnus.runtime import frauds
from sgnus.wire.codec import encode
from tests.round_support import (
    FULL,
    OTHER_NETWORK,
    disputed,
    false_output,
    job_of,
    output_of,
    proof_of,
)

CHUNK = 2
MODULE = shipped_module("invert")


@pytest.fixture(scope="module")
def proof() -> FraudProof:
    """Its worker lied."""
    return proof_of(disputed(), CHUNK)


def test_a_worker_that_lied_is_guilty(proof: FraudProof) -> None:
    report = frauds.verify(encode(proof))
    assert report.guilty == (report.worker,) == (proof.record.author,)
    assert (report.right, report.judged) == (digest(output_of(CHUNK)).hex(),) * 2
    assert report.returned == digest(false_output(CHUNK)).hex()
    assert (report.missing, report.why) == ((), "")


def test_a_checker_that_accused_falsely_is_guilty() -> None:
    report = frauds.verify(encode(proof_of(disputed(output_of, false_output), CHUNK)))
    assert report.guilty == (report.checker,)


def test_two_liars_are_both_guilty() -> None:
    report = frauds.verify(encode(proof_of(disputed(checker=lambda chunk: b"another lie"), CHUNK)))
    assert report.guilty == (report.worker, report.checker)


def test_a_module_that_does_not_ship_comes_with_the_proof() -> None:
    job = job_of(5, 2, FULL, processor="wasm:mine", module_digest=digest(MODULE))
    bare = proof_of(disputed(job=job), CHUNK)
    report = frauds.verify(encode(bare))
    assert (report.guilty, report.missing) == ((), ("the processor's module",))
    report = frauds.verify(encode(replace(bare, module=MODULE)))
    assert report.guilty == (report.worker,)
    with pytest.raises(PeerFault, match="module in the proof is not that of the job"):
        frauds.verify(encode(replace(bare, module=shipped_module("sobel"))))


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"input": None}, ("the chunk's input",)),
        (
            {"branch": b"", "path": (), "input": None},
            ("the digests of the microjob's inputs (branch)", "the chunk's input"),
        ),
    ],
)
def test_what_is_missing_is_said_and_nobody_is_convicted(
    proof: FraudProof, changes: dict[str, Any], missing: tuple[str, ...]
) -> None:
    report = frauds.verify(encode(replace(proof, **changes)))
    assert (report.guilty, report.right, report.missing) == ((), None, missing)
    assert report.why == f"these are missing: {', '.join(missing)}"


@pytest.mark.parametrize(
    ("processor", "other", "missing"),
    [
        ("builtin:invert@2", {}, "builtin:invert@2, which does not ship with this version"),
        ("app:mine", {}, "app:mine, which only its apps have"),
        ("builtin:invert@1", {"explicit_digest": bytes(32)}, "the job's own list of chunks"),
    ],
)
def test_what_no_proof_can_bring_is_said_as_well(processor: str, other: dict[str, Any], missing: str) -> None:
    report = frauds.verify(encode(proof_of(disputed(job=job_of(5, 2, FULL, processor, **other)), CHUNK)))
    assert report.guilty == ()
    assert missing in report.why


def test_a_chunk_that_cannot_be_run_convicts_nobody() -> None:
    module = b"\0asm\1\0\0\0"
    job = job_of(5, 2, FULL, processor="wasm:mine", module_digest=digest(module))
    report = frauds.verify(encode(replace(proof_of(disputed(job=job), CHUNK), module=module)))
    assert (report.guilty, report.right) == ((), None)
    assert report.why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"input": b"else"}, "input in the proof is not that of the job's manifest"),
        ({"network": OTHER_NETWORK}, "not signed by its publisher for this network"),
        ({"network": "0"}, "no network id"),
        ({"job": b"none"}, "."),
        ({"chunk": 4}, "not about the chunk"),
    ],
)
def test_a_proof_that_does_not_hold_proves_nothing(
    proof: FraudProof, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(PeerFault, match=why):
        frauds.verify(encode(replace(proof, **changes)))


def test_a_job_without_verification_has_no_verdicts(proof: FraudProof) -> None:
    none = Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1)
    with pytest.raises(PeerFault, match="no verification"):
        frauds.verify(encode(replace(proof, job=job_of(5, 2, none).raw)))


@pytest.mark.parametrize("data", [b"", b"hello", bytes(100)])
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(PeerFault):
        frauds.verify(data)
