"""What the evidence of a round says: who checks what, whose verdict is due, where worker and checker differ.

Computed from the docket alone, the same for everybody who has the same evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sgnus.core import draw as draws
from sgnus.core import roster as rosters
from sgnus.core.docket import Docket, sealed_as
from sgnus.core.draw import Draw
from sgnus.core.roster import Roster
from sgnus.core.sealing import Commit
from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Opening


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A chunk for which a worker and a checker signed different digests."""

    chunk: int
    commit: Commit
    checker: PeerId


def drawn(docket: Docket) -> Draw | None:
    """Who checks what, once the beacon has spoken.

    Checkers that more than half of the others have not heard are passed over, in order, and only as far as needed: what
    was judged once stays judged by the same, whatever is said of them later.
    """
    spoken = docket.spoken
    if spoken is None:
        return None
    members, workers = spoken.sealing.members, spoken.sealing.workers()
    skipped: list[PeerId] = []
    dealt = draws.draw(docket.terms.policy, spoken.seed, spoken.revealed, workers, skipped)
    for peer in dealt.order:
        if is_covered(docket, dealt):
            break
        if docket.is_suspected(peer, members):
            skipped.append(peer)
            dealt = draws.draw(docket.terms.policy, spoken.seed, spoken.revealed, workers, skipped)
    return dealt


def is_covered(docket: Docket, dealt: Draw) -> bool:
    """Whether every sample has a verdict by who is to give it."""
    return not dealt.unchecked and all(is_judged_by(docket, dealt, peer) for peer in dealt.dues)


def longest_ms(docket: Docket, deadline_ms: int) -> int:
    """How long the checkers may take."""
    dealt = drawn(docket)
    dues = dealt.dues.values() if dealt is not None else ()
    return max((verdict_ms(docket, chunks, deadline_ms) for chunks in dues), default=0)


def verdict_ms(docket: Docket, chunks: Sequence[int], deadline_ms: int) -> int:
    """A checker has as long as a worker would have for as many sub-blocks."""
    return deadline_ms * -(-len(chunks) // docket.terms.chunks_per_sub_block)


def is_judged_by(docket: Docket, dealt: Draw, peer: PeerId) -> bool:
    """Whether the verdicts of `peer` cover what it is to check."""
    judged = docket.judged_by(peer)
    return all(chunk in judged for chunk in dealt.dues.get(peer, ()))


def is_judged(docket: Docket) -> bool:
    """Whether all samples are judged: what was committed may be opened now."""
    dealt = drawn(docket)
    return dealt is not None and is_covered(docket, dealt)


def is_open(docket: Docket) -> bool:
    """Whether all commits are opened."""
    return docket.spoken is not None and len(docket.openings) == len(docket.commits())


def is_proven(docket: Docket) -> bool:
    """Whether a receipt follows: judged, opened, and nobody differs."""
    if docket.spoken is None or sealed_as(docket, docket.spoken.sealing.r) is None:
        return False
    return is_judged(docket) and is_open(docket) and not mismatches(docket)


def mismatches(docket: Docket) -> list[Mismatch]:
    """Where a checker and a worker differ, by chunk."""
    dealt = drawn(docket)
    found: list[Mismatch] = []
    for checker, chunks in dealt.dues.items() if dealt is not None else ():
        digests = docket.judged_by(checker)
        for chunk in chunks:
            commit = commit_with(docket, chunk)
            is_known = chunk in digests and commit.sub_block in docket.openings
            if is_known and opened(docket, chunk) != digests[chunk]:
                found.append(Mismatch(chunk, commit, checker))
    return sorted(found, key=lambda one: one.chunk)


def seals(docket: Docket, opening: Opening) -> bool:
    """Whether an attempt seals the commit that this opens, wherever it was made."""
    named = (opening.instance, opening.sub_block)
    return any(
        (commit.instance, commit.sub_block) == named
        for attempt in docket.attempts.values()
        for commit in attempt.sealing.commits
    )


def opened(docket: Docket, chunk: int) -> bytes:
    """The digest that the worker of `chunk` committed to. PeerFault before it is opened."""
    commit = commit_with(docket, chunk)
    if commit.sub_block not in docket.openings:
        raise PeerFault(f"chunk {chunk} is not opened")
    first = (chunk - commit.chunks.start) * DIGEST_BYTES
    return docket.openings[commit.sub_block].digests[first : first + DIGEST_BYTES]


def commit_with(docket: Docket, chunk: int) -> Commit:
    """The commit that holds chunk number `chunk` of the job. PeerFault if none does."""
    for commit in docket.commits():
        if chunk in commit.chunks:
            return commit
    raise PeerFault(f"chunk {chunk} is not of this microjob")


def roster(docket: Docket) -> Roster:
    """The list of the room that the draw was made over. OurFault before the beacon has spoken."""
    if docket.spoken is None:
        raise OurFault("a room's list was asked for before the beacon spoke")
    return rosters.read(docket.pen, docket.spoken.sealing.proposal.list)
