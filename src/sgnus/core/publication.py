"""The publisher's part for one job of ours: which outputs it holds, who may deliver, when a microjob is taken.

States of a microjob: open, then taken (all its sub-blocks are held). Never takes back a HELD, never holds two results of
one sub-block, never hosts by itself: a publisher observes its rooms. docs/protocol/room.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.core.absence import Absence
from sgnus.core.arbiter import Arbitration
from sgnus.core.inputs import HeldLoaded, JobFacts, OutputsStored, PublisherRan
from sgnus.core.pen import Pen
from sgnus.core.roster import Roster, bench
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import ENDED_KEPT_MAX, SEATED_MAX
from sgnus.messages.v1.types import (
    DoneBody,
    DoneStatus,
    EntryKind,
    Held,
    HeldNotice,
    OnHostChanged,
    Opening,
    ProcessedRecord,
    PublisherView,
    SignedEnvelope,
    SignedKind,
    TakenBody,
)
from sgnus.wire.codec import encode


@dataclass(slots=True)
class Observed:
    """An instance as the publisher sees it: its newest list, everybody who ever had a seat, and the claim that made its host."""

    roster: Roster
    seated: dict[PeerId, None]
    claim: OnHostChanged | None = None
    learned: Roster | None = None
    """The list whose addresses we have learned: a publisher of a hundred rooms must not read all lists at each step."""

    def seat(self, peers: tuple[PeerId, ...]) -> None:
        """These have seats now. Of those that had one before, the oldest are forgotten."""
        for peer in peers:
            self.seated.pop(peer, None)
            self.seated[peer] = None
        for peer in list(self.seated)[: max(0, len(self.seated) - SEATED_MAX)]:
            del self.seated[peer]


@dataclass(frozen=True, slots=True)
class Recheck:
    """Chunks of a held result that we run again ourselves, with what its worker signed and opened to us."""

    chunks: tuple[int, ...]
    record: SignedEnvelope
    opening: Opening


@dataclass(slots=True)
class Shelf:
    """One microjob: what is held of it, which instances work on it, which of them delivered first, what we run again."""

    held: dict[int, SignedEnvelope] = field(default_factory=dict)
    instances: dict[InstanceId, Observed] = field(default_factory=dict)
    preferred: str = ""
    taken: bool = False
    openings: dict[int, Opening] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=dict)
    rechecks: dict[int, Recheck] = field(default_factory=dict)
    strangers_ms: int | None = None
    """Since when a room with others than those who did the work asks to verify it."""
    absence: Absence = field(default_factory=Absence)


@dataclass(slots=True)
class Court:
    """Rounds of verification under way, what we said in them as beacon, who was convicted, which instances we ended, and whose
    results we held lately.
    """

    rounds: dict[InstanceId, Arbitration] = field(default_factory=dict)
    spoken: dict[InstanceId, SignedEnvelope] = field(default_factory=dict)
    banned: dict[PeerId, None] = field(default_factory=dict)
    ended: dict[InstanceId, None] = field(default_factory=dict)
    workers: dict[PeerId, None] = field(default_factory=dict)

    def note_worker(self, peer: PeerId) -> None:
        """A result of this peer is held. Who did none for the longest is forgotten."""
        self.workers.pop(peer, None)
        self.workers[peer] = None
        if len(self.workers) > SEATED_MAX:
            del self.workers[next(iter(self.workers))]

    def end(self, instance: InstanceId) -> None:
        """Its beacon may have spoken, and does so once: nothing comes of this room any more. The oldest is forgotten."""
        self.ended[instance] = None
        if len(self.ended) > ENDED_KEPT_MAX:
            del self.ended[next(iter(self.ended))]

    def is_judge(self, peer: PeerId, microjob: int, instance: InstanceId) -> bool:
        """Whether `peer` may be drawn in the round of this instance, and so must read inputs: whoever committed to a held
        result may, also without a seat in the room that ended the microjob.
        """
        round_ = self.rounds.get(instance)
        is_seated = round_ is not None and round_.microjob == microjob and peer in round_.docket.seats()
        return is_seated and peer not in self.banned


@dataclass(slots=True)
class Publication:
    """One job of ours. `out` collects effects."""

    pen: Pen
    facts: JobFacts
    shelves: dict[int, Shelf] = field(default_factory=dict)
    court: Court = field(default_factory=Court)
    running_here: list[tuple[int, int]] = field(default_factory=list)
    is_done: bool = False
    takeovers: int = 0
    removals: int = 0
    out: list[fx.Effect] = field(default_factory=list)

    def shelf(self, microjob: int) -> Shelf:
        """The microjob's shelf. PeerFault if there is no such microjob."""
        if not 0 <= microjob < self.facts.microjobs:
            raise PeerFault("there is no such microjob in this job")
        is_taken = microjob in self.facts.taken and microjob not in self.facts.settled
        return self.shelves.setdefault(microjob, Shelf(taken=is_taken))

    # ---- what is stored
    def may_write(self, peer: PeerId, microjob: int, instance: InstanceId) -> bool:
        """`peer` has or had a seat in this instance, or is ourselves."""
        shelf = self.shelves.get(microjob)
        observed = shelf.instances.get(instance) if shelf else None
        if is_banned(self, peer):
            return False
        return peer == self.pen.peer or (observed is not None and peer in observed.seated)

    def store(self, stored: OutputsStored) -> None:
        """Outputs lie on our disk: the first of a sub-block are HELD, for good."""
        shelf = self.shelf(stored.microjob)
        if stored.sub_block not in shelf.held and is_banned(self, stored.member):
            # On its way when that one was convicted.
            self.out.append(fx.AnswerHeld(stored.token, None, "this peer was convicted"))
            return
        if stored.sub_block >= self.facts.sub_blocks_of(stored.microjob):
            self.out.append(fx.AnswerHeld(stored.token, None, "there is no such sub-block"))
            return
        if stored.sub_block not in shelf.held:
            self._hold(stored)
        self.out.append(fx.AnswerHeld(stored.token, shelf.held[stored.sub_block], ""))
        self._take_if_complete(stored.microjob)

    def load(self, loaded: HeldLoaded) -> None:
        """At start: what we held before."""
        for place, opening in loaded.openings:
            self.shelf(place).openings[opening.sub_block] = opening
        for microjob, number, turn in loaded.turns:
            self.shelf(microjob).turns[number] = turn
        for envelope in loaded.held:
            held = self.pen.open(envelope, SignedKind.HELD, Held)
            shelf = self.shelf(held.microjob)
            shelf.held[held.sub_block] = envelope
            shelf.preferred = shelf.preferred or held.instance
            self.court.note_worker(PeerId(held.member))
        self.court.spoken.update({InstanceId(instance): word for instance, word in loaded.spoken})
        for microjob in list(self.shelves):
            self._take_if_complete(microjob)
        for microjob, receipt in loaded.receipts:
            self.take(microjob, receipt)

    def ran(self, ran: PublisherRan) -> None:
        """We ran an abandoned sub-block ourselves; if that failed too, the job fails, with the reason. Should the result be
        voided, we may be asked again.
        """
        self.running_here = [one for one in self.running_here if one != (ran.microjob, ran.sub_block)]
        if ran.error:
            self._end(DoneStatus.FAILED, f"sub-block {ran.microjob * 10 + ran.sub_block}: {ran.error}")
            return
        self.store(self._as_stored(ran))

    def _as_stored(self, ran: PublisherRan) -> OutputsStored:
        """What we ran ourselves; with proof it is committed to as anybody's result is."""
        instance = InstanceId(ran.opening.instance if ran.opening else self.shelf(ran.microjob).preferred)
        instance = instance or bench(self.facts.job, ran.microjob, self.pen.peer)
        record = None
        if self.facts.terms is not None:
            said = ProcessedRecord(
                vrf_key=self.pen.vrf_key,
                job=self.facts.job,
                microjob=ran.microjob,
                instance=instance,
                sub_block=ran.sub_block,
                chunks=ran.chunks,
                root=ran.root,
                elapsed_ms=0,
            )
            record = self.pen.sign(SignedKind.RECORD, said)
        return OutputsStored(
            0,
            self.facts.job,
            ran.microjob,
            instance,
            ran.sub_block,
            self.pen.peer,
            ran.root,
            record,
            ran.opening,
        )

    def delivered(self) -> int:
        """Sub-blocks held."""
        return sum(len(shelf.held) for shelf in self.shelves.values())

    def observers_of(self) -> list[PeerId]:
        """Members of living rooms: the streams that we want."""
        peers: dict[PeerId, None] = {}
        for shelf in self.shelves.values():
            if not shelf.taken and not self.is_done:
                for observed in shelf.instances.values():
                    peers.update(dict.fromkeys(observed.roster.peers))
        return list(peers)

    # ---- inner
    def view(self, microjob: int) -> PublisherView:
        shelf = self.shelf(microjob)
        return PublisherView(
            job=self.facts.job,
            microjob=microjob,
            preferred=shelf.preferred,
            held=tuple(shelf.held[number] for number in sorted(shelf.held)),
            taken=shelf.taken,
        )

    def _hold(self, stored: OutputsStored) -> None:
        shelf = self.shelf(stored.microjob)
        held = Held(
            job=self.facts.job,
            microjob=stored.microjob,
            instance=stored.instance,
            sub_block=stored.sub_block,
            member=stored.member,
            root=stored.root,
            record=stored.record if self.facts.terms is not None else None,
            turn=shelf.turns.get(stored.sub_block) or None,
        )
        envelope = self.pen.sign(SignedKind.HELD, held)
        shelf.held[stored.sub_block] = envelope
        self.court.note_worker(stored.member)
        is_first = not shelf.preferred
        shelf.preferred = shelf.preferred or stored.instance
        key = f"{self.facts.job}/{stored.microjob}/{stored.sub_block}"
        if self.facts.terms is not None and stored.opening is not None:
            shelf.openings[stored.sub_block] = stored.opening
            self.out.append(fx.Persist("opening", key, encode(stored.opening)))
        self.out.append(fx.Persist("held", key, encode(envelope)))
        peers: dict[PeerId, None] = {}
        for observed in shelf.instances.values():
            peers.update(dict.fromkeys(observed.roster.peers))
        if peers:
            self.out.append(fx.Send(tuple(peers), HeldNotice(held=(envelope,))))
        if is_first:
            hosts = dict.fromkeys(observed.roster.host for observed in shelf.instances.values())
            self.out.append(fx.Send(tuple(hosts), self.view(stored.microjob)))
        self.out.append(
            fx.Processed(
                self.facts.job,
                stored.microjob,
                stored.instance,
                stored.sub_block,
                stored.member,
                held=True,
            )
        )

    def _take_if_complete(self, microjob: int) -> None:
        shelf = self.shelf(microjob)
        if self.facts.terms is None and len(shelf.held) == self.facts.sub_blocks_of(microjob):
            self.take(microjob, None)

    def take(self, microjob: int, receipt: bytes | None) -> None:
        """The microjob is ours: all of it is held, and (where proof is wanted) the receipt of this digest has been checked."""
        shelf = self.shelf(microjob)
        if shelf.taken:
            return
        shelf.taken = True
        shelf.openings.clear()
        leaves = b"".join(self.pen.digest(shelf.held[number]) for number in sorted(shelf.held))
        body = TakenBody(microjob=microjob, root=hashlib.sha256(leaves).digest(), receipt=receipt)
        self.out.append(fx.PublishEntry(EntryKind.TAKEN, self.facts.job, body))
        if receipt is not None:
            self.out.append(fx.Verified(self.facts.job, microjob, receipt))
        is_all = self.delivered() == self.facts.sub_blocks
        if is_all and all(shelf.taken for shelf in self.shelves.values()):
            self._end(DoneStatus.COMPLETED, "")

    def _end(self, status: DoneStatus, reason: str) -> None:
        if not self.is_done:
            self.is_done = True
            body = DoneBody(status=status, reason=reason[:512])
            self.out.append(fx.PublishEntry(EntryKind.DONE, self.facts.job, body))

    def find(self, instance: InstanceId) -> tuple[int, Observed] | None:
        for microjob, shelf in self.shelves.items():
            if instance in shelf.instances:
                return microjob, shelf.instances[instance]
        return None

    def tell(self, line: str) -> None:
        self.out.append(fx.Told(self.facts.job, f"publisher: {line}"))


def is_banned(own: Publication, peer: PeerId) -> bool:
    """It was convicted in this job, here or by others' proofs."""
    return peer in own.court.banned or peer in own.facts.banned
