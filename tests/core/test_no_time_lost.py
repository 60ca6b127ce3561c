"""What must not be waited for: hosts that are gone, electors and checkers that do not come back, words that others can bring."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import ballot as ballots
from sgnus.core import beacon, findings, proving
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.beacon import Beacon
from sgnus.core.inputs import JobChanged, NeighboursChanged, PeerSaid, RoomHeard, Tick
from sgnus.core.node import NodeCore
from sgnus.core.patience import patience_ms
from sgnus.core.room import Phase
from sgnus.core.verification import Verification
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    DEAD_ROOM_MS,
    ELECTION_MS_MAX,
    HOPELESS_MS,
    JOIN_ANSWER_MS_MAX,
    REPEAT_MS,
    ROUND_STALLED_MS,
    SILENCE_MS_MAX,
    VOTE_MS_MAX,
)
from sgnus.messages.v1.types import (
    BeaconMissed,
    OnHostChanged,
    OnPeerListChanged,
    RoomAnnouncement,
    Seal,
    SignedKind,
    VoteRequest,
)
from sgnus.runtime.pens import EnvelopePen
from sgnus.sim.pens import address_of
from tests.core.round_table import VERDICT_MS, Table
from tests.core.seats import JOB, member, pen, room, roster
from tests.core.test_app_seats import FACTS, beat
from tests.core.test_seeking_in_crowds import asked
from tests.round_support import FULL, NETWORK, Round, identity_of

A, B, C = (PeerId(name) for name in "abc")
STEP_MS = 100


# ---- hosts and electors
def seated(*names: str) -> NodeCore:
    """`b` in the room of these, of a job that it can process; the first is the host, and all were heard at 0 ms."""
    node = NodeCore.create(pen("b"), address_of(pen("b")), 1, 1)
    node.handle(NeighboursChanged(tuple(PeerId(name) for name in names)), 0)
    node.handle(JobChanged(dataclasses.replace(FACTS, processor="builtin:x@1")), 0)
    node.room = room("b", *names)
    return node


def announced(node: NodeCore, now_ms: int) -> None:
    """The host says that its room has seats and work."""
    assert node.room is not None
    said = RoomAnnouncement(
        job=JOB,
        microjob=0,
        instance=node.room.seat.instance,
        epoch=1,
        members=3,
        seats=8,
        sub_blocks=3,
        unleased=3,
        delivered=0,
        address=address_of(pen("a")),
        waiting=False,
        sequence=1,
        closing=False,
    )
    node.handle(RoomHeard(A, said), now_ms)


def left_ms(node: NodeCore, until_ms: int, beats: tuple[PeerId, ...] = ()) -> int | None:
    """When the node gives up its room, while it hears these every step."""
    for now_ms in range(STEP_MS, until_ms, STEP_MS):
        for sender in beats:
            beat(node, sender, now_ms)
        if any(isinstance(said, fx.RoomLeft) for said in node.handle(Tick(), now_ms)):
            return now_ms
    return None


def test_where_too_few_electors_are_heard_nobody_waits_for_a_quorum() -> None:
    found = left_ms(seated("a", "b", "c", "d", "e"), 60_000, beats=(C,))
    assert found == pytest.approx(SILENCE_MS_MAX + HOPELESS_MS, abs=2 * STEP_MS)


@pytest.mark.parametrize("beats", [(), (C, PeerId("d"))], ids=["nobody", "enough"])
def test_where_enough_are_heard_their_votes_are_waited_for_and_where_nobody_is_we_may_be_cut_off(
    beats: tuple[PeerId, ...],
) -> None:
    found = left_ms(seated("a", "b", "c", "d", "e"), 60_000, beats)
    assert found is not None and found >= SILENCE_MS_MAX + ELECTION_MS_MAX - VOTE_MS_MAX


def test_too_few_are_heard_anew_after_enough_were() -> None:
    node = seated("a", "b", "c", "d", "e")
    wait_ms = SILENCE_MS_MAX + HOPELESS_MS - 1_000
    assert left_ms(node, wait_ms, beats=(C,)) is None
    beat(node, PeerId("d"), wait_ms)
    assert node.room is not None
    for now_ms in range(wait_ms, wait_ms + SILENCE_MS_MAX + HOPELESS_MS - 500, STEP_MS):
        beat(node, C, now_ms)
        node.handle(Tick(), now_ms)
    assert node.room is not None


@pytest.mark.parametrize("beats", [(), (C,)], ids=["nobody heard", "one heard"])
def test_who_left_a_room_for_want_of_its_host_does_not_ask_that_host_for_a_seat(
    beats: tuple[PeerId, ...],
) -> None:
    node = seated("a", "b", "c", "d", "e")
    announced(node, SILENCE_MS_MAX)
    now_ms = left_ms(node, 60_000, beats)
    assert now_ms is not None
    if not beats:
        assert not node.jobs[JOB].shunned, "it is we who may be cut off"
        return
    said = [
        one for at in range(now_ms, now_ms + JOIN_ANSWER_MS_MAX, STEP_MS) for one in node.handle(Tick(), at)
    ]
    assert asked(said) == []
    assert node.jobs[JOB].shunned[A] == now_ms + DEAD_ROOM_MS


def test_who_left_a_room_while_its_host_was_heard_may_ask_again() -> None:
    node = seated("a", "b", "c")
    announced(node, 10)
    assert node.room is not None
    node.room.close("removed from the list")
    node.handle(Tick(), 20)
    assert node.room is None and not node.jobs[JOB].shunned


def claim_of(name: str, *voters: str) -> OnHostChanged:
    """That this member hosts the room of a, b and c in epoch 2, by these votes."""
    base, own = roster("a", "b", "c"), pen(name)
    seats = tuple(member(one, founder="a") for one in "bc")
    first = rosters.successor(own, base, seats, (), 2)
    return OnHostChanged(
        job=JOB,
        microjob=0,
        instance=base.instance,
        epoch=2,
        host=name,
        base=base.envelope,
        votes=tuple(ballots.cast(pen(voter), base, 2, PeerId(name)) for voter in sorted(voters)),
        list=first.envelope,
    )


def test_who_is_told_that_it_hosts_a_later_epoch_gave_that_up_and_leaves() -> None:
    node = seated("a", "b", "c")
    node.handle(PeerSaid(A, claim_of("b", "b", "c")), 100)
    assert node.room is None


def test_of_another_hosts_claim_it_becomes_a_member() -> None:
    node = seated("a", "b", "c")
    node.handle(PeerSaid(C, claim_of("c", "b", "c")), 100)
    assert node.room is not None and (node.room.host, node.room.phase) == (C, Phase.MEMBER)


@pytest.mark.parametrize("by", ["list", "vote"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_an_old_list_does_not_seat_who_asked_the_host_of_a_later_epoch(epoch: int, by: str) -> None:
    node = seated("a", "b", "c")
    room_, node.room = node.room, None
    assert room_ is not None
    node.room = room_
    announced(node, 10)
    node.room = None
    instance = room_.seat.instance
    known = node.jobs[JOB].rooms[instance]
    known.announcement = dataclasses.replace(known.announcement, epoch=epoch)
    node.handle(Tick(), 5_000)
    assert node.search.pending is not None and node.search.pending.instance == instance
    spoofed = dataclasses.replace(known.announcement, epoch=40, sequence=2)
    node.handle(RoomHeard(PeerId("villain"), spoofed), 5_005)
    listed = room_.roster.envelope
    said = (
        OnPeerListChanged(list=listed)
        if by == "list"
        else VoteRequest(instance=instance, epoch=2, base=listed)
    )
    node.handle(PeerSaid(C, said), 5_010)
    assert (node.room is not None) is (epoch == 1)


# ---- rounds
def member_in(of: Round, number: int) -> Verification:
    """One member's part, as it stands before anything was said."""
    return Table(of).members[of.peers[number]]


