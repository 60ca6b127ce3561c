"""What the draw of a round rests on: the reveals, and the beacon that comes last, or the word of more than half that none came.

A beacon speaks once a round, over the reveals of more than half. Without one, only the reveals of all sealed members make a
draw, and only until the beacon speaks or somebody opened its results: a draw must not change once results are shown.
docs/protocol/verification.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sgnus.core import draw as draws
from sgnus.core.sealing import Sealing, majority
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import BeaconMissed, BeaconOutput, Reveal, SignedEnvelope, SignedKind

if TYPE_CHECKING:
    from sgnus.core.docket import Docket

Revealed = dict[PeerId, tuple[SignedEnvelope, bytes]]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the draw is made of, checked: for which sealing, over whose outputs. `envelope` is the beacon's word, None if
    it was missed.
    """

    envelope: SignedEnvelope | None
    sealing: Sealing
    seed: bytes
    revealed: tuple[PeerId, ...]


@dataclass(slots=True)
class Lot:
    """Reveals with their outputs, and who missed the beacon, both by R."""

    reveals: dict[bytes, Revealed] = field(default_factory=dict)
    missed: dict[bytes, dict[PeerId, SignedEnvelope]] = field(default_factory=dict)
    spoken: Spoken | None = None

    def outputs(self, r: bytes) -> dict[PeerId, bytes]:
        """The VRF outputs that were revealed for R."""
        revealed = self.reveals.get(r, {})
        return {peer: revealed[peer][1] for peer in sorted(revealed)}

    def words(self, r: bytes) -> list[SignedEnvelope]:
        """The reveals for R, and who missed its beacon, in their authors' words."""
        revealed = [envelope for envelope, _output in self.reveals.get(r, {}).values()]
        return [*revealed, *self.missed.get(r, {}).values()]


def is_final(docket: Docket) -> bool:
    """Whether no word of the beacon changes the draw any more: it spoke, or, where it was missed, results are shown."""
    spoken = docket.lot.spoken
    return spoken is not None and (spoken.envelope is not None or bool(docket.openings))


# ---- adding; PeerFault for what cannot be, False for what is known already or cannot be told yet
def add_reveal(docket: Docket, envelope: SignedEnvelope) -> bool:
    """A member's output for an R."""
    reveal = docket.pen.open(envelope, SignedKind.REVEAL, Reveal)
    sealing, author = docket.with_r(reveal.r), PeerId(envelope.author)
    if sealing is None or not docket.round.names(reveal) or author in docket.lot.reveals.get(reveal.r, {}):
        return False
    output = _output(docket, sealing, author, reveal)
    docket.lot.reveals.setdefault(reveal.r, {})[author] = (envelope, output)
    return True


def add_beacon(docket: Docket, envelope: SignedEnvelope) -> bool:
    """The beacon speaks once a round: its reveals say for which R. It may still come when it was missed already."""
    output = docket.pen.open(envelope, SignedKind.BEACON, BeaconOutput)
    if is_final(docket) or not docket.round.names(output):
        return False
    if envelope.author != docket.terms.beacon:
        raise PeerFault("a beacon that the job does not name")
    reveals = [docket.pen.open(one, SignedKind.REVEAL, Reveal) for one in output.reveals]
    if not reveals or any(reveal.r != reveals[0].r for reveal in reveals):
        raise PeerFault("a beacon over reveals of different seals, or of none")
    sealing = docket.with_r(reveals[0].r)
    if sealing is None:
        return False
    outputs = _outputs(docket, sealing, output, reveals)
    alpha = draws.beacon_alpha(sealing.r, outputs)
    beacon = docket.pen.check_proof(docket.terms.beacon_key, alpha, output.proof)
    if beacon is None:
        raise PeerFault("a beacon whose proof is wrong")
    seed = draws.seed_of(sealing.r, outputs, beacon)
    docket.lot.spoken = Spoken(envelope, sealing, seed, tuple(sorted(outputs)))
    return True


def add_missed(docket: Docket, envelope: SignedEnvelope) -> bool:
    """A sealed member says that the beacon did not speak in time."""
    said = docket.pen.open(envelope, SignedKind.BEACON_MISSED, BeaconMissed)
    author, sealing = PeerId(envelope.author), docket.with_r(said.r)
    by = docket.lot.missed.get(said.r, {})
    if sealing is None or not docket.round.names(said) or author in by:
        return False
    if author not in sealing.members:
        raise PeerFault("a beacon was missed by a peer that is not drawn from")
    docket.lot.missed.setdefault(said.r, {})[author] = envelope
    return True


def conclude(docket: Docket) -> None:
    """Draw without a beacon, where all have revealed and more than half missed it."""
    if docket.lot.spoken is not None:
        return
    for sealing in docket.sealed():
        outputs = docket.lot.outputs(sealing.r)
        by = docket.lot.missed.get(sealing.r, {})
        if len(outputs) == len(sealing.members) and majority(len(by), len(sealing.members)):
            seed = draws.seed_of(sealing.r, outputs, b"")
            docket.lot.spoken = Spoken(None, sealing, seed, tuple(sorted(outputs)))
            return


def _output(docket: Docket, sealing: Sealing, author: PeerId, reveal: Reveal) -> bytes:
    output = docket.pen.check_proof(sealing.key_of(author), sealing.r, reveal.proof)
    if output is None:
        raise PeerFault("a reveal whose proof is wrong")
    return output


def _outputs(
    docket: Docket, sealing: Sealing, output: BeaconOutput, reveals: Sequence[Reveal]
) -> dict[PeerId, bytes]:
    outputs: dict[PeerId, bytes] = {}
    for envelope, reveal in zip(output.reveals, reveals, strict=True):
        author = PeerId(envelope.author)
        if author in outputs or not docket.round.names(reveal):
            raise PeerFault("a beacon over a reveal of another room, or over one twice")
        outputs[author] = _output(docket, sealing, author, reveal)
    if 2 * len(outputs) <= len(sealing.members):
        raise PeerFault("a beacon over the reveals of half of the members or fewer")
    return outputs
