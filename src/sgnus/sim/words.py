"""The words of which an honest peer gives one where one may be, however often it was started again: votes, seals, reveals,
and what a beacon says. Who gives two of them makes two hosts, or two draws. And whose word of its room each obeys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core.room import Room
from sgnus.core.roster import Roster
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import (
    BeaconOutput,
    OnHostChanged,
    OnPeerListChanged,
    Reveal,
    Seal,
    SignedEnvelope,
    SignedKind,
    Vote,
    VoteGiven,
)
from sgnus.sim.elections import Elections
from sgnus.wire.codec import decode

Place = tuple[SignedKind, PeerId, str, int, int]


@dataclass(slots=True)
class Words:
    """What each honest peer sent so far, by where one word may be. What it signed and never sent does not count: it died."""

    said: dict[Place, str | bytes] = field(default_factory=dict)
    hosts: dict[PeerId, Roster] = field(default_factory=dict)
    """The list that each goes by."""
    elections: Elections = field(default_factory=Elections)

    def other_host(self, peer: PeerId, roster: Roster | None) -> str:
        """`peer` goes by this list now. What is wrong with it, in words: only an election makes another host. Two may be elected
        in one epoch, on two lists of which each had other electors; then the lower rank wins.
        """
        before = self.hosts.pop(peer, None)
        if roster is None:
            return ""
        self.hosts[peer] = roster
        is_same = before is not None and (before.instance, before.epoch) == (roster.instance, roster.epoch)
        if before is None or not is_same or before.host == roster.host:
            return ""
        is_elected = (roster.instance, roster.epoch, roster.host) in self.elections.terms
        if is_elected and roster.standing() > before.standing():
            return ""
        return f"{peer} obeyed {before.host}, and in the same epoch {roster.host}"

    def other_list(self, peer: PeerId, room: Room | None, given: ins.Input) -> str:
        """`peer` took this in. If that was a list: what is wrong with the one that it goes by now, in words. It may be a newer
        one of its host, or that of before. (Who stands may bring another of the same age: without one list nobody is elected.)
        """
        message = given.message if isinstance(given, ins.PeerSaid) else None
        before = self.hosts.get(peer)
        if room is None or before is None or not isinstance(message, OnPeerListChanged):
            return ""
        roster = room.roster
        if (before.instance, before.epoch) != (roster.instance, roster.epoch):
            return ""
        is_newer = roster.sequence > before.sequence or roster.digest == before.digest
        return "" if is_newer else f"{peer} goes by another list of {roster.host} that is no newer"

    def contradiction(self, peer: PeerId, effect: fx.Send) -> str:
        """What is wrong with what it sends, in words; empty if nothing is."""
        for envelope in _words_in(effect):
            if envelope.author == peer:
                found = self._note(peer, envelope)
                if found:
                    return found
        return ""

    def _note(self, peer: PeerId, envelope: SignedEnvelope) -> str:
        kind, payload = envelope.kind, envelope.payload
        place: Place
        value: str | bytes
        match kind:
            case SignedKind.VOTE:
                vote = decode(Vote, payload)
                place, value = (kind, peer, vote.instance, 0, vote.epoch), vote.candidate
            case SignedKind.SEAL:
                seal = decode(Seal, payload)
                place, value = (kind, peer, seal.instance, seal.round, seal.attempt), seal.r
                is_new = place not in self.said
                if is_new and (SignedKind.REVEAL, peer, seal.instance, seal.round, 0) in self.said:
                    return f"{peer} seals in {seal.instance[:8]} after it revealed"
            case SignedKind.REVEAL:
                reveal = decode(Reveal, payload)
                place, value = (kind, peer, reveal.instance, reveal.round, 0), reveal.r
            case SignedKind.BEACON:
                output = decode(BeaconOutput, payload)
                place, value = (kind, peer, output.instance, output.round, 0), payload
            case _:
                return ""
        if self.said.setdefault(place, value) != value:
            return f"{peer} gives a second {kind.name} in {place[2][:8]}, number {place[4]}"
        return ""


def _words_in(effect: fx.Send) -> Iterator[SignedEnvelope]:
    message = effect.message
    if isinstance(message, SignedEnvelope):
        yield message
    elif isinstance(message, VoteGiven):
        yield message.vote
    elif isinstance(message, OnHostChanged):
        yield from message.votes
