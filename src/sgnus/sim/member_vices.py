"""Vices of members: what they withhold, copy, forge, say again, and whom they accuse."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from sgnus.core import ballot
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core.pen import Pen
from sgnus.core.room import Room
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.topics import lobby_topic, room_topic
from sgnus.messages.v1.types import (
    EntryKind,
    FraudBody,
    GossipMessage,
    Heartbeat,
    HeldNotice,
    JoinRequest,
    LeaseRequest,
    Member,
    OnHostChanged,
    OnPeerListChanged,
    OnProcessed,
    ProcessedRecord,
    Records,
    RecordsWanted,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    VoteGiven,
    VoteRequest,
)
from sgnus.sim.babble import SAID, Babbler
from sgnus.sim.pens import CheapPen
from sgnus.sim.vice import Deed, Vice, View, own

WORDS: Final = (
    SignedKind.PROPOSAL,
    SignedKind.SEAL,
    SignedKind.REVEAL,
    SignedKind.BEACON,
    SignedKind.VERDICT,
    SignedKind.OPENING,
    SignedKind.SUSPICION,
)
FLOOD: Final = 40


class Withholder(Vice):
    """It says that it has processed, and brings nothing."""

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        return [] if isinstance(effect, fx.Deliver) else [effect]


class Squatter(Vice):
    """It has a seat and takes leases, and processes nothing."""

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        return [] if isinstance(effect, fx.Process) else [effect]


class Mute(Vice):
    """It never says its words of one kind in a round."""

    def __init__(self, kind: SignedKind) -> None:
        self._kind = kind

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        return [] if own(view, effect, self._kind) else [effect]


class Copycat(Vice):
    """It processes nothing, and signs the root that somebody else signed."""

    def hears(self, view: View, given: ins.Input) -> ins.Input | None:
        if not isinstance(given, ins.SubBlockComputed):
            return given
        records = view.some_overheard(1, (SignedKind.RECORD,))
        if not records or records[0].author == view.me:
            return given
        seen = view.core.pen.open(records[0], SignedKind.RECORD, ProcessedRecord)
        return replace(given, root=seen.root)


class Forger(Vice):
    """With each word of its own it says the same as if others had signed it."""

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        if not isinstance(effect, fx.Send):
            return [effect]
        others = [peer for peer in view.peers if peer != view.me]
        message, author = effect.message, view.dice.choice(others)
        forged: list[Deed] = []
        if isinstance(message, SignedEnvelope):
            forged = [fx.Send(effect.peers, view.forged(message, author))]
        elif isinstance(message, OnProcessed):
            forged = [fx.Send(effect.peers, OnProcessed(record=view.forged(message.record, author)))]
        elif isinstance(message, VoteRequest):
            forged = [fx.Send(effect.peers, replace(message, base=view.forged(message.base, author)))]
        return [effect, *forged]


class Usurper(Vice):
    """It claims to host, by votes that it made up, by its own alone, by none, by its own twice, by those on a list that a second
    key of its own made up, or on one from when the room was small; and it asks for votes when nothing is wrong.
    """

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room = view.room
        if room is None or view.hosted is not None or not view.rolls(250):
            return ()
        if view.rolls(200):
            return [fx.Send(view.hearers, self._by_a_list_of_its_own(view, room))]
        if view.rolls(400):
            return [fx.Send(view.hearers, self._by_too_few_votes(view, room))]
        old = self._by_an_old_list(view, room) if view.rolls(300) else None
        if old is not None:
            return [fx.Send(view.hearers, old)]
        epoch = room.roster.epoch + view.dice.choice((0, 1, 1, 2, 1_000))
        claimed = view.core.pen.sign(
            SignedKind.LIST,
            replace(
                room.roster.list, epoch=epoch, sequence=room.roster.sequence + 1, previous=room.roster.digest
            ),
        )
        if epoch == room.roster.epoch:
            return [fx.Send(view.hearers, OnPeerListChanged(list=claimed))]
        votes = view.some_overheard(6, (SignedKind.VOTE,))
        votes += [view.forged(claimed, peer) for peer in room.roster.peers]
        claim = _claim(view, room.roster, epoch, tuple(votes[:11]), claimed)
        wish = VoteRequest(instance=room.seat.instance, epoch=epoch, base=room.roster.envelope)
        return [fx.Send(view.hearers, claim), fx.Send(view.hearers, wish)]

    @staticmethod
    def _by_too_few_votes(view: View, room: Room) -> OnHostChanged:
        """All by the rules, but for how many voted."""
        own, base = view.core.pen, room.roster
        epoch = base.epoch + 1
        votes = (ballot.cast(own, base, epoch, view.me),) * view.dice.choice((0, 1, 1, 2))
        following = rosters.successor(own, base, base.list.members, (), epoch)
        return _claim(view, base, epoch, votes, following.envelope)

    @staticmethod
    def _by_an_old_list(view: View, room: Room) -> OnHostChanged | None:
        """Its own vote is more than half of those on a list from when it sat there with the host alone."""
        own = view.core.pen
        here = [one for one in _lists_of(view, room) if view.me in one.peers]
        base = min(here, key=lambda one: one.sequence, default=None)
        if base is None or not ballot.has_quorum(base, 1):
            return None
        epoch = base.epoch + 1
        seats = tuple(one for one in base.list.members if one.peer == view.me)
        votes = (ballot.cast(own, base, epoch, view.me),)
        return _claim(view, base, epoch, votes, rosters.successor(own, base, seats, (), epoch).envelope)

    @staticmethod
    def _by_a_list_of_its_own(view: View, room: Room) -> OnHostChanged:
        """Nobody elected the host of that list, and of the two on it one votes for the other: all by the rules but that."""
        own, other = view.core.pen, CheapPen(PeerId(f"{view.me}k"))
        seats = (seat_of(own, view, room), seat_of(other, view, room))
        epoch = room.roster.epoch + 2
        base = rosters.successor(other, room.roster, seats, (), epoch - 1)
        votes = (ballot.cast(own, base, epoch, view.me),)
        return _claim(view, base, epoch, votes, rosters.successor(own, base, seats[:1], (), epoch).envelope)


class Replayer(Vice):
    """It says again what anybody ever said, to whomever it is connected with, or by gossip."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        if not view.hearers or not view.rolls(200):
            return ()
        asked = [_gossiped(view, word) for word in view.some_overheard(4, (SignedKind.JOIN,))]
        return asked + [fx.Send(view.hearers, _carrying(view, word)) for word in view.some_overheard(4)]


