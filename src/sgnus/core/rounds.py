"""The rounds of verification that a node takes part in, beside its one seat: a room may verify while its members work on.

Routes signed words to the round that they name, as a member or as the job's publisher, and starts a round when a room is
complete or when a proposal comes that seats us.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sgnus.core import beaconing, findings, judging, proving
from sgnus.core import inputs as ins
from sgnus.core import sealing as sealings
from sgnus.core.docket import WORDS, Docket, RoundId
from sgnus.core.room import Room
from sgnus.core.sealing import seated
from sgnus.core.terms import Terms
from sgnus.core.verification import Basis, Moments, Verification
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    DEADLINE_MS_DEFAULT,
    PROPOSE_STAGGER_MS,
    REPEAT_MS,
    ROOMS_LEFT_MAX,
    ROUNDS_AT_ONCE_MAX,
    ROUNDS_PER_MICROJOB_MAX,
)
from sgnus.messages.v1.types import (
    BeaconMissed,
    BeaconOutput,
    Held,
    HeldNotice,
    Opening,
    Proposal,
    ReceiptGiven,
    Reveal,
    RoomClosed,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
    Verdict,
)

if TYPE_CHECKING:
    from sgnus.core.node import NodeCore
    from sgnus.core.publication import Publication

_TYPES: Final[dict[SignedKind, type[Message]]] = {
    SignedKind.PROPOSAL: Proposal,
    SignedKind.SEAL: Seal,
    SignedKind.REVEAL: Reveal,
    SignedKind.SUSPICION: Suspicion,
    SignedKind.BEACON: BeaconOutput,
    SignedKind.BEACON_MISSED: BeaconMissed,
    SignedKind.VERDICT: Verdict,
    SignedKind.OPENING: Opening,
}


def begin(node: NodeCore, room: Room, now_ms: int) -> None:
    """Our room is complete: verify it, if its job wants that. Its host proposes at once, the others if it does not."""
    lobby = node.jobs.get(room.seat.job)
    terms = lobby.facts.terms if lobby is not None else None
    instance = room.seat.instance
    if terms is None or node.rounds.is_over(instance) or not room.book.is_complete():
        return
    round_ = node.rounds.running.get(instance) or _start(node, terms, room.seat.microjob, instance, now_ms)
    round_.basis = Basis.of(node.pen, room.roster.envelope, room.book.held_envelopes())
    before = [peer for peer in sorted(room.roster.peers) if peer < node.pen.peer]
    place = 0 if room.host == node.pen.peer else 1 + len(before)
    round_.moments.propose_ms = now_ms + place * PROPOSE_STAGGER_MS
    _catch_up(node, round_, now_ms)


def keep_left(node: NodeCore, room: Room) -> None:
    """Our seat ended before the last HELDs reached us: with them we could do without its host. The oldest is forgotten."""
    lobby = node.jobs.get(room.seat.job)
    if lobby is None or lobby.facts.terms is None or room.book.is_complete():
        return
    node.rounds.left[room.seat.instance] = room
    if len(node.rounds.left) > ROOMS_LEFT_MAX:
        del node.rounds.left[next(iter(node.rounds.left))]


def take_held(node: NodeCore, said: HeldNotice, now_ms: int) -> None:
    """The publisher's word about a room that we left: if it is complete now, we verify it. All of it is checked before any of
    it counts. Faults: PeerFault.
    """
    publishers = [room.seat.publisher for room in node.rounds.left.values()]
    known = [one for one in said.held if one.author in publishers]
    words = [(node.pen.open(one, SignedKind.HELD, Held), one) for one in known]
    for instance, room in list(node.rounds.left.items()):
        seat, lobby = room.seat, node.jobs.get(room.seat.job)
        for held, envelope in words:
            is_of_it = (envelope.author, held.job, held.microjob) == (seat.publisher, seat.job, seat.microjob)
            if is_of_it and held.sub_block < seat.sub_blocks:
                room.book.add_held(held, envelope)
        if lobby is not None and room.book.is_complete():
            del node.rounds.left[instance]
            lobby.finish(instance, seat.microjob)
            begin(node, room, now_ms)


def hear(node: NodeCore, sender: PeerId, envelope: SignedEnvelope, now_ms: int) -> None:
    """A signed word of a round. Faults: PeerFault, but not for another's word: its bringer may have been told something else."""
    if envelope.kind not in WORDS:
        raise PeerFault(f"a {envelope.kind.name} is no word of a round")
    said = node.pen.open(envelope, envelope.kind, _TYPES[envelope.kind])
    try:
        if isinstance(said, Proposal):
            _proposed(node, said, envelope, now_ms)
        for instance in _rounds_of(node, said):
            _hear_in(node, instance, envelope, now_ms)
    except PeerFault:
        if envelope.author == sender:
            raise


