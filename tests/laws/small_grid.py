"""A few nodes' cores, the mail between them and the work that they asked for, which a test lets happen in any order.

No clock, no delays, no dice: unlike the simulator it never does anything by itself. What `corrupt` peers say comes from the
test, and they overhear everything; one that is also among the `peers` has a core as well, so that it takes part besides.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.beaconing import spoken_before
from sgnus.core.node import NodeCore
from sgnus.core.round_list import sealed_before
from sgnus.core.terms import Terms
from sgnus.crypto.commits import commit_root_of
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    EntryKind,
    JoinRequest,
    Opening,
    Policy,
    ReturnReason,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
    Verify,
)
from sgnus.sim.grid import held_of
from sgnus.sim.pens import CheapPen, Opened, address_of

JOB: Final = BlockId("job")
GOSSIP, ENTRIES, DISK = PeerId("gossip"), PeerId("entries"), PeerId("disk")
OVERHEARD_MAX: Final = 300
DELIVERIES_MAX: Final = 400
Way = tuple[PeerId, PeerId]
Work = fx.Process | fx.Reexecute | fx.Recheck | fx.RunHere
Task = tuple[PeerId, Work | fx.Deliver]
# What one envelope says never changes, whoever opens it.
_OPENED: Opened = {}


def right(chunk: int) -> bytes:
    """The digest of a chunk's one right output."""
    return hashlib.sha256(f"{chunk}".encode()).digest()


