"""What a member takes for the inputs of its lease: the bytes of the signed manifest, whoever serves them and however."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import MODULE_BYTES_MAX
from sgnus.messages.v1.types import ReadBlobRequest, ReadBranchReply, ReadBranchRequest, ReadChunksRequest
from sgnus.ports import Piece
from sgnus.runtime import inputs as inputs_module
from sgnus.runtime.inputs import InputMissing, Inputs
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.serving import NodeService
from tests.database_support import in_loop
from tests.runtime.one_job import INSTANCE, MEMBER, MODULE_BYTES, NETWORK, STREAM, VIEW, OneJob

RIGHT = [STREAM[4:6] + STREAM[24:26], STREAM[6:8] + STREAM[26:28]]


class Liar(NodeService):
    """A publisher that serves what a test says in place of what it published."""

    def __init__(self, honest: NodeService) -> None:
        self._honest = honest
        self.chunks: bytes | None = None
        self.blob: bytes | None = None
        self.microjob: int | None = None
        self.branch: dict[str, object] = {}
        self.reads = 0

    async def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[Piece]:
        self.reads += 1
        if self.chunks is None:
            async for piece in self._honest.read_chunks(peer, request):
                yield piece
        else:
            yield self.chunks

    async def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[Piece]:
        if self.blob is None:
            async for piece in self._honest.read_blob(peer, request):
                yield piece
        else:
            for start in range(0, len(self.blob), 512 * 1024):
                yield self.blob[start : start + 512 * 1024]

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply:
        if self.microjob is not None:
            request = replace(request, microjob=self.microjob)
        return replace(await self._honest.read_branch(peer, request), **self.branch)  # type: ignore[arg-type]


class Reader:
    """The member's side: it knows the signed job, and asks the publisher for the rest."""

    def __init__(self, published: OneJob, folder: Path) -> None:
        self.published = published
        self.liar = Liar(published.service)
        self.inputs = Inputs(published.calls_of(MEMBER, self.liar))
        self.book = JobBook(folder / "member", MEMBER.peer_id, NETWORK, self.inputs.blob)

    async def job(self) -> Job:
        await self.published.open()
        return await self.book.update(VIEW)

    async def read(self, job: Job) -> list[bytes]:
        return [bytes(chunk) for chunk in await self.inputs.sub_block(job, 0, INSTANCE, 1)]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setattr(inputs_module, "READ_AGAIN_S", 0)
    published = OneJob(tmp_path / "publisher")
    yield Reader(published, tmp_path)
    published.close()


@in_loop
async def test_a_member_gets_the_chunks_of_its_lease_in_the_plans_order(reader: Reader) -> None:
    job = await reader.job()
    assert await reader.read(job) == RIGHT
    assert await reader.read(job) == RIGHT
    assert list(job.branches) == [0]


@pytest.mark.parametrize("served", [RIGHT[1] + RIGHT[0], b"evil" + RIGHT[1], RIGHT[0] + b"evil", STREAM[:8]])
@in_loop
async def test_other_chunks_than_the_manifest_names_are_refused(reader: Reader, served: bytes) -> None:
    job = await reader.job()
    reader.liar.chunks = served
    with pytest.raises(InputMissing, match="hash of the manifest"):
        await reader.read(job)


@pytest.mark.parametrize("served", [RIGHT[0], b"".join(RIGHT) + b"x", b""])
@in_loop
async def test_more_or_fewer_bytes_than_the_chunks_hold_are_refused(reader: Reader, served: bytes) -> None:
    job = await reader.job()
    reader.liar.chunks = served
    with pytest.raises(InputMissing, match="that the chunks hold"):
        await reader.read(job)
    assert reader.liar.reads == inputs_module.READ_TRIES


@pytest.mark.parametrize(
    "branch",
    [
        {"digests": bytes(20 * 32)},  # As many as the microjob has, of nothing that was published.
        {"path": (bytes(32),)},
        {"path": ()},
        {"path": (bytes(31),)},
    ],
)
@in_loop
async def test_a_branch_that_does_not_lead_to_the_signed_manifest_is_refused_and_not_kept(
    reader: Reader, branch: dict[str, object]
) -> None:
    job = await reader.job()
    reader.liar.branch = branch
    with pytest.raises(InputMissing, match="manifest does not match its job"):
        await reader.read(job)
    assert job.branches == {}
    assert reader.liar.reads == 0
    reader.liar.branch = {}
    assert await reader.read(job) == RIGHT


@in_loop
async def test_the_branch_of_another_microjob_is_refused(reader: Reader) -> None:
    job = await reader.job()
    reader.liar.microjob = 1
    with pytest.raises(InputMissing, match="manifest does not match its job"):
        await reader.read(job)
    assert job.branches == {}


@in_loop
async def test_a_module_with_the_digest_of_the_job_is_taken(reader: Reader) -> None:
    job = await reader.job()
    assert await reader.book.module(job) == MODULE_BYTES


@in_loop
async def test_a_module_with_another_digest_than_the_jobs_is_refused_and_not_kept(reader: Reader) -> None:
    job = await reader.job()
    reader.liar.blob = b"\0asm of another"
    with pytest.raises(PeerFault, match="blob of another digest"):
        await reader.book.module(job)
    assert job.module is None


@in_loop
async def test_a_module_longer_than_any_may_be_is_cut_off(reader: Reader) -> None:
    job = await reader.job()
    reader.liar.blob = bytes(MODULE_BYTES_MAX + 1)
    with pytest.raises(PeerFault, match="longer than"):
        await reader.book.module(job)
