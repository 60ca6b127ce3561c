"""A proof of fraud, checked by whoever has nothing but its bytes: the one chunk is run again, here, in the sandbox."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core import fraud
from sgnus.core.fraud import Charge
from sgnus.core.plan import Plan
from sgnus.core.processors import PROCESSORS
from sgnus.core.terms import Terms
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault, UserFault
from sgnus.messages.limits import CHUNK_BYTES_MAX, ENTRY_BYTES_MAX, GRPC_MESSAGE_BYTES_MAX, MODULE_BYTES_MAX
from sgnus.messages.v1.types import FraudProof, JobBody
from sgnus.ports import Computed
from sgnus.runtime.receipts import network_of, open_job, plan_of, reader
from sgnus.runtime.work import task_for
from sgnus.wire.codec import decode
from sgnus.wire.entry import OpenedEntry

BYTES_MAX: Final = CHUNK_BYTES_MAX + MODULE_BYTES_MAX + ENTRY_BYTES_MAX + GRPC_MESSAGE_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudReport:
    """What a proof shows. `right` is the digest that the chunk's own run gives, `missing` what would be needed to run it,
    `why` the reason why nobody is convicted. Digests are in hexadecimal.
    """

    job: str
    name: str
    publisher: str
    microjob: int
    chunk: int
    worker: str
    returned: str
    checker: str
    judged: str
    right: str | None = None
    guilty: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    why: str = ""


def verify(data: bytes) -> FraudReport:
    """Check everything, and run the chunk if all that it takes is there. Blocks. PeerFault: this proves nothing at all."""
    if len(data) > BYTES_MAX:
        raise PeerFault(f"a proof of more than {BYTES_MAX} bytes")
    try:
        proof = decode(FraudProof, data)
    except PeerFault as fault:
        raise PeerFault(f"these bytes are no proof of fraud: {fault}") from fault
    network = network_of(proof.network)
    opened = open_job(proof.job, network)
    plan = plan_of(opened.body)
    terms = Terms.of(network, opened, plan.chunks if plan is not None else None)
    if terms is None:
        raise PeerFault("the job asks for no verification, so nobody was to sign a verdict")
    charge = fraud.check(reader(network), terms, plan, opened.body.manifest_root, proof)
    return _judged(proof, opened, plan, charge)


def chunk_of(data: bytes) -> int:
    """The chunk that a proof names. PeerFault for bytes that are none."""
    return decode(FraudProof, data).chunk


def _judged(proof: FraudProof, opened: OpenedEntry, plan: Plan | None, charge: Charge) -> FraudReport:
    body, given = opened.body, proof.input
    module, lacking = module_of(body, proof.module)
    missing = [lacking] if lacking else []
    if plan is None:
        missing.append("the job's own list of chunks")
    if plan is not None and charge.input_digest is None:
        missing.append("the digests of the microjob's inputs (branch)")
    if given is None:
        missing.append("the chunk's input")
    if plan is None or charge.input_digest is None or given is None or module is None:
        return _report(opened, charge, missing=tuple(missing))
    if digest(given) != charge.input_digest:
        raise PeerFault("the input in the proof is not that of the job's manifest")
    right, why = _run(body, plan, module, charge.chunk, given)
    if right is None:
        return _report(opened, charge, why=why)
    return _report(opened, charge, right=right)


def module_of(body: JobBody, given: bytes | None) -> tuple[bytes | None, str]:
    """The processor's code, or what is missing. PeerFault: what is given is the code of something else."""
    kind, _, rest = body.processor.id.partition(":")
    if kind == "builtin":
        name, _, version = rest.partition("@")
        known = PROCESSORS.get(name)
        if known is None or version != str(known.version):
            return None, f"the processor {body.processor.id}, which does not ship with this version"
        return shipped_module(name), ""
    if body.module_digest is None:
        return None, f"the processor {body.processor.id}, which only its apps have"
    if given is None:
        return None, "the processor's module"
    if digest(given) != body.module_digest:
        raise PeerFault("the module in the proof is not that of the job")
    return given, ""


def _run(body: JobBody, plan: Plan, module: bytes, chunk: int, data: bytes) -> tuple[bytes | None, str]:
    """The digest of the chunk's output, or why there is none."""

    async def run() -> tuple[bytes | None, str]:
        pool = ProcessorPool(1)
        await pool.start()
        try:
            outcome = await pool.run(task_for(body, plan, module, {chunk: data}))
        except UserFault as fault:
            return None, f"the chunk cannot be run: {fault}"
        finally:
            await pool.stop()
        if not isinstance(outcome, Computed):
            return None, f"the chunk gives no output here: {outcome.reason}"
        return digest(outcome.outputs[0]), ""

    return asyncio.run(run())


def _report(
    opened: OpenedEntry,
    charge: Charge,
    *,
    right: bytes | None = None,
    missing: tuple[str, ...] = (),
    why: str = "",
) -> FraudReport:
    return FraudReport(
        job=opened.cid,
        name=opened.body.name,
        publisher=opened.author,
        microjob=charge.microjob,
        chunk=charge.chunk,
        worker=charge.worker,
        returned=charge.returned.hex(),
        checker=charge.checker,
        judged=charge.judged.hex(),
        right=right.hex() if right is not None else None,
        guilty=fraud.guilty(charge, right) if right is not None else (),
        missing=missing,
        why=why or (f"these are missing: {', '.join(missing)}" if missing else ""),
    )