def _rounds_of(node: NodeCore, said: Message) -> list[InstanceId]:
    """Which rounds a word belongs to. An opening names the room in which its commit was made; where that room ended before
    it was verified, another one's round seals the same commit.
    """
    named = InstanceId(said.instance)  # type: ignore[attr-defined]
    if not isinstance(said, Opening):
        return [named]
    dockets = {name: round_.docket for name, round_ in node.rounds.running.items()}
    for own in node.publications.values():
        dockets.update({name: one.docket for name, one in own.court.rounds.items()})
    return [name for name, docket in dockets.items() if findings.seals(docket, said)] or [named]


def _hear_in(node: NodeCore, instance: InstanceId, envelope: SignedEnvelope, now_ms: int) -> None:
    round_ = node.rounds.running.get(instance)
    own = _publication_of(node, instance)
    if round_ is not None:
        _with_round(node, round_, lambda: proving.hear(round_, envelope, now_ms))
    elif own is not None:
        node.to_publication(own, judging.hear, instance, envelope, now_ms)
    elif instance in node.rounds.beacons:
        beaconing.hear(node, instance, envelope, now_ms)
    else:
        node.rounds.keep_early(instance, envelope)


def take_receipt(node: NodeCore, sender: PeerId, given: ReceiptGiven, now_ms: int) -> None:
    """A member brings a receipt to us, the publisher. Faults: PeerFault."""
    own = _publication_of(node, InstanceId(given.instance))
    if own is not None:
        node.to_publication(own, judging.take_receipt, InstanceId(given.instance), given.receipt, now_ms)


def reexecuted(node: NodeCore, given: ins.Reexecuted, now_ms: int) -> None:
    """Chunks were run again here: as checker, or as the publisher between two that differ."""
    round_ = node.rounds.running.get(given.instance)
    own = _publication_of(node, given.instance)
    if round_ is not None and given.digests is not None:
        digests = given.digests
        _with_round(node, round_, lambda: proving.examined(round_, given.chunks, digests, now_ms))
    elif round_ is not None:
        proving.not_examined(round_, now_ms)
    elif own is not None:
        node.to_publication(own, judging.examined, given, now_ms)


def closed(node: NodeCore, sender: PeerId, said: RoomClosed) -> None:
    """The publisher ends a room over results that it took back, and with it its round, and any other round over the same
    results, of which it may not know: its microjob is open again.
    """
    instance = InstanceId(said.instance)
    round_, room, left = node.rounds.running.get(instance), node.room, node.rounds.left.get(instance)
    if left is not None and sender == left.seat.publisher:
        del node.rounds.left[instance]
    if round_ is not None and sender == round_.docket.terms.publisher:
        over = round_.results()
        for one in list(node.rounds.running.values()):
            if one is round_ or any(results in over for results in one.results()):
                one.end("its publisher opened the microjob again")
                _collect(node, one)
        lobby = node.jobs.get(round_.docket.terms.job)
        if lobby is not None:
            lobby.finished.open_again(round_.microjob)  # Whatever else goes on over results that are no more.
    elif room is not None and (room.seat.instance, room.seat.publisher) == (instance, sender):
        node.rounds.end(instance)


def connected(node: NodeCore, peer: PeerId) -> None:
    for round_ in list(node.rounds.running.values()):
        proving.joined(round_, peer)
        _collect(node, round_)


def lost(node: NodeCore, peer: PeerId, now_ms: int) -> None:
    for round_ in node.rounds.running.values():
        proving.severed(round_, peer, now_ms)


def tick(node: NodeCore, now_ms: int) -> None:
    """Time passed: for every round, as member and as publisher."""
    for round_ in list(node.rounds.running.values()):
        if proving.wakes(round_, now_ms):
            proving.tick(round_, now_ms)
            _collect(node, round_)
    for own in node.publications.values():
        if own.court.rounds:
            node.to_publication(own, judging.tick, now_ms, tuple(node.links.connected))
    beaconing.tick(node, now_ms)


def wake_ms(node: NodeCore, now_ms: int) -> int | None:
    """When `tick` is due."""
    moments = [round_.moments.wake_ms for round_ in node.rounds.running.values()]
    moments += [
        one.wake_ms(now_ms) for own in node.publications.values() for one in own.court.rounds.values()
    ]
    moments += [one.wake_ms for one in node.rounds.beacons.values()]
    return min(moments, default=None)


def job_changed(node: NodeCore, facts: ins.JobFacts) -> None:
    """Rounds whose microjob is taken, or whose job is over, have done their work; others wait no more for whom it convicted."""
    for instance, room in list(node.rounds.left.items()):
        if room.seat.job == facts.job and (not facts.open or room.seat.microjob in facts.taken):
            del node.rounds.left[instance]
    for round_ in list(node.rounds.running.values()):
        if round_.docket.terms.job != facts.job:
            continue
        round_.banned = facts.banned
        if not facts.open or round_.microjob in facts.taken:
            round_.end(
                "the publisher has the receipt" if round_.microjob in facts.taken else "the job is over"
            )
            _collect(node, round_)
    beaconing.job_changed(node, facts)


