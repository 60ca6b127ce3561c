"""An accusation by somebody, checked by a host that has nothing but its database and what peers serve: real runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.adapters.store.memory import FakeStore
from sgnus.core.inquiry import Accusation, Finding
from sgnus.core.shelf import JobView, fold
from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.v1.types import EntryKind, FraudBody, FraudProof, Policy, Verify
from sgnus.ports import Abandoned, Outcome, SubBlockTask, Trapped
from sgnus.runtime.evidence import Evidence
from sgnus.runtime.inputs import InputMissing, Inputs
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.trials import Sources, Trial, Trials
from sgnus.runtime.work import Worker
from sgnus.wire.codec import encode
from sgnus.wire.entry import open_entry, seal_entry
from tests.round_support import (
    FULL,
    NETWORK,
    PUBLISHER,
    Round,
    disputed,
    false_output,
    identity_of,
    input_of,
    job_of,
    output_of,
    proof_of,
)

CHUNK = 2
ACCUSER = identity_of("accuser")
MODULE = shipped_module("invert")


class OneView:
    """A database that knows one job."""

    def __init__(self, view: JobView | None) -> None:
        self._view = view

    async def job(self, _block_id: BlockId) -> JobView | None:
        return self._view


@dataclass
class Served(Inputs):
    """What peers serve, by peer and digest; whoever is asked for another has not got it."""

    blobs: dict[tuple[PeerId, bytes], bytes] = field(default_factory=dict)
    asked: list[PeerId] = field(default_factory=list)

    async def blob(self, peer: PeerId, wanted: bytes, bytes_max: int) -> bytes:
        self.asked.append(peer)
        if (peer, wanted) not in self.blobs:
            raise WorldFault(f"{peer} is not there")
        assert len(self.blobs[peer, wanted]) <= bytes_max
        return self.blobs[peer, wanted]

    async def branch(self, job: Job, microjob: int) -> tuple[bytes, ...]:
        raise InputMissing("the manifest cannot be read")


class Runs(Worker):
    """Runs for real, or gives what the test says."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.ran = 0
        self._outcome = outcome

    async def run_anywhere(self, task: SubBlockTask) -> Outcome:
        self.ran += 1
        if self._outcome is not None:
            return self._outcome
        pool = ProcessorPool(1)
        await pool.start()
        try:
            return await pool.run(task)
        finally:
            await pool.stop()


@dataclass
class Case:
    """One FRAUD entry over a round, and the host that looks into it."""

    round: Round
    served: Served = field(default_factory=Served)
    worker: Runs = field(default_factory=Runs)
    author: Identity = ACCUSER
    accused: PeerId | None = None
    edit: Callable[[FraudProof], FraudProof] = lambda proof: proof

    def proof(self) -> FraudProof:
        return self.edit(replace(proof_of(self.round, CHUNK), input=None))

    def serve(self, peer: PeerId = PUBLISHER.peer_id, *blobs: bytes) -> Case:
        for blob in blobs or (input_of(CHUNK),):
            self.served.blobs[peer, digest(blob)] = blob
        return self

    def hold(self, folder: Path, data: bytes | None = None) -> Trial:
        proof = self.proof()
        accused = self.accused or PeerId(proof.record.author)
        body = FraudBody(accused=accused, proof=encode(proof) if data is None else data)
        job = self.round.job
        raw = seal_entry(
            self.author, NETWORK, EntryKind.FRAUD, job.cid, body, seq=0, expires=job.entry.expires
        )
        entry = open_entry(raw, NETWORK)
        view = fold([job, entry])
        one = Accusation(entry.cid, entry.author, accused, job.cid, entry.entry.expires, False)
        host = EnvelopePen(identity_of("host"), NETWORK)
        book = JobBook(folder, host.peer, NetworkId(NETWORK), self.served.blob)
        sources = Sources(OneView(view), book, self.served, lambda _address: False)  # type: ignore[arg-type]
        return asyncio.run(Trials(sources, self.worker, host).hold(one))


@pytest.fixture(scope="module")
def lied() -> Round:
    """Its workers lied."""
    return disputed()


def test_who_signed_what_the_chunk_does_not_give_is_guilty(lied: Round, tmp_path: Path) -> None:
    case = Case(lied).serve()
    trial = case.hold(tmp_path)
    assert (trial.finding, case.worker.ran) == (Finding.GUILTY, 1)
    assert trial.cost_ms is not None


def test_a_checker_that_accused_falsely_is_guilty_too(tmp_path: Path) -> None:
    round_ = disputed(output_of, false_output)
    checker = PeerId(proof_of(round_, CHUNK).verdict.author)
    assert Case(round_, accused=checker).serve().hold(tmp_path).finding is Finding.GUILTY


def test_a_proof_that_convicts_the_other_is_false(tmp_path: Path) -> None:
    trial = Case(disputed(output_of, false_output)).serve().hold(tmp_path)
    assert (trial.finding, trial.why) == (
        Finding.FALSE,
        f"chunk {CHUNK} gives what the accused signed",
    )


@pytest.mark.parametrize(
    "edit",
    [
        lambda proof: replace(proof, chunk=4),
        lambda proof: replace(proof, nonce=8),
        lambda proof: replace(proof, record=replace(proof.record, author="somebody")),
        lambda proof: replace(proof, opening=replace(proof.opening, salt_seed=bytes(32))),
        lambda proof: replace(proof, input=b"else"),
    ],
)
def test_a_forged_proof_is_false_and_runs_nothing(
    lied: Round, tmp_path: Path, edit: Callable[[FraudProof], FraudProof]
) -> None:
    case = Case(lied, edit=edit, accused=PeerId(proof_of(lied, CHUNK).record.author)).serve()
    assert case.hold(tmp_path).finding is Finding.FALSE
    assert case.worker.ran == 0