def heard(part: Verification, of: Round) -> None:
    """It knows all that `of` does, and revealed for the attempt that is sealed there."""
    for attempt in of.docket.attempts.values():
        part.docket.take(attempt.sealing.envelope)
        for word in attempt.seals.values():
            part.docket.take(word)
    for r, revealed in of.docket.lot.reveals.items():
        part.steps.revealed = r
        for word, _output in revealed.values():
            part.docket.take(word)


def test_the_reveals_of_others_are_brought_until_the_beacon_has_spoken() -> None:
    of = Round(members=4, chunks=5, per_sub_block=1, policy=FULL)
    of.seal()
    of.reveal()
    part = member_in(of, 1)
    heard(part, of)
    (sealing,) = of.docket.sealed()
    revealed = [word for word, _output in of.docket.lot.reveals[sealing.r].values()]
    assert all(word in part.words() for word in revealed)
    missed = BeaconMissed(instance=of.instance, round=1, r=sealing.r)
    word = of.pens[of.peers[3]].sign(SignedKind.BEACON_MISSED, missed)
    part.docket.take(word)
    assert word in part.words()
    of.speak()
    assert of.docket.spoken is not None and of.docket.spoken.envelope is not None
    part.docket.take(of.docket.spoken.envelope)
    assert of.docket.spoken.envelope in part.words()
    assert not any(word in part.words() for word in revealed), "the beacon's word has them"


