"""Getting the inputs of a sub-block: from our own files, or from the publisher with every chunk's hash checked.

An auditor, who may come when the publisher is gone, asks those as well who have read them; they lend what they still have.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sgnus.core.chunks import payload_bytes
from sgnus.crypto.digests import DIGEST_BYTES, digest
from sgnus.crypto.merkle import split_digests, verify_branch
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import INPUTS_LENT_BYTES_MAX
from sgnus.messages.v1.types import ReadBlobRequest, ReadBranchReply, ReadBranchRequest, ReadChunksRequest
from sgnus.ports import PeerCalls
from sgnus.runtime.job_files import split
from sgnus.runtime.jobs import Job

READ_TRIES: Final = 3
READ_AGAIN_S: Final = 0.15
BRANCHES_KEPT_MAX: Final = 64
Place = tuple[BlockId, int, int]


class InputMissing(WorldFault):
    """The inputs cannot be had now; nobody's fault, and no strike."""


@dataclass(slots=True)
class Lent:
    """What members have read of jobs that are settled: for SGNUS nodes, as long as there is room. All of it was checked."""

    bytes_max: int = INPUTS_LENT_BYTES_MAX
    held_bytes: int = 0
    inputs: OrderedDict[Place, memoryview] = field(default_factory=OrderedDict)

    def keep(self, place: Place, data: memoryview) -> None:
        """The newest stay."""
        if place in self.inputs or len(data) > self.bytes_max:
            return
        self.inputs[place] = data
        self.held_bytes += len(data)
        while self.held_bytes > self.bytes_max:
            _place, gone = self.inputs.popitem(last=False)
            self.held_bytes -= len(gone)

    def get(self, place: Place) -> memoryview:
        """The input chunks of a sub-block, end to end. PeerFault if they are not here any more."""
        if place not in self.inputs:
            raise PeerFault("these inputs are not here")
        return self.inputs[place]


class Inputs:
    """Reads what a lease needs: from the publisher, or from `holders` who have read it before."""

    def __init__(self, calls: PeerCalls, lent: Lent | None = None, holders: Sequence[PeerId] = ()) -> None:
        self._calls = calls
        self._lent = lent
        self._holders = holders

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
        digests = await self.digests(job, microjob)
        first = chunks.start - job.plan.chunks_of_microjob(microjob).start
        wanted = digests[first : first + len(sizes)]
        data = await self._read(job.view.author, request, sizes, wanted)
        if self._lent is not None and job.terms is not None and job.terms.settlement is not None:
            self._lent.keep((BlockId(job.view.block_id), microjob, sub_block), data)
        return split(data, sizes)

    async def blob(self, peer: PeerId, wanted: bytes, bytes_max: int) -> bytes:
        """A blob of a peer, at most so long, or of a holder if it has not this one. Faults: PeerFault, WorldFault."""
        fault: PeerFault | WorldFault | None = None
        for source in (peer, *self._holders):
            try:
                data = await self._blob(source, wanted, bytes_max)
                if await asyncio.to_thread(digest, data) == wanted:
                    return data
                fault = PeerFault("the publisher served a blob of another digest")
            except (PeerFault, WorldFault) as error:
                fault = fault or error
        raise fault or WorldFault("a blob cannot be read")

    async def _blob(self, peer: PeerId, wanted: bytes, bytes_max: int) -> bytes:
        data = bytearray()
        async for piece in self._calls.read_blob(peer, ReadBlobRequest(digest=wanted)):
            data += piece
            if len(data) > bytes_max:
                raise PeerFault(f"a blob is longer than {bytes_max} bytes")
        return bytes(data)

    async def _read(
        self, publisher: PeerId, request: ReadChunksRequest, sizes: list[int], wanted: tuple[bytes, ...]
    ) -> memoryview:
        """The bytes, with a few tries: the publisher may not have heard of our seat yet. InputMissing if nobody has them."""
        fault: Exception | None = None
        sources = [publisher, *self._holders] if self._holders else [publisher] * READ_TRIES
        for attempt, source in enumerate(sources):
            try:
                data = await collect(self._calls.read_chunks(source, request), sum(sizes))
                _check(data, sizes, wanted)
                return data
            except (PeerFault, WorldFault) as error:
                fault = error
            if not self._holders:
                await asyncio.sleep(READ_AGAIN_S * (attempt + 1))
        raise InputMissing(f"the inputs cannot be read: {fault}") from fault

    async def digests(self, job: Job, microjob: int) -> tuple[bytes, ...]:
        """The digests of a microjob's input chunks, proven against the job's manifest root. Faults: InputMissing."""
        branch = await self.branch(job, microjob)
        return split_digests(branch.digests, len(job.plan.chunks_of_microjob(microjob)))

    async def branch(self, job: Job, microjob: int) -> ReadBranchReply:
        """A microjob's branch of the manifest with its path, checked. InputMissing if nobody gives it."""
        known = job.branches.get(microjob)
        if known is not None:
            return known
        request = ReadBranchRequest(job=BlockId(job.view.block_id), microjob=microjob)
        fault: Exception | None = None
        for source in (job.view.author, *self._holders):
            try:
                reply = await self._calls.read_branch(source, request)
                check_branch(job, microjob, reply)
            except (PeerFault, WorldFault) as error:
                fault = fault or error
                continue
            while len(job.branches) >= BRANCHES_KEPT_MAX:
                del job.branches[next(iter(job.branches))]
            job.branches[microjob] = reply
            return reply
        raise InputMissing(f"the manifest cannot be read: {fault}") from fault


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


def check_branch(job: Job, microjob: int, branch: ReadBranchReply) -> None:
    """PeerFault unless these are the digests of the microjob's input chunks, by the job's manifest root."""
    digests = split_digests(branch.digests, len(job.plan.chunks_of_microjob(microjob)))
    microjobs, path = job.plan.microjobs, branch.path
    if not verify_branch(job.body.manifest_root, digests, microjob=microjob, microjobs=microjobs, path=path):
        raise PeerFault("the manifest does not match its job")


def _check(data: memoryview, sizes: list[int], digests: tuple[bytes, ...]) -> None:
    for chunk, wanted in zip(split(data, sizes), digests, strict=True):
        if len(wanted) != DIGEST_BYTES or digest(chunk) != wanted:
            raise PeerFault("an input chunk does not have the hash of the manifest")
