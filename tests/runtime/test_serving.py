"""Who may read and write what of a job: decided here, with the request in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sgnus.crypto.digests import digest
from sgnus.crypto.merkle import split_digests, verify_branch
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import (
    Held,
    OutputsHeader,
    ReadBlobRequest,
    ReadBranchRequest,
    ReadChunksRequest,
    SignedKind,
    WriteOutputsReply,
)
from sgnus.runtime.serving import NodeService
from tests.database_support import STRANGER, in_loop
from tests.runtime.one_job import (
    BLOCK_ID,
    BODY,
    INPUT_DIGESTS,
    MEMBER,
    MODULE_BYTES,
    OUTPUTS,
    PUBLISHER,
    STREAM,
    OneJob,
    asking,
    header,
    pieces,
)

HERE = PUBLISHER.peer_id


@pytest.fixture
def job(tmp_path: Path) -> Iterator[OneJob]:
    made = OneJob(tmp_path)
    yield made
    made.close()


async def read(job: OneJob, caller: Any, request: ReadChunksRequest) -> bytes:
    await job.open()
    return b"".join([piece async for piece in job.calls_of(caller).read_chunks(HERE, request)])


async def write(job: OneJob, caller: Any, brought: OutputsHeader, *outputs: bytes) -> WriteOutputsReply:
    await job.open()
    return await job.calls_of(caller).write_outputs(HERE, brought, pieces(*outputs))


async def refused_write(job: OneJob, sentence: str, writing: Awaitable[Any]) -> None:
    """The write is refused with that sentence, before the disk or the core has anything of it."""
    with pytest.raises(PeerFault, match=sentence):
        await writing
    assert job.core.told == []
    assert job.outputs_on_disk() == b""


# ---- reading
@in_loop
async def test_a_member_reads_the_inputs_of_its_room(job: OneJob) -> None:
    # Sub-block 1: the tiles of 2x2 at columns 4 and 6 of an array of 20 columns.
    wanted = STREAM[4:6] + STREAM[24:26] + STREAM[6:8] + STREAM[26:28]
    assert await read(job, MEMBER, asking()) == wanted


@in_loop
async def test_a_stranger_reads_no_inputs(job: OneJob) -> None:
    with pytest.raises(PeerFault, match="no seat"):
        await read(job, STRANGER, asking())


@pytest.mark.parametrize("change", [{"microjob": 1}, {"instance": InstanceId("ab" * 32)}])
@in_loop
async def test_a_seat_in_one_room_opens_no_other(job: OneJob, change: dict[str, Any]) -> None:
    with pytest.raises(PeerFault, match="no seat"):
        await read(job, MEMBER, asking(**change))


@in_loop
async def test_a_member_reads_no_outputs_of_others(job: OneJob) -> None:
    await write(job, MEMBER, header(), *OUTPUTS)
    with pytest.raises(PeerFault, match="for the publisher alone"):
        await read(job, MEMBER, asking(output=True))


@in_loop
async def test_a_job_of_another_publisher_is_not_read_here(job: OneJob) -> None:
    with pytest.raises(PeerFault, match="does not publish that job"):
        await read(job, MEMBER, asking(job="bafyother"))


@in_loop
async def test_anybody_reads_a_branch_that_proves_itself_and_none_that_is_not_there(job: OneJob) -> None:
    await job.open()
    calls = job.calls_of(STRANGER)
    reply = await calls.read_branch(HERE, ReadBranchRequest(job=BLOCK_ID, microjob=1))
    assert reply.digests == INPUT_DIGESTS[20 * 32 :]
    digests = split_digests(reply.digests, 20)
    assert verify_branch(BODY.manifest_root, digests, microjob=1, microjobs=2, path=reply.path)
    with pytest.raises(PeerFault, match="no such microjob"):
        await calls.read_branch(HERE, ReadBranchRequest(job=BLOCK_ID, microjob=2))


@in_loop
async def test_a_module_is_read_by_its_digest_and_nothing_else_is(job: OneJob) -> None:
    await job.open()
    calls = job.calls_of(STRANGER)

    async def blob(wanted: bytes) -> bytes:
        return b"".join([piece async for piece in calls.read_blob(HERE, ReadBlobRequest(digest=wanted))])

    assert await blob(digest(MODULE_BYTES)) == MODULE_BYTES
    for other in (digest(b"other"), digest(STREAM), b""):
        with pytest.raises(PeerFault, match="no blob of that digest"):
            await blob(other)


# ---- writing
@in_loop
async def test_what_a_member_signed_is_on_disk_before_it_is_held(job: OneJob) -> None:
    reply = await write(job, MEMBER, header(), *OUTPUTS)
    assert reply.held is not None
    held = job.pen.open(reply.held, SignedKind.HELD, Held)
    assert (held.member, held.microjob, held.sub_block) == (MEMBER.peer_id, 0, 1)
    assert job.outputs_on_disk() == b"".join(OUTPUTS)


@in_loop
async def test_a_record_that_another_peer_signed_is_refused(job: OneJob) -> None:
    await refused_write(job, "not signed by the peer", write(job, STRANGER, header(MEMBER), *OUTPUTS))


@in_loop
async def test_a_record_with_a_signature_that_does_not_fit_is_refused(job: OneJob) -> None:
    right = header()
    forged = replace(right, record=replace(right.record, signature=bytes(64)))
    await refused_write(job, "signature", write(job, MEMBER, forged, *OUTPUTS))


@in_loop
async def test_a_stranger_writes_no_outputs(job: OneJob) -> None:
    await refused_write(job, "no seat", write(job, STRANGER, header(STRANGER), *OUTPUTS))


@in_loop
async def test_a_member_of_one_instance_writes_none_for_another(job: OneJob) -> None:
    other = header(instance=InstanceId("ab" * 32))
    await refused_write(job, "no seat", write(job, MEMBER, other, *OUTPUTS))


@in_loop
async def test_bytes_without_the_digests_that_came_with_them_are_refused(job: OneJob) -> None:
    await refused_write(job, "do not have the digests", write(job, MEMBER, header(), OUTPUTS[0], b"evil"))


@in_loop
async def test_digests_without_the_root_that_was_signed_are_refused(job: OneJob) -> None:
    other = header(outputs=(OUTPUTS[0], b"evil"))
    brought = replace(header(), digests=other.digests)
    await refused_write(job, "do not have the root", write(job, MEMBER, brought, OUTPUTS[0], b"evil"))


@in_loop
async def test_another_salt_than_the_one_committed_to_is_refused(job: OneJob) -> None:
    brought = replace(header(), salt_seed=bytes([1]) * 32)
    await refused_write(job, "do not have the root", write(job, MEMBER, brought, *OUTPUTS))


@pytest.mark.parametrize("outputs", [(b"left",), (*OUTPUTS, b"x")])
@in_loop
async def test_more_or_fewer_bytes_than_the_chunks_hold_are_refused(
    job: OneJob, outputs: tuple[bytes, ...]
) -> None:
    await refused_write(job, "that the chunks hold", write(job, MEMBER, header(), *outputs))


@in_loop
async def test_a_member_that_repeats_itself_does_not_fill_the_disk(job: OneJob) -> None:
    for _ in range(3):
        assert (await write(job, MEMBER, header(), *OUTPUTS)).held is not None
    assert job.outputs_on_disk() == b"".join(OUTPUTS)


@in_loop
async def test_a_peer_compares_databases_once_at_a_time_and_keeps_nobody_else_from_it() -> None:
    begun, ends = list[PeerId](), asyncio.Event()

    class Slow:
        async def reconcile(self, _steps: Any, _send: Any, peer: PeerId, *, is_asked: bool) -> None:
            assert is_asked
            begun.append(peer)
            await ends.wait()

    service = NodeService(cast(Any, None), cast(Any, Slow()), cast(Any, None))
    duplex = cast(Any, SimpleNamespace(send=None))
    both = [asyncio.create_task(service.reconcile(peer, duplex)) for peer in (HERE, STRANGER.peer_id)]
    await asyncio.sleep(0)
    with pytest.raises(PeerFault, match="already"):
        await service.reconcile(HERE, duplex)
    ends.set()
    await asyncio.gather(*both)
    await service.reconcile(HERE, duplex)
    assert begun == [HERE, STRANGER.peer_id, HERE]
