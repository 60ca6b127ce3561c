"""Everybody's copy of the job database: real entries, the real fold, gossip that loses, exchanges that repair."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from sgnus.core.inputs import Input, JobChanged, JobFacts, RoomHeard
from sgnus.core.shelf import RoomClaim, Shelf
from sgnus.core.terms import Terms
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.v1.types import (
    ArraySpec,
    Cut,
    Edge,
    EntryKind,
    JobBody,
    OutputSpec,
    Policy,
    Processor,
    RoomAnnouncement,
    SignedEnvelope,
    Verify,
)
from sgnus.sim.agenda import Agenda
from sgnus.sim.exchange import exchanged
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting
from sgnus.sim.weather import Weather
from sgnus.wire.codec import decode, encode
from sgnus.wire.entry import OpenedEntry, check_signature, open_entry, seal_entry

NETWORK = NetworkId("00" * 16)
JOB_LIFE_MS = 24 * 3_600_000
ROOM_LIFE_MS = 120_000
FRESH_MS = 3_000
EXCHANGE_MS = 5_000


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
        self._opened: dict[bytes, OpenedEntry] = {}
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
            expires=JOB_LIFE_MS,
        )
        self.job = open_entry(raw, NETWORK).cid
        self._spread(publisher, raw)

    def publish(self, author: Peer, kind: EntryKind, body: Message) -> None:
        """Sign an entry, keep it, tell the others."""
        self._seq += 1
        expires = JOB_LIFE_MS
        if kind is EntryKind.ROOM:
            expires = self._agenda.now_ms + ROOM_LIFE_MS
        raw = seal_entry(author.identity, NETWORK, kind, self.job, body, seq=self._seq, expires=expires)
        self._spread(author, raw)

    def exchange(self, one: Peer, other: Peer) -> None:
        """Two databases become the same, by one reconciliation."""
        sides = [{self._open(raw).id: raw for raw in peer.disk.entries} for peer in (one, other)]
        for peer, received in zip((one, other), exchanged(*sides), strict=True):
            for raw in received:
                self.take(peer, raw)

    def exchange_for_ever(self, dice: random.Random) -> None:
        """Random pairs that reach each other exchange, again and again."""
        one, other = dice.sample(list(self._peers.values()), 2)
        if one.is_up and other.is_up and self._weather.reaches(one.name, other.name):
            self.exchange(one, other)
        pause_ms = max(1, EXCHANGE_MS // len(self._peers))
        self._agenda.after(pause_ms, self.exchange_for_ever, dice)

    def take(self, peer: Peer, raw: bytes) -> None:
        """An entry comes to a peer that runs: kept, folded, told to the core if the fold says something new."""
        if raw in peer.disk.entries or peer.process is None:
            return
        opened = self._open(raw)
        if opened.entry.kind is EntryKind.JOB:
            peer.disk.shelf = Shelf(opened)
            peer.disk.entries[raw] = None
            orphans, peer.disk.orphans = peer.disk.orphans, []
            for orphan in orphans:
                self._agenda.after(0, self.take, peer, orphan)
        elif peer.disk.shelf is None:
            peer.disk.orphans.append(raw)
            return
        else:
            try:
                displaced = peer.disk.shelf.add(opened)
            except PeerFault:
                return
            if opened not in displaced:
                peer.disk.entries[raw] = None
            for gone in displaced:
                peer.disk.entries.pop(gone.raw, None)
        self.tell(peer)

    def tell(self, peer: Peer) -> None:
        """Tell the core what the fold says, if it is new to this process."""
        process, shelf = peer.process, peer.disk.shelf
        if process is None or shelf is None:
            return
        facts = self.facts(shelf, is_fresh=process.told.is_fresh if process.told else self._is_fresh())
        if facts != process.told:
            process.told = facts
            self._give(peer, JobChanged(facts))
        for claim in shelf.view().rooms:
            host = self._name_of(claim.host)
            if claim.expires_ms > self._agenda.now_ms and host != peer.name:
                self._give(peer, RoomHeard(host, self._as_announcement(facts, claim)))

    def facts(self, shelf: Shelf, *, is_fresh: bool) -> JobFacts:
        view = shelf.view()
        return JobFacts(
            job=view.block_id,
            publisher=self._name_of(view.author),
            address=decode(SignedEnvelope, view.body.address or b""),
            processor=view.body.processor.id,
            sub_blocks=self._setting.sub_blocks,
            microjobs=(self._setting.sub_blocks + 9) // 10,
            deadline_ms=view.body.deadline_ms,
            terms=self._terms(shelf),
            banned=tuple(self._name_of(peer) for peer in view.banned),
            open=view.is_open,
            taken=frozenset(view.taken),
            is_fresh=is_fresh,
        )

    def _terms(self, shelf: Shelf) -> Terms | None:
        terms = Terms.of(NETWORK, shelf.job, self._setting.sub_blocks * self._setting.chunks)
        if terms is None:
            return None
        publisher, beacon = self._name_of(terms.publisher), self._name_of(terms.beacon)
        return replace(terms, publisher=publisher, beacon=beacon)

    def _as_announcement(self, facts: JobFacts, claim: RoomClaim) -> RoomAnnouncement:
        """A ROOM entry lets newcomers ask before the lobby answers; it says nothing of what became of the room."""
        return RoomAnnouncement(
            job=facts.job,
            microjob=claim.microjob,
            instance=claim.instance,
            epoch=claim.epoch,
            members=1,
            seats=1,
            sub_blocks=facts.sub_blocks_of(claim.microjob),
            unleased=1,
            delivered=0,
            address=decode(SignedEnvelope, claim.address),
            waiting=False,
            sequence=0,
            closing=False,
        )

    def _name_of(self, author: PeerId) -> PeerId:
        """Entries carry real peer ids; everything else has names that people can read."""
        return next(peer.name for peer in self._peers.values() if peer.identity.peer_id == author)

    def _is_fresh(self) -> bool:
        return self._agenda.now_ms < FRESH_MS

    def _open(self, raw: bytes) -> OpenedEntry:
        if raw not in self._opened:
            opened = self._opened[raw] = open_entry(raw, NETWORK)
            if not check_signature(opened):
                raise OurFault("an honest peer's entry carries a wrong signature")
        return self._opened[raw]

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