class Flooder(Vice):
    """It speaks at full speed: joins and rooms by gossip, lease requests and the like over its streams."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        if not view.rolls(300):
            return ()
        deeds: list[Deed] = []
        for _ in range(FLOOD // 8):
            room = view.room
            name = room.seat.instance if room is not None else InstanceId(view.dice.randbytes(32).hex())
            epoch = room.roster.epoch if room is not None else 1
            asked = LeaseRequest(instance=name, epoch=epoch, free=60)
            beat = Heartbeat(instance=name, epoch=epoch, sequence=view.dice.randrange(99), records=bytes(32))
            wanted = RecordsWanted(instance=name)
            deeds += [fx.Send(view.hearers, one) for one in (asked, beat, wanted)]
            deeds += [_made_up_room(view), _made_up_join(view)]
        return deeds


class Accuser(Vice):
    """It calls everybody silent in every round, and a fraud in the database."""

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        instance = view.room.seat.instance if view.room is not None else None
        word = own(view, effect, SignedKind.SEAL) or own(view, effect, SignedKind.REVEAL)
        if word is None or not isinstance(effect, fx.Send):
            return [effect]
        for running in view.core.rounds.running:
            instance = running
        said = [
            Suspicion(instance=instance or "", round=1, attempt=view.dice.randrange(2), silent=peer)
            for peer in view.peers
            if peer != view.me
        ]
        accusals = [fx.Send(effect.peers, view.core.pen.sign(SignedKind.SUSPICION, one)) for one in said]
        return [effect, *accusals]

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        if not view.job or not view.rolls(5):
            return ()
        accused = view.dice.choice(view.peers)
        return [fx.PublishEntry(EntryKind.FRAUD, view.job, FraudBody(accused=accused, proof=b"it cheats"))]


class Prattler(Vice):
    """It says whatever the definition of messages lets it say."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        if not view.rolls(120):
            return ()
        room, job = view.room, view.job
        words = [*view.peers, "", "x"] + ([room.seat.instance] if room is not None else [])
        plausible: dict[str, list[Any]] = {
            "job": [job],
            "host": list(view.peers),
            "member": list(view.peers),
            "round": [1],
        }
        if room is not None:
            plausible |= {"instance": [room.seat.instance], "epoch": [room.roster.epoch, 1, 2]}
        babbler = Babbler(view.dice, words, [*view.friends], list(view.overheard), plausible)
        said = babbler.message(view.dice.choice(SAID))
        return [fx.Send(view.hearers, said)] if view.hearers else ()


