"""The publisher's part in a round: openings for the absent, and who is right when two differ. It is the beacon as well, unless
its job names another one (`beacon.py`).

It convicts nobody by its word: where worker and checker
differ it runs the chunk, and the proof holds both signatures. docs/protocol/verification.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sgnus.core import beacon, findings, receipt
from sgnus.core import effects as fx
from sgnus.core.beacon import Beacon
from sgnus.core.docket import Docket
from sgnus.core.findings import Mismatch
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import OPENING_MS, RECEIPT_MS, VERIFICATION_TICK_MS
from sgnus.messages.v1.types import Opening, SignedEnvelope, SignedKind


@dataclass(frozen=True, slots=True)
class Guilt:
    """Who signed a false digest of which chunk; `is_worker` says on which side of the room."""

    peer: PeerId
    chunk: int
    is_worker: bool
    verdict: SignedEnvelope


@dataclass(slots=True)
class Since:
    """Since when the round stands where it stands; `moved_ms`: when the last news of it came."""

    moved_ms: int
    judged_ms: int | None = None
    proven_ms: int | None = None
    receipt_ms: int | None = None


@dataclass(slots=True)
class Arbitration:
    """One round as the publisher sees it. `openings` are those of the results that it holds; `out` collects effects."""

    beacon: Beacon
    openings: dict[int, Opening]
    since: Since
    asked: tuple[int, ...] = ()
    receipt: bytes | None = None
    out: list[fx.Effect] = field(default_factory=list)

    @property
    def docket(self) -> Docket:
        return self.beacon.docket

    @property
    def microjob(self) -> int:
        return self.beacon.microjob

    def audience(self) -> tuple[PeerId, ...]:
        """All that follow the round."""
        return tuple(peer for peer in self.docket.seats() if peer != self.docket.terms.publisher)

    def wake_ms(self, now_ms: int) -> int:
        return now_ms + VERIFICATION_TICK_MS


def hear(own: Arbitration, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of a member, or of another beacon than us. Faults: PeerFault."""
    if beacon.hear(own.beacon, envelope, now_ms):
        own.since.moved_ms = now_ms
    advance(own, now_ms)


def advance(own: Arbitration, now_ms: int) -> None:
    """Everything that is due by now."""
    beacon.speak(own.beacon, now_ms)
    own.out += own.beacon.out
    own.beacon.out = []
    _open_for_absent(own, now_ms)
    _look_into(own)
    _prove(own, now_ms)


def take_receipt(own: Arbitration, data: bytes) -> bool:
    """A member brings the receipt; False if it is provisional, for want of a beacon. Faults: PeerFault."""
    if own.receipt is not None:
        return True
    proven, spoken = receipt.check(own.docket.pen, own.docket.terms, data), own.docket.spoken
    is_of_this = proven.sealing.proposal.instance == own.docket.round.instance
    if spoken is None and is_of_this:
        return True  # We were started again, and have not spoken yet: all the words come again, and hold as much.
    if spoken is None or proven.sealing.r != spoken.sealing.r:
        raise PeerFault("a receipt of another round than the one that it was brought for")
    if proven.has_beacon:
        own.receipt = data
    return proven.has_beacon


def convict(own: Arbitration, digests: Mapping[int, bytes]) -> list[Guilt]:
    """We ran these chunks ourselves: whose signatures are false? Each of the guilty once."""
    guilty: dict[PeerId, Guilt] = {}
    for mismatch in _mismatches(own):
        digest, verdict = digests.get(mismatch.chunk), _verdict_on(own, mismatch)
        if digest is None or verdict is None:
            continue
        is_worker = findings.opened(own.docket, mismatch.chunk) != digest
        if is_worker:
            worker = mismatch.commit.member
            guilty.setdefault(worker, Guilt(worker, mismatch.chunk, is_worker=True, verdict=verdict))
        if own.docket.judged_by(mismatch.checker)[mismatch.chunk] != digest:
            checker = mismatch.checker
            guilty.setdefault(checker, Guilt(checker, mismatch.chunk, is_worker=False, verdict=verdict))
    return list(guilty.values())


def _verdict_on(own: Arbitration, mismatch: Mismatch) -> SignedEnvelope | None:
    """The verdict that holds the checker's digest of this chunk."""
    given = own.docket.verdicts.get(mismatch.checker, {})
    return next((envelope for envelope, digests in given.items() if mismatch.chunk in digests), None)


def _open_for_absent(own: Arbitration, now_ms: int) -> None:
    """What we hold of members that do not open themselves (they are gone, or would rather not)."""
    docket = own.docket
    if not findings.is_judged(docket) or findings.is_open(docket):
        return
    if own.since.judged_ms is None:
        own.since.judged_ms = now_ms
    if now_ms - own.since.judged_ms < OPENING_MS:
        return
    for commit in docket.commits():
        opening = own.openings.get(commit.sub_block)
        if commit.sub_block not in docket.openings and opening is not None:
            envelope = docket.pen.sign(SignedKind.OPENING, opening)
            docket.take(envelope)
            own.out.append(fx.Send(own.audience(), envelope))


def _look_into(own: Arbitration) -> None:
    """Some differ: run a chunk of each pair that does ourselves."""
    pairs: dict[tuple[PeerId, PeerId], int] = {}
    for mismatch in _mismatches(own):
        pairs.setdefault((mismatch.commit.member, mismatch.checker), mismatch.chunk)
    chunks = tuple(sorted(dict.fromkeys(pairs.values())))
    if chunks and own.asked != chunks:
        own.asked = chunks
        terms = own.docket.terms
        own.out.append(fx.Reexecute(terms.job, own.microjob, own.docket.round.instance, chunks))


def _prove(own: Arbitration, now_ms: int) -> None:
    """Nobody brings the receipt: it follows from what we have as well."""
    spoken = own.docket.spoken
    if own.receipt is not None or spoken is None or spoken.envelope is None:
        return
    if not findings.is_proven(own.docket):
        return
    if own.since.proven_ms is None:
        own.since.proven_ms = now_ms
    if now_ms - own.since.proven_ms >= RECEIPT_MS:
        own.receipt = receipt.assemble(own.docket)


def _mismatches(own: Arbitration) -> list[Mismatch]:
    """Where two differ, once nobody can change what it said."""
    is_over = findings.is_judged(own.docket) and findings.is_open(own.docket)
    return findings.mismatches(own.docket) if is_over else []
