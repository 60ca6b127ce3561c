"""Lies of a host: it founds before anybody else, and then wants fewer in the draw, or fewer results in the seal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sgnus.core import effects as fx
from sgnus.core.node import NodeCore
from sgnus.core.room import Phase
from sgnus.core.seating import change_list
from sgnus.messages.v1.types import Proposal, Removal, RemovalReason, SignedEnvelope, SignedKind
from tests.whole.lies.lie import Lie, note, own


class RemovesTheOthers(Lie):
    """Between the last commit and the seal it removes everybody but itself."""

    is_eager = True

    def ends(self, core: NodeCore, now_ms: int) -> None:
        room = core.room
        if room is None or room.phase is not Phase.HOST or not room.book.is_complete():
            return
        others = [peer for peer in room.roster.peers if peer != core.pen.peer]
        if not others:
            return
        removals = tuple(
            Removal(peer=peer, reason=RemovalReason.SILENT, sub_blocks=(), silent_ms=9_000) for peer in others
        )
        mine = tuple(member for member in room.roster.list.members if member.peer == core.pen.peer)
        note("who is here", is_lie=True)
        change_list(room, mine, removals, now_ms)
        room.close("it has it to itself")
        core.out += room.out
        room.out = []


class LeavesOut(Lie):
    """What it proposes to seal lacks somebody's result."""

    is_eager = True

    def __init__(self) -> None:
        self._instead: dict[SignedEnvelope, SignedEnvelope] = {}

    def sends(self, core: NodeCore, sent: fx.Send) -> Iterable[fx.Effect]:
        word = own(core, sent.message, SignedKind.PROPOSAL)
        if word is None:
            return [sent]
        if word not in self._instead:
            proposal = core.pen.open(word, SignedKind.PROPOSAL, Proposal)
            self._instead[word] = core.pen.sign(
                SignedKind.PROPOSAL, replace(proposal, held=proposal.held[1:])
            )
        return [replace(sent, message=self._instead[word])]