def test_of_several_sealed_attempts_the_words_of_the_one_that_was_revealed_for_are_brought() -> None:
    of = Round(members=4, chunks=5, per_sub_block=1, policy=FULL)
    of.seal()
    late = of.peers[3]
    suspicions = of.suspect(late, of.peers[:3])
    proposal = dataclasses.replace(of.proposal(of.held), attempt=1, suspicions=tuple(suspicions))
    of.take(of.peers[0], SignedKind.PROPOSAL, proposal)
    second = of.docket.attempts[1, of.peers[0]].sealing
    assert late not in second.members
    part = member_in(of, 1)
    for word in suspicions:
        part.docket.take(word)
    for peer in second.members:
        of.take(peer, SignedKind.SEAL, Seal(instance=of.instance, round=1, attempt=1, r=second.r))
    heard(part, of)
    part.steps.revealed = second.r
    assert of.docket.attempts[1, of.peers[0]].sealing.envelope in part.words()
    assert of.docket.attempts[0, of.peers[0]].sealing.envelope not in part.words()


def unchecked() -> tuple[Table, Verification, PeerId]:
    """Two members; one of them runs nothing yet, and is passed over: the round as the other sees it."""
    of = Round(members=2, chunks=5, per_sub_block=1, policy=FULL).commit()
    gone, left = of.peers
    table = Table(of, mute=lambda peer, kind: peer == gone and kind is SignedKind.SUSPICION)
    table.runs[gone] = None
    part = table.members[left]
    assert table.sit(10_000, lambda: findings.drawn(part.docket) is not None)
    proving.severed(part, gone, table.now_ms)
    assert table.sit(table.now_ms + 5_000, lambda: is_unchecked(part))
    return table, part, gone


def is_unchecked(part: Verification) -> bool:
    dealt = findings.drawn(part.docket)
    return dealt is not None and bool(dealt.unchecked)


def test_a_round_whose_last_checker_is_gone_is_given_up_after_the_patience() -> None:
    table, part, _gone = unchecked()
    begun_ms = part.moments.severed[_gone]
    assert table.sit(60_000, lambda: part.is_over)
    assert table.now_ms == pytest.approx(begun_ms + patience_ms(VERDICT_MS), abs=1_000)
    assert table.now_ms < ROUND_STALLED_MS


def test_a_checker_that_was_passed_over_and_is_here_has_its_time() -> None:
    table, part, gone = unchecked()
    proving.joined(part, gone)
    assert not table.sit(table.now_ms + 2 * patience_ms(VERDICT_MS), lambda: part.is_over)
    slow = table.members[gone]
    for word in part.words():
        table.tell(gone, word)
    assert is_unchecked(slow) and not slow.is_over, "it runs the samples still, whatever the other says of it"


def test_a_beacon_that_spoke_answers_whoever_lacks_its_word_and_not_each_that_brings_the_same() -> None:
    of = Round(members=4, chunks=5, per_sub_block=1, policy=FULL)
    of.seal()
    of.reveal()
    (sealing,) = of.docket.sealed()
    own = Beacon(of.docket, 0, 0)
    beacon.speak(own, 0)
    own.out.clear()
    words = [word for word, _output in of.docket.lot.reveals[sealing.r].values()]
    for _bringer in of.peers:
        for word in words:
            beacon.hear(own, word, 1_000)
    assert [one.peers for one in own.out if isinstance(one, fx.Send)] == [(word.author,) for word in words]
    own.out.clear()
    for word in words:
        beacon.hear(own, word, 1_000 + REPEAT_MS)
    assert len(own.out) == len(words)


def test_a_verdict_over_another_attempt_than_the_one_that_was_drawn_for_is_nobodys_fault() -> None:
    of = Round(members=4, chunks=5, per_sub_block=1, policy=FULL)
    of.seal()
    of.reveal(silent=of.peers[3:])
    of.speak()
    assert of.docket.spoken is not None and of.peers[3] not in of.docket.spoken.revealed
    word = of.verdict((0,))
    assert not of.docket.take(of.pens[of.peers[3]].sign(SignedKind.VERDICT, word))
    assert of.docket.judged_by(of.peers[3]) == {}
    stranger = EnvelopePen(identity_of("stranger"), NETWORK)
    with pytest.raises(PeerFault, match="not drawn from"):
        of.docket.take(stranger.sign(SignedKind.VERDICT, word))
