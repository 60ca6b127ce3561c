"""The publisher's part in a round: the beacon that comes last, openings for the absent, and who is right when two differ.

It speaks as beacon once a round, after it fixed the reveals. It convicts nobody by its word: where worker and checker
differ it runs the chunk, and the proof holds both signatures. DESIGN section 9, steps 5, 7 and 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sgnus.core import draw as draws
from sgnus.core import effects as fx
from sgnus.core import findings, receipt
from sgnus.core.docket import Docket
from sgnus.core.findings import Mismatch
from sgnus.core.sealing import Sealing, majority
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import OPENING_MS, RECEIPT_MS, REVEAL_MS, ROUND_MS_MAX, VERIFICATION_TICK_MS
from sgnus.messages.v1.types import BeaconOutput, Opening, SignedEnvelope, SignedKind
from sgnus.wire.codec import encode


@dataclass(frozen=True, slots=True)
class Guilt:
    """Who signed a false digest of which chunk; `is_worker` says on which side of the room."""

    peer: PeerId
    chunk: int
    is_worker: bool
    verdict: SignedEnvelope


@dataclass(slots=True)
class Since:
    """Since when the round stands where it stands."""

    revealed_ms: dict[bytes, int] = field(default_factory=dict)
    judged_ms: int | None = None
    proven_ms: int | None = None
    receipt_ms: int | None = None


@dataclass(slots=True)
class Arbitration:
    """One round as the publisher sees it. `openings` are those of the results that it holds, `spoken_before` is what it
    said as beacon before it was started again; `out` collects effects.
    """

    docket: Docket
    microjob: int
    born_ms: int
    openings: dict[int, Opening]
    spoken_before: SignedEnvelope | None = None
    since: Since = field(default_factory=Since)
    asked: tuple[int, ...] = ()
    receipt: bytes | None = None
    out: list[fx.Effect] = field(default_factory=list)

    def audience(self) -> tuple[PeerId, ...]:
        """All that follow the round."""
        return tuple(peer for peer in self.docket.seats() if peer != self.docket.terms.publisher)

    def sealers(self) -> int:
        """How many sealed any attempt."""
        return max((len(attempt.seals) for attempt in self.docket.attempts.values()), default=0)

    def is_late(self, now_ms: int) -> bool:
        """It came to no end."""
        return now_ms - self.born_ms >= ROUND_MS_MAX

    def wake_ms(self, now_ms: int) -> int:
        return now_ms + VERIFICATION_TICK_MS


def hear(own: Arbitration, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of a member. Who repeats itself lacks the beacon: say it again. Faults: PeerFault."""
    if own.docket.take(envelope):
        advance(own, now_ms)
    elif own.docket.spoken is not None and envelope.kind is SignedKind.REVEAL:
        own.out.append(fx.Send((PeerId(envelope.author),), own.docket.spoken.envelope))


def advance(own: Arbitration, now_ms: int) -> None:
    """Everything that is due by now."""
    _speak(own, now_ms)
    _open_for_absent(own, now_ms)
    _look_into(own)
    _prove(own, now_ms)


def take_receipt(own: Arbitration, data: bytes) -> None:
    """A member brings the receipt. Faults: PeerFault."""
    if own.receipt is not None:
        return
    proven, spoken = receipt.check(own.docket.pen, own.docket.terms, data), own.docket.spoken
    if spoken is None or proven.sealing.r != spoken.sealing.r:
        raise PeerFault("a receipt of another round than the one that it was brought for")
    own.receipt = data


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


def _speak(own: Arbitration, now_ms: int) -> None:
    """The beacon: over all reveals of a sealed attempt, or over those of more than half that came in time.

    Of several sealed attempts the first whose reveals suffice: a member may have shown us alone that it sealed another one.
    """
    docket = own.docket
    if docket.spoken is not None:
        return
    for sealing in docket.sealed():
        reveals = docket.reveals.get(sealing.r, {})
        if not reveals:
            continue
        since_ms = own.since.revealed_ms.setdefault(sealing.r, now_ms)
        is_enough = majority(len(reveals), len(sealing.members)) and now_ms - since_ms >= REVEAL_MS
        if len(reveals) < len(sealing.members) and not is_enough:
            continue
        envelope = own.spoken_before or docket.pen.sign(SignedKind.BEACON, _output(docket, sealing))
        key = f"{docket.terms.job}/{docket.round.instance}"
        own.out.append(fx.Persist("beacon", key, encode(envelope)))
        docket.take(envelope)
        own.out.append(fx.Send(own.audience(), envelope))
        return


def _output(docket: Docket, sealing: Sealing) -> BeaconOutput:
    reveals = docket.reveals[sealing.r]
    outputs = {peer: reveals[peer][1] for peer in sorted(reveals)}
    return BeaconOutput(
        instance=docket.round.instance,
        round=docket.round.number,
        reveals=tuple(reveals[peer][0] for peer in sorted(reveals)),
        proof=docket.pen.prove(draws.beacon_alpha(sealing.r, outputs)),
    )


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
    if own.receipt is not None or not findings.is_proven(own.docket):
        return
    if own.since.proven_ms is None:
        own.since.proven_ms = now_ms
    if now_ms - own.since.proven_ms >= RECEIPT_MS:
        own.receipt = receipt.assemble(own.docket)


def _mismatches(own: Arbitration) -> list[Mismatch]:
    """Where two differ, once nobody can change what it said."""
    is_over = findings.is_judged(own.docket) and findings.is_open(own.docket)
    return findings.mismatches(own.docket) if is_over else []
