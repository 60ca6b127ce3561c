"""The receipt: everything that a round signed, in canonical bytes, and its check by whoever has nothing else.

Decides whether a microjob is complete and verified. Each part that it holds is needed, each in one place and order, so
that no byte can be altered, left out or added. docs/protocol/verification.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.core import findings
from sgnus.core.docket import Docket, RoundId, sealed_as
from sgnus.core.draw import Draw
from sgnus.core.lot import Spoken
from sgnus.core.pen import Pen
from sgnus.core.sealing import Sealing
from sgnus.core.terms import Terms
from sgnus.crypto.digests import sha256
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import RECEIPT_BYTES_MAX
from sgnus.messages.v1.types import Held, Proposal, Receipt, SignedEnvelope, SignedKind
from sgnus.wire.codec import decode, encode

_NETWORK: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Proven:
    """What a receipt proves. `digest` names it. Without `has_beacon` it is provisional: whoever revealed last knew the draw
    before it was made, so all chunks must be audited.
    """

    digest: bytes
    microjob: int
    sealing: Sealing
    draw: Draw
    has_beacon: bool = True


def assemble(docket: Docket) -> bytes:
    """The receipt of a proven round. OurFault before it is."""
    spoken, dealt = docket.spoken, findings.drawn(docket)
    attempt = sealed_as(docket, spoken.sealing.r) if spoken is not None else None
    if spoken is None or dealt is None or attempt is None or not findings.is_proven(docket):
        raise OurFault("a receipt was asked for before the round was proven")
    return encode(
        Receipt(
            network=docket.terms.network,
            job=docket.terms.entry,
            microjob=attempt.sealing.proposal.microjob,
            proposal=attempt.sealing.envelope,
            seals=_by_author(list(attempt.seals.values())),
            beacon=spoken.envelope,
            reveals=() if spoken.envelope else _by_author(_revealed(docket, spoken)),
            missed=() if spoken.envelope else _majority(docket.lot.missed[spoken.sealing.r], spoken),
            suspicions=tuple(
                envelope
                for silent in sorted(dealt.skipped)
                for envelope in _enough(docket, silent, spoken.sealing.members)
            ),
            verdicts=tuple(envelope for peer in sorted(dealt.dues) for envelope in _due(docket, dealt, peer)),
            openings=tuple(docket.openings[number] for number in sorted(docket.openings)),
        )
    )


def _enough(docket: Docket, silent: PeerId, members: Sequence[PeerId]) -> list[SignedEnvelope]:
    """As many suspicions of members as make more than half of the others, and no more."""
    by = docket.suspicions[silent]
    authors = [author for author in sorted(by) if author in members]
    return [by[author] for author in authors[: (len(members) - 1) // 2 + 1]]


def _revealed(docket: Docket, spoken: Spoken) -> list[SignedEnvelope]:
    revealed = docket.lot.reveals[spoken.sealing.r]
    return [revealed[peer][0] for peer in spoken.revealed]


def _majority(by: Mapping[PeerId, SignedEnvelope], spoken: Spoken) -> tuple[SignedEnvelope, ...]:
    """As many as make more than half, and no more."""
    return tuple(by[author] for author in sorted(by)[: len(spoken.sealing.members) // 2 + 1])


def _due(docket: Docket, dealt: Draw, peer: PeerId) -> list[SignedEnvelope]:
    """The verdicts of a checker that say what it was to check, by their first chunk. Of several that hold a chunk, as no honest
    checker signs, the first in this order stands for it: so there is one choice, and it chooses the same of itself.
    """
    given = docket.verdicts[peer]
    order = sorted(given, key=lambda word: (min(given[word]), docket.pen.digest(word)))
    chosen: dict[SignedEnvelope, None] = {}
    for chunk in dealt.dues[peer]:
        if not any(chunk in given[word] for word in chosen):
            chosen[next(word for word in order if chunk in given[word])] = None
    return [word for word in order if word in chosen]


def digest_of(data: bytes) -> bytes:
    """What names a receipt: sha256 of its bytes."""
    return sha256(data)


def read(data: bytes) -> Receipt:
    """The receipt's parts, unchecked but canonical. PeerFault for any other bytes."""
    if len(data) > RECEIPT_BYTES_MAX:
        raise PeerFault(f"a receipt of {len(data)} bytes; at most {RECEIPT_BYTES_MAX} are allowed")
    try:
        receipt = decode(Receipt, data)
    except PeerFault as fault:
        raise PeerFault(f"these bytes are no receipt: {fault}") from fault
    # A network's id is what signatures are over, and its hexadecimal could be written in capitals as well.
    if encode(receipt) != data or not _NETWORK.fullmatch(receipt.network):
        raise PeerFault("the receipt is not in canonical form")
    return receipt


