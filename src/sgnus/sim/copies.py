"""Everybody's copy of the job database: real entries, the real fold, gossip that loses, exchanges that repair."""

from __future__ import annotations

import random
from collections.abc import Callable

from sgnus.core.inputs import Input, JobChanged, JobFacts, RoomHeard
from sgnus.core.shelf import RoomClaim, Shelf, claim_of
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import (
    ArraySpec,
    Cut,
    Edge,
    EntryKind,
    JobBody,
    OutputSpec,
    Policy,
    Processor,
    SignedEnvelope,
    Verify,
)
from sgnus.sim.agenda import Agenda
from sgnus.sim.disk import Key
from sgnus.sim.doorway import Doorway
from sgnus.sim.exchange import exchanged
from sgnus.sim.peer import Peer
from sgnus.sim.reading import NETWORK, Reading
from sgnus.sim.setting import Setting
from sgnus.sim.vice import Poison, Written
from sgnus.sim.weather import Weather
from sgnus.wire.codec import encode
from sgnus.wire.entry import SIGNATURE_BYTES, OpenedEntry, open_entry, seal_entry

JOB_ENDS_MS = 24 * 3_600_000
ROOM_LIFE_MS = 120_000
FRESH_MS = 3_000
POISONS_MAX = 64


class Copies:
    """The database as each peer's disk has it."""

    def __init__(
        self,
        setting: Setting,
        agenda: Agenda,
        weather: Weather,
        peers: dict[PeerId, Peer],
        give: Callable[[Peer, Input], None],
    ) -> None:
        self.job = BlockId("")
        self._setting = setting
        self._agenda = agenda
        self._weather = weather
        self._peers = peers
        self._give = give
        self.reading = Reading(setting, peers)
        self._doorway = Doorway()
        self._torn = random.Random(f"{setting.seed}/torn")
        self._seq = 0

    def submit(self, publisher: Peer, address: SignedEnvelope) -> None:
        """The job comes into the world."""
        beacon = list(self._peers.values())[1] if self._setting.other_beacon else publisher
        raw = seal_entry(
            publisher.identity,
            NETWORK,
            EntryKind.JOB,
            None,
            _job_body(self._setting, beacon, address),
            seq=0,
            expires=JOB_ENDS_MS,
        )
        self.job = open_entry(raw, NETWORK).cid
        self._spread(publisher, raw)

    def publish(self, author: Peer, kind: EntryKind, body: Message) -> None:
        """Sign an entry, keep it, tell the others."""
        self._spread(author, self._sealed(author, Written(kind, body)))

    def inject(self, author: Peer, deed: Poison | Written) -> None:
        """What a hostile peer writes: whoever it reaches looks at it, now or when copies are compared."""
        raw = deed.raw if isinstance(deed, Poison) else self._sealed(author, deed)
        poison = author.disk.poison
        poison[raw] = None
        if len(poison) > POISONS_MAX:
            del poison[next(iter(poison))]
        self._spread(author, raw)

    def exchange(self, one: Peer, other: Peer) -> None:
        """Two databases become the same, by one reconciliation."""
        sides = [self._doorway.ids_of(peer.disk) for peer in (one, other)]
        for peer, received in zip((one, other), exchanged(*sides), strict=True):
            for raw in received:
                self.take(peer, raw)

    def exchange_for_ever(self, dice: random.Random) -> None:
        """Random pairs that reach each other exchange, again and again."""
        one, other = dice.sample(list(self._peers.values()), 2)
        if one.is_up and other.is_up and self._weather.meets(one.name, other.name):
            self.exchange(one, other)
        pause_ms = max(1, self._setting.exchange_ms // len(self._peers))
        self._agenda.after(pause_ms, self.exchange_for_ever, dice)

    def take(self, peer: Peer, raw: bytes) -> None:
        """Bytes come to a peer that runs. What may be in its copy is kept, folded, told to the core if the fold says something
        new; all else leaves it as it was.
        """
        if raw in peer.disk.entries or peer.process is None:
            return
        opened = self._doorway.admitted(raw, self._agenda.unix_ms)
        if opened is None or opened.job != self.job:  # Of other jobs there is nobody's.
            return
        if opened.entry.kind is EntryKind.JOB:
            peer.disk.shelf = Shelf(opened)
            peer.disk.keep(raw, is_own=self._is_by(opened, peer))
            for orphan in peer.disk.orphans.claim(self.job):
                self._agenda.after(0, self.take, peer, orphan.raw)
        elif peer.disk.shelf is None:
            peer.disk.orphans.add(opened)
            return
        else:
            try:
                displaced = peer.disk.shelf.add(opened)
            except PeerFault:
                return
            if opened not in displaced:
                peer.disk.keep(raw, is_own=self._is_by(opened, peer))
            for gone in displaced:
                peer.disk.entries.pop(gone.raw, None)
            if opened.entry.kind is EntryKind.ROOM and peer.process.told is not None:
                if opened not in displaced:
                    self._tell_claim(peer, peer.process.told, claim_of(opened))
                return  # Facts do not speak of rooms, and to fold them anew for each of a crowd's takes long.
        self.tell(peer)

    def lose_power(self, peer: Peer) -> list[Key]:
        """What was not durable is gone, and the fold is that of what is left. The keys of the facts that are gone."""
        keys, entries = peer.disk.lose_power(self._torn)
        if not entries:
            return keys
        opened = [open_entry(raw, NETWORK) for raw in peer.disk.entries]
        peer.disk.shelf = next((Shelf(one) for one in opened if one.entry.kind is EntryKind.JOB), None)
        for one in opened:
            if peer.disk.shelf is not None and one.entry.kind is not EntryKind.JOB:
                peer.disk.shelf.add(one)
        return keys

    def tell(self, peer: Peer) -> None:
        """Tell the core what the fold says, if it is new to this process."""
        process, shelf = peer.process, peer.disk.shelf
        if process is None or shelf is None:
            return
        is_first = process.told is None
        facts = self.reading.facts(
            shelf, is_fresh=process.told.is_fresh if process.told else self._is_fresh()
        )
        if facts != process.told:
            process.told = facts
            self._give(peer, JobChanged(facts))
        if is_first:
            for claim in shelf.view().rooms:
                self._tell_claim(peer, facts, claim)

    def _tell_claim(self, peer: Peer, facts: JobFacts, claim: RoomClaim) -> None:
        host, said = self.reading.name_of(claim.host), self.reading.announcement(facts, claim)
        if said is not None and claim.expires_ms > self._agenda.unix_ms and host != peer.name:
            self._give(peer, RoomHeard(host, said))

    @staticmethod
    def _is_by(opened: OpenedEntry, peer: Peer) -> bool:
        return opened.entry.author == peer.identity.peer_id

    def _is_fresh(self) -> bool:
        return self._agenda.now_ms < FRESH_MS

    def _sealed(self, author: Peer, written: Written) -> bytes:
        self._seq += 1
        life_ms = written.lives_ms
        if life_ms is None and written.kind is EntryKind.ROOM:
            life_ms = ROOM_LIFE_MS
        expires = JOB_ENDS_MS if life_ms is None else self._agenda.unix_ms + life_ms
        raw = seal_entry(
            written.by or author.identity,
            NETWORK,
            written.kind,
            self.job,
            written.body,
            seq=self._seq,
            expires=expires,
        )
        signature = open_entry(raw, NETWORK).entry.sig
        return raw if written.is_signed else raw.replace(signature, bytes(SIGNATURE_BYTES))

    def _spread(self, author: Peer, raw: bytes) -> None:
        self.take(author, raw)
        for peer in self._peers.values():
            if peer is author or not self._weather.reaches(author.name, peer.name):
                continue
            for delay_ms in self._weather.gossip_delays_ms():
                self._agenda.after(delay_ms, self._arrive, peer, raw)

    def _arrive(self, peer: Peer, raw: bytes) -> None:
        if not peer.frozen:
            self.take(peer, raw)


def _job_body(setting: Setting, beacon: Peer, address: SignedEnvelope) -> JobBody:
    is_proved = setting.verify is not Verify.NONE
    return JobBody(
        name="simulated",
        processor=Processor(id="builtin:invert@1", parameters=(), profile=50),
        array=ArraySpec(shape=(setting.sub_blocks * setting.chunks,), dtype="uint8"),
        cut=Cut(tile=(1,), halo=(0,), edge=Edge.NEAREST, chunks_per_sub_block=setting.chunks),
        output=OutputSpec(dtype="uint8"),
        manifest_root=bytes(32),
        deadline_ms=setting.deadline_ms,
        policy=Policy(
            verify=setting.verify,
            samples_permille=100 if is_proved else 0,
            verifiers=setting.verifiers,
            min_members=setting.members_min if is_proved else 1,
        ),
        beacon=beacon.identity.peer_id if is_proved else None,
        beacon_vrf_key=beacon.pen.vrf_key if is_proved else None,
        nonce=setting.seed.to_bytes(16, "big"),
        created_ms=0,
        address=encode(address),
    )
