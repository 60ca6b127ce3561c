"""One job on the publisher's disk and one room at work on it, with everybody else as a peer that calls.

Real: the job's files, signatures, the publication and the service. In memory: the calls, and the engine between service
and publication.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sgnus.adapters.arrays import gather_all
from sgnus.adapters.peers.fake_calls import FakeCalls
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.inputs import Input, OutputsStored
from sgnus.core.plan import Plan
from sgnus.core.publication import Observed, Publication, Shelf
from sgnus.core.shelf import JobView
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    ArraySpec,
    Cut,
    Edge,
    JobBody,
    JobState,
    Member,
    OutputsHeader,
    ProcessedRecord,
    Processor,
    ReadChunksRequest,
    SignedEnvelope,
    SignedKind,
)
from sgnus.ports import Piece
from sgnus.runtime.job_files import DIGESTS, INPUT, MODULE, Manifest, OutputLog
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.serving import NodeService, Publishing, Receiving
from tests.database_support import AUTHOR, DAY_MS, NETWORK, NOW_MS, job_body

PUBLISHER: Final = AUTHOR
MEMBER: Final = Identity.from_seed(bytes([4]) * 32)
BLOCK_ID: Final = BlockId("bafyone")
MODULE_BYTES: Final = b"\0asm of this job"
SALT: Final = bytes(32)
# 40 chunks of 4 bytes, 2 a sub-block: 20 sub-blocks, 2 microjobs of one size.
STREAM: Final = bytes(range(160))
OUTPUTS: Final = (b"left", b"more")


def _body() -> tuple[JobBody, Plan, bytes]:
    """The job, what follows from it, and the digests of its input chunks end to end."""
    whole = replace(
        job_body(),
        processor=Processor(id="wasm:bafymodule", parameters=(), profile=50),
        array=ArraySpec(shape=(8, 20), dtype="uint8"),
        cut=Cut(tile=(2, 2), halo=(0, 0), edge=Edge.REFLECT, chunks_per_sub_block=2),
        module_digest=digest(MODULE_BYTES),
    )
    plan = Plan.of(whole)
    chunks = plan.inputs_of(range(40))
    digests = b"".join(digest(gather_all([chunk], memoryview(STREAM))) for chunk in chunks)
    return replace(whole, manifest_root=Manifest.of(plan, digests).tree.root), plan, digests


BODY, PLAN, INPUT_DIGESTS = _body()
VIEW: Final = JobView(
    block_id=BLOCK_ID,
    author=PUBLISHER.peer_id,
    body=BODY,
    expires_ms=NOW_MS + DAY_MS,
    state=JobState.QUEUED,
    priority=0,
    paused=False,
    cancelled=None,
    done=None,
    taken={},
    settled={},
)


def _room() -> rosters.Roster:
    pen = EnvelopePen(MEMBER, NETWORK)
    address = SignedEnvelope(kind=SignedKind.ADDRESS, author=pen.peer, payload=b"", signature=b"")
    seat = Member(peer=pen.peer, workers=1, address=address, join=None)
    return rosters.found(pen, BLOCK_ID, 0, 7, (seat,))


ROOM: Final = _room()
INSTANCE: Final = ROOM.instance


@dataclass(slots=True)
class Core:
    """Stands for core and engine: it holds the one publication, and answers what it was told a moment later."""

    publications: dict[BlockId, Publication] = field(default_factory=dict)
    told: list[Input] = field(default_factory=list)
    receiving: Receiving = field(init=False)

    def __post_init__(self) -> None:
        self.receiving = Receiving(self.put)

    def put(self, given: Input) -> bool:
        assert isinstance(given, OutputsStored)
        self.told.append(given)
        publication = self.publications[given.job]
        publication.store(given)
        for effect in publication.out:
            if isinstance(effect, fx.AnswerHeld):
                asyncio.get_running_loop().call_soon(self.receiving.answer, effect)
        publication.out.clear()
        return True


class OneJob:
    """The publisher's side: MEMBER has a seat in the room of microjob 0, and nobody else has one."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / BLOCK_ID
        self.files.mkdir(parents=True)
        for name, content in ((INPUT, STREAM), (DIGESTS, INPUT_DIGESTS), (MODULE, MODULE_BYTES)):
            (self.files / name).write_bytes(content)
        self.core = Core()
        self.pen = EnvelopePen(PUBLISHER, NETWORK)
        self.book = JobBook(folder, self.pen.peer, NETWORK, _no_blob)
        publishing = Publishing(self.book, self.core, self.pen, self.core.receiving)  # type: ignore[arg-type]
        self.service = NodeService(publishing, None, None)  # type: ignore[arg-type]

    async def open(self) -> Job:
        """The job is in the database and its publication is under way."""
        job = await self.book.update(VIEW)
        if BLOCK_ID in self.core.publications:
            return job
        observed = Observed(ROOM, {})
        observed.seat(ROOM.peers)
        shelf = Shelf(instances={INSTANCE: observed})
        self.core.publications[BLOCK_ID] = Publication(self.pen, job.facts(None, NOW_MS), {0: shelf})
        return job

    def close(self) -> None:
        self.book.close()

    def calls_of(self, caller: Identity, service: NodeService | None = None) -> FakeCalls:
        """The calls of a peer to the publisher, or to who answers in its place."""
        answering = service or self.service

        def find(peer: PeerId, method: str) -> Any:
            assert peer == PUBLISHER.peer_id and answering.may_call(caller.peer_id, method)
            return answering

        return FakeCalls(caller.peer_id, find)

    def outputs_on_disk(self) -> bytes:
        log = OutputLog(self.files / "outputs.bin")
        try:
            return log.read(0, (self.files / "outputs.bin").stat().st_size)
        except FileNotFoundError:
            return b""
        finally:
            log.close()


async def _no_blob(peer: PeerId, wanted: bytes, bytes_max: int) -> bytes:
    raise AssertionError("a publisher reads its own blobs from its disk")


def asking(**changed: Any) -> ReadChunksRequest:
    """What a member asks for its lease on sub-block 1."""
    asked = ReadChunksRequest(job=BLOCK_ID, microjob=0, instance=INSTANCE, sub_block=1, output=False)
    return replace(asked, **changed)


def header(
    by: Identity = MEMBER, outputs: Sequence[bytes] = OUTPUTS, *, instance: InstanceId = INSTANCE
) -> OutputsHeader:
    """What `by` signs and brings for these outputs of sub-block 1."""
    digests = [digest(output) for output in outputs]
    root = commit_root_of(
        BLOCK_ID, instance, by.peer_id, seed=SALT, chunks=PLAN.chunks_of(0, 1), digests=digests
    )
    record = ProcessedRecord(
        job=BLOCK_ID, microjob=0, instance=instance, sub_block=1, chunks=2, root=root, elapsed_ms=1
    )
    signed = EnvelopePen(by, NETWORK).sign(SignedKind.RECORD, record)
    return OutputsHeader(record=signed, salt_seed=SALT, digests=b"".join(digests))


async def pieces(*given: bytes) -> AsyncIterator[Piece]:
    for piece in given:
        yield piece
