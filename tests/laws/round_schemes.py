"""What corrupt peers try in a round of verification, all of it rightly signed by them unless it is somebody else's word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from sgnus.core import draw as draws
from sgnus.core import inputs as ins
from sgnus.core import receipt as receipts
from sgnus.core.docket import Docket
from sgnus.core.node import NodeCore
from sgnus.core.sealing import Sealing
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    BeaconMissed,
    BeaconOutput,
    Leave,
    Proposal,
    ReceiptGiven,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    Verdict,
)
from tests.laws.corrupt import Schemer
from tests.laws.round_grid import RoundGrid
from tests.laws.small_grid import JOB, false, right

OWN_NONCE = 100


class Saboteur:
    """One corrupt peer, with all that it overheard."""

    def __init__(self, grid: RoundGrid, me: PeerId, dice: Random) -> None:
        self.grid = grid
        self.me = me
        self.pen = grid.pens[me]
        self.dice = dice

    def invent(self, core: NodeCore) -> ins.Input | None:
        """Anything at all."""
        return Schemer(self.grid, self.me, self.dice).invent(core)

    def repeat(self, core: NodeCore) -> ins.Input | None:
        """Somebody's message, of whichever round."""
        return Schemer(self.grid, self.me, self.dice).repeat(core)

    def propose(self, core: NodeCore) -> ins.Input:
        """The room's results under its own list, or under one that seats a friend; with and without suspicions and leaves. Or
        those that it had at first, of which some may have been taken back.
        """
        instance, listed = self.grid.list.instance, self.grid.list
        if not self.dice.randrange(3):
            friends = (*self.grid.shape.corrupt, *self.grid.workers[: self.dice.randrange(3)])
            listed = self.grid.founded(list(dict.fromkeys(friends)), OWN_NONCE + self.dice.randrange(2))
            instance = listed.instance
        envelope = listed.envelope
        if not self.dice.randrange(4):
            own = replace(listed.list, epoch=2, sequence=2, previous=listed.digest)
            envelope = self.pen.sign(SignedKind.LIST, own)
        leave = self.pen.sign(SignedKind.LEAVE, Leave(instance=instance))
        held = self.grid.first if self.dice.randrange(3) == 0 else self.grid.held
        proposal = Proposal(
            job=JOB,
            microjob=0,
            instance=instance,
            round=1 + self._seldom(),
            attempt=self.dice.choice((0, 1, 60, *_attempts(self, core))),
            list=envelope,
            held=held[: len(held) - self._seldom()],
            leaves=(leave,) * self._seldom(),
            suspicions=tuple(_suspicions(self, instance)),
        )
        return self._say(SignedKind.PROPOSAL, proposal)

    def seal(self, core: NodeCore) -> ins.Input | None:
        """An R of one of the attempts, or another one."""
        sealing = _sealing(self, core)
        if sealing is None:
            return None
        r = bytes(32) if self._seldom() else sealing.r
        said = sealing.proposal
        return self._say(
            SignedKind.SEAL, Seal(instance=said.instance, round=1, attempt=said.attempt + self._seldom(), r=r)
        )

    def reveal(self, core: NodeCore) -> ins.Input | None:
        """Our output for an R, or something that is none."""
        sealing = _sealing(self, core)
        if sealing is None:
            return None
        proof = bytes(64) if self._seldom() else self.pen.prove(sealing.r)
        said = Reveal(instance=sealing.proposal.instance, round=1, r=sealing.r, proof=proof)
        return self._say(SignedKind.REVEAL, said)

    def speak(self, core: NodeCore) -> ins.Input | None:
        """As if we were the beacon, over reveals that are real."""
        docket = _docket(self, core)
        sealing = _sealing(self, core)
        if docket is None or sealing is None:
            return None
        reveals = docket.lot.reveals.get(sealing.r, {})
        outputs = docket.lot.outputs(sealing.r)
        output = BeaconOutput(
            instance=sealing.proposal.instance,
            round=1,
            reveals=tuple(reveals[peer][0] for peer in sorted(reveals)),
            proof=self.pen.prove(draws.beacon_alpha(sealing.r, outputs)),
        )
        return self._say(SignedKind.BEACON, output)

    def miss(self, core: NodeCore) -> ins.Input | None:
        """Say that no beacon spoke."""
        sealing = _sealing(self, core)
        if sealing is None:
            return None
        missed = BeaconMissed(instance=sealing.proposal.instance, round=1, r=sealing.r)
        return self._say(SignedKind.BEACON_MISSED, missed)

    def suspect(self, _core: NodeCore) -> ins.Input:
        """Anybody."""
        silent = self.dice.choice([*self.grid.workers, *self.grid.shape.corrupt, self.grid.shape.publisher])
        said = Suspicion(instance=self.grid.list.instance, round=1, attempt=0, silent=silent)
        return self._say(SignedKind.SUSPICION, said)

    def judge(self, core: NodeCore) -> ins.Input:
        """A verdict on some chunks: the truth, or not; whether we were drawn or not."""
        chunks = [number for number in range(self.grid.shape.sub_blocks) if self.dice.randrange(3)]
        if not self.dice.randrange(3):
            chunks = list(range(self.grid.shape.sub_blocks))
        digests = [self.dice.choice((right, right, false))(chunk) for chunk in chunks]
        docket = _docket(self, core)
        instance = docket.round.instance if docket is not None else self.grid.list.instance
        verdict = Verdict(instance=instance, round=1, chunks=tuple(chunks), digests=b"".join(digests))
        self.grid.said.heard(verdict)
        return self._say(SignedKind.VERDICT, verdict)

    def open(self, _core: NodeCore) -> ins.Input:
        """Our own commit, early; or something that was never committed to."""
        number = self.dice.choice(_own(self))
        opening = self.grid.openings[number]
        if self._seldom():
            opening = replace(opening, digests=right(number))
        if self._seldom():
            opening = replace(opening, sub_block=(number + 1) % self.grid.shape.sub_blocks)
        return self._say(SignedKind.OPENING, opening)

    def bring(self, core: NodeCore) -> ins.Input | None:
        """A receipt: what follows from somebody's evidence, or bytes that are none."""
        data, docket = b"no receipt", _docket(self, core)
        if docket is not None and receipts.findings.is_proven(docket) and self.dice.randrange(4):
            data = receipts.assemble(docket)
        given = ReceiptGiven(instance=self.grid.list.instance, receipt=data)
        return ins.PeerSaid(self.me, given)

    # ---- what it knows
    def _say(self, kind: SignedKind, message: Message) -> ins.Input:
        envelope = self.pen.sign(kind, message)
        self.grid.overheard.signed.append(envelope)
        return ins.PeerSaid(self.me, envelope)

    def _seldom(self) -> int:
        return int(not self.dice.randrange(8))

    def _signed(self, kind: SignedKind) -> Sequence[SignedEnvelope]:
        return list(dict.fromkeys(one for one in self.grid.overheard.signed if one.kind is kind))


