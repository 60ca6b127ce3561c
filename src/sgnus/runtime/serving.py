"""What this node does for its peers: serve inputs of its jobs, take their outputs, reconcile, exchange addresses.

Authority is decided per call: anybody may reconcile and exchange addresses, members of a room that works on a job of ours
may read its inputs and write their outputs, members and the curious may read a module by its digest, and the input of a
chunk that we accuse somebody of. SGNUS nodes may read inputs too, to run chunks again: of jobs of ours, and, when their
publisher is gone, of others' what we still have.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, OutputsStored
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.crypto.merkle import split_digests
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import DATA_BYTES_TYPICAL, SUB_BLOCK_CALLS_COUNTED_MAX, SUB_BLOCK_CALLS_MAX
from sgnus.messages.v1.types import (
    ExchangeAddressesReply,
    ExchangeAddressesRequest,
    Opening,
    OutputsHeader,
    ProcessedRecord,
    ReadBlobRequest,
    ReadBranchReply,
    ReadBranchRequest,
    ReadChunksRequest,
    SignedEnvelope,
    SignedKind,
    WriteOutputsReply,
)
from sgnus.ports import Duplex, Piece
from sgnus.runtime.inputs import Lent, collect
from sgnus.runtime.job_files import EXPLICIT, MODULE, split
from sgnus.runtime.jobs import Job, JobBook, OutputPlace

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore
    from sgnus.core.pen import Pen
    from sgnus.runtime.addresses import AddressBook
    from sgnus.runtime.database import Database
    from sgnus.runtime.evidence import Evidence

OUTPUTS_AT_ONCE_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Auditing:
    """The SGNUS nodes of this network, and what members lend them."""

    nodes: frozenset[PeerId] = frozenset()
    lent: Lent = field(default_factory=Lent)


@dataclass(slots=True)
class Receiving:
    """Outputs that are stored and wait for the core's HELD.

    A place is kept until the core has answered, whoever still waits: a full disk may hold the answer up for longer than the
    member's call lasts, and a HELD without its place would be a result lost.
    """

    put: Callable[[Input], bool]
    tokens: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    waiting: dict[int, asyncio.Future[WriteOutputsReply]] = field(default_factory=dict)
    places: dict[str, OutputPlace] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)

    async def hold(
        self, stored: Callable[[int], OutputsStored], key: str, place: OutputPlace | None
    ) -> WriteOutputsReply:
        """Tell the core what lies on disk (`place`; None: it is held already), and answer what the core answers, once that
        is durable. WorldFault: the inbox is full.
        """
        token = next(self.tokens)
        done: asyncio.Future[WriteOutputsReply] = asyncio.get_running_loop().create_future()
        if not self.put(stored(token)):
            raise WorldFault("this node has too much to do at the moment")
        self.waiting[token] = done
        if place is not None:
            self.keys[token], self.places[key] = key, place
        try:
            return await done
        finally:
            self.waiting.pop(token, None)

    def answer(self, answer: fx.AnswerHeld) -> None:
        """The core decided, and what it decided is on disk."""
        self.places.pop(self.keys.pop(answer.token, ""), None)
        waiting = self.waiting.get(answer.token)
        if waiting is not None and not waiting.done():
            refused = answer.refused or None
            waiting.set_result(WriteOutputsReply(held=answer.held, refused=refused))


class Servings:
    """How often each peer was served for one sub-block: a few times, for connections break, leases come back and rounds are
    tried again; but a member that asks for ever would be served for ever.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[object, ...], int] = OrderedDict()

    def count(self, peer: PeerId, *what: object) -> None:
        """Once more. PeerFault when that is too often."""
        key = (peer, *what)
        served = self._counts.pop(key, 0) + 1
        self._counts[key] = served
        if len(self._counts) > SUB_BLOCK_CALLS_COUNTED_MAX:
            self._counts.popitem(last=False)
        if served > SUB_BLOCK_CALLS_MAX:
            raise PeerFault(f"you were served {SUB_BLOCK_CALLS_MAX} times for this sub-block; no more")


