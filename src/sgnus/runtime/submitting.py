"""From an app's request to a signed job: check, spool, cut, hash, sign. Nothing half-made stays behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from sgnus.adapters.folders import flush_folder
from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.pool import ProcessorPool
from sgnus.core.cut import choose_plan, output_of
from sgnus.core.plan import Plan
from sgnus.crypto.digests import digest
from sgnus.messages.errors import UserFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ENTRY_LIFE_MS_MAX, MODULE_BYTES_MAX
from sgnus.messages.policy import PolicyTerms, settle
from sgnus.messages.v1.types import (
    Cut,
    JobBody,
    JobRequest,
    OutputSpec,
    Parameter,
    Policy,
    Processor,
    SignedEnvelope,
    SubmitJobRequest,
    Verify,
)
from sgnus.runtime.job_files import BODY, DIGESTS, EXPLICIT, INPUT, MODULE, UNNAMED, Manifest, digest_chunks
from sgnus.runtime.jobs import unix_ms
from sgnus.runtime.network_file import SgnusNode
from sgnus.runtime.shipped import resolve
from sgnus.wire.codec import encode

PROFILE: Final = 50
"""wasmtime's major version, with the settings of docs/protocol/processor.md."""
LIFE_MS: Final = 24 * 3600 * 1000
DEADLINE_MS: Final = 60_000
ATTEMPTS_SPACE_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Planned:
    """A request, checked in full."""

    request: JobRequest
    processor: Processor
    output: OutputSpec
    cut: Cut
    plan: Plan
    policy: Policy


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who signs the job, and is its beacon unless the job wants an outside one."""

    peer: PeerId
    vrf_key: bytes
    address: SignedEnvelope
    sgnus_node: SgnusNode | None = None
    """Of its network, the first one."""

    def beacon(self, request: JobRequest, policy: Policy) -> tuple[PeerId, bytes] | None:
        """The job's beacon and its VRF key; None for a job without proof. UserFault if it cannot have the one it wants."""
        is_proved = policy.verify is not Verify.NONE
        if not request.outside_beacon:
            return (self.peer, self.vrf_key) if is_proved else None
        if not is_proved:
            raise UserFault("With --verify none nothing is drawn: leave out --outside-beacon.")
        if self.sgnus_node is None:
            raise UserFault(
                "--outside-beacon: the network names no SGNUS node that could be the beacon (sgnus network show). Leave it out, "
                "or make a network with one: sgnus network create NAME --settle"
            )
        if self.sgnus_node.peer == self.peer:
            raise UserFault(
                "--outside-beacon: this node is the network's SGNUS node itself, so it is no outside beacon of its own jobs. "
                "Leave it out, or submit on another node."
            )
        return PeerId(self.sgnus_node.peer), bytes.fromhex(self.sgnus_node.vrf_key)


@dataclass(frozen=True, slots=True)
class Spooled:
    """A job on disk, ready to be signed."""

    folder: Path
    body: JobBody
    plan: Plan
    expires_ms: int


def plan_request(request: JobRequest, members: int) -> Planned:
    """Check a request and plan it. UserFault: one sentence on what is wrong."""
    policy = policy_of(request)
    given = {one.name: one.value for one in request.parameters}
    if len(given) != len(request.parameters):
        raise UserFault("A parameter is given twice.")
    array = request.array
    chosen = resolve(request.processor, given, array.dtype, array.shape, request.halo)
    output = output_of(request)
    if chosen.output_bytes:
        output = OutputSpec(dtype="uint8", chunk_bytes=chosen.output_bytes)
    adjusted = _with_output(request, output)
    cut, plan = choose_plan(adjusted, chosen.halo, members)
    values = chosen.parameters
    parameters = tuple(Parameter(name=one, value=values[one]) for one in sorted(values))
    processor = Processor(id=chosen.id, parameters=parameters, profile=PROFILE)
    return Planned(adjusted, processor, output, cut, plan, policy)


def policy_of(request: JobRequest) -> Policy:
    """How the job is verified: as asked, within what can be. UserFault says what cannot."""
    asked = request.policy
    verify = "" if asked.verify is Verify.UNSPECIFIED else asked.verify.name.lower()
    wanted = PolicyTerms(verify, asked.samples_permille, asked.verifiers, asked.min_members)
    terms = settle(wanted, is_app=request.processor.startswith("app:"))
    return Policy(
        verify=Verify[terms.verify.upper()],
        samples_permille=terms.samples_permille,
        verifiers=terms.verifiers,
        min_members=terms.min_members,
    )


