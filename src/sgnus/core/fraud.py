"""The proof of fraud: two signed digests of one chunk that cannot both be right, and what shows whose is the false one.

Decides whether a proof is one, and, given what the chunk's own run gives, who is guilty. It never convicts by a word that
was not signed about this very chunk of this very job: a worker's record names its job, and a verdict names its room,
whose name is the hash of job, microjob, founder and nonce. docs/protocol/verification.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from sgnus.core.docket import digests_of, opens
from sgnus.core.pen import Pen
from sgnus.core.plan import Plan
from sgnus.core.roster import instance_id
from sgnus.core.sealing import Commit, recorded
from sgnus.core.terms import Terms
from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.crypto.merkle import split_digests, verify_branch
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import FraudProof, ProcessedRecord, SignedKind, Verdict


@dataclass(frozen=True, slots=True)
class Charge:
    """What worker and checker signed of one chunk. `input_digest` is the hash of the chunk's input by the job's manifest,
    None where the proof does not show it.
    """

    microjob: int
    chunk: int
    worker: PeerId
    returned: bytes
    checker: PeerId
    judged: bytes
    input_digest: bytes | None


def check(pen: Pen, terms: Terms, plan: Plan | None, manifest: bytes, proof: FraudProof) -> Charge:
    """The charge, if the proof holds. PeerFault says why nobody can be convicted by it.

    `plan` is None where the job's own list of chunks is not at hand: the branch is not checked then.
    """
    if (proof.network, proof.job) != (terms.network, terms.entry):
        raise PeerFault("the proof is of another job, or of another network")
    commit = recorded(pen, terms, proof.record)
    microjob = pen.open(proof.record, SignedKind.RECORD, ProcessedRecord).microjob
    if proof.chunk not in commit.chunks:
        raise PeerFault("the record is not about the chunk")
    returned = _returned(terms, commit, proof)
    judged = _judged(pen, terms, microjob, proof)
    checker = PeerId(proof.verdict.author)
    if checker == commit.member:
        raise PeerFault("record and verdict are of the same peer, and nobody checks itself")
    if returned == judged:
        raise PeerFault("record and verdict agree")
    shown = _input_digest(plan, manifest, microjob, proof) if plan is not None else None
    return Charge(microjob, proof.chunk, commit.member, returned, checker, judged, shown)


def guilty(charge: Charge, right: bytes) -> tuple[PeerId, ...]:
    """Whose signature is false, when the chunk's own run gives the digest `right`: one of the two, or both."""
    return tuple(
        peer
        for peer, digest in ((charge.worker, charge.returned), (charge.checker, charge.judged))
        if digest != right
    )


def _returned(terms: Terms, commit: Commit, proof: FraudProof) -> bytes:
    opening = proof.opening
    if (opening.instance, opening.sub_block) != (commit.instance, commit.sub_block):
        raise PeerFault("the opening is of another record")
    if not opens(terms, commit, opening):
        raise PeerFault("the opening does not fit the record's root")
    first = (proof.chunk - commit.chunks.start) * DIGEST_BYTES
    return opening.digests[first : first + DIGEST_BYTES]


def _judged(pen: Pen, terms: Terms, microjob: int, proof: FraudProof) -> bytes:
    verdict = pen.open(proof.verdict, SignedKind.VERDICT, Verdict)
    if verdict.instance != instance_id(terms.job, microjob, PeerId(proof.founder), proof.nonce):
        raise PeerFault("the verdict is of a room of another job or microjob")
    digests = digests_of(verdict)
    if proof.chunk not in digests:
        raise PeerFault("the verdict is not about the chunk")
    return digests[proof.chunk]


def _input_digest(plan: Plan, manifest: bytes, microjob: int, proof: FraudProof) -> bytes | None:
    """The hash of the chunk's input; None if the proof came without its branch. GeometryFault for no such microjob."""
    if not proof.branch:
        return None
    chunks = plan.chunks_of_microjob(microjob)
    digests = split_digests(proof.branch, len(chunks))
    if not verify_branch(manifest, digests, microjob=microjob, microjobs=plan.microjobs, path=proof.path):
        raise PeerFault("branch and path do not lead to the job's manifest")
    return digests[proof.chunk - chunks.start]
