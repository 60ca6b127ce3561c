"""`sgnus job receipts` and `sgnus receipt verify`: what is saved, what people and programs read, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sgnus.messages.v1 import sgnus_pb2 as pb
from tests.frontends.fake_grid import FakeJob
from tests.frontends.fake_node import FakeNode
from tests.round_support import PUBLISHER, Round, proven, proven_without_beacon

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data() -> bytes:
    return proven(Round())


def test_receipts_are_saved_by_the_number_of_their_microjob(
    command: Any, node: FakeNode, job: FakeJob, data: bytes, tmp_path: Path
) -> None:
    node.service.receipts[job.id] = [data]
    folder = tmp_path / "some" / "receipts"
    status, said, _ = command("job", "receipts", job.id, "-o", folder)
    assert status == 0
    assert said.splitlines() == [
        f"1 of 1 microjobs have a receipt; saved in {folder}",
        str(folder / "microjob-0.receipt"),
    ]
    assert (folder / "microjob-0.receipt").read_bytes() == data
    assert json.loads(command("job", "receipts", job.id, "-o", folder, "--json")[1])["files"] == [
        str(folder / "microjob-0.receipt")
    ]
    assert command("receipt", "verify", folder / "microjob-0.receipt")[0] == 0


def test_a_receipt_without_a_beacon_is_said_to_be_provisional(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "microjob-0.receipt"
    file.write_bytes(proven_without_beacon(Round(members=4)))
    status, said, _ = command("receipt", "verify", file)
    assert status == 0
    assert "none:" in said and "No beacon spoke" in said


@pytest.mark.parametrize(
    ("state", "name", "why"),
    [
        (pb.JOB_STATE_RUNNING, "mine", "is verified yet"),
        (pb.JOB_STATE_COMPLETED, "mine", "verify none"),
        (pb.JOB_STATE_COMPLETED, "foreign", "published by 12D3KooWFake: the receipts are kept there"),
    ],
)
def test_a_job_without_receipts_says_why(
    command: Any, job: FakeJob, state: int, name: str, why: str, tmp_path: Path
) -> None:
    job.state, job.request.name = state, name
    status, _, remarks = command("job", "receipts", job.id, "-o", tmp_path / "receipts")
    assert status == 2
    assert why in remarks
    assert not (tmp_path / "receipts").exists()


def test_receipts_that_cannot_be_saved_are_wrong_use(
    command: Any, node: FakeNode, job: FakeJob, data: bytes, tmp_path: Path
) -> None:
    node.service.receipts[job.id] = [data]
    (tmp_path / "file").touch()
    status, _, remarks = command("job", "receipts", job.id, "-o", tmp_path / "file")
    assert status == 2
    assert "cannot be saved" in remarks


def test_a_good_receipt_says_in_words_what_it_proves(command: Any, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "good.receipt"
    file.write_bytes(data)
    status, said, _ = command("receipt", "verify", file)
    assert status == 0
    for words in (
        f"{file}: valid.",
        f"{PUBLISHER.peer_id} (the publisher)",
        "number 0 of 1, round 1",
        "sample: 10 % of the chunks, verifiers: 1",
        "3 members",
        "verifier",
        "It proves that the results of all 5 chunks were signed before anybody could know which would be checked, and by whom",
        "If 50 % of the chunks (3) had been false, no sample would have met one with probability 0.4.",
        "in league",
    ):
        assert words in said


def test_programs_read_the_same(command: Any, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "good.receipt").write_bytes(data)
    status, said, _ = command("receipt", "verify", tmp_path / "good.receipt", "--json")
    (answer,) = json.loads(said)
    assert status == 0
    assert (answer["valid"], answer["chunks"], answer["samples"]) == (True, 5, 1)
    assert answer["policy"]["verify"] == "sample"


def test_a_damaged_receipt_is_not_valid_and_others_are_checked_all_the_same(
    command: Any, data: bytes, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.receipt", tmp_path / "bad.receipt"
    good.write_bytes(data)
    bad.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    status, said, remarks = command("receipt", "verify", bad, good)
    assert status == 1
    assert f"{good}: valid." in said
    assert f"{bad}: not valid: an opening that does not fit the signed root." in remarks


@pytest.mark.parametrize(("noun", "what"), [("receipt", "receipt"), ("proof", "proof of fraud")])
def test_a_file_of_another_kind_is_said_to_be_none(
    noun: str, what: str, command: Any, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" * 9)
    status, _, remarks = command(noun, "verify", tmp_path / "photo.jpg")
    assert status == 1
    assert f"these bytes are no {what}" in remarks


def test_a_missing_file_is_wrong_use(command: Any, data: bytes, tmp_path: Path) -> None:
    good = tmp_path / "good.receipt"
    good.write_bytes(data)
    status, said, remarks = command("receipt", "verify", good, tmp_path / "none.receipt")
    assert status == 2
    assert f"{good}: valid." in said
    assert "cannot be read: No such file or directory" in remarks
    assert command("receipt", "verify", tmp_path)[0] == 2
    assert command("receipt", "verify")[0] == 2
    assert [
        one["valid"] for one in json.loads(command("receipt", "verify", good, tmp_path, "--json")[1])
    ] == [
        True,
        False,
    ]
