"""A whole round of verification in memory: real signatures, real VRF, real digests, and no network.

The job inverts rows of four bytes: `input_of(chunk)` is a row, `output_of(chunk)` is what an honest worker makes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sgnus.core import draw as draws
from sgnus.core import findings, receipt, roster
from sgnus.core.docket import Docket, RoundId
from sgnus.core.plan import Plan
from sgnus.core.terms import Terms
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import digest
from sgnus.crypto.identity import Identity
from sgnus.crypto.merkle import branch_root, manifest_tree
from sgnus.messages.fields import Message
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import (
    AddressRecord,
    ArraySpec,
    BeaconMissed,
    BeaconOutput,
    Cut,
    Edge,
    EntryKind,
    FraudProof,
    Held,
    JobBody,
    JoinRequest,
    Member,
    Opening,
    OutputSpec,
    Policy,
    ProcessedRecord,
    Processor,
    Proposal,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    Verdict,
    Verify,
)
from sgnus.runtime.pens import EnvelopePen
from sgnus.wire.entry import OpenedEntry, open_entry, seal_entry

NETWORK: Final = NetworkId("0123456789abcdef0123456789abcdef")
OTHER_NETWORK: Final = NetworkId("ffffffffffffffffffffffffffffffff")
ROW_BYTES: Final = 4
NOW_MS: Final = 1_800_000_000_000
SAMPLE: Final = Policy(verify=Verify.SAMPLE, samples_permille=100, verifiers=1, min_members=2)
FULL: Final = Policy(verify=Verify.FULL, samples_permille=1000, verifiers=1, min_members=2)
Output = Callable[[int], bytes]


def identity_of(name: str) -> Identity:
    return Identity.from_seed(hashlib.sha256(name.encode()).digest())


PUBLISHER: Final = identity_of("publisher")


def input_of(chunk: int) -> bytes:
    return chunk.to_bytes(ROW_BYTES, "big")


def output_of(chunk: int) -> bytes:
    return bytes(255 - octet for octet in input_of(chunk))


def false_output(chunk: int) -> bytes:
    return b"lie" + bytes([chunk % 256])


def job_of(
    chunks: int,
    per_sub_block: int,
    policy: Policy,
    processor: str = "builtin:invert@1",
    *,
    beacon: Identity = PUBLISHER,
    profile: int = 50,
    **other: object,
) -> OpenedEntry:
    """The JOB entry over so many rows."""
    fields = {"deadline_ms": 60_000, **other}
    body = JobBody(
        name="rows",
        processor=Processor(id=processor, parameters=(), profile=profile),
        array=ArraySpec(shape=(chunks, ROW_BYTES), dtype="uint8"),
        cut=Cut(tile=(1, ROW_BYTES), halo=(0, 0), edge=Edge.REFLECT, chunks_per_sub_block=per_sub_block),
        output=OutputSpec(dtype="uint8"),
        manifest_root=manifest_tree(branches(chunks, per_sub_block)).root,
        policy=policy,
        beacon=beacon.peer_id,
        beacon_vrf_key=EnvelopePen(beacon, NETWORK).vrf_key,
        nonce=bytes(16),
        created_ms=NOW_MS,
        **fields,  # type: ignore[arg-type]
    )
    data = seal_entry(PUBLISHER, NETWORK, EntryKind.JOB, None, body, seq=0, expires=NOW_MS + 60_000)
    return open_entry(data, NETWORK)


def branches(chunks: int, per_sub_block: int) -> list[bytes]:
    """The roots of all microjobs."""
    size = 10 * per_sub_block
    return [
        branch_root(digest(input_of(chunk)) for chunk in range(first, min(first + size, chunks)))
        for first in range(0, chunks, size)
    ]


def member_of(pen: EnvelopePen, job: str, instance: str) -> Member:
    """A seat, with the join that its peer signed."""
    record = AddressRecord(
        peer=pen.peer, endpoints=(), multiaddrs=(), sequence=1, expires_ms=NOW_MS, protocol=1
    )
    address = pen.sign(SignedKind.ADDRESS, record)
    join = JoinRequest(
        job=job,
        microjob=0,
        instance=instance,
        epoch=1,
        workers=1,
        address=address,
        nonce=0,
        vrf_key=pen.vrf_key,
    )
    return Member(peer=pen.peer, workers=1, address=address, join=pen.sign(SignedKind.JOIN, join))


class Round:
    """The evidence of one round over microjob 0, taken step by step: seal, reveal, speak, judge, disclose, prove."""

    def __init__(
        self,
        members: int = 3,
        chunks: int = 5,
        per_sub_block: int = 2,
        policy: Policy = SAMPLE,
        job: OpenedEntry | None = None,
    ) -> None:
        self.job = job or job_of(chunks, per_sub_block, policy)
        # A job with a list of chunks has its plan from the list, which is here the same as that of its cut.
        self.plan = Plan.of(replace(self.job.body, explicit_digest=None))
        terms = Terms.of(NETWORK, self.job, self.plan.chunks)
        assert terms is not None
        self.terms = terms
        self.publisher = EnvelopePen(PUBLISHER, NETWORK)
        self.pens = {
            pen.peer: pen
            for pen in (EnvelopePen(identity_of(f"member {number}"), NETWORK) for number in range(members))
        }
        self.peers: tuple[PeerId, ...] = tuple(self.pens)
        self.list = self._found()
        self.docket = Docket(self.publisher, terms, RoundId(self.list.instance))
        self.openings: dict[int, Opening] = {}
        self.held: tuple[SignedEnvelope, ...] = ()

    # ---- the steps
    def commit(self, output: Output = output_of) -> Round:
        """The members commit to what `output` gives, and the publisher holds it."""
        self.held = tuple(held_by(self, number, output) for number in range(self.plan.sub_blocks_of(0)))
        return self

    def seal(self, output: Output = output_of) -> None:
        """Commit to what `output` gives, propose, and seal by all."""
        self.commit(output)
        self.take(self.peers[0], SignedKind.PROPOSAL, self.proposal(self.held))
        for peer in self.peers:
            r = self.docket.attempts[0, self.peers[0]].sealing.r
            self.take(peer, SignedKind.SEAL, Seal(instance=self.instance, round=1, attempt=0, r=r))

    def reveal(self, silent: Sequence[PeerId] = ()) -> None:
        """Each shows its output for R."""
        (sealing,) = self.docket.sealed()
        for peer in (peer for peer in self.peers if peer not in silent):
            proof = self.pens[peer].prove(sealing.r)
            self.take(
                peer, SignedKind.REVEAL, Reveal(instance=self.instance, round=1, r=sealing.r, proof=proof)
            )

    def speak(self) -> None:
        """The beacon, over all reveals."""
        (sealing,) = self.docket.sealed()
        reveals = self.docket.lot.reveals[sealing.r]
        outputs = {peer: reveals[peer][1] for peer in sorted(reveals)}
        output = BeaconOutput(
            instance=self.instance,
            round=1,
            reveals=tuple(reveals[peer][0] for peer in sorted(reveals)),
            proof=self.publisher.prove(draws.beacon_alpha(sealing.r, outputs)),
        )
        self.docket.take(self.publisher.sign(SignedKind.BEACON, output))

    def suspect(self, silent: PeerId, by: Sequence[PeerId]) -> list[SignedEnvelope]:
        """These have not heard `silent`."""
        suspicion = Suspicion(instance=self.instance, round=1, attempt=0, silent=silent)
        return [self.take(peer, SignedKind.SUSPICION, suspicion) for peer in by]

    def judge(self, output: Output = output_of) -> None:
        """Whoever is to check signs a verdict on all that it is due to."""
        for peer, chunks in self.draw().dues.items():
            due = tuple(chunk for chunk in chunks if chunk not in self.docket.judged_by(peer))
            if due:
                self.take(peer, SignedKind.VERDICT, self.verdict(due, output))

    def disclose(self) -> None:
        """Everybody opens its commits."""
        for commit in self.docket.commits():
            self.take(commit.member, SignedKind.OPENING, self.openings[commit.sub_block])

    def prove(self) -> bytes:
        """The receipt."""
        return receipt.assemble(self.docket)

    # ---- parts
    @property
    def instance(self) -> str:
        return self.list.instance

    def draw(self) -> draws.Draw:
        dealt = findings.drawn(self.docket)
        assert dealt is not None
        return dealt

    def take(self, peer: PeerId, kind: SignedKind, message: Message) -> SignedEnvelope:
        """Sign by a member, and count it."""
        envelope = self.pens[peer].sign(kind, message)
        assert self.docket.take(envelope)
        return envelope

    def verdict(self, chunks: tuple[int, ...], output: Output = output_of) -> Verdict:
        digests = b"".join(digest(output(chunk)) for chunk in chunks)
        return Verdict(instance=self.instance, round=1, chunks=chunks, digests=digests)

    def proposal(self, held: tuple[SignedEnvelope, ...]) -> Proposal:
        return Proposal(
            job=self.terms.job,
            microjob=0,
            instance=self.instance,
            round=1,
            attempt=0,
            list=self.list.envelope,
            held=held,
            leaves=(),
            suspicions=(),
        )

    def _found(self) -> roster.Roster:
        founder = self.pens[self.peers[0]]
        instance = roster.instance_id(self.terms.job, 0, founder.peer, 7)
        members = tuple(member_of(pen, self.terms.job, instance) for pen in self.pens.values())
        return roster.found(founder, self.terms.job, 0, 7, members)


def held_by(round_: Round, sub_block: int, output: Output) -> SignedEnvelope:
    """A member's record of what it made, held by the publisher; members take turns at sub-blocks."""
    peer = round_.peers[sub_block % len(round_.peers)]
    chunks = round_.plan.chunks_of(0, sub_block)
    digests = [digest(output(chunk)) for chunk in chunks]
    seed = hashlib.sha256(f"{peer} {sub_block}".encode()).digest()
    round_.openings[sub_block] = Opening(
        instance=round_.instance, sub_block=sub_block, salt_seed=seed, digests=b"".join(digests)
    )
    root = commit_root_of(
        round_.terms.job, round_.list.instance, peer, seed=seed, chunks=chunks, digests=digests
    )
    place = {"job": round_.terms.job, "microjob": 0, "instance": round_.instance, "sub_block": sub_block}
    record = ProcessedRecord(
        **place, chunks=len(chunks), root=root, elapsed_ms=5, vrf_key=round_.pens[peer].vrf_key
    )  # type: ignore[arg-type]
    signed = round_.pens[peer].sign(SignedKind.RECORD, record)
    held = Held(**place, member=peer, root=root, record=signed)  # type: ignore[arg-type]
    return round_.publisher.sign(SignedKind.HELD, held)


