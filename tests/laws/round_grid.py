"""A small grid whose room has just done its work: all of it is held, and the round of verification begins.

Watches what honest nodes sign and do, for as long as the grid exists: also across restarts, of which a node itself knows only
what lies on its disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import moving, receipt
from sgnus.core import roster as rosters
from sgnus.core.docket import digests_of
from sgnus.core.roster import Roster
from sgnus.messages.fields import Message
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    BeaconOutput,
    Held,
    HeldNotice,
    JoinRequest,
    Member,
    OnPeerListChanged,
    Opening,
    ProcessedRecord,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Verdict,
    Verify,
)
from sgnus.sim.pens import CheapPen, address_of
from sgnus.wire.codec import decode
from tests.laws.small_grid import JOB, Shape, SmallGrid, right

NONCE: Final = 1
Name = tuple[PeerId, str]


@dataclass(slots=True)
class Said:
    """What honest nodes signed, by who and in which room; verdicts by anybody, since an opening waits for those of liars, too."""

    seals: dict[tuple[PeerId, str, int], bytes] = field(default_factory=dict)
    reveals: dict[Name, bytes] = field(default_factory=dict)
    beacons: dict[Name, bytes] = field(default_factory=dict)
    verdicts: dict[Name, dict[int, bytes]] = field(default_factory=dict)
    judged: dict[int, None] = field(default_factory=dict)
    openings: list[tuple[PeerId, Opening]] = field(default_factory=list)

    def note(self, peer: PeerId, envelope: SignedEnvelope, message: Message, *, is_full: bool) -> None:
        """An honest node signed this: may it?"""
        match message:
            case Seal():
                named = (peer, message.instance, message.attempt)
                assert self.seals.setdefault(named, message.r) == message.r, (
                    f"{peer} sealed two R of one attempt"
                )
                assert named[:2] not in self.reveals, f"{peer} sealed after it revealed"
            case Reveal():
                name = (peer, message.instance)
                assert self.reveals.setdefault(name, message.r) == message.r, f"{peer} revealed for two R"
                mine = [r for (who, room, _attempt), r in self.seals.items() if (who, room) == name]
                assert message.r in mine, f"{peer} revealed for an R that it did not seal"
            case BeaconOutput():
                said = self.beacons.setdefault((peer, message.instance), envelope.payload)
                assert said == envelope.payload, f"{peer} spoke twice as beacon of one round"
            case Verdict():
                self.judge(peer, message)
            case Opening():
                self.openings.append((peer, message))
                if is_full:
                    lacking = [chunk for chunk in _chunks(message) if chunk not in self.judged]
                    assert not lacking, f"{peer} opened before a verdict on {lacking}"

    def judge(self, peer: PeerId, verdict: Verdict) -> None:
        """An honest checker says what is right, each once."""
        known = self.verdicts.setdefault((peer, verdict.instance), {})
        for chunk, digest in digests_of(verdict).items():
            assert known.setdefault(chunk, digest) == digest == right(chunk), f"{peer} signed a falsehood"
            self.judged[chunk] = None

    def heard(self, verdict: Verdict) -> None:
        """A liar's verdict."""
        self.judged.update(dict.fromkeys(verdict.chunks))