class Publishing:
    """Inputs out, outputs in, for jobs of ours."""

    def __init__(
        self,
        jobs: JobBook,
        core: NodeCore,
        pen: Pen,
        receiving: Receiving,
        *,
        draw: Callable[[Sequence[int]], tuple[int, ...]] = lambda _chunks: (),
        auditing: Auditing | None = None,
    ) -> None:
        """`draw` are the private dice: which of these chunks of somebody's result are run again here."""
        self._draw = draw
        self._auditing = auditing or Auditing()
        self._jobs = jobs
        self._core = core
        self._pen = pen
        self._receiving = receiving
        self._writers = asyncio.Semaphore(OUTPUTS_AT_ONCE_MAX)
        self._servings = Servings()

    def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> Iterator[Piece]:
        """The input chunks of a sub-block, in pieces of the usual size."""
        if request.output:
            raise PeerFault("outputs are for the publisher alone")
        block_id, is_auditor = BlockId(request.job), peer in self._auditing.nodes
        known = self._jobs.get(block_id)
        if is_auditor and (known is None or known.files is None):
            return _in_pieces(self._auditing.lent.get((block_id, request.microjob, request.sub_block)))
        job = self._jobs.own(block_id)
        publication = self._core.publications.get(block_id)
        place = (request.microjob, InstanceId(request.instance))
        is_judge = publication is not None and publication.court.is_judge(peer, *place)
        if not is_auditor and not is_judge:
            self._check_seat(job, peer, *place)
        chunks = job.plan.chunks_of(request.microjob, request.sub_block)
        if job.files is None:
            raise PeerFault("this node does not publish that job")
        self._servings.count(peer, "read", block_id, *place, request.sub_block)
        return _in_pieces(job.files.input.gathered(job.plan, chunks)[0])

    def read_branch(self, request: ReadBranchRequest) -> ReadBranchReply:
        """A microjob's branch of the manifest, for anybody: it holds hashes alone."""
        known = self._jobs.get(BlockId(request.job))
        if known is not None and known.files is None and request.microjob in known.branches:
            return known.branches[request.microjob]
        job = self._jobs.own(BlockId(request.job))
        if job.files is None or request.microjob >= job.plan.microjobs:
            raise PeerFault("there is no such microjob")
        digests, path = job.files.manifest.branch(job.plan, request.microjob)
        return ReadBranchReply(digests=digests, path=path)

    def read_blob(self, request: ReadBlobRequest) -> bytes:
        """A module or list of explicit chunks of one of our jobs, or a module that we have run."""
        for publication in self._core.publications.values():
            job = self._jobs.get(publication.facts.job)
            if job is None or job.files is None:
                continue
            if request.digest == job.body.module_digest:
                return job.files.blob(MODULE)
            if request.digest == job.body.explicit_digest:
                return job.files.blob(EXPLICIT)
        module = self._jobs.module_known(request.digest)
        if module is not None:
            return module
        raise PeerFault("no blob of that digest is served here")

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[bytes]
    ) -> WriteOutputsReply:
        """Outputs of a member: on disk, their root recomputed from the bytes, before the core hears of them."""
        record = self._pen.open(header.record, SignedKind.RECORD, ProcessedRecord)
        if header.record.author != peer:
            raise PeerFault("the record is not signed by the peer that brings it")
        job = self._jobs.own(BlockId(record.job))
        instance = InstanceId(record.instance)
        self._check_seat(job, peer, record.microjob, instance)
        self._servings.count(peer, "write", record.job, record.microjob, record.instance, record.sub_block)
        chunks = job.plan.chunks_of(record.microjob, record.sub_block)
        sizes = job.plan.output_sizes_of(chunks)
        async with self._writers:
            data = await collect(pieces, sum(sizes))
            outputs = split(data, sizes)
            digests = split_digests(header.digests, len(chunks))
            if any(digest(output) != one for output, one in zip(outputs, digests, strict=True)):
                raise PeerFault("the bytes do not have the digests that came with them")
            root = commit_root_of(
                BlockId(record.job), instance, peer, seed=header.salt_seed, chunks=chunks, digests=digests
            )
            if root != record.root:
                raise PeerFault("the bytes do not have the root of the signed record")
            opening = Opening(
                instance=instance,
                sub_block=record.sub_block,
                salt_seed=header.salt_seed,
                digests=header.digests,
            )
            return await self._store(job, header.record, opening, (data,))

    async def _store(
        self, job: Job, signed: SignedEnvelope, opening: Opening, outputs: Sequence[bytes | memoryview]
    ) -> WriteOutputsReply:
        """Append to the job's log, then let the core hold it. WorldFault if the disk refuses."""
        record, member = self._pen.open(signed, SignedKind.RECORD, ProcessedRecord), PeerId(signed.author)
        if job.files is None:
            raise PeerFault("this node does not publish that job")
        place = None
        if not self._is_held(record):  # Else a member that repeats itself would fill the disk.
            offset, length = await job.files.outputs.append(outputs)
            place = OutputPlace(record.microjob, record.sub_block, 0, offset, length)

        is_ours = member == self._pen.peer or not job.wants_proof or place is None
        again = () if is_ours else self._draw(job.plan.chunks_of(record.microjob, record.sub_block))

        def stored(token: int) -> OutputsStored:
            return OutputsStored(
                token=token,
                job=BlockId(record.job),
                microjob=record.microjob,
                instance=InstanceId(record.instance),
                sub_block=record.sub_block,
                member=member,
                root=record.root,
                record=signed,
                opening=opening,
                recheck=again,
            )

        key = f"{record.job}/{record.microjob}/{record.sub_block}/{member}/{record.instance}"
        return await self._receiving.hold(stored, key, place)

    async def store_here(
        self, asked: fx.Deliver, outputs: Sequence[bytes], opening: Opening
    ) -> WriteOutputsReply:
        """What we processed ourselves for a job of ours."""
        return await self._store(self._jobs.own(asked.job), asked.record, opening, outputs)

    def _is_held(self, record: ProcessedRecord) -> bool:
        """The sub-block was delivered already, by whomever."""
        publication = self._core.publications.get(BlockId(record.job))
        shelf = publication.shelves.get(record.microjob) if publication is not None else None
        return shelf is not None and record.sub_block in shelf.held

    def _check_seat(self, job: Job, peer: PeerId, microjob: int, instance: InstanceId) -> None:
        publication = self._core.publications.get(BlockId(job.view.block_id))
        if publication is None or not publication.may_write(peer, microjob, instance):
            raise PeerFault("this peer has no seat in a room of that microjob, as far as is known here")


