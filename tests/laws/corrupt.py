"""What corrupt peers do to a small grid beside making things up: they take seats, found rooms, host, stand, vote, equivocate.

All of it is rightly signed, and most of it is what an honest peer might say in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core.node import NodeCore
from sgnus.core.roster import Roster
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import EPOCHS_AHEAD_MAX
from sgnus.messages.v1.types import (
    HeldNotice,
    JoinAnswer,
    JoinReason,
    JoinRequest,
    Member,
    OnHostChanged,
    OnPeerListChanged,
    Records,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
    Vote,
    VoteGiven,
    VoteRequest,
)
from sgnus.sim.babble import SAID, Babbler
from sgnus.sim.pens import CheapPen, address_of
from tests.laws.picture import difference, picture
from tests.laws.small_grid import JOB, SmallGrid

Scheme = Callable[["Schemer", NodeCore], ins.Input | None]


def say(grid: SmallGrid, victim: PeerId, given: ins.Input) -> None:
    """Something that a corrupt peer says. What is refused must change nothing."""
    core = grid.cores[victim]
    for _ in range(2):
        grid.give(victim, ins.Tick())
    before = picture(core)
    effects = grid.give(victim, given)
    refused = [effect for effect in effects if isinstance(effect, fx.Blame)]
    if refused:
        changed = difference(before, picture(core))
        assert not changed, f"'{refused[0].reason}' refused a message that changed {changed}"
        others = [one for one in effects if not isinstance(one, fx.Blame | fx.Told)]
        assert not others, f"'{refused[0].reason}' refused a message that led to {others[0]}"


class Schemer:
    """One corrupt peer with a plan. What it says follows from the dice and from what it overheard."""

    def __init__(self, grid: SmallGrid, me: PeerId, dice: Random) -> None:
        self.grid = grid
        self.pen = CheapPen(me)
        self.dice = dice

    # ---- one message each, or None where there is nothing to be had
    def invent(self, core: NodeCore) -> ins.Input:
        """Anything, within what the codec lets through."""
        words = [
            "",
            "x",
            "00" * 32,
            JOB,
            *self.grid.shape.peers,
            *self.grid.shape.corrupt,
            *self._instances(core),
        ]
        liar = Babbler(
            self.dice,
            words,
            list(self.grid.shape.corrupt),
            list(self.grid.overheard.signed),
            _plausible(self, core),
        )
        return ins.PeerSaid(self.pen.peer, liar.message(self.dice.choice(SAID)))

    def repeat(self, _core: NodeCore) -> ins.Input | None:
        """A whole message that somebody sent to somebody, in whichever room."""
        sent = self.grid.overheard.sent
        return ins.PeerSaid(self.pen.peer, self.dice.choice(sent)) if sent else None

    def ask_seat(self, core: NodeCore) -> ins.Input | None:
        """As an honest newcomer does, or nearly."""
        room = core.room
        if room is None:
            return None
        request = JoinRequest(
            job=JOB,
            microjob=room.seat.microjob,
            instance=room.seat.instance,
            epoch=room.roster.epoch + self._seldom(1),
            workers=1,
            address=address_of(self.pen),
            nonce=1,
            vrf_key=self.pen.vrf_key,
        )
        return ins.SeatAsked(self.pen.peer, request, self.pen.sign(SignedKind.JOIN, request))

    def announce(self, core: NodeCore) -> ins.Input:
        """A room of our own, or one of somebody else."""
        microjob = self.dice.randrange(2)
        own = rosters.instance_id(JOB, microjob, self.pen.peer, 7)
        announcement = RoomAnnouncement(
            job=JOB,
            microjob=microjob + self._seldom(9),
            instance=self.dice.choice([own, own, *self._instances(core)]),
            epoch=self.dice.choice((1, 1, 2)),
            members=1,
            seats=10,
            sub_blocks=10,
            unleased=self.dice.choice((0, 10, 10)),
            delivered=0,
            address=address_of(self.pen),
            waiting=False,
            sequence=self.grid.now_ms + self.dice.randrange(3),
            closing=not self.dice.randrange(4),
        )
        return ins.RoomHeard(self.pen.peer, announcement)

    def accept(self, core: NodeCore) -> ins.Input | None:
        """Give a newcomer that asked us its seat, or nearly."""
        pending = core.search.pending
        if pending is None:
            return None
        joins = _joins(self)
        founder, nonce = self.pen.peer, 7
        seats = [_seat(self, self.pen.peer, joins)]
        if core.pen.peer in joins and not self._seldom(1):
            seats.append(_seat(self, core.pen.peer, joins))
        listed = rosters.found(self.pen, JOB, pending.microjob, nonce, tuple(seats))
        assert listed.list.founder == founder
        reason = self.dice.choice((JoinReason.ACCEPTED, JoinReason.ACCEPTED, JoinReason.FULL))
        answer = JoinAnswer(
            job=JOB,
            microjob=pending.microjob,
            instance=pending.instance,
            nonce=pending.nonces[-1],
            reason=reason,
            list=listed.envelope,
        )
        return ins.PeerSaid(self.pen.peer, answer)

    def list_anew(self, core: NodeCore) -> ins.Input | None:
        """The next list of a room, with other members, or the same number again: as its host, or as if we were."""
        roster = _some_list(self, core)
        if roster is None:
            return None
        joins = _joins(self)
        members = {x.peer: x for x in roster.list.members if self.dice.randrange(4)}
        for peer in [peer for peer in joins if not self.dice.randrange(3)][:11]:
            members.setdefault(peer, _seat(self, peer, joins))
        if self.pen.peer not in members and self.dice.randrange(5):
            members[self.pen.peer] = _seat(self, self.pen.peer, joins)
        listed = replace(
            roster.list,
            members=tuple(members.values())[: self.dice.choice((11, 12))],
            sequence=roster.sequence + self.dice.choice((0, 1, 1, 5)),
            epoch=roster.epoch + self._seldom(1),
            previous=roster.digest,
            removals=(),
        )
        envelope = self.pen.sign(SignedKind.LIST, listed)
        moves_from = core.room.seat.instance if core.room is not None and self._seldom(1) else None
        return ins.PeerSaid(self.pen.peer, OnPeerListChanged(list=envelope, moves_from=moves_from))

    def stand(self, core: NodeCore) -> ins.Input | None:
        """Ask for a vote, over a list that is real or our own."""
        roster = _some_list(self, core)
        if roster is None:
            return None
        epoch = roster.epoch + self.dice.choice((0, 1, 1, 2, EPOCHS_AHEAD_MAX, EPOCHS_AHEAD_MAX + 1))
        asked = VoteRequest(instance=roster.instance, epoch=epoch, base=roster.envelope)
        return ins.PeerSaid(self.pen.peer, asked)

    def vote(self, core: NodeCore) -> ins.Input | None:
        """Give a vote to whoever stands: the right one, one for another list, or somebody else's."""
        room = core.room
        if room is None:
            return None
        vote = Vote(
            instance=room.seat.instance,
            epoch=room.ballot.epoch + self._seldom(1),
            candidate=core.pen.peer,
            list=room.roster.digest,
        )
        votes = [self.pen.sign(SignedKind.VOTE, vote), *self._signed(SignedKind.VOTE)]
        return ins.PeerSaid(self.pen.peer, VoteGiven(vote=self.dice.choice(votes[:4])))

    def claim(self, core: NodeCore) -> ins.Input | None:
        """Claim to host, with votes of honest members as far as there are any, and our own."""
        roster = _some_list(self, core)
        if roster is None:
            return None
        epoch = roster.epoch + self.dice.choice((1, 1, 2))
        own = Vote(instance=roster.instance, epoch=epoch, candidate=self.pen.peer, list=roster.digest)
        votes = (self.pen.sign(SignedKind.VOTE, own), *self._signed(SignedKind.VOTE)[-4:])
        members = tuple(x for x in roster.list.members if x.peer != roster.host)
        first = rosters.successor(self.pen, roster, members, (), epoch)
        claim = OnHostChanged(
            job=JOB,
            microjob=roster.list.microjob,
            instance=roster.instance,
            epoch=epoch,
            host=self.pen.peer,
            base=roster.envelope,
            votes=votes[: self.dice.randrange(len(votes) + 1)],
            list=first.envelope,
        )
        return ins.PeerSaid(self.pen.peer, claim)

    def mix(self, core: NodeCore) -> ins.Input | None:
        """What others signed, in an order of its own, and among it something that does not belong there."""
        held, records = self._signed(SignedKind.HELD)[-8:], self._signed(SignedKind.RECORD)[-8:]
        odd = self.pen.sign(SignedKind.VOTE, Vote(instance="", epoch=1, candidate="", list=b""))
        others = [odd] if self.dice.randrange(3) else []
        self.dice.shuffle(held)
        self.dice.shuffle(records)
        instance = self._instances(core)[0] if self._instances(core) else ""
        records_too = Records(
            instance=instance, processed=(*records, *others)[:8], held=tuple(held), started=()
        )
        held_too = Records(instance=instance, processed=tuple(records), held=(*held, *others), started=())
        notice = HeldNotice(held=(*held, *others))
        return ins.PeerSaid(self.pen.peer, self.dice.choice((records_too, held_too, notice)))

    # ---- what it knows
    def _seldom(self, number: int) -> int:
        return 0 if self.dice.randrange(5) else number

    def _signed(self, kind: SignedKind) -> list[SignedEnvelope]:
        return [envelope for envelope in self.grid.overheard.signed if envelope.kind is kind]

    def _instances(self, core: NodeCore) -> list[str]:
        found = [core.room.seat.instance] * 3 if core.room is not None else []
        if core.search.pending is not None:
            found.append(core.search.pending.instance)
        return [*found, *(InstanceId(name) for name in core.rounds.running)]