def _chunks(opening: Opening) -> range:
    """One chunk a sub-block."""
    return range(opening.sub_block, opening.sub_block + len(opening.digests) // 32)


class RoundGrid(SmallGrid):
    """`corrupt` peers are liars; those of them that are peers of the grid as well have seats and did their share."""

    def __init__(
        self, shape: Shape, *, are_workers_lying: bool = True, are_checkers_lying: bool = True
    ) -> None:
        self.said = Said()
        super().__init__(shape)
        self.works.are_workers_lying, self.works.are_checkers_lying = are_workers_lying, are_checkers_lying
        self.pens = {peer: core.pen for peer, core in self.cores.items()}
        self.pens |= {peer: CheapPen(peer) for peer in shape.corrupt if peer not in self.pens}
        self.workers = tuple(peer for peer in shape.peers if peer not in self._aside())
        self.openings: dict[int, Opening] = {}
        self.list = self.founded(self.workers, NONCE)
        self._work()
        self.first = self.held

    def founded(self, members: Sequence[PeerId], nonce: int) -> Roster:
        """The first list of a room of these, founded by the first of them."""
        founder = self.pens[members[0]]
        instance = rosters.instance_id(JOB, 0, founder.peer, nonce)
        seats = tuple(self._seat(peer, instance) for peer in members)
        return rosters.found(founder, JOB, 0, nonce, seats)

    @property
    def held(self) -> tuple[SignedEnvelope, ...]:
        """What the publisher holds, by sub-block."""
        shelf = self.cores[self.shape.publisher].publications[JOB].shelf(0)
        return tuple(shelf.held[number] for number in sorted(shelf.held))

    # ---- what is watched
    def signed(self, peer: PeerId, envelope: SignedEnvelope, message: Message) -> None:
        """See `SmallGrid`."""
        super().signed(peer, envelope, message)
        if peer in self.shape.corrupt:
            if isinstance(message, Verdict):
                self.said.heard(message)
            return
        is_member = peer != self.shape.publisher
        is_full = self.shape.verify is Verify.FULL and (is_member or not isinstance(message, Opening))
        self.said.note(peer, envelope, message, is_full=is_full)

    def perform(self, peer: PeerId, effect: fx.Effect) -> None:
        """See `SmallGrid`."""
        if peer not in self.shape.corrupt:
            self._watch(peer, effect)
        super().perform(peer, effect)

    def _watch(self, peer: PeerId, effect: fx.Effect) -> None:
        """What must survive a crash is on disk before it is sent, and only what is proven is kept as proof."""
        match effect:
            case fx.Send(message=SignedEnvelope() as word) if word.author == peer:
                self._is_durable(peer, word)
            case fx.Send(message=HeldNotice() as notice):
                for word in notice.held:
                    held = decode(Held, word.payload)
                    assert ("held", f"{JOB}/{held.microjob}/{held.sub_block}") in self.disks[peer]
            case fx.Persist(namespace="receipt"):
                self._is_proven(effect.value)
            case fx.Persist(namespace="held", value=b""):
                held = decode(Held, decode(SignedEnvelope, self.disks[peer]["held", effect.key]).payload)
                assert held.member in self.shape.corrupt, f"a result of {held.member} is taken back"
            case _:
                pass

    def _is_durable(self, peer: PeerId, word: SignedEnvelope) -> None:
        disk, pen = self.disks[peer], self.pens[peer]
        if word.kind is SignedKind.SEAL:
            seal = pen.open(word, word.kind, Seal)
            assert disk["seal", f"{JOB}/{seal.instance}/{seal.round}/{seal.attempt}"] == seal.r
        elif word.kind is SignedKind.REVEAL:
            reveal = pen.open(word, word.kind, Reveal)
            assert disk["reveal", f"{JOB}/{reveal.instance}/{reveal.round}"] == reveal.r
        elif word.kind is SignedKind.BEACON:
            output = pen.open(word, word.kind, BeaconOutput)
            assert decode(SignedEnvelope, disk["beacon", f"{JOB}/{output.instance}"]) == word

    def _is_proven(self, data: bytes) -> None:
        """It holds for whoever has nothing but the job's entry; what is false in it has a liar on both sides of the room."""
        terms = self.facts.terms
        assert terms is not None
        proven = receipt.check(CheapPen(PeerId("somebody else")), terms, data)
        assert proven.has_beacon and proven.microjob == 0
        if self.shape.verify is not Verify.FULL:
            return
        workers = proven.sealing.workers()
        checkers = {chunk: peer for peer, chunks in proven.draw.dues.items() for chunk in chunks}
        for opening in receipt.read(data).openings:
            for number, chunk in enumerate(_chunks(opening)):
                if opening.digests[number * 32 : (number + 1) * 32] != right(chunk):
                    both = (workers[chunk], checkers[chunk])
                    assert all(peer in self.shape.corrupt for peer in both), f"chunk {chunk} is false: {both}"

    # ---- how it begins
    def _aside(self) -> tuple[PeerId, ...]:
        """Who has no seat: the publisher, and the beacon."""
        return (self.shape.publisher, self.shape.beacon or self.shape.publisher)

    def _seat(self, peer: PeerId, instance: str) -> Member:
        pen = self.pens[peer]
        address = address_of(CheapPen(peer))
        request = JoinRequest(
            job=JOB,
            microjob=0,
            instance=instance,
            epoch=1,
            workers=1,
            address=address,
            nonce=0,
            vrf_key=pen.vrf_key,
        )
        return Member(peer=peer, workers=1, address=address, join=pen.sign(SignedKind.JOIN, request))

    def _work(self) -> None:
        """All sit; each does its share; the publisher holds it."""
        for peer in self.workers:
            core = self.cores[peer]
            moving.sit(core, core.jobs[JOB], self.list, self.now_ms, by_app=False)
        listed = OnPeerListChanged(list=self.list.envelope)
        self.give(self.shape.publisher, ins.PeerSaid(self.list.host, listed))
        for number in range(self.shape.sub_blocks):
            worker = self.workers[number % len(self.workers)]
            root, opening = self.works.committed(worker, self.list.instance, (0, number))
            assert opening is not None
            self.openings[number] = opening
            self.cores[worker].rounds.keep_opening(opening)
            record = ProcessedRecord(
                job=JOB,
                microjob=0,
                instance=self.list.instance,
                sub_block=number,
                chunks=self.shape.chunks,
                root=root,
                elapsed_ms=1,
                vrf_key=self.pens[worker].vrf_key,
            )
            signed = self.pens[worker].sign(SignedKind.RECORD, record)
            place = (JOB, 0, self.list.instance, number, worker)
            self.give(self.shape.publisher, ins.OutputsStored(0, *place, root, signed, opening))
