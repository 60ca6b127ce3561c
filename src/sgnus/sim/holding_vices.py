"""Vices of peers that hold a microjob up: they say nothing that is false for certain, and see to it that nothing is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import moving
from sgnus.core.room import Room
from sgnus.core.seating import announce, change_list, close_all
from sgnus.messages.ids import PeerId
from sgnus.messages.topics import lobby_topic
from sgnus.messages.v1.types import (
    CloseReason,
    GossipMessage,
    Held,
    HeldNotice,
    OnSubBlockProcessingStarted,
    PublisherView,
    Records,
    Removal,
    RemovalReason,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
    SubBlockAbandoned,
)
from sgnus.sim.member_vices import other_than
from sgnus.sim.vice import Deed, Vice, View


class RemovingHost(Vice):
    """As a host it removes members that did nothing wrong."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room = view.hosted
        if room is None or not view.rolls(100):
            return ()
        others = other_than(view, room.roster.peers)
        if not others:
            return ()
        return _remove(view, room, view.dice.sample(others, view.dice.randint(1, len(others))))


class EvictingHost(Vice):
    """It founds before anybody else, removes everybody as soon as they sit, does all by itself, and lets nobody verify it."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room, guests = view.hosted, _guests(view)
        if room is None or not guests:
            return ()
        return _remove(view, room, guests)


class DeafHost(Vice):
    """It founds before anybody else, and never hears that its first sub-block is held: its room ends for none of its members."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        found_first(view)
        return ()

    def hears(self, view: View, given: ins.Input) -> ins.Input | None:
        if view.hosted is None:
            return given
        if isinstance(given, ins.DeliveryEnded) and given.sub_block == 0:
            return replace(given, held=None)
        if isinstance(given, ins.PeerSaid) and isinstance(
            given.message, HeldNotice | Records | PublisherView
        ):
            held = tuple(word for word in given.message.held if _sub_block_of(view, word))
            return replace(given, message=replace(given.message, held=held))
        return given


class LockedHost(Vice):
    """It founds before anybody else, does one sub-block, so that the publisher prefers its room, then nothing, and says that all
    seats are taken.
    """

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        found_first(view)
        return ()

    def hears(self, view: View, given: ins.Input) -> ins.Input | None:
        return None if isinstance(given, ins.SeatAsked) else given

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        is_abandoned = isinstance(effect, fx.Send) and isinstance(effect.message, SubBlockAbandoned)
        if is_abandoned or (isinstance(effect, fx.Process) and effect.sub_block):
            return ()
        if not isinstance(effect, fx.Gossip):
            return [effect]
        word = effect.message.body
        if not isinstance(word, SignedEnvelope) or word.kind is not SignedKind.ANNOUNCEMENT:
            return [effect]
        said = view.core.pen.open(word, SignedKind.ANNOUNCEMENT, RoomAnnouncement)
        locked = view.core.pen.sign(SignedKind.ANNOUNCEMENT, replace(said, seats=0, members=11))
        return [fx.Gossip(effect.topic, GossipMessage(body=locked))]


class HoardingHost(Vice):
    """It founds before anybody else, does nothing, and says again and again that it has leased all of it to itself."""

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room, guests = view.hosted, _guests(view)
        if room is None or not guests:
            return ()
        room.board.free.clear()
        started = [
            OnSubBlockProcessingStarted(
                instance=room.seat.instance,
                epoch=room.roster.epoch,
                sub_block=number,
                member=view.me,
                elapsed_ms=0,
                deadline_ms=room.seat.deadline_ms,
            )
            for number in range(room.seat.sub_blocks)
            if not room.book.is_held(number)
        ]
        return [fx.Send(tuple(guests), one) for one in started]

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        message = effect.message if isinstance(effect, fx.Send) else None
        is_work = isinstance(message, OnSubBlockProcessingStarted) or isinstance(effect, fx.Process)
        return () if view.hosted is not None and is_work else [effect]


class PulsingHost(LockedHost):
    """As a locked host, but it announces its room so seldom that each time it seems to be a new beginning."""

    PULSE_MS = 25_100

    def __init__(self) -> None:
        self._said_ms = 0

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        super().adds(view, given)
        room = view.hosted
        if room is not None and room.book.delivered() and view.now_ms - self._said_ms >= self.PULSE_MS:
            room.hosting.voice.next_ms = view.now_ms
        return ()

    def does(self, view: View, effect: fx.Effect) -> Iterable[Deed]:
        room = view.hosted
        word = effect.message.body if isinstance(effect, fx.Gossip) else None
        is_said = isinstance(word, SignedEnvelope) and word.kind is SignedKind.ANNOUNCEMENT
        if is_said and room is not None:
            if room.book.delivered() and view.now_ms - self._said_ms < self.PULSE_MS:
                return ()
            self._said_ms = view.now_ms
        return super().does(view, effect)


