"""Getting the inputs of a sub-block: from our own files, or from the publisher with every chunk's hash checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from sgnus.core.chunks import payload_bytes
from sgnus.crypto.digests import DIGEST_BYTES, digest
from sgnus.crypto.merkle import split_digests, verify_branch
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import ReadBlobRequest, ReadBranchRequest, ReadChunksRequest
from sgnus.ports import PeerCalls
from sgnus.runtime.job_files import split
from sgnus.runtime.jobs import Job

READ_TRIES: Final = 3
READ_AGAIN_S: Final = 0.15
BRANCHES_KEPT_MAX: Final = 64


class InputMissing(WorldFault):
    """The inputs cannot be had now; nobody's fault, and no strike."""


class Inputs:
    """Reads what a lease needs."""

    def __init__(self, calls: PeerCalls) -> None:
        self._calls = calls

    async def sub_block(
        self, job: Job, microjob: int, instance: InstanceId, sub_block: int
    ) -> list[memoryview]:
        """The input chunks in the plan's order. InputMissing when they are out of reach or wrong."""
        chunks = job.plan.chunks_of(microjob, sub_block)
        if job.files is not None:
            return job.files.input.chunks(job.plan, chunks)
        sizes = [payload_bytes(chunk) for chunk in job.plan.inputs_of(chunks)]
        request = ReadChunksRequest(
            job=job.view.block_id,
            microjob=microjob,
            instance=instance,
            sub_block=sub_block,
            output=False,
        )
        digests = await self.branch(job, microjob)
        data = await self._read(job.view.author, request, sum(sizes))
        first = chunks.start - job.plan.chunks_of_microjob(microjob).start
        return _checked(data, sizes, digests[first : first + len(sizes)])

    async def blob(self, peer: PeerId, wanted: bytes, bytes_max: int) -> bytes:
        """A blob of a peer, at most so long; the caller checks its digest."""
        data = bytearray()
        async for piece in self._calls.read_blob(peer, ReadBlobRequest(digest=wanted)):
            data += piece
            if len(data) > bytes_max:
                raise PeerFault(f"a blob is longer than {bytes_max} bytes")
        return bytes(data)

    async def _read(self, publisher: PeerId, request: ReadChunksRequest, size: int) -> memoryview:
        """The bytes, with a few tries: the publisher may not have heard of our seat yet."""
        fault: Exception | None = None
        for attempt in range(READ_TRIES):
            try:
                return await collect(self._calls.read_chunks(publisher, request), size)
            except (PeerFault, WorldFault) as error:
                fault = error
            await asyncio.sleep(READ_AGAIN_S * (attempt + 1))
        raise InputMissing(f"the inputs cannot be read: {fault}") from fault

    async def branch(self, job: Job, microjob: int) -> tuple[bytes, ...]:
        """The digests of a microjob's input chunks, proven against the job's manifest root. Faults: InputMissing."""
        known = job.branches.get(microjob)
        if known is not None:
            return known
        request = ReadBranchRequest(job=BlockId(job.view.block_id), microjob=microjob)
        try:
            reply = await self._calls.read_branch(job.view.author, request)
            digests = split_digests(reply.digests, len(job.plan.chunks_of_microjob(microjob)))
        except (PeerFault, WorldFault) as error:
            raise InputMissing(f"the manifest cannot be read: {error}") from error
        if not verify_branch(
            job.body.manifest_root,
            digests,
            microjob=microjob,
            microjobs=job.plan.microjobs,
            path=reply.path,
        ):
            raise InputMissing("the publisher's manifest does not match its job")
        while len(job.branches) >= BRANCHES_KEPT_MAX:
            del job.branches[next(iter(job.branches))]
        job.branches[microjob] = digests
        return digests


async def collect(pieces: AsyncIterator[bytes], size: int) -> memoryview:
    """Exactly `size` bytes out of a peer's pieces, each copied once. PeerFault for more or fewer."""
    data, end = memoryview(bytearray(size)), 0
    async for piece in pieces:
        start, end = end, end + len(piece)
        if end > size:
            raise PeerFault(f"more than the {size} bytes came that the chunks hold")
        data[start:end] = piece
    if end != size:
        raise PeerFault(f"{end} bytes came of the {size} that the chunks hold")
    return data


def _checked(data: memoryview, sizes: list[int], digests: tuple[bytes, ...]) -> list[memoryview]:
    chunks = split(data, sizes)
    for chunk, wanted in zip(chunks, digests, strict=True):
        if len(wanted) != DIGEST_BYTES or digest(chunk) != wanted:
            raise InputMissing("an input chunk does not have the hash of the manifest")
    return chunks