def miss_beacon(round_: Round, by: Sequence[PeerId]) -> None:
    """These have waited for the beacon in vain."""
    (sealing,) = round_.docket.sealed()
    missed = BeaconMissed(instance=round_.instance, round=1, r=sealing.r)
    for peer in by:
        round_.take(peer, SignedKind.BEACON_MISSED, missed)


def proven(round_: Round) -> bytes:
    """Take all steps of a round in which everybody is there and honest."""
    round_.seal()
    round_.reveal()
    round_.speak()
    round_.judge()
    round_.disclose()
    return round_.prove()


def proven_without_beacon(round_: Round) -> bytes:
    """The same where all have waited for the beacon in vain."""
    round_.seal()
    round_.reveal()
    miss_beacon(round_, round_.peers)
    round_.judge()
    round_.disclose()
    return round_.prove()


def disputed(worker: Output = false_output, checker: Output = output_of, **other: object) -> Round:
    """A round that ends with two digests of each chunk."""
    round_ = Round(policy=FULL, **other)  # type: ignore[arg-type]
    round_.seal(worker)
    round_.reveal()
    round_.speak()
    round_.judge(checker)
    round_.disclose()
    return round_


def proof_of(round_: Round, chunk: int) -> FraudProof:
    """The complete proof that the two digests of a chunk differ."""
    commit = findings.commit_with(round_.docket, chunk)
    given = (envelope for one in round_.docket.verdicts.values() for envelope in one.items())
    verdict = next(envelope for envelope, digests in given if chunk in digests)
    branch = [digest(input_of(one)) for one in round_.plan.chunks_of_microjob(0)]
    tree = manifest_tree(branches(round_.plan.chunks, round_.plan.chunks_per_sub_block))
    return FraudProof(
        network=NETWORK,
        job=round_.terms.entry,
        chunk=chunk,
        record=commit.record,
        opening=round_.docket.openings[commit.sub_block],
        verdict=verdict,
        branch=b"".join(branch),
        path=tree.path(0),
        input=input_of(chunk),
        founder=round_.list.list.founder,
        nonce=round_.list.list.nonce,
    )
