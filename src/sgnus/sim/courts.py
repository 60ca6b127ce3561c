"""What is told of results that were taken back: no round goes on over them, and no room keeps them. A receipt over them would
be for bytes that nobody has.
"""

from __future__ import annotations

from sgnus.core.node import NodeCore
from sgnus.core.room import Phase
from sgnus.messages.v1.types import Held, SignedEnvelope
from sgnus.wire.codec import decode


def other_results(core: NodeCore) -> str:
    """What is wrong with the rounds that this publisher follows, in words; empty if nothing is."""
    for own in core.publications.values():
        for instance, round_ in own.court.rounds.items():
            shelf = own.shelves[round_.microjob]
            held = [shelf.held[number].payload for number in sorted(shelf.held)]
            for (attempt, author), one in round_.docket.attempts.items():
                if [word.payload for word in one.sealing.proposal.held] != held:
                    return f"{core.pen.peer} follows attempt {attempt} by {author} in {instance[:8]}"
    return ""


def older_word(core: NodeCore, word: SignedEnvelope) -> str:
    """What is wrong, in words, if a peer that heard this HELD of its publisher keeps an older one of that sub-block: in its
    room, or in one that it left before that was complete.
    """
    newest = decode(Held, word.payload)
    if not newest.turn:
        return ""
    rooms = [core.room] if core.room is not None and core.room.phase is not Phase.CLOSED else []
    for room in (*rooms, *core.rounds.left.values()):
        seat = room.seat
        if (seat.publisher, seat.job, seat.microjob) != (word.author, newest.job, newest.microjob):
            continue
        for envelope in room.book.held_envelopes():
            kept = decode(Held, envelope.payload)
            if kept.sub_block == newest.sub_block and (kept.turn or 0) < newest.turn:
                return f"keeps an older word on {newest.sub_block} of {newest.microjob}"
    return ""
