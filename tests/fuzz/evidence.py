"""What the job database, receipts and proofs hold: signed by somebody, and read by everybody."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Final, TypeVar

from sgnus.core import fraud, receipt
from sgnus.core.database import check_life
from sgnus.core.plan import Plan
from sgnus.core.shelf import authorise
from sgnus.core.terms import Terms
from sgnus.crypto.merkle import split_digests, verify_branch
from sgnus.crypto.vrf import output_of
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.v1 import types as v1
from sgnus.runtime import receipts
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.codec import decode, encode
from sgnus.wire.dagcbor import decode_dagcbor, encode_dagcbor
from sgnus.wire.entry import check_signature, open_entry
from sgnus.wire.envelope import open_envelope
from tests.database_support import DAY_MS, NETWORK, NOW_MS, done, job_entry, room, sealed, taken
from tests.fuzz.target import Target
from tests.fuzz.words import believed
from tests.round_support import PUBLISHER, SAMPLE, Round, disputed, job_of, proof_of, proven

M = TypeVar("M", bound=Message)


class CredulousPen(EnvelopePen):
    """Believes every signature and every proof, so that a fuzzer reaches what stands behind them."""

    def open(self, envelope: v1.SignedEnvelope, kind: v1.SignedKind, of: type[M]) -> M:
        return open_envelope(envelope, NETWORK, kind, of, verify=believed)

    def check_proof(self, key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
        return output_of(proof)


def take_dagcbor(data: bytes) -> None:
    """Canonical or refused: what is taken has these bytes and no others."""
    assert encode_dagcbor(decode_dagcbor(data)) == data


def take_entry(data: bytes) -> None:
    """One entry of the job database, as a node vets it; a job is planned, whoever signed it."""
    opened = open_entry(data, NETWORK)
    check_signature(opened)
    if isinstance(opened.body, v1.JobBody):
        plan = receipts.plan_of(opened.body)
        Terms.of(NETWORK, opened, plan.chunks if plan is not None else None)
    elif opened.job == job_entry().cid:
        authorise(opened, job_entry(), frozenset())
    check_life(opened, NOW_MS)


def take_receipt(data: bytes) -> None:
    """A receipt, for what its signatures say and, were they right, for what it holds."""
    with suppress(PeerFault):
        receipts.verify(data)
    parts = receipt.read(data)
    opened = open_entry(parts.job, NETWORK)
    plan = receipts.plan_of(opened.body) if isinstance(opened.body, v1.JobBody) else None
    terms = Terms.of(NETWORK, opened, plan.chunks) if plan is not None else None
    if terms is not None:
        receipt.check(CredulousPen(PUBLISHER, NETWORK), terms, data)


def take_proof(data: bytes) -> None:
    """A proof of fraud. Its chunk is not run here: the sandbox has a target of its own."""
    proof = decode(v1.FraudProof, data)
    opened = receipts.open_job(proof.job, receipts.network_of(proof.network))
    plan = receipts.plan_of(opened.body)
    terms = Terms.of(proof.network, opened, plan.chunks if plan is not None else None)
    if terms is None:
        raise PeerFault("the job asks for no verification")
    for pen in (CredulousPen(PUBLISHER, NETWORK), receipts.reader(NETWORK)):
        fraud.check(pen, terms, plan, opened.body.manifest_root, proof)


def take_manifest(data: bytes) -> None:
    """A microjob's branch of the manifest, as its publisher sends it."""
    reply = decode(v1.ReadBranchReply, data)
    opened, plan = _manifested()
    digests = split_digests(reply.digests, len(plan.chunks_of_microjob(0)))
    verify_branch(opened.manifest_root, digests, microjob=0, microjobs=plan.microjobs, path=reply.path)


@cache
def _manifested() -> tuple[v1.JobBody, Plan]:
    body = job_of(40, 2, SAMPLE).body
    return body, Plan.of(body)


# ---- seeds
@cache
def seeds_of_entries() -> Sequence[bytes]:
    job = job_entry().cid
    cancel = sealed(v1.EntryKind.CANCEL, v1.CancelBody(reason="no more"), job)
    revise = sealed(v1.EntryKind.REVISE, v1.ReviseBody(priority=2, paused=True), job)
    accused = v1.FraudBody(accused=str(cancel.author), proof=bytes(40))
    opened = (
        job_entry(),
        job_of(5, 2, SAMPLE),
        cancel,
        revise,
        taken(job, 1),
        room(job, 1),
        done(job),
        sealed(v1.EntryKind.FRAUD, accused, job, expires=NOW_MS + DAY_MS),
    )
    return [one.raw for one in opened]


def seeds_of_dagcbor() -> Sequence[bytes]:
    values: tuple[object, ...] = (None, True, -1, 2**63, "é", b"x", [1, [2, {}]], {"a": 1, "bb": [b""]})
    return [*map(encode_dagcbor, values), *seeds_of_entries()[:2]]


def seeds_of_proofs() -> Sequence[bytes]:
    whole = proof_of(disputed(members=2, chunks=4), 1)
    return [encode(whole), encode(replace(whole, branch=b"", path=(), input=None))]


def seeds_of_manifests() -> Sequence[bytes]:
    _, plan = _manifested()
    digests = bytes(32 * len(plan.chunks_of_microjob(0)))
    return [encode(v1.ReadBranchReply(digests=digests, path=(bytes(32),)))]


def seeds_of_receipts() -> Sequence[bytes]:
    return [proven(Round(members=2, chunks=2)), proven(Round(members=3, chunks=5))]


TARGETS: Final = (
    Target("dagcbor", take_dagcbor, seeds_of_dagcbor),
    Target("entries", take_entry, seeds_of_entries),
    Target("manifests", take_manifest, seeds_of_manifests),
    Target("proofs", take_proof, seeds_of_proofs, 8_192),
    Target("receipts", take_receipt, seeds_of_receipts, 16_384),
)