# ---- inner
def _proposed(node: NodeCore, proposal: Proposal, envelope: SignedEnvelope, now_ms: int) -> None:
    """A proposal may begin a round: for its members, and for the publisher."""
    instance, job = InstanceId(proposal.instance), BlockId(proposal.job)
    own = node.publications.get(job)
    if own is not None:
        node.to_publication(own, judging.propose, envelope, now_ms, node.links.connected)
        if instance in own.court.rounds:
            _hear_early(node, instance, now_ms)
        return
    lobby = node.jobs.get(job)
    terms = lobby.facts.terms if lobby is not None else None
    if lobby is not None and terms is not None and terms.beacon == node.pen.peer:
        if proposal.microjob not in lobby.facts.taken and instance not in node.rounds.beacons:
            beaconing.follow(node, terms, envelope, now_ms)
            _hear_early(node, instance, now_ms)
        return
    is_known = instance in node.rounds.running or node.rounds.is_over(instance)
    if terms is None or is_known or node.pen.peer not in seated(node.pen, proposal):
        return
    if lobby is not None and proposal.microjob in lobby.facts.taken:
        return
    if len(node.rounds.running) >= ROUNDS_AT_ONCE_MAX:
        raise PeerFault("too many rounds at once")
    checked = sealings.read(node.pen, terms, envelope)
    if lobby is not None and sealings.is_of_convicted(checked, lobby.facts.banned):
        return
    _make_room(node, terms.job, proposal.microjob)
    round_ = _start(node, terms, proposal.microjob, instance, now_ms)
    _catch_up(node, round_, now_ms)


def _make_room(node: NodeCore, job: BlockId, microjob: int) -> None:
    """Anybody may begin rounds over results that we committed to. Of those of one microjob whose room we do not know the one
    of the lowest standing gives way.
    """
    others = [
        one
        for one in node.rounds.running.values()
        if one.basis is None and (one.docket.terms.job, one.microjob) == (job, microjob)
    ]
    if len(others) >= ROUNDS_PER_MICROJOB_MAX:
        least = min(others, key=lambda one: one.docket.standing())
        least.end("rounds of other rooms take its place")
        _collect(node, least)


def _hear_early(node: NodeCore, instance: InstanceId, now_ms: int) -> None:
    """Words that came before their round began here."""
    for word in node.rounds.early.pop(instance, []):
        try:
            hear(node, PeerId(word.author), word, now_ms)
        except PeerFault:
            continue  # Not the proposer's fault; it just does not count.


def _start(node: NodeCore, terms: Terms, microjob: int, instance: InstanceId, now_ms: int) -> Verification:
    lobby = node.jobs.get(terms.job)
    docket = Docket(node.pen, terms, RoundId(instance))
    verdict_ms = lobby.facts.deadline_ms if lobby is not None else DEADLINE_MS_DEFAULT
    banned = lobby.facts.banned if lobby is not None else ()
    moments = Moments(
        born_ms=now_ms, moved_ms=now_ms, propose_ms=now_ms, repeat_ms=now_ms + REPEAT_MS, wake_ms=now_ms
    )
    round_ = Verification(docket, microjob, moments, verdict_ms, own=node.rounds.own, banned=banned)
    node.rounds.running[instance] = round_
    return round_


def _catch_up(node: NodeCore, round_: Verification, now_ms: int) -> None:
    """Words that came before the round did; then whatever is due."""
    for word in node.rounds.early.pop(round_.docket.round.instance, []):
        try:
            proving.hear(round_, word, now_ms)
        except PeerFault as fault:
            round_.tell(f"a word of {word.author[-6:]} does not count: {fault}")
    proving.advance(round_, now_ms)
    _collect(node, round_)


def _with_round(node: NodeCore, round_: Verification, step: Callable[[], None]) -> None:
    try:
        step()
    finally:
        _collect(node, round_)


def _collect(node: NodeCore, round_: Verification) -> None:
    """Take a round's effects; forget it when it is over."""
    node.out += round_.out
    round_.out = []
    instance = round_.docket.round.instance
    if round_.is_over and node.rounds.running.get(instance) is round_:
        del node.rounds.running[instance]
        if round_.steps.sealed:
            node.rounds.end(instance)  # We may have revealed in it.
        _open_again(node, round_)
        lobby = node.jobs.get(round_.docket.terms.job)
        if lobby is None or round_.microjob in lobby.facts.taken:
            for commit in round_.docket.commits():
                node.rounds.own.pop((commit.instance, commit.sub_block), None)


def _open_again(node: NodeCore, round_: Verification) -> None:
    """Without a receipt our microjob is one that needs a room, unless another instance of it is being verified."""
    lobby = node.jobs.get(round_.docket.terms.job)
    named = (round_.docket.terms.job, round_.microjob)
    if any((one.docket.terms.job, one.microjob) == named for one in node.rounds.running.values()):
        return
    if lobby is not None and round_.microjob not in lobby.facts.taken:
        lobby.finished.open_again(round_.microjob)


def _publication_of(node: NodeCore, instance: InstanceId) -> Publication | None:
    return next((own for own in node.publications.values() if instance in own.court.rounds), None)