def false(chunk: int) -> bytes:
    """What all liars say instead."""
    return hashlib.sha256(f"not {chunk}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Shape:
    """What one small grid is. The first of `peers` publishes, and is the beacon unless that is another one. Without `workers` no
    node looks for a seat by itself.
    """

    peers: tuple[PeerId, ...]
    corrupt: tuple[PeerId, ...]
    sub_blocks: int
    verify: Verify = Verify.NONE
    chunks: int = 1
    beacon: PeerId | None = None
    workers: int = 1

    @property
    def publisher(self) -> PeerId:
        return self.peers[0]

    def facts(self) -> ins.JobFacts:
        """The job as its entry says it."""
        pen = CheapPen(self.publisher)
        beacon = CheapPen(self.beacon or self.publisher)
        is_full = self.verify is Verify.FULL
        policy = Policy(
            verify=self.verify, samples_permille=1000 if is_full else 300, verifiers=1, min_members=2
        )
        terms = Terms(
            network="0" * 32,
            job=JOB,
            publisher=pen.peer,
            entry=b"entry",
            policy=policy,
            beacon=beacon.peer,
            beacon_key=beacon.vrf_key,
            chunks=self.sub_blocks * self.chunks,
            chunks_per_sub_block=self.chunks,
        )
        return ins.JobFacts(
            job=JOB,
            publisher=pen.peer,
            address=address_of(pen),
            processor="builtin:invert@1",
            sub_blocks=self.sub_blocks,
            microjobs=-(-self.sub_blocks // 10),
            deadline_ms=4_000,
            terms=None if self.verify is Verify.NONE else terms,
        )


@dataclass(slots=True)
class Overheard:
    """What liars know: every word that was signed, and every message that was sent, of the last few."""

    signed: deque[SignedEnvelope] = field(default_factory=lambda: deque(maxlen=OVERHEARD_MAX))
    sent: deque[Message] = field(default_factory=lambda: deque(maxlen=OVERHEARD_MAX))


class Works:
    """What nodes make of sub-blocks and chunks: honest ones the truth, liars the one falsehood, where they lie."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.are_workers_lying = self.are_checkers_lying = True

    def chunks_of(self, microjob: int, sub_block: int) -> range:
        first = (microjob * 10 + sub_block) * self._shape.chunks
        return range(first, first + self._shape.chunks)

    def checked(self, peer: PeerId, chunks: Sequence[int]) -> bytes:
        """What `peer` says that these hash to, when it runs them again."""
        return self._said(chunks, is_false=peer in self._shape.corrupt and self.are_checkers_lying)

    def _said(self, chunks: Sequence[int], *, is_false: bool) -> bytes:
        return b"".join((false if is_false else right)(chunk) for chunk in chunks)

    def committed(self, peer: PeerId, instance: str, place: tuple[int, int]) -> tuple[bytes, Opening | None]:
        """The root that a worker commits to, and what it hides."""
        chunks = self.chunks_of(*place)
        digests = self._said(chunks, is_false=peer in self._shape.corrupt and self.are_workers_lying)
        if self._shape.verify is Verify.NONE:
            return hashlib.sha256(digests).digest(), None
        seed = hashlib.sha256(f"{peer}/{instance}/{place}".encode()).digest()
        parts = [digests[start : start + 32] for start in range(0, len(digests), 32)]
        root = commit_root_of(JOB, InstanceId(instance), peer, seed=seed, chunks=chunks, digests=parts)
        return root, Opening(instance=instance, sub_block=place[1], salt_seed=seed, digests=digests)

    def ended(self, peer: PeerId, effect: Work, *, is_well: bool) -> ins.Input:
        """What a node hears when work that it asked for ends."""
        match effect:
            case fx.Process() if is_well:
                root, opening = self.committed(peer, effect.instance, (effect.microjob, effect.sub_block))
                return ins.SubBlockComputed(
                    effect.instance, effect.sub_block, self._shape.chunks, root, 300, opening
                )
            case fx.Process():
                return ins.SubBlockFailed(effect.instance, effect.sub_block, ReturnReason.ABANDONED, "no end")
            case fx.Reexecute():
                digests = self.checked(peer, effect.chunks) if is_well else None
                return ins.Reexecuted(effect.instance, effect.chunks, digests)
            case fx.Recheck():
                digests = self.checked(peer, effect.chunks) if is_well else None
                place = (effect.microjob, effect.sub_block)
                return ins.Rechecked(effect.job, *place, effect.chunks, digests)
            case fx.RunHere():
                place = (effect.microjob, effect.sub_block)
                root, opening = self.committed(peer, "publisher", place)
                return ins.PublisherRan(effect.job, *place, root, "", self._shape.chunks, opening)


class Mail:
    """Ways, each in its order. What gossip, entries and the disk bring comes by ways of its own. Who is `mute` is not heard."""

    def __init__(self) -> None:
        self.ways: dict[Way, deque[ins.Input]] = {}
        self.mute: PeerId | None = None

    def post(self, sender: PeerId, to: PeerId, given: ins.Input) -> None:
        if sender == self.mute:
            return
        self.ways.setdefault((sender, to), deque()).append(given)

    def take(self, pick: int) -> tuple[PeerId, ins.Input]:
        """The oldest of one way, and whom it is for."""
        way = list(self.ways)[pick % len(self.ways)]
        given = self.ways[way].popleft()
        if not self.ways[way]:
            del self.ways[way]
        return way[1], given

    def drop(self, peer: PeerId, other: PeerId | None = None) -> None:
        """All that is on its way from or to `peer` is lost, or only what goes between it and `other`."""
        for way in [way for way in self.ways if peer in way and (other is None or other in way)]:
            del self.ways[way]


class SmallGrid:
    """See above. An honest node's core must never raise, nor blame another honest node."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.now_ms = 1_000
        self.facts = shape.facts()
        self.works = Works(shape)
        self.overheard = Overheard()
        self.cores: dict[PeerId, NodeCore] = {}
        self.disks: dict[PeerId, dict[tuple[str, str], bytes]] = {peer: {} for peer in shape.peers}
        self.mail = Mail()
        self.tasks: list[Task] = []
        self.parcels: list[tuple[PeerId, fx.Deliver]] = []
        for peer in shape.peers:
            self.restart(peer)

    # ---- what a test lets happen
    def restart(self, peer: PeerId) -> None:
        """Its process ends and another one begins, from what is on its disk."""
        pen = CheapPen(peer, _OPENED, self.signed)
        disk = self.disks[peer]
        self.now_ms += 1
        core = self.cores[peer] = NodeCore.create(pen, address_of(pen), self.shape.workers, self.now_ms)
        core.rounds.sealed = sealed_before(key for space, key in disk if space == "seal")
        core.rounds.spoken = spoken_before({key: x for (space, key), x in disk.items() if space == "beacon"})
        self.tasks = [task for task in self.tasks if task[0] != peer]
        self.mail.drop(peer)
        self.give(peer, ins.JobChanged(self.facts))
        loaded = held_of(JOB, disk)
        if loaded is not None and peer == self.shape.publisher:
            self.give(peer, loaded)
        for other in dict.fromkeys((*self.cores, *self.shape.corrupt)):
            if other != peer:
                self.reconnect(peer, other)

    def reconnect(self, one: PeerId, other: PeerId) -> None:
        """The stream of two breaks and stands again; what was on its way is lost."""
        self.mail.drop(one, other)
        for me, far in ((one, other), (other, one)):
            if me in self.cores:
                self.give(me, ins.PeerLost(far))
                self.give(me, ins.PeerConnected(far))

    def deliver(self, pick: int) -> None:
        """One message of one way, the oldest of it."""
        if self.mail.ways:
            self.give(*self.mail.take(pick))

    def deliver_all(self) -> None:
        """All that is on its way, and what comes of it, in turns."""
        for turn in range(DELIVERIES_MAX):
            self.deliver(turn)

    def pass_time(self, ms: int) -> None:
        """All clocks go on."""
        self.now_ms += ms
        for peer in self.cores:
            self.give(peer, ins.Tick())

    def pass_a_while(self) -> None:
        """Nothing goes wrong for a moment."""
        self.deliver_all()
        for _ in range(len(self.tasks)):
            self.finish(0)
        self.pass_time(500)

    def finish(self, pick: int, *, is_well: bool = True) -> None:
        """One of the pieces of work that are under way ends."""
        if self.tasks:
            peer, effect = self.tasks.pop(pick % len(self.tasks))
            if isinstance(effect, fx.Deliver):
                self._store(peer, effect, is_well=is_well)
            else:
                self.give(peer, self.works.ended(peer, effect, is_well=is_well))

    def give(self, peer: PeerId, given: ins.Input) -> list[fx.Effect]:
        """One step of one node; its effects are performed in order."""
        core = self.cores[peer]
        effects = core.handle(given, self.now_ms)
        core.check()
        for effect in effects:
            self.perform(peer, effect)
        return effects

    def signed(self, _peer: PeerId, envelope: SignedEnvelope, _message: Message) -> None:
        """An honest node signed something."""
        self.overheard.signed.append(envelope)

    def changed(self, **what: object) -> None:
        """The fold of the job's entries says something new: all will hear of it."""
        self.facts = replace(self.facts, **what)  # type: ignore[arg-type]
        for peer in self.cores:
            self.mail.post(ENTRIES, peer, ins.JobChanged(self.facts))

    # ---- effects
    def perform(self, peer: PeerId, effect: fx.Effect) -> None:
        """What the runtime would do."""
        match effect:
            case fx.Send():
                self.overheard.sent.append(effect.message)
                for other in effect.peers:
                    if other in self.cores:
                        self.mail.post(peer, other, ins.PeerSaid(peer, effect.message))
            case fx.Persist():
                self.disks[peer][effect.namespace, effect.key] = effect.value
            case fx.Gossip():
                self._gossip(peer, effect)
            case fx.Process() | fx.Deliver() | fx.Reexecute() | fx.Recheck() | fx.RunHere():
                self.tasks.append((peer, effect))
            case fx.StopProcessing():
                stopped = (effect.instance, effect.sub_block)
                self.tasks = [task for task in self.tasks if not _is_work_on(task, peer, stopped)]
            case fx.AnswerHeld() if effect.token:
                writer, parcel = self.parcels[effect.token - 1]
                ended = ins.DeliveryEnded(parcel.instance, parcel.sub_block, effect.held)
                self.mail.post(DISK, writer, ended)
            case fx.PublishEntry(kind=EntryKind.TAKEN):
                self.changed(taken=self.facts.taken | {effect.body.microjob})  # type: ignore[attr-defined]
            case fx.PublishEntry(kind=EntryKind.DONE):
                self.changed(open=False)
            case fx.Accuse():
                assert effect.accused in self.shape.corrupt, f"{peer} accuses {effect.accused}"
                self.changed(banned=tuple(dict.fromkeys((*self.facts.banned, effect.accused))))
            case fx.Blame():
                is_right = effect.peer in self.shape.corrupt or peer in self.shape.corrupt
                assert is_right, f"{peer} blames {effect.peer}: {effect.reason}"
            case _:
                pass

    def _gossip(self, peer: PeerId, effect: fx.Gossip) -> None:
        body, pen = effect.message.body, CheapPen(peer, _OPENED)
        assert isinstance(body, SignedEnvelope)
        for other in self.cores:
            if other == peer:
                continue
            if body.kind is SignedKind.ANNOUNCEMENT:
                self.mail.post(
                    GOSSIP, other, ins.RoomHeard(peer, pen.open(body, body.kind, RoomAnnouncement))
                )
            else:
                asked = ins.SeatAsked(peer, pen.open(body, body.kind, JoinRequest), body)
                self.mail.post(GOSSIP, other, asked)

    def _store(self, writer: PeerId, parcel: fx.Deliver, *, is_well: bool) -> None:
        """Outputs come to the publisher, unless the way there breaks."""
        core = self.cores[self.shape.publisher]
        own = core.publications.get(JOB)
        may = own is not None and own.may_write(writer, parcel.microjob, parcel.instance)
        if not may or not is_well:
            self.give(writer, ins.DeliveryEnded(parcel.instance, parcel.sub_block, None))
            return
        self.parcels.append((writer, parcel))
        place = (parcel.microjob, parcel.sub_block)
        root, opening = self.works.committed(writer, parcel.instance, place)
        stored = ins.OutputsStored(
            token=len(self.parcels),
            job=JOB,
            microjob=parcel.microjob,
            instance=parcel.instance,
            sub_block=parcel.sub_block,
            member=writer,
            root=root,
            record=parcel.record,
            opening=opening,
        )
        self.give(self.shape.publisher, stored)


def _is_work_on(task: Task, peer: PeerId, stopped: tuple[InstanceId, int]) -> bool:
    effect = task[1]
    return (
        isinstance(effect, fx.Process) and task[0] == peer and (effect.instance, effect.sub_block) == stopped
    )
