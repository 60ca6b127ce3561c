"""The laws of the grid: what must hold in every run, whatever the weather. Each has a noun and a sentence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import (
    Held,
    HeldNotice,
    MemberList,
    PublisherView,
    Receipt,
    Records,
    SignedEnvelope,
    Verify,
)
from sgnus.sim.courts import older_word, other_results
from sgnus.sim.honesty import Honesty, right, root_of
from sgnus.sim.peer import Peer
from sgnus.sim.setting import Setting
from sgnus.sim.weather import RESEND_MS, RESENDS_MAX, Weather
from sgnus.sim.words import Words
from sgnus.wire.codec import decode

LAWS: Final = {
    "seats": "No signed list ever holds more than 11 members, one of them twice, or one that asked for another seat than that.",
    "state": "The core's own invariants hold after every step.",
    "faults": "The core never raises: what a peer does wrong becomes Blame.",
    "honesty": "Nobody blames an honest peer.",
    "epoch": "Of two living hosts of one instance that hear each other, one yields.",
    "founding": "Of two living instances of one microjob that hear each other, one ends.",
    "result": "Every sub-block ends with exactly one HELD, and with the right root.",
    "durability": "What the publisher told to be HELD lies on its disk, whatever crashed since.",
    "proof": "Each microjob has a receipt, and what it verifies is right: with full verification, against one liar; "
    "where the publisher runs all again, against any.",
    "word": "Nobody honest gives two words where one may be: a vote in an epoch, a seal in an attempt, and none after the one "
    "reveal of a round; the one output of its beacon.",
    "host": "Within an epoch an honest member goes over to another host only if that one was elected, and goes before by rank.",
    "list": "Nobody takes a list for a newer one of its host that is older, or a second one with one sequence.",
    "election": "Whoever becomes the host of a room, in the eyes of an honest peer that knows the room, was elected.",
    "court": "The publisher follows no round over other results than it holds.",
    "recall": "Who has the publisher's notice of a new result keeps no word in its room's records that was taken back.",
    "justice": "Nobody is accused but who signed a falsehood.",
    "repetition": "A host never leases what it knows to be held.",
    "news": "A host never leases what its publisher holds for long, if the two were in touch all the time.",
    "thrift": "Without faults and hostile peers no sub-block is leased twice within an instance.",
    "convergence": "All copies of the job database become the same set, with the same fold.",
    "copy": "No honest peer's copy of the job database holds what is not signed, lives too long, is said by whom has no say, or "
    "is one room too many.",
    "seat": "Nobody sits for long in a room that its host has left.",
    "keeping": "No hostile host keeps anybody for long.",
    "end": "Once all is calm, the job ends within a bounded time.",
    "quiet": "When the job is over, nobody keeps a seat, owes outputs, is connected, or hears a topic of it.",
}
LASTS_MS_MAX: Final = {"epoch": 15_000, "founding": 30_000, "seat": 30_000, "keeping": 45_000}
"""How long what breaks these laws may last while all is calm. Who is kept knows it once a lease of two deadlines is over, and
goes after two more and the patience (`core/serving.py`): 28 s in most settings; it may have heard of a lease late.
"""
NEWS_MS_MAX: Final = 3_000 + RESEND_MS * (2**RESENDS_MAX - 1)
"""How long it may take until a host knows what is held, and how long the two were in touch before that counts. A message that
is lost, and all behind it, come as late as it is sent again for the last time.
"""


class Broken(Exception):
    """A law does not hold. `law` is its noun."""

    def __init__(self, law: str, words: str) -> None:
        super().__init__(f"law '{law}' is broken: {LAWS[law]} {words}")
        self.law = law


@dataclass(slots=True)
class Laws:
    """Watches one run. `held` are all HELDs that any publisher's process ever signed, by (microjob, sub-block);
    `known` is what a peer heard to be held, with its microjob; `persisted_ms` says since when the publisher's disk has them,
    `in_touch_ms` since when a peer and the publisher run, are not frozen, and have a stream with each other that does not
    stall.
    """

    setting: Setting
    honesty: Honesty
    held: dict[tuple[int, int], SignedEnvelope] = field(default_factory=dict)
    known: dict[PeerId, dict[tuple[InstanceId, int], int]] = field(default_factory=dict)
    rivals_ms: dict[str, int] = field(default_factory=dict)
    persisted_ms: dict[tuple[int, int], int] = field(default_factory=dict)
    in_touch_ms: dict[PeerId, int] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    blames: int = 0
    wrong: int = 0
    """Sub-blocks that receipts verify although they are false: what the policy let slip."""

    def signed(self, peer: PeerId, envelope: SignedEnvelope, message: object) -> None:
        """Somebody signed something."""
        self.words.elections.signed(envelope, message, is_honest=not self.honesty.is_hostile(peer))
        if isinstance(message, MemberList) and not self.honesty.is_hostile(peer):
            found = self.words.elections.wrong_seats(message)
            if found:
                raise Broken("seats", f"{envelope.author} {found}")

    # ---- every step
    def before(self, peer: Peer, given: ins.Input) -> None:
        """Remember what the peer gets to know of its room."""
        core = peer.core
        room = core.room if core is not None and peer.villain is None else None
        found = self.words.other_host(peer.name, None if room is None else room.roster)
        if found:
            raise Broken("host", found)
        found = other_results(core) if core is not None and core.publications else ""
        if found:
            raise Broken("court", found)
        if core is None or core.room is None or core.room.phase is Phase.CLOSED:
            return
        seat = core.room.seat
        for envelope in _held_in(given):
            held = decode(Held, envelope.payload)
            place = (held.microjob, held.sub_block)
            is_true = (
                place in self.persisted_ms and self.held.get(place) == envelope
            )  # And not void, or forged.
            if is_true and (held.job, held.microjob) == (seat.job, seat.microjob):
                self.known.setdefault(peer.name, {})[seat.instance, held.sub_block] = seat.microjob

    def after(self, peer: Peer, core: NodeCore, given: ins.Input) -> None:
        """An honest peer's core took a step. A word of a later turn says that the one before was false. Whose result it is may
        have it a moment earlier, as an answer to its delivery: the notice follows, and is for all rooms.
        """
        found = self.words.other_list(peer.name, core.room, given)
        if found:
            raise Broken("list", found)
        if not isinstance(given, ins.PeerSaid) or not isinstance(given.message, HeldNotice):
            return
        for envelope in given.message.held:
            found = older_word(core, envelope) if given.peer == envelope.author else ""
            if found:
                raise Broken("recall", f"{peer.name} {found}")

    def effect(self, peer: Peer, effect: fx.Effect, now_ms: int) -> None:
        """One effect of one step of an honest peer, before it is performed."""
        if isinstance(effect, fx.Accuse) and not self.honesty.is_liar(effect.accused):
            raise Broken("justice", f"{peer.name} accuses {effect.accused}")
        if isinstance(effect, fx.HostChanged | fx.RoomLeft):
            found = self.words.elections.unelected(peer.name, effect)
            if found:
                raise Broken("election", found)
        found = self.words.contradiction(peer.name, effect) if isinstance(effect, fx.Send) else ""
        if found:
            raise Broken("word", found)
        if isinstance(effect, fx.Blame):
            self.blames += 1
            if self.honesty.is_hostile(effect.peer):
                return
            raise Broken("honesty", f"{peer.name} blames {effect.peer}: {effect.reason}")
        if isinstance(effect, fx.ProcessingStarted):
            core = peer.core
            room = core.room if core is not None else None
            # A publisher also tells of leases that other hosts gave: those are theirs.
            is_host = room is not None and room.phase is Phase.HOST and room.seat.instance == effect.instance
            key = (effect.instance, effect.sub_block)
            if is_host and key in self.known.get(peer.name, {}):
                raise Broken("repetition", f"{peer.name} leases {key[1]} of {effect.microjob}")
            if is_host:
                self._is_news(peer, (effect.microjob, effect.sub_block), now_ms)
        if isinstance(effect, fx.Persist) and effect.namespace == "held" and not effect.value:
            _job, microjob, sub_block = effect.key.split("/")
            self._is_void(int(microjob), int(sub_block))
        if isinstance(effect, fx.Persist) and effect.namespace == "held" and effect.value:
            envelope = decode(SignedEnvelope, effect.value)
            self._is_one(envelope)
            held = decode(Held, envelope.payload)
            self.persisted_ms.setdefault((held.microjob, held.sub_block), now_ms)
        if isinstance(effect, fx.AnswerHeld) and effect.held is not None:
            self._is_on_disk(peer, effect.held)
        if isinstance(effect, fx.Send) and isinstance(effect.message, HeldNotice):
            for envelope in effect.message.held:
                self._is_on_disk(peer, envelope)

    def lost(self, peer: Peer, keys: list[tuple[str, str]]) -> None:
        """A loss of power took these facts: what was never durable was never told, and does not count."""
        for space, key in keys:
            if space != "held" or peer.villain is not None:
                continue
            _job, microjob, sub_block = key.split("/")
            place = (int(microjob), int(sub_block))
            before = peer.disk.facts.get((space, key))
            self.held.pop(place, None)
            self._is_void(*place)
            if before:
                self.held[place] = decode(SignedEnvelope, before)

    def _is_void(self, microjob: int, sub_block: int) -> None:
        """It is held no more, and whoever hosts may lease it again."""
        self.persisted_ms.pop((microjob, sub_block), None)
        for known in self.known.values():
            for key in [key for key, place in known.items() if (place, key[1]) == (microjob, sub_block)]:
                del known[key]

    def _is_one(self, envelope: SignedEnvelope) -> None:
        """What was signed by a process that died before it was durable was never told, and does not count."""
        held = decode(Held, envelope.payload)
        place = (held.microjob, held.sub_block)
        known = self.held.get(place)
        if known is not None and (decode(Held, known.payload).turn or 0) < (held.turn or 0):
            self.held[place] = envelope  # The one before was false, and was taken back.
        if self.held.setdefault(place, envelope) != envelope:
            raise Broken("result", f"there are two HELDs of {place}")
        if self.setting.verify is Verify.NONE and held.root != root_of(self.honesty, place):
            raise Broken("result", f"the HELD of {place} has a wrong root")

    def _is_on_disk(self, peer: Peer, envelope: SignedEnvelope) -> None:
        held = decode(Held, envelope.payload)
        if held_key(held) not in peer.disk.facts:
            raise Broken("durability", f"{peer.name} told of {held_key(held)} before it was durable")

    def _is_news(self, host: Peer, place: tuple[int, int], now_ms: int) -> None:
        """It may be leased: it is not held, or not for long, or the host was out of touch."""
        latest_ms = now_ms - NEWS_MS_MAX
        if max(self.persisted_ms.get(place, now_ms), self.in_touch_ms.get(host.name, now_ms)) < latest_ms:
            raise Broken("news", f"{host.name} leases {place}, held since {self.persisted_ms[place]} ms")

    def restarted(self, peer: Peer) -> None:
        self.words.hosts.pop(peer.name, None)
        self.known.pop(peer.name, None)

    # ---- every second
    def look(self, peers: Collection[Peer], weather: Weather, now_ms: int, *, is_calm: bool) -> None:
        """Hosts that hear each other and should not both be."""
        self._note_touch(tuple(peers), weather, now_ms)
        hosts: dict[str, list[str]] = {}
        if not is_calm:
            self.rivals_ms.clear()
            return
        for peer in peers:
            room = peer.core.room if peer.core is not None else None
            if room is not None and room.phase is Phase.HOST:
                hosts.setdefault(f"epoch {room.seat.instance}", []).append(peer.name)
                if not room.book.is_complete():
                    hosts.setdefault(f"founding {room.seat.microjob}", []).append(peer.name)
        rivals = {key: names for key, names in hosts.items() if len(names) > 1}
        for peer in peers:
            room = peer.core.room if peer.core is not None else None
            if room is not None and room.host not in hosts.get(f"epoch {room.seat.instance}", ()):
                law = "keeping" if self.honesty.is_hostile(room.host) else "seat"
                rivals[f"{law} {room.seat.instance}/{peer.name}"] = [peer.name, room.host]
        self.rivals_ms = {key: self.rivals_ms.get(key, now_ms) for key in rivals}
        for key, since_ms in self.rivals_ms.items():
            law = key.split()[0]
            if now_ms - since_ms > LASTS_MS_MAX[law]:
                raise Broken(law, f"{rivals[key]} host {key.split()[1][:8]} since {since_ms} ms")

    def _note_touch(self, peers: tuple[Peer, ...], weather: Weather, now_ms: int) -> None:
        publisher, before = peers[0], self.in_touch_ms
        self.in_touch_ms = {
            peer.name: before.get(peer.name, now_ms)
            for peer in peers
            if weather.meets(peer.name, publisher.name) and _are_in_touch(peer, publisher)
        }

    # ---- at the end
    def ended(
        self,
        peers: dict[PeerId, Peer],
        publisher: Peer,
        job: BlockId,
        starts: dict[tuple[InstanceId, int], int],
    ) -> None:
        """The job is over, and the last words were said."""
        self._results(publisher, job)
        if self.setting.verify is not Verify.NONE:
            self._proofs(publisher, job)
        digests = {tuple(sorted(peer.disk.entries)) for peer in peers.values()}
        views = {peer.disk.shelf.view().state if peer.disk.shelf else None for peer in peers.values()}
        if len(digests) != 1 or len(views) != 1:
            raise Broken("convergence", f"there are {len(digests)} sets and {len(views)} states")
        if not (self.setting.faults or self.setting.liars or self.setting.vices):
            twice = {key: count for key, count in starts.items() if count > 1}
            if twice:
                raise Broken("thrift", f"leased more than once: {twice}")
        for peer in peers.values():
            core, process = peer.core, peer.process
            if core is None or process is None:
                raise Broken("end", f"{peer.name} is down although all is calm")
            kept = {
                "room": core.room is not None,
                "request": core.search.pending is not None,
                "parcels": list(core.outbox.parcels),
                "links": list(core.links.wanted),
                "topics": list(process.topics),
            }
            if any(kept.values()):
                raise Broken("quiet", f"{peer.name} still has {kept}")

    def _proofs(self, publisher: Peer, job: BlockId) -> None:
        """Each microjob has its receipt, and what it opens is right, but for what the policy lets slip: one liar between its
        samples, two who check each other. Nothing slips where the publisher runs all again.
        """
        for microjob in range((self.setting.sub_blocks + 9) // 10):
            value = publisher.disk.facts.get(("receipt", f"{job}/{microjob}"))
            if value is None:
                raise Broken("proof", f"microjob {microjob} has no receipt")
            wrong = [
                x.sub_block
                for x in decode(Receipt, value).openings
                if x.digests != b"".join(map(right, self.honesty.chunks_of((microjob, x.sub_block))))
            ]
            is_met = self.setting.recheck or self.setting.liars <= (self.setting.verify is Verify.FULL)
            self.wrong += len(wrong)
            if wrong and is_met:
                raise Broken("proof", f"the receipt of microjob {microjob} verifies wrong sub-blocks {wrong}")

    def _results(self, publisher: Peer, job: BlockId) -> None:
        for number in range(self.setting.sub_blocks):
            place = divmod(number, 10)
            value = publisher.disk.facts.get(("held", f"{job}/{place[0]}/{place[1]}"))
            if value is None or place not in self.held:
                raise Broken("result", f"sub-block {place} has no HELD")
            if decode(SignedEnvelope, value) != self.held[place]:
                raise Broken("durability", f"the HELD of {place} on disk is not the one that was told")
        if len(self.held) != self.setting.sub_blocks:
            raise Broken("result", f"{len(self.held)} HELDs of {self.setting.sub_blocks} sub-blocks")


def _are_in_touch(one: Peer, other: Peer) -> bool:
    if one is other or not one.is_up or not other.is_up or one.core is None or other.core is None:
        return one is other and one.is_up
    return other.name in one.core.links.connected and one.name in other.core.links.connected


def held_key(held: Held) -> tuple[str, str]:
    """Where the publisher keeps a HELD."""
    return "held", f"{held.job}/{held.microjob}/{held.sub_block}"


def _held_in(given: ins.Input) -> tuple[SignedEnvelope, ...]:
    if isinstance(given, ins.DeliveryEnded):
        return () if given.held is None else (given.held,)
    message = given.message if isinstance(given, ins.PeerSaid) else None
    if isinstance(message, HeldNotice | PublisherView | Records):
        return message.held
    return ()
