"""What this node knows of jobs beyond their entries: plans, modules, files of its own jobs, where outputs lie.

Plans follow from the job's entry alone; explicit chunks and modules are fetched from the publisher by their digests.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from sgnus.adapters.processors.library import shipped_module
from sgnus.core.inputs import JobFacts
from sgnus.core.plan import Plan
from sgnus.core.shelf import JobView, Settled
from sgnus.core.terms import Terms
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.limits import MODULE_BYTES_MAX
from sgnus.messages.v1.types import ExplicitChunks, JobBody, ReadBranchReply, SignedEnvelope
from sgnus.runtime.job_files import BODY, EXPLICIT, MODULE, UNNAMED, JobFiles
from sgnus.wire.codec import decode, encode

FRESH_MS: Final = 3_000
JOBS_KEPT_MAX: Final = 4_096
MODULES_KEPT_MAX: Final = 64
EXPLICIT_BYTES_MAX: Final = 256 * 1024 * 1024
READ_BLOB = Callable[[PeerId, bytes, int], Awaitable[bytes]]


@dataclass(slots=True)
class OutputPlace:
    """Where a held sub-block's outputs lie: `order` numbers holdings from 1, and is the cursor of results."""

    microjob: int
    sub_block: int
    order: int
    offset: int
    length: int

    def pack(self) -> bytes:
        return b"".join(number.to_bytes(8, "big") for number in (self.order, self.offset, self.length))

    @staticmethod
    def unpack(microjob: int, sub_block: int, data: bytes) -> OutputPlace:
        numbers = (int.from_bytes(data[i : i + 8], "big") for i in (0, 8, 16))
        return OutputPlace(microjob, sub_block, *numbers)


@dataclass(frozen=True, slots=True)
class VerifiedMark:
    """A microjob of ours and the receipt that verifies it; `order` numbers them as they came, from 0."""

    microjob: int
    order: int
    receipt: bytes

    def pack(self) -> bytes:
        return self.order.to_bytes(8, "big") + self.receipt