def _attempts(by: Saboteur, core: NodeCore) -> list[int]:
    """The numbers that are taken: another R under one of them would be a second one."""
    docket = _docket(by, core)
    return [number for number, _by in docket.attempts] * 2 if docket is not None else []


def _suspicions(by: Saboteur, instance: str) -> Sequence[SignedEnvelope]:
    """All that anybody says against one member, and our own word: what leaves it out if it is enough. Or none, or some."""
    known = by._signed(SignedKind.SUSPICION)
    if not by.dice.randrange(3):
        return [one for one in known if by.dice.randrange(2)]
    silent = by.dice.choice(by.grid.workers[:-1])
    own = by.pen.sign(SignedKind.SUSPICION, Suspicion(instance=instance, round=1, attempt=0, silent=silent))
    against = {own.author: own}
    for one in known:
        said = by.pen.open(one, one.kind, Suspicion)
        if (said.instance, said.silent) == (instance, silent):
            against[one.author] = one
    return list(against.values()) if len(against) > 1 else []


def _own(by: Saboteur) -> list[int]:
    workers = by.grid.workers
    last = len(workers) - 1
    return [number for number in by.grid.openings if number % len(workers) == last]


def _docket(by: Saboteur, core: NodeCore) -> Docket | None:
    """Evidence that the victim has, of one of its rounds."""
    dockets = [one.docket for one in core.rounds.running.values()]
    dockets += [one.docket for one in core.rounds.beacons.values()]
    for own in core.publications.values():
        dockets += [one.docket for one in own.court.rounds.values()]
    return by.dice.choice(dockets) if dockets else None


def _sealing(by: Saboteur, core: NodeCore) -> Sealing | None:
    docket = _docket(by, core)
    attempts = list(docket.attempts.values()) if docket is not None else []
    return by.dice.choice(attempts).sealing if attempts else None


Sabotage = Callable[[Saboteur, NodeCore], ins.Input | None]
SABOTAGES: tuple[Sabotage, ...] = (
    Saboteur.invent,
    Saboteur.repeat,
    Saboteur.propose,
    Saboteur.seal,
    Saboteur.seal,
    Saboteur.reveal,
    Saboteur.reveal,
    Saboteur.speak,
    Saboteur.miss,
    Saboteur.suspect,
    Saboteur.judge,
    Saboteur.judge,
    Saboteur.open,
    Saboteur.bring,
)
