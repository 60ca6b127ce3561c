"""A SGNUS node reads inputs, to run chunks again: from the publisher, or, if that is gone, from members that lend them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sgnus.adapters.peers.fake_calls import FakeCalls
from sgnus.core.terms import Terms
from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import ReadBlobRequest, ReadBranchReply, ReadBranchRequest, ReadChunksRequest
from sgnus.ports import Piece
from sgnus.runtime.inputs import InputMissing, Inputs, Lent
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.serving import Auditing, NodeService, Publishing, Receiving
from tests.database_support import SETTLER, STRANGER, in_loop
from tests.round_support import FULL
from tests.runtime.one_job import (
    BLOCK_ID,
    INSTANCE,
    MEMBER,
    MODULE_BYTES,
    NETWORK,
    PUBLISHER,
    VIEW,
    Core,
    OneJob,
    asking,
)
from tests.runtime.test_inputs import RIGHT

TERMS = Terms(
    network=NETWORK,
    job=BLOCK_ID,
    publisher=PUBLISHER.peer_id,
    entry=b"",
    policy=FULL,
    beacon=PUBLISHER.peer_id,
    beacon_key=b"",
    chunks=40,
    chunks_per_sub_block=2,
    settlement=SETTLER.peer_id,
)
AUDITORS = frozenset([SETTLER.peer_id])


class Side:
    """A node that has the job of somebody else, and what it may lend."""

    def __init__(
        self, folder: Path, who: Identity, calls: FakeCalls, holders: tuple[PeerId, ...] = ()
    ) -> None:
        self.lent = Lent()
        self.inputs = Inputs(calls, self.lent, holders)
        self.book = JobBook(folder / who.peer_id, who.peer_id, NETWORK, self.inputs.blob)
        pen, core = EnvelopePen(who, NETWORK), Core()
        publishing = Publishing(
            self.book,
            core,  # type: ignore[arg-type]
            pen,
            Receiving(core.put),
            auditing=Auditing(AUDITORS, self.lent),
        )
        self.service = NodeService(publishing, None, None)  # type: ignore[arg-type]

    async def job(self) -> Job:
        job = await self.book.update(VIEW)
        job.terms = TERMS
        return job

    async def read(self) -> list[bytes]:
        job = await self.job()
        return [bytes(chunk) for chunk in await self.inputs.sub_block(job, 0, INSTANCE, 1)]


class Liar(NodeService):
    """A member that lends other bytes than it read."""

    def __init__(self) -> None:
        pass

    async def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[Piece]:
        yield b"evil" * 2

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply:
        return ReadBranchReply(digests=bytes(20 * 32), path=(bytes(32),))


@pytest.fixture
def published(tmp_path: Path) -> Iterator[OneJob]:
    made = OneJob(tmp_path / "publisher")
    yield made
    made.close()


class Grid:
    """A member that has read its inputs, and a SGNUS node that cannot reach the publisher."""

    def __init__(self, folder: Path, published: OneJob) -> None:
        self.published = published
        self.member = Side(folder, MEMBER, published.calls_of(MEMBER))
        self.services: dict[PeerId, NodeService] = {MEMBER.peer_id: self.member.service}
        self.settler = self.side(folder, SETTLER)

    def side(self, folder: Path, who: Identity) -> Side:
        holders = (STRANGER.peer_id, MEMBER.peer_id)
        return Side(folder / "audit", who, FakeCalls(who.peer_id, self.find), holders)

    def find(self, peer: PeerId, method: str) -> Any:
        del method
        if peer not in self.services:
            raise WorldFault(f"no address of {peer} is known")
        return self.services[peer]

    async def member_reads(self) -> None:
        await self.published.open()
        assert await self.member.read() == RIGHT
        assert await self.member.book.module(await self.member.job()) == MODULE_BYTES


@in_loop
async def test_when_the_publisher_is_gone_a_member_lends_inputs_manifest_and_module(
    tmp_path: Path, published: OneJob
) -> None:
    grid = Grid(tmp_path, published)
    await grid.member_reads()
    assert await grid.settler.read() == RIGHT
    job = await grid.settler.job()
    assert await grid.settler.book.module(job, grid.settler.inputs.blob) == MODULE_BYTES


@in_loop
async def test_a_member_that_lends_falsely_is_passed_over(tmp_path: Path, published: OneJob) -> None:
    grid = Grid(tmp_path, published)
    await grid.member_reads()
    grid.services[STRANGER.peer_id] = Liar()
    assert await grid.settler.read() == RIGHT


@in_loop
async def test_nothing_is_lent_but_to_sgnus_nodes(tmp_path: Path, published: OneJob) -> None:
    grid = Grid(tmp_path, published)
    await grid.member_reads()
    with pytest.raises(InputMissing):
        await grid.side(tmp_path, STRANGER).read()


@in_loop
async def test_what_nobody_has_is_missing(tmp_path: Path, published: OneJob) -> None:
    grid = Grid(tmp_path, published)
    await published.open()
    with pytest.raises(InputMissing):
        await grid.settler.read()


@in_loop
async def test_the_publisher_lets_a_sgnus_node_read_without_a_seat(tmp_path: Path, published: OneJob) -> None:
    await published.open()
    publishing = Publishing(
        published.book,
        published.core,  # type: ignore[arg-type]
        published.pen,
        published.core.receiving,
        auditing=Auditing(AUDITORS),
    )
    assert b"".join(publishing.read_chunks(SETTLER.peer_id, asking())) == b"".join(RIGHT)
    with pytest.raises(PeerFault):
        publishing.read_chunks(STRANGER.peer_id, asking())
    with pytest.raises(PeerFault, match="for the publisher alone"):
        publishing.read_chunks(SETTLER.peer_id, asking(output=True))


@in_loop
async def test_a_publisher_serves_auditors_when_its_job_is_long_over(published: OneJob) -> None:
    await published.open()
    published.core.publications.clear()  # As after a restart: nothing goes on any more.
    calls = published.calls_of(SETTLER)
    blob = calls.read_blob(PUBLISHER.peer_id, ReadBlobRequest(digest=digest(MODULE_BYTES)))
    assert b"".join([piece async for piece in blob]) == MODULE_BYTES
    with pytest.raises(PeerFault):
        async for _piece in calls.read_blob(PUBLISHER.peer_id, ReadBlobRequest(digest=b"")):
            pass


def test_the_newest_inputs_are_lent_as_long_as_there_is_room() -> None:
    lent = Lent(bytes_max=10)
    places = [(BlockId("job"), 0, number) for number in range(4)]
    for place in places[:3]:
        lent.keep(place, memoryview(b"1234"))
    lent.keep(places[2], memoryview(b"1234"))
    lent.keep(places[3], memoryview(bytes(11)))
    assert list(lent.inputs) == places[1:3]
    assert lent.held_bytes == 8
    with pytest.raises(PeerFault):
        lent.get(places[0])