def _claim(
    view: View, base: rosters.Roster, epoch: int, votes: tuple[SignedEnvelope, ...], first: SignedEnvelope
) -> OnHostChanged:
    """That it hosts, from this epoch on."""
    return OnHostChanged(
        job=base.list.job,
        microjob=base.list.microjob,
        instance=base.instance,
        epoch=epoch,
        host=view.me,
        base=base.envelope,
        votes=votes,
        list=first,
    )


def _lists_of(view: View, room: Room) -> list[rosters.Roster]:
    """All lists that the host of this room ever signed in it."""
    found: list[rosters.Roster] = []
    for word in view.overheard:
        if word.kind is SignedKind.LIST and word.author == room.host:
            with suppress(PeerFault):
                found.append(rosters.read(view.core.pen, word))
    return [one for one in found if one.instance == room.seat.instance]


def _gossiped(view: View, word: SignedEnvelope) -> Deed:
    """A request for a seat, where such are asked for."""
    asked = view.core.pen.open(word, SignedKind.JOIN, JoinRequest)
    return fx.Gossip(room_topic(BlockId(asked.job), asked.microjob), GossipMessage(body=word))


def _carrying(view: View, word: SignedEnvelope) -> Message:
    """The message that carries a word of this kind."""
    room = view.room
    if word.kind is SignedKind.RECORD:
        return OnProcessed(record=word)
    if word.kind is SignedKind.LIST:
        return OnPeerListChanged(list=word)
    if word.kind is SignedKind.HELD:
        instance = room.seat.instance if room is not None else ""
        notices: tuple[Message, ...] = (HeldNotice(held=(word,)), Records(instance=instance, held=(word,)))
        return view.dice.choice(notices)
    if word.kind is SignedKind.VOTE:
        return VoteGiven(vote=word)
    return word


def _made_up_room(view: View) -> Deed:
    said = RoomAnnouncement(
        job=view.job,
        microjob=view.dice.randrange(5),
        instance=view.dice.randbytes(32).hex(),
        epoch=1,
        members=1,
        seats=10,
        sub_blocks=10,
        unleased=10,
        delivered=0,
        address=view.core.own.address,
        waiting=False,
        sequence=1,
        closing=False,
    )
    word = view.core.pen.sign(SignedKind.ANNOUNCEMENT, said)
    return fx.Gossip(lobby_topic(view.job), GossipMessage(body=word))


def _made_up_join(view: View) -> Deed:
    room, microjob = view.room, view.dice.randrange(5)
    asked = JoinRequest(
        job=view.job,
        microjob=microjob,
        instance=room.seat.instance if room is not None else view.dice.randbytes(32).hex(),
        epoch=1,
        workers=64,
        address=view.core.own.address,
        nonce=view.dice.randrange(1 << 30),
        vrf_key=view.core.pen.vrf_key,
    )
    word = view.core.pen.sign(SignedKind.JOIN, asked)
    return fx.Gossip(room_topic(view.job, microjob), GossipMessage(body=word))


def other_than(view: View, peers: Iterable[PeerId]) -> list[PeerId]:
    """These, but for the hostile one itself."""
    return [peer for peer in peers if peer != view.me]


def seat_of(pen: Pen, view: View, room: Room) -> Member:
    """A seat in this room for whoever holds that key, as if it had asked for one."""
    address = view.core.own.address
    asked = JoinRequest(
        job=room.seat.job,
        microjob=room.seat.microjob,
        instance=room.seat.instance,
        epoch=room.roster.epoch,
        workers=1,
        address=address,
        nonce=1,
        vrf_key=pen.vrf_key,
    )
    return Member(peer=pen.peer, workers=1, address=address, join=pen.sign(SignedKind.JOIN, asked))