async def spool(
    jobs: Path,
    requests: AsyncIterator[SubmitJobRequest],
    pool: ProcessorPool | None,
    publisher: Publisher,
    members: int,
) -> Spooled:
    """Take a submission's stream to disk and hash it. UserFault, WorldFault; what was written is removed then."""
    folder = jobs / f"{UNNAMED}{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise WorldFault(f"cannot make a folder in {jobs}: {error.strerror}") from error
    try:
        planned, module = await _receive(folder, requests, pool, publisher, members)
        return await asyncio.to_thread(_complete, folder, planned, module, publisher)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise WorldFault(f"The job cannot be stored in {jobs}: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _receive(
    folder: Path,
    requests: AsyncIterator[SubmitJobRequest],
    pool: ProcessorPool | None,
    publisher: Publisher,
    members: int,
) -> tuple[Planned, bytes | None]:
    planned: Planned | None = None
    module = bytearray()
    written = 0
    with (folder / INPUT).open("wb") as file:
        async for request in requests:
            if planned is None:
                if request.job is None:
                    raise UserFault("The first message of a submission must describe the job.")
                planned = plan_request(request.job, members)
                publisher.beacon(request.job, planned.policy)  # Before anything is uploaded in vain.
                _check_space(folder, planned.plan)
            module += request.module or b""
            if len(module) > MODULE_BYTES_MAX:
                raise UserFault(f"The module has more than {MODULE_BYTES_MAX} bytes.")
            written += await _write(file, request.data or b"", written, planned.plan)
        if planned is None:
            raise UserFault("The submission is empty: describe the job first.")
        if written != planned.plan.input_bytes:
            raise UserFault(
                f"The input has {written} bytes, but its shape and dtype make {planned.plan.input_bytes}."
            )
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return planned, await _checked_module(planned, bytes(module), pool)


async def _write(file: BinaryIO, data: bytes, written: int, plan: Plan) -> int:
    if written + len(data) > plan.input_bytes:
        raise UserFault(
            f"The input has more than the {plan.input_bytes} bytes that its shape and dtype make."
        )
    file.write(data)
    return len(data)


def _check_space(folder: Path, plan: Plan) -> None:
    """Refuse before the upload what cannot fit: input and outputs, and some room to breathe."""
    needed = plan.input_bytes + plan.output_bytes + ATTEMPTS_SPACE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WorldFault(
            f"The disk of {folder.parent} has {free >> 20} MiB free, and this job needs {needed >> 20} MiB."
        )


async def _checked_module(planned: Planned, module: bytes, pool: ProcessorPool | None) -> bytes | None:
    identifier = planned.processor.id
    if identifier.startswith("wasm"):
        if not module:
            raise UserFault("The processor is wasm, but no module came with the job.")
        checker = pool or ProcessorPool(1)
        try:
            if pool is None:
                await checker.start()
            await checker.check_module(module)
        finally:
            if pool is None:
                await checker.stop()
        return module
    if module:
        raise UserFault(f"A module came with the job, but its processor is {identifier}.")
    if identifier.startswith("builtin:"):
        shipped_module(identifier.removeprefix("builtin:").partition("@")[0])
    return None


def _complete(folder: Path, planned: Planned, module: bytes | None, publisher: Publisher) -> Spooled:
    """Hash, and write what the input alone does not say."""
    request, plan, processor = planned.request, planned.plan, planned.processor
    digests = digest_chunks(folder / INPUT, plan)
    (folder / DIGESTS).write_bytes(digests)
    explicit_digest = None
    if request.explicit is not None:
        blob = encode(request.explicit)
        (folder / EXPLICIT).write_bytes(blob)
        explicit_digest = digest(blob)
    if module is not None:
        (folder / MODULE).write_bytes(module)
        processor = Processor(
            id=f"wasm:{digest(module).hex()}", parameters=processor.parameters, profile=PROFILE
        )
    now_ms = unix_ms()
    is_proved = planned.policy.verify is not Verify.NONE
    settler = publisher.sgnus_node if is_proved else None
    beacon = publisher.beacon(request, planned.policy)
    body = JobBody(
        name=request.name,
        processor=processor,
        array=request.array,
        cut=planned.cut,
        output=planned.output,
        explicit_digest=explicit_digest,
        manifest_root=Manifest.of(plan, digests).tree.root,
        module_digest=digest(module) if module is not None else None,
        deadline_ms=request.deadline_ms or DEADLINE_MS,
        policy=planned.policy,
        beacon=beacon[0] if beacon is not None else None,
        beacon_vrf_key=beacon[1] if beacon is not None else None,
        settlement=settler.peer if settler is not None else None,
        settlement_vrf_key=bytes.fromhex(settler.vrf_key) if settler is not None else None,
        nonce=secrets.token_bytes(16),
        created_ms=now_ms,
        address=encode(publisher.address),
    )
    (folder / BODY).write_bytes(encode(body))
    _sync(folder)
    life_ms = request.lifetime_ms or LIFE_MS
    if not 0 < life_ms <= ENTRY_LIFE_MS_MAX:
        raise UserFault(f"A job lives 1 ms to {ENTRY_LIFE_MS_MAX} ms (14 days), not {life_ms}.")
    return Spooled(folder, body, plan, now_ms + life_ms)


def _with_output(request: JobRequest, output: OutputSpec) -> JobRequest:
    from dataclasses import replace

    return replace(request, output=output)


def _sync(folder: Path) -> None:
    """Files and their names are on disk before the job is signed."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    flush_folder(folder)
    flush_folder(folder.parent)