def test_a_proof_against_somebody_else_than_it_accuses_is_false_and_runs_nothing(
    lied: Round, tmp_path: Path
) -> None:
    case = Case(lied, accused=identity_of("innocent").peer_id).serve()
    trial = case.hold(tmp_path)
    assert (trial.finding, trial.cost_ms, case.worker.ran) == (Finding.FALSE, None, 0)


def test_what_is_no_proof_at_all_is_false(lied: Round, tmp_path: Path) -> None:
    assert Case(lied).hold(tmp_path, b"hello").finding is Finding.FALSE


def test_in_a_job_without_proof_nobody_can_be_accused(lied: Round, tmp_path: Path) -> None:
    none = Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1)
    case = Case(lied).serve()
    case.round = _with_job(lied, job_of(5, 2, none))
    assert case.hold(tmp_path).finding is Finding.FALSE


def _with_job(round_: Round, job: Any) -> Round:
    """The same evidence, said of another job."""
    other = Round.__new__(Round)
    other.__dict__.update({**round_.__dict__, "job": job})
    return other


def test_an_input_that_nobody_serves_decides_nothing(lied: Round, tmp_path: Path) -> None:
    case = Case(lied)
    trial = case.hold(tmp_path)
    assert (trial.finding, case.worker.ran) == (Finding.UNDECIDED, 0)
    assert case.served.asked == [PUBLISHER.peer_id, ACCUSER.peer_id]


def test_who_accuses_may_serve_the_input_as_well(lied: Round, tmp_path: Path) -> None:
    assert Case(lied).serve(ACCUSER.peer_id).hold(tmp_path).finding is Finding.GUILTY


def test_an_input_that_is_another_decides_nothing(lied: Round, tmp_path: Path) -> None:
    case = Case(lied)
    case.served.blobs[PUBLISHER.peer_id, digest(input_of(CHUNK))] = b"else"
    assert case.hold(tmp_path).finding is Finding.UNDECIDED


def test_a_branch_that_cannot_be_read_decides_nothing(lied: Round, tmp_path: Path) -> None:
    case = Case(lied, edit=lambda proof: replace(proof, branch=b"", path=())).serve()
    assert case.hold(tmp_path).finding is Finding.UNDECIDED


def test_a_module_of_the_jobs_own_is_read_by_its_digest(tmp_path: Path) -> None:
    job = job_of(5, 2, FULL, processor="wasm:mine", module_digest=digest(MODULE))
    round_ = disputed(job=job)
    assert Case(round_).serve().hold(tmp_path).finding is Finding.UNDECIDED
    assert (
        Case(round_).serve(PUBLISHER.peer_id, input_of(CHUNK), MODULE).hold(tmp_path).finding
        is Finding.GUILTY
    )


@pytest.mark.parametrize(
    "other",
    [{"processor": "builtin:invert@2"}, {"processor": "builtin:invert@2", "module_digest": digest(MODULE)}],
)
def test_a_processor_that_is_not_here_decides_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    case = Case(disputed(job=job_of(5, 2, FULL, **other))).serve(PUBLISHER.peer_id, input_of(CHUNK), MODULE)
    assert (case.hold(tmp_path).finding, case.worker.ran) == (Finding.UNDECIDED, 0)


def test_a_job_that_pins_another_engine_decides_nothing(tmp_path: Path) -> None:
    case = Case(disputed(job=job_of(5, 2, FULL, profile=49))).serve()
    assert (case.hold(tmp_path).finding, case.worker.ran) == (Finding.UNDECIDED, 0)


def test_a_list_of_chunks_is_not_read_for_the_sake_of_an_accusation(tmp_path: Path) -> None:
    case = Case(disputed(job=job_of(5, 2, FULL, explicit_digest=bytes(32)))).serve()
    assert case.hold(tmp_path).finding is Finding.UNDECIDED
    assert case.served.asked == []


@pytest.mark.parametrize(
    ("outcome", "finding"),
    [(Abandoned("no memory"), Finding.UNDECIDED), (Trapped(0, "unreachable"), Finding.FALSE)],
)
def test_a_chunk_that_gives_no_output_convicts_nobody(
    lied: Round, tmp_path: Path, outcome: Outcome, finding: Finding
) -> None:
    assert Case(lied, worker=Runs(outcome)).serve().hold(tmp_path).finding is finding


def test_an_entry_that_is_gone_decides_nothing(lied: Round, tmp_path: Path) -> None:
    host = EnvelopePen(identity_of("host"), NETWORK)
    book = JobBook(tmp_path, host.peer, NetworkId(NETWORK), Served().blob)
    one = Accusation(BlockId("x"), ACCUSER.peer_id, PeerId("y"), lied.terms.job, 0, False)
    for view in (None, fold([lied.job])):
        sources = Sources(OneView(view), book, Served(), lambda _address: False)  # type: ignore[arg-type]
        trial = asyncio.run(Trials(sources, Runs(), host).hold(one))
        assert trial.finding is Finding.UNDECIDED


def test_who_accuses_serves_the_input_of_that_one_chunk_and_the_module_by_their_digests(lied: Round) -> None:
    proof = replace(proof_of(lied, CHUNK), module=MODULE)

    async def run() -> None:
        store = FakeStore()
        await Evidence(store).keep(f"{lied.terms.job}/{CHUNK}/somebody", proof)
        evidence = Evidence(store)
        assert await evidence.blob(digest(MODULE)) is None
        await evidence.load()
        assert await evidence.blob(digest(MODULE)) == MODULE
        assert await evidence.blob(digest(input_of(CHUNK))) == input_of(CHUNK)
        assert await evidence.blob(digest(input_of(CHUNK + 1))) is None

    asyncio.run(run())
