"""What a receipt claims, as far as it can be found false: whose results, whose verdicts, and the digest of each chunk.

Decides nothing about the receipt itself (`receipt.py` does); given what chunks really give, it says who signed a
falsehood. It never blames anybody for a chunk that was not run. docs/protocol/settlement.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.core import effects as fx
from sgnus.core import receipt, roster
from sgnus.core.docket import digests_of
from sgnus.core.pen import Pen
from sgnus.core.terms import Terms
from sgnus.crypto.commits import commit_root_of
from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    Opening,
    ProcessedRecord,
    Receipt,
    Share,
    SignedEnvelope,
    SignedKind,
    Verdict,
)

SUBMISSIONS: Final = "submission"
"""Namespace of receipts on their way to the SGNUS node, by job/microjob/digest/node."""


@dataclass(frozen=True, slots=True)
class Work:
    """One sub-block's results: who made them, and what it signed and opened."""

    worker: PeerId
    chunks: range
    record: SignedEnvelope
    opening: Opening


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict."""

    checker: PeerId
    digests: Mapping[int, bytes]
    verdict: SignedEnvelope


@dataclass(frozen=True, slots=True)
class Claim:
    """A receipt that holds, taken apart. `digest` names it; `works` has one for each sub-block, in order; `dues` says how
    many chunks the draw had each checker run, however many its verdicts name. Without `has_beacon` nothing of it is sure
    before it was run again in full.
    """

    digest: bytes
    job: BlockId
    microjob: int
    instance: InstanceId
    founder: PeerId
    nonce: int
    works: tuple[Work, ...]
    checks: tuple[Check, ...]
    dues: Mapping[PeerId, int]
    has_beacon: bool = True

    @property
    def chunks(self) -> int:
        """How many it covers."""
        return sum(len(work.chunks) for work in self.works)

    def results(self) -> tuple[bytes, ...]:
        """The digests of each sub-block, end to end: two receipts with the same say the same."""
        return tuple(work.opening.digests for work in self.works)

    def shares(self) -> tuple[Share, ...]:
        """Who made and checked how many chunks, by peer."""
        made: dict[PeerId, int] = {}
        for work in self.works:
            made[work.worker] = made.get(work.worker, 0) + len(work.chunks)
        peers = sorted({**made, **self.dues})
        return tuple(
            Share(peer=peer, made=made.get(peer, 0), checked=self.dues.get(peer, 0)) for peer in peers
        )

    def holders(self) -> tuple[PeerId, ...]:
        """Who has read inputs of it, and may have them still."""
        return tuple(
            dict.fromkeys([*(work.worker for work in self.works), *(check.checker for check in self.checks)])
        )


def read(pen: Pen, terms: Terms, data: bytes) -> Claim:
    """What a receipt about a job of these terms claims. PeerFault if it does not hold."""
    proven = receipt.check(pen, terms, data)
    parts: Receipt = receipt.read(data)
    listing = roster.read(pen, proven.sealing.proposal.list).list
    works = tuple(
        Work(commit.member, commit.chunks, commit.record, parts.openings[commit.sub_block])
        for commit in proven.sealing.commits
    )
    checks = tuple(
        Check(PeerId(envelope.author), digests_of(pen.open(envelope, SignedKind.VERDICT, Verdict)), envelope)
        for envelope in parts.verdicts
    )
    return Claim(
        digest=proven.digest,
        job=terms.job,
        microjob=proven.microjob,
        instance=InstanceId(listing.instance),
        founder=PeerId(listing.founder),
        nonce=listing.nonce,
        works=works,
        checks=checks,
        dues={peer: len(chunks) for peer, chunks in proven.draw.dues.items()},
        has_beacon=proven.has_beacon,
    )


def submit(terms: Terms, microjob: int, data: bytes) -> list[fx.Effect]:
    """A receipt that we have in hands goes to the SGNUS node, if the job names one: first to our own disk."""
    if terms.settlement is None:
        return []
    # The name of the node is last: it is the publisher's word, and may be any text.
    key = f"{terms.job}/{microjob}/{receipt.digest_of(data).hex()}/{terms.settlement}"
    return [
        fx.Persist(SUBMISSIONS, key, data),
        fx.SubmitReceipt(terms.settlement, terms.job, key, data),
    ]


def is_false(claim: Claim, right: Mapping[int, bytes]) -> bool:
    """Whether a sub-block that was run again gave something else than the claim."""
    return any(claim.works[number].opening.digests != digests for number, digests in right.items())


def accusations(pen: Pen, claim: Claim, right: Mapping[int, bytes]) -> Iterator[fx.Accuse]:
    """Of whoever signed a digest that the chunk's own run does not give, once each, with what convicts it: the false
    signature against one of ours. `right` are the digests of sub-blocks that we ran again.
    """
    accused: dict[PeerId, None] = {}
    for number, digests in sorted(right.items()):
        work = claim.works[number]
        for chunk, digest in zip(work.chunks, _split(digests), strict=True):
            returned = work.opening.digests[_span(chunk - work.chunks.start)]
            if returned != digest and work.worker not in (*accused, pen.peer):
                accused[work.worker] = None
                said = Verdict(instance=claim.instance, round=1, chunks=(chunk,), digests=digest)
                verdict = pen.sign(SignedKind.VERDICT, said)
                yield _accuse(claim, work.worker, chunk, proof=(work.record, work.opening, verdict))
            for check in claim.checks:
                is_right = check.digests.get(chunk, digest) == digest
                if not is_right and check.checker not in (*accused, pen.peer):
                    accused[check.checker] = None
                    record, opening = _record(pen, claim, number, digests)
                    yield _accuse(claim, check.checker, chunk, proof=(record, opening, check.verdict))


def _accuse(
    claim: Claim, accused: PeerId, chunk: int, *, proof: tuple[SignedEnvelope, Opening, SignedEnvelope]
) -> fx.Accuse:
    """`proof`: a worker's record and what it hid, and a checker's verdict."""
    record, opening, verdict = proof
    return fx.Accuse(
        job=claim.job,
        microjob=claim.microjob,
        accused=accused,
        chunk=chunk,
        record=record,
        opening=opening,
        verdict=verdict,
        founder=claim.founder,
        nonce=claim.nonce,
    )


def _record(pen: Pen, claim: Claim, number: int, digests: bytes) -> tuple[SignedEnvelope, Opening]:
    """What we would have signed as the worker of a sub-block: a false verdict contradicts it. Its salt hides nothing."""
    chunks = claim.works[number].chunks
    seed = hashlib.sha256(b"sgnus/v1/audit-salt\0" + claim.digest + bytes([number])).digest()
    opening = Opening(instance=claim.instance, sub_block=number, salt_seed=seed, digests=digests)
    root = commit_root_of(
        claim.job, claim.instance, pen.peer, seed=seed, chunks=chunks, digests=_split(digests)
    )
    said = ProcessedRecord(
        vrf_key=pen.vrf_key,
        job=claim.job,
        microjob=claim.microjob,
        instance=claim.instance,
        sub_block=number,
        chunks=len(chunks),
        root=root,
        elapsed_ms=0,
    )
    return pen.sign(SignedKind.RECORD, said), opening


def _split(digests: bytes) -> Sequence[bytes]:
    return [digests[start : start + DIGEST_BYTES] for start in range(0, len(digests), DIGEST_BYTES)]


def _span(number: int) -> slice:
    return slice(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES)