@dataclass(slots=True)
class FolderState:
    """Of the folder of a job of ours. `kept`: what its entries said when they were kept: open, priority, paused;
    `is_loaded`: what is held already is in the job's `places`.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: tuple[bool, int, bool] | None = None
    is_loaded: bool = False


@dataclass(slots=True)
class Job:
    """One job as this node needs it to work on it."""

    view: JobView
    plan: Plan
    terms: Terms | None = None
    verified: list[VerifiedMark] = field(default_factory=list)
    module: bytes | None = None
    files: JobFiles | None = None
    places: list[OutputPlace] = field(default_factory=list)
    branches: dict[int, ReadBranchReply] = field(default_factory=dict)
    folder: FolderState = field(default_factory=FolderState)
    claims: dict[tuple[str, PeerId], None] = field(default_factory=dict)
    """Rooms that the core heard of from the database (instance and host), each once: there are as many as microjobs, and as
    many changes of the job.
    """

    @property
    def body(self) -> JobBody:
        return self.view.body

    @property
    def wants_proof(self) -> bool:
        """Whether its results count only with a receipt."""
        return self.terms is not None

    def rest(self) -> None:
        """The job is over, and kept until it expires: as little of it as will do."""
        self.plan.rest()
        if self.files is not None:
            self.files.rest()

    def receipt_of(self, microjob: int) -> bytes | None:
        """The digest of the receipt that verifies a microjob of ours."""
        return next((mark.receipt for mark in self.verified if mark.microjob == microjob), None)

    def untaken(self) -> dict[int, Settled]:
        """The microjobs that a SGNUS node settled after a full audit, and whose publisher said nothing."""
        found = self.view.settlements.items()
        return {number: one for number, one in found if one.is_full and number not in self.view.taken}

    def facts(self, address: SignedEnvelope | None, now_unix_ms: int) -> JobFacts:
        """What the core must know."""
        view, body = self.view, self.view.body
        settled = frozenset(self.untaken())
        return JobFacts(
            job=view.block_id,
            publisher=view.author,
            address=address,
            processor=body.processor.id,
            sub_blocks=self.plan.sub_blocks,
            microjobs=self.plan.microjobs,
            deadline_ms=body.deadline_ms,
            terms=self.terms,
            priority=view.priority,
            open=view.is_open and view.expires_ms > now_unix_ms,
            paused=view.paused,
            taken=frozenset(view.taken) | settled,
            settled=settled,
            banned=view.banned,
            created_ms=body.created_ms,
            is_fresh=abs(now_unix_ms - body.created_ms) < FRESH_MS,
        )


class JobBook:
    """All jobs that this node has looked at."""

    def __init__(self, folder: Path, me: PeerId, network: NetworkId, read_blob: READ_BLOB) -> None:
        self.folder = folder
        self._network = network
        self._me = me
        self._read_blob = read_blob
        self.is_needed: Callable[[BlockId], bool] = lambda job: False
        """Which strangers' jobs stay, however many others come."""
        self._jobs: dict[BlockId, Job] = {}
        self._strangers: dict[BlockId, None] = {}
        # Each as long as somebody holds it or waits for it.
        self._locks = WeakValueDictionary[BlockId, asyncio.Lock]()

    def get(self, job: BlockId) -> Job | None:
        return self._jobs.get(job)

    def all_own(self) -> list[Job]:
        """The jobs of ours that this node has looked at, expired ones aside."""
        return [job for job in self._jobs.values() if job.files is not None]

    def own(self, job: BlockId) -> Job:
        """A job of ours with its files. PeerFault (for who asked) if it is not ours."""
        known = self._jobs.get(job)
        if known is None or known.files is None:
            raise PeerFault("this node does not publish that job")
        return known

    async def update(self, view: JobView) -> Job:
        """The job with its newest view. Faults: PeerFault (the job cannot be), WorldFault (its chunks are out of reach)."""
        async with self._locks.setdefault(view.block_id, asyncio.Lock()):
            known = self._jobs.get(view.block_id)
            if known is not None:
                known.view = view
                return known
            files = self._own_files(view)
            if view.body.explicit_digest is None:
                plan = Plan.of(view.body)
            else:
                # A list of a million chunks takes seconds: beside the loop, not in it.
                listed = await self._explicit(view, files)
                plan = await asyncio.to_thread(_plan_of_list, view.body, listed)
            terms = Terms.of(self._network, view.job, plan.chunks) if view.job is not None else None
            job = Job(view, plan, terms)
            if files is not None:
                job.files = JobFiles(files, plan)
            self._jobs[view.block_id] = job
            if job.files is None:
                self._strangers[view.block_id] = None
                self._bound()
            return job

    async def module(self, job: Job, read_blob: READ_BLOB | None = None) -> bytes:
        """The job's wasm; `read_blob` gets it in another way than ours. Faults: PeerFault, WorldFault."""
        if job.module is None:
            name = job.body.processor.id
            if name.startswith("builtin:"):
                job.module = shipped_module(name.removeprefix("builtin:").partition("@")[0])
            elif job.files is not None:
                job.module = job.files.blob(MODULE)
            elif job.body.module_digest is not None:
                wanted = job.body.module_digest
                job.module = await self._blob(job.view, wanted, MODULE_BYTES_MAX, read_blob)
            else:
                raise PeerFault("the job names no module")
            self._bound_modules(job)
        return job.module

    def module_known(self, wanted: bytes) -> bytes | None:
        """The module of that digest, of whichever job, if it is in memory or in our own files."""
        for job in self._jobs.values():
            if wanted and job.body.module_digest == wanted:
                if job.module is not None:
                    return job.module
                if job.files is not None:
                    return job.files.blob(MODULE)
        return None

    def forget(self, block_id: BlockId) -> None:
        """A job that we knew expired: nothing of it is kept, its files included. Others' names are left alone: after a
        damaged database, files are all that is left.
        """
        known = self._jobs.pop(block_id, None)
        self._strangers.pop(block_id, None)
        if known is not None and known.files is not None:
            known.files.close()
            shutil.rmtree(known.files.folder, ignore_errors=True)

    def _bound(self) -> None:
        """Strangers' jobs are kept in a bounded number; one that is needed again is read again."""
        beyond = max(0, len(self._strangers) - JOBS_KEPT_MAX)
        others = (job for job in list(self._strangers)[:-1] if not self.is_needed(job))
        for oldest in islice(others, beyond):
            del self._strangers[oldest], self._jobs[oldest]

    def _bound_modules(self, newest: Job) -> None:
        """Of modules, which can be large, those read last are kept; another is read again when it is needed."""
        others = [job for job in self._jobs.values() if job.module is not None and job is not newest]
        for job in others[: max(0, len(others) + 1 - MODULES_KEPT_MAX)]:
            job.module = None

    def close(self) -> None:
        for job in self._jobs.values():
            if job.files is not None:
                job.files.close()

    def _own_files(self, view: JobView) -> Path | None:
        """The folder of a job of ours; one that a crash left unnamed is found by its body. WorldFault if the disk refuses."""
        if view.author != self._me:
            return None
        folder = self.folder / view.block_id
        if folder.is_dir():
            return folder
        body = encode(view.body)
        try:
            for unnamed in self.folder.glob(f"{UNNAMED}*"):
                path = unnamed / BODY
                if path.is_file() and path.read_bytes() == body:
                    return unnamed.rename(folder)
        except OSError as error:
            raise WorldFault(f"cannot give the job's folder its name {folder}: {error.strerror}") from error
        return None

    async def _explicit(self, view: JobView, files: Path | None) -> bytes:
        if files is not None:
            try:
                return (files / EXPLICIT).read_bytes()
            except OSError as error:
                raise WorldFault(f"cannot read the job's explicit chunks: {error.strerror}") from error
        return await self._blob(view, view.body.explicit_digest or b"", EXPLICIT_BYTES_MAX)

    async def _blob(
        self, view: JobView, wanted: bytes, bytes_max: int, read_blob: READ_BLOB | None = None
    ) -> bytes:
        data = await (read_blob or self._read_blob)(view.author, wanted, bytes_max)
        # Of 256 MiB it takes a quarter of a second.
        if await asyncio.to_thread(digest, data) != wanted:
            raise PeerFault("the publisher served a blob of another digest")
        return data


def _plan_of_list(body: JobBody, listed: bytes) -> Plan:
    return Plan.of(body, decode(ExplicitChunks, listed))


def unix_ms() -> int:
    """Wall clock, for expiry and age alone."""
    return int(time.time() * 1000)


def places_of(facts: Mapping[str, bytes]) -> list[OutputPlace]:
    """Stored places in the order of holding; keys are `<job>/<microjob>/<sub-block>`."""
    found: list[OutputPlace] = []
    for key, value in facts.items():
        _job, microjob, sub_block = key.split("/")
        if len(value) != 24:
            raise WorldFault("a record of where outputs lie is damaged")
        found.append(OutputPlace.unpack(int(microjob), int(sub_block), value))
    return sorted(found, key=lambda place: place.order)


def marks_of(facts: Mapping[str, bytes]) -> list[VerifiedMark]:
    """Stored marks in their order; keys are `<job>/<microjob>`."""
    marks = [
        VerifiedMark(int(key.split("/")[1]), int.from_bytes(value[:8], "big"), value[8:])
        for key, value in facts.items()
    ]
    return sorted(marks, key=lambda mark: mark.order)
