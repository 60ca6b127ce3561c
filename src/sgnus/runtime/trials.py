"""An accusation by somebody, checked here: first what costs nothing, then the one chunk is run.

Input and module are not in a FRAUD entry: the job's publisher serves them, or whoever accused. What cannot be had, or cannot
be run here, decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sgnus.core import fraud
from sgnus.core.chunks import payload_bytes
from sgnus.core.fraud import Charge
from sgnus.core.inquiry import Accusation, Finding
from sgnus.core.pen import Pen
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault, UserFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import INQUIRY_READ_MS_MAX, MODULE_BYTES_MAX
from sgnus.messages.v1.types import FraudBody, FraudProof, SignedEnvelope
from sgnus.ports import Abandoned, SubBlockTask, Trapped
from sgnus.runtime.database import Database
from sgnus.runtime.frauds import module_of
from sgnus.runtime.inputs import Inputs
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.submitting import PROFILE
from sgnus.runtime.work import Worker, task_for
from sgnus.wire.codec import decode

Learn = Callable[[SignedEnvelope | None], bool]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of an accusation, and why, in words. `cost_ms` is None if nothing had to be read or run."""

    finding: Finding
    why: str
    cost_ms: int | None = None


class Undecided(WorldFault):
    """What it takes to decide is not here; nobody's fault."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a trial gets from what an entry does not hold. `learn` takes the address record that a job names."""

    database: Database
    jobs: JobBook
    inputs: Inputs
    learn: Learn


class Trials:
    """Holds one trial at a time; blocks nobody."""

    def __init__(self, sources: Sources, worker: Worker, pen: Pen) -> None:
        self._sources = sources
        self._worker = worker
        self._pen = pen

    async def hold(self, accusation: Accusation) -> Trial:
        """Check the proof, and run its chunk if that is what decides."""
        try:
            job, body = await self._case(accusation)
            proof = decode(FraudProof, body.proof)
            charge = self._charge(job, body, proof)
        except WorldFault as fault:
            return Trial(Finding.UNDECIDED, str(fault))
        except PeerFault as fault:
            return Trial(Finding.FALSE, str(fault))
        now = asyncio.get_running_loop().time
        begun = now()
        finding, why = await self._run(accusation, job, proof, charge)
        return Trial(finding, why, int((now() - begun) * 1000))

    async def _case(self, accusation: Accusation) -> tuple[Job, FraudBody]:
        """The job as this node knows it, and what was said of it. Faults: WorldFault."""
        view = await self._sources.database.job(accusation.job)
        entries = view.frauds if view is not None else ()
        entry = next((one for one in entries if one.cid == accusation.entry), None)
        if view is None or entry is None:
            raise Undecided("the entry is not held any more")
        if view.body.explicit_digest is not None and self._sources.jobs.get(accusation.job) is None:
            raise Undecided("the job has a list of chunks of its own, which is not read for this")
        if view.body.processor.profile != PROFILE:
            raise Undecided("the job pins another engine")
        try:
            return await self._sources.jobs.update(view), entry.body
        except PeerFault as fault:
            raise Undecided(f"the job cannot be: {fault}") from fault

    def _charge(self, job: Job, body: FraudBody, proof: FraudProof) -> Charge:
        """What the proof says, all signatures checked. Faults: PeerFault."""
        if job.terms is None:
            raise PeerFault("the job asks for no verification, so nobody was to sign a verdict")
        charge = fraud.check(self._pen, job.terms, job.plan, job.body.manifest_root, proof)
        if body.accused not in (charge.worker, charge.checker):
            raise PeerFault("the accused signed nothing of what the proof holds")
        return charge

    async def _run(
        self, accusation: Accusation, job: Job, proof: FraudProof, charge: Charge
    ) -> tuple[Finding, str]:
        try:
            async with asyncio.timeout(INQUIRY_READ_MS_MAX / 1000):
                task = await self._task(accusation, job, proof, charge)
        except TimeoutError:
            return Finding.UNDECIDED, "input and module do not come in time"
        except WorldFault as fault:
            return Finding.UNDECIDED, str(fault)
        except PeerFault as fault:
            return Finding.FALSE, str(fault)
        try:
            outcome = await self._worker.run_anywhere(task)
        except UserFault as fault:
            return Finding.UNDECIDED, f"the chunk cannot be run: {fault}"
        if isinstance(outcome, Abandoned):
            return Finding.UNDECIDED, f"the chunk gives no output here: {outcome.reason}"
        if isinstance(outcome, Trapped):
            return Finding.FALSE, f"running the chunk gives no output: {outcome.reason}"
        if accusation.accused in fraud.guilty(charge, digest(outcome.outputs[0])):
            return Finding.GUILTY, f"chunk {charge.chunk} gives another result than the accused signed"
        return Finding.FALSE, f"chunk {charge.chunk} gives what the accused signed"

    async def _task(
        self, accusation: Accusation, job: Job, proof: FraudProof, charge: Charge
    ) -> SubBlockTask:
        """The chunk, ready to run. PeerFault if the proof brings another input or module than the job's; WorldFault if they
        cannot be had.
        """
        self._sources.learn(_address_of(job))
        data = await self._input(accusation, job, proof, charge)
        module, lacking = module_of(job.body, proof.module)
        ships = job.body.processor.id.startswith("builtin:")
        if module is None and job.body.module_digest is not None and not ships:
            module = await self._module(accusation, job, job.body.module_digest)
        if module is None:
            raise Undecided(f"this is missing: {lacking}")
        return task_for(job.body, job.plan, module, {charge.chunk: data})

    async def _input(
        self, accusation: Accusation, job: Job, proof: FraudProof, charge: Charge
    ) -> bytes | memoryview:
        chunks = range(charge.chunk, charge.chunk + 1)
        if job.files is not None:
            return job.files.input.chunks(job.plan, chunks)[0]
        wanted = charge.input_digest
        if wanted is None:
            branch = await self._sources.inputs.digests(job, charge.microjob)
            wanted = branch[charge.chunk - job.plan.chunks_of_microjob(charge.microjob).start]
        if proof.input is not None:
            if digest(proof.input) != wanted:
                raise PeerFault("the input in the proof is not that of the job's manifest")
            return proof.input
        (size,) = (payload_bytes(chunk) for chunk in job.plan.inputs_of(chunks))
        return await self._blob(accusation, job, wanted, size)

    async def _module(self, accusation: Accusation, job: Job, wanted: bytes) -> bytes:
        if job.module is None and job.files is None:
            job.module = await self._blob(accusation, job, wanted, MODULE_BYTES_MAX)
        return await self._sources.jobs.module(job)

    async def _blob(self, accusation: Accusation, job: Job, wanted: bytes, bytes_max: int) -> bytes:
        """From the job's publisher, else from who accuses. Faults: Undecided."""
        why = ""
        for peer in dict.fromkeys((PeerId(job.view.author), accusation.author)):
            if peer == self._pen.peer:
                continue
            try:
                data = await self._sources.inputs.blob(peer, wanted, bytes_max)
            except (PeerFault, WorldFault) as fault:
                why = str(fault)
                continue
            if digest(data) == wanted:
                return data
            why = f"{peer} serves a blob of another digest"
        raise Undecided(f"input or module of the chunk cannot be read: {why}")


def _address_of(job: Job) -> SignedEnvelope | None:
    """Where its publisher was when it published."""
    try:
        return decode(SignedEnvelope, job.body.address) if job.body.address is not None else None
    except PeerFault:
        return None
