"""`sgnus proof verify`: who is guilty and why, for people and for programs; exit statuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sgnus.frontends.cli import main
from sgnus.messages.v1.types import FraudProof
from sgnus.wire.codec import encode
from tests.round_support import disputed, output_of, proof_of


@pytest.fixture(scope="module")
def proof() -> FraudProof:
    return proof_of(disputed(), 2)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Verify these bytes: exit status, stdout, stderr."""

    def run_(data: bytes, *options: str) -> tuple[int, str, str]:
        file = tmp_path / "chunk.proof"
        file.write_bytes(data)
        status = main(["proof", "verify", str(file), *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_


def test_the_guilty_worker_is_named_with_the_reason(run: Any, proof: FraudProof) -> None:
    status, said, _ = run(encode(proof))
    assert status == 0
    assert f"{proof.record.author} is guilty: it returned a result of chunk 2 that" in said
    assert f"{proof.verdict.author} is guilty" not in said


def test_the_guilty_checker_is_named_with_the_reason(run: Any) -> None:
    proof = proof_of(disputed(output_of, lambda chunk: b"lie"), 2)
    status, said, _ = run(encode(proof))
    assert status == 0
    assert f"{proof.verdict.author} is guilty: it accused its worker of a result of chunk 2 that" in said


def test_a_proof_without_its_input_convicts_nobody_yet(run: Any, proof: FraudProof) -> None:
    status, said, _ = run(encode(replace(proof, input=None)))
    assert status == 1
    assert "convicts nobody yet" in said
    assert "these are missing: the chunk's input" in said
    assert json.loads(run(encode(replace(proof, input=None)), "--json")[1])["missing"] == [
        "the chunk's input"
    ]


def test_a_damaged_proof_convicts_nobody(run: Any, proof: FraudProof) -> None:
    data = encode(replace(proof, opening=replace(proof.opening, salt_seed=bytes(32))))
    status, said, remarks = run(data)
    assert (status, said) == (1, "")
    assert "convicts nobody: the opening does not fit the record's root." in remarks
    assert json.loads(run(data, "--json")[1])["guilty"] == []


def test_programs_read_the_guilty(run: Any, proof: FraudProof) -> None:
    answer = json.loads(run(encode(proof), "--json")[1])
    assert answer["guilty"] == [answer["worker"]] == [proof.record.author]


def test_a_missing_file_is_wrong_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["proof", "verify", str(tmp_path / "none")]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err
    assert main(["proof", "verify"]) == 2