class HoppingHost(Vice):
    """It founds before anybody else, leases to all, and moves on with them to another microjob before anything is done."""

    HOP_MS = 190

    def __init__(self) -> None:
        self._hopped_ms = 0

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room, core, guests = view.hosted, view.core, _guests(view)
        if room is None or not guests or view.now_ms - self._hopped_ms < self.HOP_MS:
            return ()
        lobby = core.jobs.get(room.seat.job)
        if lobby is None or lobby.facts.microjobs < 2:
            return ()
        self._hopped_ms = view.now_ms
        seat, members = room.seat, room.roster.list.members
        announce(room, view.now_ms, closing=True)
        room.close("moved on")
        deeds = list[Deed](room.out)
        room.out = []
        there = (seat.microjob + 1) % lobby.facts.microjobs
        moving.found(core, lobby, there, view.now_ms, by_app=False, members=members, moves_from=seat.instance)
        deeds += core.out
        core.out = []
        return deeds


class ClosingHost(Vice):
    """It founds before anybody else, leases to all, ends its room before anything is done, and founds another."""

    LASTS_MS = 1_500

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room, guests = view.hosted, _guests(view)
        if room is None or not guests:
            return ()
        if view.now_ms - room.seat.joined_ms < self.LASTS_MS:
            return ()
        close_all(room, CloseReason.EXPIRED, view.now_ms)
        deeds = list[Deed](room.out)
        room.out = []
        view.core.room, view.core.search.seek_ms = None, 0
        return deeds


class ViewForger(Vice):
    """A member that announces a room of another microjob with the lowest of names, and shows the host of its own a view of the
    publisher's that prefers that one.
    """

    SAYS_MS = 3_000

    def __init__(self) -> None:
        self._said_ms = 0
        self._sequence = 0

    def adds(self, view: View, given: ins.Input) -> Iterable[Deed]:
        room, core = view.room, view.core
        lobby = core.jobs.get(room.seat.job) if room is not None else None
        for one in core.jobs.values():
            one.turn_from_ms = view.now_ms + 10_000  # It never founds.
        if room is None or lobby is None or view.hosted is not None or lobby.facts.microjobs < 2:
            return ()
        there = (room.seat.microjob + 1) % lobby.facts.microjobs
        ghost = "0" * 64
        forged = PublisherView(job=room.seat.job, microjob=there, preferred=ghost, held=(), taken=False)
        deeds: list[Deed] = [fx.Send((room.host,), forged)]
        if view.now_ms - self._said_ms < self.SAYS_MS:
            return deeds
        self._said_ms, self._sequence = view.now_ms, self._sequence + 1
        said = RoomAnnouncement(
            job=room.seat.job,
            microjob=there,
            instance=ghost,
            epoch=1,
            members=11,
            seats=0,
            sub_blocks=10,
            unleased=0,
            delivered=0,
            address=core.address,
            waiting=False,
            sequence=self._sequence,
            closing=False,
        )
        word = core.pen.sign(SignedKind.ANNOUNCEMENT, said)
        return [fx.Gossip(lobby_topic(room.seat.job), GossipMessage(body=word)), *deeds]


def _sub_block_of(view: View, word: SignedEnvelope) -> int:
    return view.core.pen.open(word, SignedKind.HELD, Held).sub_block


def _guests(view: View) -> list[PeerId]:
    """It founds before anybody else; who sits with it in the room that it hosts."""
    found_first(view)
    return other_than(view, view.hosted.roster.peers) if view.hosted is not None else []


def found_first(view: View) -> None:
    for lobby in view.core.jobs.values():
        lobby.turn_from_ms = lobby.entered_ms = 0


def _remove(view: View, room: Room, gone: Collection[PeerId]) -> list[Deed]:
    """It says that these were silent."""
    removals = tuple(
        Removal(peer=peer, reason=RemovalReason.SILENT, sub_blocks=(), silent_ms=9_000) for peer in gone
    )
    members = tuple(member for member in room.roster.list.members if member.peer not in gone)
    change_list(room, members, removals, view.now_ms)
    deeds, room.out = list[Deed](room.out), []
    return deeds