class NodeService:
    """The `PeerService` of a node."""

    def __init__(
        self,
        publishing: Publishing,
        database: Database,
        addresses: AddressBook,
        evidence: Evidence | None = None,
    ) -> None:
        """`evidence` serves what it takes to check our accusations."""
        self._evidence = evidence
        self._publishing = publishing
        self._database = database
        self._addresses = addresses
        self._comparing: set[PeerId] = set()

    def may_call(self, peer: PeerId, method: str) -> bool:
        """Every admitted peer may call; what it may have is decided with the request in hand."""
        del peer, method
        return True

    async def read_chunks(self, peer: PeerId, request: ReadChunksRequest) -> AsyncIterator[Piece]:
        """See `Publishing.read_chunks`."""
        for piece in self._publishing.read_chunks(peer, request):
            yield piece

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[bytes]
    ) -> WriteOutputsReply:
        """See `Publishing.write_outputs`."""
        return await self._publishing.write_outputs(peer, header, pieces)

    async def read_blob(self, peer: PeerId, request: ReadBlobRequest) -> AsyncIterator[Piece]:
        """See `Publishing.read_blob`; else what a proof of ours holds, for anybody."""
        del peer
        found = await self._evidence.blob(request.digest) if self._evidence is not None else None
        view = memoryview(found if found is not None else self._publishing.read_blob(request))
        for start in range(0, len(view), DATA_BYTES_TYPICAL):
            yield view[start : start + DATA_BYTES_TYPICAL]

    async def read_branch(self, peer: PeerId, request: ReadBranchRequest) -> ReadBranchReply:
        """See `Publishing.read_branch`."""
        del peer
        return self._publishing.read_branch(request)

    async def reconcile(self, peer: PeerId, duplex: Duplex) -> None:
        """Compare databases with a peer that asks to, once at a time: each comparison holds a snapshot of the whole database."""
        if peer in self._comparing:
            raise PeerFault("you compare databases with this node already")
        self._comparing.add(peer)
        try:
            await self._database.reconcile(steps_of(duplex), duplex.send, peer, is_asked=True)
        finally:
            self._comparing.remove(peer)

    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply:
        """Peer exchange."""
        del peer
        if request.own is not None:
            self._addresses.learn(request.own)
        return ExchangeAddressesReply(records=self._addresses.some(request.limit))


async def steps_of(duplex: Duplex) -> AsyncIterator:  # type: ignore[type-arg]
    """The steps of the other side, until it ends."""
    while (step := await duplex.receive()) is not None:
        yield step


def _in_pieces(data: memoryview) -> Iterator[Piece]:
    """The bytes in pieces of the usual size, without a copy."""
    for start in range(0, len(data), DATA_BYTES_TYPICAL):
        yield data[start : start + DATA_BYTES_TYPICAL]
