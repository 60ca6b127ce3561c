"""The beacon's part in a round: it fixes the reveals that count, and adds the number that comes last and cannot be withheld
by any member. It speaks once a round, and says the same after a restart.

The publisher is its job's beacon, or the SGNUS node that the job names: a node without seat and vote in the room.
docs/protocol/verification.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core import draw as draws
from sgnus.core import effects as fx
from sgnus.core.docket import Docket
from sgnus.core.lot import is_final
from sgnus.core.sealing import Sealing, majority
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import REPEAT_MS, REVEAL_MS, ROUND_MS_MAX, VERIFICATION_TICK_MS
from sgnus.messages.v1.types import BeaconOutput, SignedEnvelope, SignedKind
from sgnus.wire.codec import encode


@dataclass(slots=True)
class Beacon:
    """One round as its beacon follows it. `before` is what it said before it was started again; `since_ms` when the first
    reveal of an R came, `repeat_ms` from when we say it again to whom; `out` collects effects.
    """

    docket: Docket
    microjob: int
    born_ms: int
    before: SignedEnvelope | None = None
    since_ms: dict[bytes, int] = field(default_factory=dict)
    repeat_ms: dict[PeerId, int] = field(default_factory=dict)
    wake_ms: int = 0
    out: list[fx.Effect] = field(default_factory=list)

    def audience(self) -> tuple[PeerId, ...]:
        """All that follow the round but ourselves."""
        peers = [*self.docket.seats(), self.docket.terms.publisher]
        return tuple(peer for peer in dict.fromkeys(peers) if peer != self.docket.pen.peer)

    def is_late(self, now_ms: int) -> bool:
        """Nobody waits for it any more."""
        return now_ms - self.born_ms >= ROUND_MS_MAX


def hear(own: Beacon, envelope: SignedEnvelope, now_ms: int) -> bool:
    """A signed word of a member; whether it was news. Who repeats itself lacks the beacon: say it again. Faults: PeerFault."""
    is_news = own.docket.take(envelope)
    if is_news:
        speak(own, now_ms)
    elif own.docket.spoken is not None and envelope.kind is SignedKind.REVEAL:
        _repeat(own, PeerId(envelope.author), now_ms)
    return is_news


def _repeat(own: Beacon, peer: PeerId, now_ms: int) -> None:
    """A member lacks our word, as far as its own says; others bring that as well, so it is answered once in a while."""
    again = own.docket.spoken.envelope if own.docket.spoken is not None else None
    if again is None or peer not in own.audience() or now_ms < own.repeat_ms.get(peer, now_ms):
        return
    own.repeat_ms[peer] = now_ms + REPEAT_MS
    own.out.append(fx.Send((peer,), again))


def tick(own: Beacon, now_ms: int) -> None:
    """Time passed."""
    own.wake_ms = now_ms + VERIFICATION_TICK_MS
    speak(own, now_ms)


def speak(own: Beacon, now_ms: int) -> None:
    """Over all reveals of a sealed attempt, or over those of more than half that came in time.

    Also when it was missed meanwhile, as long as nothing is opened: it may have been away for a moment.
    Of several sealed attempts the first whose reveals suffice: a member may have shown us alone that it sealed another one.
    """
    docket = own.docket
    if docket.terms.beacon != docket.pen.peer or is_final(docket):
        return
    for sealing in docket.sealed():
        if not _is_due(own, sealing, now_ms):
            continue
        envelope = own.before or docket.pen.sign(SignedKind.BEACON, _output(docket, sealing))
        key = f"{docket.terms.job}/{docket.round.instance}"
        own.out.append(fx.Persist("beacon", key, encode(envelope)))
        docket.take(envelope)
        own.out.append(fx.Send(own.audience(), envelope))
        return


def _is_due(own: Beacon, sealing: Sealing, now_ms: int) -> bool:
    revealed, members = len(own.docket.lot.reveals.get(sealing.r, {})), len(sealing.members)
    if not revealed:
        return False
    since_ms = own.since_ms.setdefault(sealing.r, now_ms)
    is_enough = majority(revealed, members) and now_ms - since_ms >= REVEAL_MS
    return revealed == members or is_enough


def _output(docket: Docket, sealing: Sealing) -> BeaconOutput:
    reveals = docket.lot.reveals[sealing.r]
    return BeaconOutput(
        instance=docket.round.instance,
        round=docket.round.number,
        reveals=tuple(reveals[peer][0] for peer in sorted(reveals)),
        proof=docket.pen.prove(draws.beacon_alpha(sealing.r, docket.lot.outputs(sealing.r))),
    )