def _joins(by: Schemer) -> dict[str, SignedEnvelope]:
    """Requests for seats that somebody signed: what seats them in any room of the job."""
    found = {envelope.author: envelope for envelope in by._signed(SignedKind.JOIN)}
    for peer in by.grid.shape.corrupt:
        pen = CheapPen(peer)
        request = JoinRequest(
            job=JOB,
            microjob=0,
            instance="",
            epoch=1,
            workers=1,
            address=address_of(pen),
            nonce=1,
            vrf_key=pen.vrf_key,
        )
        found[peer] = pen.sign(SignedKind.JOIN, request)
    return found


def _seat(by: Schemer, peer: str, joins: dict[str, SignedEnvelope]) -> Member:
    address = address_of(CheapPen(PeerId(peer)))
    return Member(peer=peer, workers=1, address=address, join=joins.get(peer))


def _some_list(by: Schemer, core: NodeCore) -> Roster | None:
    """A list that somebody signed; most often the victim's own."""
    lists = by._signed(SignedKind.LIST)[-6:]
    if core.room is not None and by.dice.randrange(3):
        return core.room.roster
    try:
        return rosters.read(by.pen, by.dice.choice(lists)) if lists else None
    except PeerFault:
        return None


def _plausible(by: Schemer, core: NodeCore) -> dict[str, list[Any]]:
    """What a well-informed liar puts into fields of these names."""
    peers = [*by.grid.shape.peers, *by.grid.shape.corrupt]
    names: dict[str, list[Any]] = {
        "job": [JOB],
        "microjob": [0, 1],
        "sub_block": [0, 1, 2, 9],
        "workers": [1],
        "chunks": [1],
        "round": [1],
        "attempt": [0, 1],
        **dict.fromkeys(("founder", "host", "member", "peer", "candidate", "silent"), peers),
    }
    room = core.room
    if room is None:
        return names
    roster = room.roster
    return {
        **names,
        "instance": [room.seat.instance],
        "moves_from": [room.seat.instance],
        "nonce": [roster.list.nonce],
        "epoch": [roster.epoch, roster.epoch + 1, roster.epoch + 2],
        "sequence": [roster.sequence, roster.sequence + 1],
        "previous": [roster.digest],
    }


SCHEMES: tuple[Scheme, ...] = (
    Schemer.invent,
    Schemer.repeat,
    Schemer.mix,
    Schemer.ask_seat,
    Schemer.announce,
    Schemer.accept,
    Schemer.list_anew,
    Schemer.stand,
    Schemer.vote,
    Schemer.claim,
    Schemer.mix,
)
