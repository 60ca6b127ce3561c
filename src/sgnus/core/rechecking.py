"""A publisher runs a private share of what it receives again: nobody but its own dice knows which chunks.

Where a result proves false it signs a verdict of its own, so that the proof is the same as one from a round: the worker's
record and opening, against a verdict; whoever checks it runs the chunk. It convicts nobody by a chunk that gives no
output here, and never by its own results. A microjob that is taken stays taken: what apps have is told to be false, and
not taken back behind their backs. docs/protocol/verification.md.
"""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.core import judging
from sgnus.core.inputs import OutputsStored, Rechecked
from sgnus.core.publication import Publication, Recheck
from sgnus.core.roster import BENCH_NONCE, bench
from sgnus.core.sealing import Commit, recorded
from sgnus.crypto.digests import DIGEST_BYTES
from sgnus.crypto.merkle import split_digests
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedKind, Verdict


def store(own: Publication, stored: OutputsStored) -> None:
    """Hold what a member delivered; then, if our dice say so, have some of it run again. Faults: PeerFault."""
    shelf = own.shelf(stored.microjob)
    before = shelf.held.get(stored.sub_block)
    own.store(stored)
    is_new = before is None and stored.sub_block in shelf.held
    if not stored.recheck or not is_new or own.facts.terms is None or stored.member == own.pen.peer:
        return
    if stored.record is not None and stored.opening is not None:
        shelf.rechecks[stored.sub_block] = Recheck(stored.recheck, stored.record, stored.opening)
        own.out.append(fx.Recheck(own.facts.job, stored.microjob, stored.sub_block, stored.recheck))


def rechecked(own: Publication, given: Rechecked, now_ms: int) -> None:
    """We ran chunks of a held result again. What the sub-block's result was before a void makes no difference: the digests
    are those of the chunks.
    """
    shelf = own.shelf(given.microjob)
    recheck, terms = shelf.rechecks.get(given.sub_block), own.facts.terms
    if recheck is None or terms is None or recheck.chunks != given.chunks:
        return
    del shelf.rechecks[given.sub_block]
    commit = recorded(own.pen, terms, recheck.record)
    false = _first_false(commit, recheck, given)
    if false is not None:
        _convict(own, given.microjob, commit, recheck, false)
    for instance in [name for name, one in own.court.rounds.items() if one.microjob == given.microjob]:
        if instance in own.court.rounds:
            judging.settle(own, instance, now_ms)


def _first_false(commit: Commit, recheck: Recheck, given: Rechecked) -> tuple[int, bytes] | None:
    """The first chunk whose digest is another than ours, and ours."""
    if given.digests is None:
        return None
    for chunk, right in zip(given.chunks, split_digests(given.digests, len(given.chunks)), strict=True):
        first = (chunk - commit.chunks.start) * DIGEST_BYTES
        if recheck.opening.digests[first : first + DIGEST_BYTES] != right:
            return chunk, right
    return None


def _convict(
    own: Publication, microjob: int, commit: Commit, recheck: Recheck, false: tuple[int, bytes]
) -> None:
    """The same way as after a contested round: void, ban, tell all, and the microjobs are open again."""
    (chunk, right), worker = false, commit.member
    own.tell(f"{worker[-6:]} returned a false chunk {chunk}, by its own signature: we ran it again")
    if own.shelf(microjob).taken:
        own.tell(
            f"microjob {microjob} was taken before that was known: what apps have of sub-block {commit.sub_block} is false"
        )
    if worker not in own.court.banned:
        own.court.banned[worker] = None
        own.out.append(_accusation(own, microjob, recheck, worker, (chunk, right)))
    for concerned in judging.void(own, worker):
        judging.open_again(own, concerned)


def _accusation(
    own: Publication, microjob: int, recheck: Recheck, worker: PeerId, false: tuple[int, bytes]
) -> fx.Accuse:
    chunk, right = false
    verdict = Verdict(
        instance=bench(own.facts.job, microjob, own.pen.peer), round=1, chunks=(chunk,), digests=right
    )
    return fx.Accuse(
        job=own.facts.job,
        microjob=microjob,
        accused=worker,
        chunk=chunk,
        record=recheck.record,
        opening=recheck.opening,
        verdict=own.pen.sign(SignedKind.VERDICT, verdict),
        founder=own.pen.peer,
        nonce=BENCH_NONCE,
    )
