"""Members and publisher of one round around a table: words travel by mail, time passes in steps, anybody may be muted."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from sgnus.core import arbiter, proving, receipt
from sgnus.core import beacon as beacons
from sgnus.core import effects as fx
from sgnus.core.arbiter import Arbitration, Guilt, Since
from sgnus.core.beacon import Beacon
from sgnus.core.docket import Docket, RoundId
from sgnus.core.receipt import Proven
from sgnus.core.verification import Basis, Moments, Verification
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import REPEAT_MS
from sgnus.messages.v1.types import ReceiptGiven, SignedEnvelope, SignedKind
from tests.round_support import Output, Round, output_of

STEP_MS: Final = 100
VERDICT_MS: Final = 4_000
Mute = Callable[[PeerId, SignedKind], bool]


class Table:
    """`mute` says whose words of which kind never leave; `runs` what somebody makes of a chunk when it checks (None: it
    never does); `beacon` is the one that the job names, if it is not the publisher.
    """

    def __init__(
        self,
        of: Round,
        mute: Mute = lambda _peer, _kind: False,
        dice: random.Random | None = None,
        beacon: Beacon | None = None,
    ) -> None:
        self.round = of
        self.now_ms = 0
        self.mute = mute
        self.runs: dict[PeerId, Output | None] = {}
        self.said: list[tuple[PeerId, SignedEnvelope]] = []
        self.guilty: list[Guilt] = []
        self._dice = dice
        self._mail: list[tuple[PeerId, PeerId, object]] = []
        self.members = {peer: self._member(peer) for peer in of.peers}
        docket = Docket(of.publisher, of.terms, RoundId(of.list.instance))
        self.aside: dict[PeerId, Arbitration | Beacon] = {
            self.publisher: Arbitration(Beacon(docket, 0, 0), of.openings, Since(0))
        }
        if beacon is not None:
            self.aside[beacon.docket.pen.peer] = beacon

    @property
    def court(self) -> Arbitration:
        """The publisher's part."""
        part = self.aside[self.publisher]
        assert isinstance(part, Arbitration)
        return part

    @property
    def publisher(self) -> PeerId:
        return self.round.publisher.peer

    def sit(self, until_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass, and all mail with it."""
        while self.now_ms < until_ms and not until():
            for peer, member in self.members.items():
                proving.tick(member, self.now_ms)
                self._collect(peer, member)
            for peer, part in self.aside.items():
                if isinstance(part, Beacon):
                    beacons.tick(part, self.now_ms)
                else:
                    arbiter.advance(part, self.now_ms)
                self._collect(peer, part)
            self._deliver()
            self.now_ms += STEP_MS
        return until()

    def proven(self, until_ms: int = 60_000) -> Proven:
        """What the receipt proves that the publisher ends with; AssertionError if there is none by then."""
        assert self.sit(until_ms, lambda: self.court.receipt is not None), "no receipt"
        assert self.court.receipt is not None
        return receipt.check(self.round.publisher, self.round.terms, self.court.receipt)

    def kinds(self, peer: PeerId) -> list[SignedKind]:
        """What a member said, in order, each word once."""
        return [envelope.kind for who, envelope in dict.fromkeys(self.said) if who == peer]

    def put(self, sender: PeerId, envelope: SignedEnvelope) -> None:
        """A word from outside, to everybody."""
        self._mail += [(sender, peer, envelope) for peer in self.members]

    def tell(self, peer: PeerId, envelope: SignedEnvelope) -> None:
        """A word to one of them alone, now."""
        self._hand(peer, envelope)

    def _member(self, peer: PeerId) -> Verification:
        of = self.round
        docket = Docket(of.pens[peer], of.terms, RoundId(of.list.instance))
        held = tuple(of.held)
        own = {
            (InstanceId(opening.instance), number): opening
            for number, opening in of.openings.items()
            if of.peers[number % len(of.peers)] == peer
        }
        first = 0 if peer == of.peers[0] else 1_000 * (1 + of.peers.index(peer))
        moments = Moments(born_ms=0, moved_ms=0, propose_ms=first, repeat_ms=REPEAT_MS, wake_ms=0)
        return Verification(docket, 0, moments, VERDICT_MS, Basis.of(docket.pen, of.list.envelope, held), own)

    def _collect(self, peer: PeerId, part: Verification | Arbitration | Beacon) -> None:
        effects, part.out = part.out, []
        for effect in effects:
            if isinstance(effect, fx.Send):
                self._post(peer, effect)
            elif isinstance(effect, fx.Reexecute):
                self._run(peer, effect)

    def _post(self, sender: PeerId, effect: fx.Send) -> None:
        message = effect.message
        if isinstance(message, SignedEnvelope):
            if self.mute(sender, message.kind):
                return
            self.said.append((sender, message))
        self._mail += [(sender, peer, message) for peer in effect.peers]

    def _run(self, peer: PeerId, effect: fx.Reexecute) -> None:
        runs = self.runs.get(peer, output_of)
        if runs is None:
            return
        digests = {chunk: digest(runs(chunk)) for chunk in effect.chunks}
        if peer == self.publisher:
            self.guilty += arbiter.convict(self.court, digests)
            return
        member = self.members[peer]
        proving.examined(member, effect.chunks, b"".join(digests.values()), self.now_ms)
        self._collect(peer, member)

    def _deliver(self) -> None:
        while self._mail:
            mail, self._mail = self._mail, []
            if self._dice is not None:
                mail += self._dice.sample(mail, len(mail) // 3)
                self._dice.shuffle(mail)
            for _sender, peer, message in mail:
                self._hand(peer, message)

    def _hand(self, peer: PeerId, message: object) -> None:
        part = self.aside.get(peer) or self.members.get(peer)
        if part is None:
            return  # A stranger that somebody's proposal seats.
        try:
            if isinstance(message, ReceiptGiven):
                arbiter.take_receipt(self.court, message.receipt)
            elif isinstance(message, SignedEnvelope) and isinstance(part, Verification):
                proving.hear(part, message, self.now_ms)
            elif isinstance(message, SignedEnvelope) and isinstance(part, Beacon):
                beacons.hear(part, message, self.now_ms)
            elif isinstance(message, SignedEnvelope):
                arbiter.hear(self.court, message, self.now_ms)
        except PeerFault:
            pass  # The word does not count.
        self._collect(peer, part)
