"""A receipt, checked by whoever has nothing but its bytes: what it proves, and how surely. No node, no network, no disk."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Final

from sgnus.core import receipt, sealing
from sgnus.core.plan import Plan
from sgnus.core.receipt import Proven
from sgnus.core.terms import Terms
from sgnus.crypto.identity import SEED_BYTES, Identity
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import NetworkId
from sgnus.messages.limits import RECEIPT_BYTES_MAX
from sgnus.messages.v1.types import EntryKind, JobBody
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.entry import OpenedEntry, check_signature, open_entry

BYTES_MAX: Final = RECEIPT_BYTES_MAX
CHEATS_PERCENT: Final = (1, 10, 50)


@dataclass(frozen=True, slots=True)
class Escape:
    """The chance, before the draw, that none of so many false chunks was among the samples. Nobody who made one of them
    re-executes it, so only the samples count.
    """

    percent: int
    false_chunks: int
    probability: float


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What the job asked for: `verify` is sample or full."""

    verify: str
    samples_permille: int
    verifiers: int
    min_members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptReport:
    """What a valid receipt proves. Peers are ids; `checked` says how many samples each checker re-executed, in the order
    of the draw, `made` how many chunks each worker delivered; `members` are those that were drawn from. Without `has_beacon`
    the beacon that the job names did not speak, and the receipt is provisional until all chunks are audited.
    """

    digest: str
    network: str
    job: str
    name: str
    publisher: str
    microjob: int
    microjobs: int | None
    instance: str
    round: int
    members: tuple[str, ...]
    excused: tuple[str, ...]
    unrevealed: tuple[str, ...]
    made: Mapping[str, int]
    verifier: str
    second: str | None
    checked: Mapping[str, int]
    skipped: tuple[str, ...]
    chunks: int
    samples: int
    policy: PolicyReport
    beacon: str
    is_beacon_publisher: bool
    has_beacon: bool
    escapes: tuple[Escape, ...]


def verify(data: bytes) -> ReceiptReport:
    """Check everything. PeerFault says in one sentence why the receipt does not hold."""
    parts = receipt.read(data)
    network = network_of(parts.network)
    opened = open_job(parts.job, network)
    pen = reader(network)
    plan = plan_of(opened.body)
    terms = Terms.of(network, opened, plan.chunks if plan is not None else None)
    if terms is None:
        raise PeerFault("the job asks for no verification, so nothing can prove its results")
    return _report(receipt.check(pen, terms, data), pen, terms, opened, plan)


def microjob_of(data: bytes) -> int:
    """The microjob that a receipt names. PeerFault for bytes that are none."""
    return receipt.read(data).microjob


def network_of(text: str) -> NetworkId:
    """The network that signed bytes name. PeerFault if it cannot be one."""
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise PeerFault("what stands in the network's place is no network id")
    return NetworkId(text)


def open_job(data: bytes, network: NetworkId) -> OpenedEntry:
    """The signed JOB entry in these bytes. Faults: PeerFault."""
    opened = open_entry(data, network)
    if opened.entry.kind is not EntryKind.JOB:
        raise PeerFault("what stands in the job's place is no JOB entry")
    if not check_signature(opened):
        raise PeerFault("the job is not signed by its publisher for this network")
    return opened


def plan_of(body: JobBody) -> Plan | None:
    """The plan, where the job's entry alone gives it: not with a list of chunks of its own. Faults: PeerFault."""
    return Plan.of(body) if body.explicit_digest is None else None


def reader(network: NetworkId) -> EnvelopePen:
    """Opens what others signed; signs nothing that anybody would believe."""
    return EnvelopePen(Identity.from_seed(os.urandom(SEED_BYTES)), network)


def escape_probability(chunks: int, samples: int, false_chunks: int) -> Fraction:
    """That `samples` of `chunks`, drawn without putting back, miss all of `false_chunks`."""
    return Fraction(comb(chunks - false_chunks, samples), comb(chunks, samples))


def _escapes(chunks: int, samples: int) -> tuple[Escape, ...]:
    found = []
    for percent in CHEATS_PERCENT:
        false_chunks = -(-chunks * percent // 100)
        found.append(Escape(percent, false_chunks, float(escape_probability(chunks, samples, false_chunks))))
    return tuple(found)


def _report(
    proven: Proven, pen: EnvelopePen, terms: Terms, opened: OpenedEntry, plan: Plan | None
) -> ReceiptReport:
    sealed, dealt, policy = proven.sealing, proven.draw, terms.policy
    workers = sealed.workers()
    seated = sealing.seated(pen, sealed.proposal)
    checked: dict[str, int] = {peer: len(dealt.dues[peer]) for peer in dealt.order if peer in dealt.dues}
    checkers = list(checked)
    return ReceiptReport(
        digest=proven.digest.hex(),
        network=terms.network,
        job=terms.job,
        name=opened.body.name,
        publisher=terms.publisher,
        microjob=proven.microjob,
        microjobs=plan.microjobs if plan is not None else None,
        instance=sealed.proposal.instance,
        round=sealed.proposal.round,
        members=sealed.members,
        excused=tuple(sorted(peer for peer in seated if peer not in sealed.members)),
        unrevealed=tuple(peer for peer in sealed.members if peer not in dealt.order),
        made=dict(Counter(workers.values())),
        verifier=checkers[0],
        second=checkers[1] if len(checkers) > 1 else None,
        checked=checked,
        skipped=dealt.skipped,
        chunks=len(workers),
        samples=len(dealt.samples),
        policy=PolicyReport(
            policy.verify.name.lower(), policy.samples_permille, policy.verifiers, policy.min_members
        ),
        beacon=terms.beacon,
        is_beacon_publisher=terms.beacon == terms.publisher,
        has_beacon=proven.has_beacon,
        escapes=_escapes(len(workers), len(dealt.samples)),
    )
