"""What a publisher verifies is what it holds: a round over other results would end with a receipt for bytes that nobody has."""

from __future__ import annotations

from sgnus.core.node import NodeCore


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
