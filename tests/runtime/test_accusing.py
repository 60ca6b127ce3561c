"""What a publisher keeps and publishes of a proof: the kept one is complete, the published one fits an entry."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.store.memory import FakeStore
from sgnus.core import effects as fx
from sgnus.core import findings
from sgnus.core.shelf import JobView
from sgnus.crypto.digests import digest
from sgnus.messages.errors import UserFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import ENTRY_BYTES_MAX
from sgnus.messages.v1.types import EntryKind, FraudBody, FraudProof, JobState
from sgnus.runtime import frauds
from sgnus.runtime.events import EventHub
from sgnus.runtime.job_files import DIGESTS, INPUT, MODULE, JobFiles
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.proofs import Proofs
from sgnus.wire.codec import decode
from sgnus.wire.entry import seal_entry
from tests.round_support import FULL, NETWORK, NOW_MS, PUBLISHER, Round, disputed, input_of, job_of

CHUNK = 2


@dataclass
class FakeHands:
    """Keeps what is to run in the background, for the test to run."""

    started: list[Coroutine[Any, Any, None]] = field(default_factory=list)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.started.append(work)


class OneJob(JobBook):
    """Knows one job."""

    def __init__(self, job: Job, folder: Path) -> None:
        super().__init__(folder, PUBLISHER.peer_id, NetworkId(NETWORK), self._no_blob)
        self._jobs[BlockId(job.view.block_id)] = job

    async def _no_blob(self, peer: PeerId, wanted: bytes, bytes_max: int) -> bytes:
        raise UserFault("no peer is there")


def published_job(round_: Round, folder: Path) -> Job:
    """The round's job at its publisher, with its files."""
    chunks = [input_of(chunk) for chunk in range(round_.plan.chunks)]
    (folder / INPUT).write_bytes(b"".join(chunks))
    (folder / DIGESTS).write_bytes(b"".join(digest(one) for one in chunks))
    (folder / MODULE).write_bytes(shipped_module("invert"))
    view = JobView(
        block_id=round_.terms.job,
        author=PUBLISHER.peer_id,
        body=round_.job.body,
        expires_ms=NOW_MS,
        state=JobState.RUNNING,
        priority=0,
        paused=False,
        cancelled=None,
        done=None,
        taken={},
        settled={},
        job=round_.job,
    )
    return Job(view, round_.plan, round_.terms, files=JobFiles(folder, round_.plan))


def accusation(round_: Round) -> fx.Accuse:
    commit = findings.commit_with(round_.docket, CHUNK)
    given = (envelope for one in round_.docket.verdicts.values() for envelope in one.items())
    listing = findings.roster(round_.docket).list
    return fx.Accuse(
        job=round_.terms.job,
        microjob=0,
        accused=commit.member,
        chunk=CHUNK,
        record=commit.record,
        opening=round_.docket.openings[commit.sub_block],
        verdict=next(envelope for envelope, digests in given if CHUNK in digests),
        founder=PeerId(listing.founder),
        nonce=listing.nonce,
    )


def accused(round_: Round, folder: Path) -> tuple[bytes, FraudBody]:
    """What is kept, and what is published."""
    store, hands, entries = FakeStore(), FakeHands(), list[Message]()
    book, hub = OneJob(published_job(round_, folder), folder), EventHub()
    proofs = Proofs(book, None, hands, hub, lambda given: True)  # type: ignore[arg-type]

    async def submit(kind: EntryKind, job: BlockId, body: Message) -> None:
        assert (kind, job) == (EntryKind.FRAUD, round_.terms.job)
        entries.append(body)

    proofs.connect(store, submit)
    asked = accusation(round_)

    async def run() -> dict[str, bytes]:
        proofs.accuse(asked)
        await hands.started.pop()
        return dict(await store.facts("fraud"))

    ((key, kept),) = asyncio.run(run()).items()
    assert key == f"{asked.job}/{CHUNK}/{asked.accused}"
    (body,) = entries
    assert isinstance(body, FraudBody)
    book.close()
    return kept, body


def test_the_proof_that_is_kept_convicts_whoever_checks_it(tmp_path: Path) -> None:
    kept, body = accused(disputed(), tmp_path)
    report = frauds.verify(kept)
    assert report.guilty == (body.accused,) == (report.worker,)
    assert decode(FraudProof, kept).module is None


def test_the_proof_of_a_job_with_its_own_module_brings_the_module(tmp_path: Path) -> None:
    module = shipped_module("invert")
    job = job_of(5, 2, FULL, processor="wasm:mine", module_digest=digest(module))
    kept, body = accused(disputed(job=job), tmp_path)
    assert decode(FraudProof, kept).module == module
    assert frauds.verify(kept).guilty == (body.accused,)


def test_the_proof_in_the_database_fits_an_entry_and_lacks_only_input_and_module(tmp_path: Path) -> None:
    round_ = disputed(members=11, chunks=640, per_sub_block=64)
    _, body = accused(round_, tmp_path)
    report = frauds.verify(body.proof)
    assert (report.guilty, report.missing) == ((), ("the chunk's input",))
    entry = seal_entry(
        PUBLISHER,
        NETWORK,
        EntryKind.FRAUD,
        round_.terms.job,
        body,
        seq=0,
        expires=NOW_MS,
    )
    assert len(entry) <= ENTRY_BYTES_MAX