def participants(data: bytes) -> tuple[PeerId, ...]:
    """Who worked or verified in a receipt that was checked before, each once. PeerFault for bytes that are none."""
    whole = read(data)
    held = decode(Proposal, whole.proposal.payload).held
    workers = [PeerId(decode(Held, envelope.payload).member) for envelope in held]
    return tuple(dict.fromkeys([*workers, *(PeerId(one.author) for one in whole.verdicts)]))


def check(pen: Pen, terms: Terms, data: bytes) -> Proven:
    """What the receipt proves about a job of these terms. PeerFault says what is wrong with it."""
    receipt = read(data)
    if (receipt.network, receipt.job) != (terms.network, terms.entry):
        raise PeerFault("the receipt is of another job, or of another network")
    proposal = pen.open(receipt.proposal, SignedKind.PROPOSAL, Proposal)
    docket = Docket(pen, terms, RoundId(InstanceId(proposal.instance), proposal.round))
    _add(docket, [receipt.proposal], "proposal")
    _add(docket, receipt.seals, "seal")
    if not docket.sealed() or receipt.seals != _by_author(receipt.seals):
        raise PeerFault("the receipt's seals are not those of all members, in their order")
    _add(docket, [receipt.beacon] if receipt.beacon else receipt.reveals, "beacon or reveal")
    _add(docket, receipt.missed, "word of a missed beacon")
    _add(docket, receipt.suspicions, "suspicion")
    _add(docket, receipt.verdicts, "verdict")
    for number, opening in enumerate(receipt.openings):
        if opening.sub_block != number or not docket.add_opening(opening):
            raise PeerFault("the receipt's openings are not those of its sub-blocks, in their order")
    return _proven(docket, receipt, data)


def _proven(docket: Docket, receipt: Receipt, data: bytes) -> Proven:
    dealt, spoken = findings.drawn(docket), docket.spoken
    if spoken is None:
        raise PeerFault("the receipt has neither a beacon nor the word of more than half that none spoke")
    if dealt is None or receipt.microjob != spoken.sealing.proposal.microjob:
        raise PeerFault("the receipt names another microjob than its proposal")
    if not findings.is_judged(docket):
        raise PeerFault("a sample has no verdict by the member that the draw names")
    if not findings.is_open(docket):
        raise PeerFault("not all commits are opened")
    differing = findings.mismatches(docket)
    if differing:
        raise PeerFault(f"worker and verifier differ on chunk {differing[0].chunk}")
    if assemble(docket) != data:
        raise PeerFault("the receipt holds more than it needs, or in another order")
    has_beacon = spoken.envelope is not None
    return Proven(digest_of(data), receipt.microjob, spoken.sealing, dealt, has_beacon)


def _add(docket: Docket, envelopes: Sequence[SignedEnvelope], what: str) -> None:
    for envelope in envelopes:
        if not docket.take(envelope):
            raise PeerFault(f"a {what} of the receipt does not belong to its round, or stands twice")


def _by_author(envelopes: Sequence[SignedEnvelope]) -> tuple[SignedEnvelope, ...]:
    return tuple(sorted(envelopes, key=lambda envelope: envelope.author))
