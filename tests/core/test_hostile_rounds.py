"""What members and strangers try against rounds of verification, and that the round, or the honest node, goes on."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import pytest

from sgnus.core import arbiter, judging, moving, proving
from sgnus.core import effects as fx
from sgnus.core import inputs as ins
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.node import NodeCore
from sgnus.core.publication import Court, Publication
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import (
    ATTEMPTS_MAX,
    EARLY_WORD_BYTES_MAX,
    ROUNDS_PER_MICROJOB_MAX,
)
from sgnus.messages.v1.types import (
    CloseReason,
    HeldNotice,
    OnPeerListChanged,
    Opening,
    RoomClosed,
    Seal,
    SignedEnvelope,
    SignedKind,
    Suspicion,
)
from sgnus.runtime.pens import EnvelopePen
from tests.core.round_table import Table
from tests.round_support import FULL, NETWORK, Round, false_output, identity_of, member_of, output_of, proven

STRANGER = EnvelopePen(identity_of("stranger"), NETWORK)


def committed(members: int = 4) -> Round:
    return Round(members=members, chunks=members, per_sub_block=1, policy=FULL).commit()


def founded_again(members: int = 4) -> Round:
    """A room over results that all were made in another one, which ended before it was verified."""
    of = committed(members)
    host, instance = of.pens[of.peers[0]], rosters.instance_id(of.terms.job, 0, of.peers[0], 8)
    seats = tuple(member_of(pen, of.terms.job, instance) for pen in of.pens.values())
    of.list = rosters.found(host, of.terms.job, 0, 8, seats)
    return of


def test_members_open_what_they_made_in_a_room_that_ended_before() -> None:
    of = founded_again()
    table = Table(of)
    assert len(table.proven().sealing.commits) == len(of.held)
    opened = [envelope.author for _who, envelope in table.said if envelope.kind is SignedKind.OPENING]
    assert set(opened) == set(of.peers)


def test_what_others_open_of_a_room_that_ended_before_is_heard_in_the_round_that_seals_it() -> None:
    of = founded_again()
    table = Table(of)
    table.proven()
    me = table.court.docket.seats()[0]
    node = node_of(of, me)
    effects = node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 20)
    for who, envelope in dict.fromkeys(table.said):
        if who != me:
            effects += node.handle(ins.PeerSaid(who, envelope), 30)
    verdicts = {chunk: digest(output_of(chunk)) for chunk in range(len(of.held))}
    for asked in [effect for effect in effects if isinstance(effect, fx.Reexecute)]:
        ran = b"".join(verdicts[chunk] for chunk in asked.chunks)
        effects += node.handle(ins.Reexecuted(asked.instance, asked.chunks, ran), 40)
    (round_,) = node.rounds.running.values()
    assert sorted(set(range(len(of.held))) - set(round_.docket.openings)) in ([], own_numbers(of, me))


def own_numbers(of: Round, me: PeerId) -> list[int]:
    """The sub-blocks that a member made."""
    return [number for number in range(len(of.held)) if of.peers[number % len(of.peers)] == me]


def forged(of: Round, attempt: int, **change: object) -> SignedEnvelope:
    """A stranger's proposal over the room's results, by a list of an epoch that it claims to host."""
    seats = (member_of(STRANGER, of.terms.job, of.instance),)
    claimed = replace(of.list.list, epoch=2, sequence=2, members=seats)
    listed = STRANGER.sign(SignedKind.LIST, claimed)
    proposal = replace(of.proposal(of.held), attempt=attempt, list=listed, **change)  # type: ignore[arg-type]
    return STRANGER.sign(SignedKind.PROPOSAL, proposal)


def all_hear(table: Table, envelope: SignedEnvelope) -> None:
    """Everybody gets this word; who finds fault with it drops it."""
    for member in table.members.values():
        try:
            proving.hear(member, envelope, table.now_ms)
        except PeerFault:
            continue
    try:
        arbiter.hear(table.court, envelope, table.now_ms)
    except PeerFault:
        return


def node_of(of: Round, peer: PeerId) -> NodeCore:
    """A member of the room, as a whole node."""
    facts = ins.JobFacts(
        job=of.terms.job,
        publisher=of.publisher.peer,
        address=None,
        processor="builtin:invert@1",
        sub_blocks=len(of.held),
        microjobs=1,
        deadline_ms=60_000,
        terms=of.terms,
    )
    address = member_of(of.pens[peer], of.terms.job, of.instance).address
    node = NodeCore.create(of.pens[peer], address, 1, 1)
    node.handle(ins.JobChanged(facts), 0)
    moving.sit(node, node.jobs[facts.job], of.list, 1, by_app=False)
    return node


def words(effects: list[fx.Effect]) -> list[SignedKind]:
    sent = [x.message for x in effects if isinstance(x, fx.Send)]
    return [message.kind for message in sent if isinstance(message, SignedEnvelope)]


def test_the_receipt_of_another_round_takes_nothing() -> None:
    other = proven(Round(members=4, chunks=4, per_sub_block=1, policy=FULL))
    of = Round(members=3, chunks=4, per_sub_block=1, policy=FULL).commit()
    table = Table(of, lambda _who, kind: kind is SignedKind.VERDICT)
    assert arbiter.take_receipt(table.court, other) and table.court.receipt is None
    table.sit(2_000)
    assert table.court.docket.spoken is not None
    with pytest.raises(PeerFault):
        arbiter.take_receipt(table.court, other)
    assert table.court.receipt is None


def test_a_publisher_that_was_started_again_blames_nobody_for_the_receipt_of_the_round_that_it_forgot() -> (
    None
):
    of = Round(members=4, chunks=4, per_sub_block=1, policy=FULL).commit()
    table = Table(of)
    table.proven()
    assert table.court.receipt is not None
    again = Table(of)
    assert arbiter.take_receipt(again.court, table.court.receipt)
    assert again.court.receipt is None


def test_a_proposal_of_an_attempt_beyond_all_bounds_harms_no_node() -> None:
    of = committed()
    node = node_of(of, of.peers[0])
    node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 20)
    for attempt in (ATTEMPTS_MAX - 1, ATTEMPTS_MAX, 65_535):
        node.handle(ins.PeerSaid(STRANGER.peer, forged(of, attempt)), 30)
    for now_ms in range(500, 40_000, 500):
        node.handle(ins.Tick(), now_ms)


def test_a_proposal_that_comes_before_the_room_is_complete_does_not_keep_its_host_from_proposing() -> None:
    of = committed()
    node = node_of(of, of.peers[0])
    node.handle(ins.PeerSaid(STRANGER.peer, forged(of, 0)), 10)
    node.handle(ins.PeerSaid(STRANGER.peer, forged(of, 0, held=())), 10)
    effects = node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 20)
    for now_ms in range(500, 10_000, 500):
        effects += node.handle(ins.Tick(), now_ms)
    assert SignedKind.PROPOSAL in words(effects)


@pytest.mark.parametrize("ending", ["closed", "removed"])
def test_whoever_left_a_room_just_before_its_last_held_can_propose_all_the_same(ending: str) -> None:
    of = committed()
    host, me = of.peers[:2]
    node = node_of(of, me)
    node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held[:-1])), 10)
    closed = RoomClosed(instance=of.instance, reason=CloseReason.TAKEN)
    rest = tuple(member for member in of.list.list.members if member.peer != me)
    shorter = replace(of.list.list, members=rest, sequence=2, previous=of.list.digest)
    removed = OnPeerListChanged(list=of.pens[host].sign(SignedKind.LIST, shorter))
    node.handle(ins.PeerSaid(host, closed if ending == "closed" else removed), 20)
    assert node.room is None
    effects = node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held[-1:])), 30)
    for now_ms in range(500, 10_000, 500):
        effects += node.handle(ins.Tick(), now_ms)
    assert SignedKind.PROPOSAL in words(effects)
    assert node.rounds.left == {}


def test_a_room_that_was_left_for_another_instance_is_not_verified() -> None:
    of = committed()
    node = node_of(of, of.peers[1])
    merged = RoomClosed(instance=of.instance, reason=CloseReason.MERGED)
    node.handle(ins.PeerSaid(of.peers[0], merged), 20)
    node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 30)
    assert not node.rounds.left
    assert not node.rounds.running


def test_a_stranger_that_fills_the_attempts_leaves_room_for_honest_ones() -> None:
    of = committed()
    table = Table(of)
    for attempt in range(ATTEMPTS_MAX):
        all_hear(table, forged(of, attempt))
    table.proven()


def test_a_proposal_of_another_round_is_refused() -> None:
    of = committed()
    with pytest.raises(PeerFault, match="round"):
        proving.hear(Table(of).members[of.peers[0]], forged(of, 0, round=2), 0)


def test_a_member_that_seals_for_the_publisher_alone_does_not_stop_the_beacon() -> None:
    of = committed()
    table = Table(of)
    last = of.peers[3]
    told: list[SignedEnvelope] = []

    def mute(who: PeerId, kind: SignedKind) -> bool:
        """Nobody but the publisher hears the last one: it is handed what it says below."""
        return who == last

    table.mute = mute
    for _ in range(100):
        table.sit(table.now_ms + 100)
        for word in table.members[last].steps.said:
            if word not in told and word.kind is SignedKind.SEAL:
                told.append(word)
                arbiter.hear(table.court, word, table.now_ms)
    assert told
    table.proven()


def test_who_committed_without_a_seat_in_the_room_may_read_what_it_is_drawn_to_check() -> None:
    of = committed()
    table = Table(of)
    court = Court(rounds={of.instance: table.court})
    absent = of.peers[3]
    assert not court.is_judge(absent, 0, of.instance), "no round is known yet"
    host = of.pens[of.peers[0]]
    listed = host.sign(SignedKind.LIST, replace(of.list.list, members=of.list.list.members[:2]))
    arbiter.hear(table.court, host.sign(SignedKind.PROPOSAL, replace(of.proposal(of.held), list=listed)), 0)
    assert court.is_judge(absent, 0, of.instance)
    assert not court.is_judge(absent, 1, of.instance) and not court.is_judge(STRANGER.peer, 0, of.instance)
    court.banned[absent] = None
    assert not court.is_judge(absent, 0, of.instance)


def test_a_strangers_suspicion_does_not_spoil_honest_proposals() -> None:
    of = committed(5)
    table = Table(of, lambda who, kind: who == of.peers[4])
    all_hear(table, forged(of, 0))
    said = Suspicion(instance=of.instance, round=1, attempt=0, silent=of.peers[4])
    all_hear(table, STRANGER.sign(SignedKind.SUSPICION, said))
    assert of.peers[4] not in table.proven().sealing.members


def test_early_words_are_bounded_in_bytes() -> None:
    of = committed()
    node = node_of(of, of.peers[0])
    big = Opening(instance="f" * 64, sub_block=0, salt_seed=b"s" * EARLY_WORD_BYTES_MAX, digests=b"")
    node.handle(ins.PeerSaid(STRANGER.peer, STRANGER.sign(SignedKind.OPENING, big)), 10)
    assert not any(node.rounds.early.values())


def sealed_by_friends(of: Round, nonce: int) -> list[SignedEnvelope]:
    """A stranger's room over results that were made elsewhere: its proposal, and its friends' seals."""
    friends = [EnvelopePen(identity_of(f"friend {number}"), NETWORK) for number in range(9)]
    instance = rosters.instance_id(of.terms.job, 0, STRANGER.peer, nonce)
    seats = tuple(member_of(pen, of.terms.job, instance) for pen in (STRANGER, *friends))
    of = replace_list(of, rosters.found(STRANGER, of.terms.job, 0, nonce, seats))
    word = STRANGER.sign(SignedKind.PROPOSAL, of.proposal(of.held))
    r = sealings.read(STRANGER, of.terms, word).r
    said = Seal(instance=instance, round=1, attempt=0, r=r)
    return [word, *(pen.sign(SignedKind.SEAL, said) for pen in (STRANGER, *friends))]


def replace_list(of: Round, listed: rosters.Roster) -> Round:
    other = copy(of)
    other.list = listed
    return other


def test_no_crowd_of_rooms_takes_the_place_of_the_room_in_which_the_work_was_done() -> None:
    of = committed()
    facts = node_of(of, of.peers[0]).jobs[of.terms.job].facts
    own = Publication(of.publisher, facts)
    own.shelf(0).held = dict(enumerate(of.held))
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held))
    judging.propose(own, word, 0, ())
    judging.hear(own, InstanceId(of.instance), word, 0)
    for nonce in range(100, 100 + 2 * ROUNDS_PER_MICROJOB_MAX):
        proposal, *seals = sealed_by_friends(of, nonce)
        judging.propose(own, proposal, 0, ())
        newest = list(own.court.rounds)[-1]
        for one in (proposal, *seals):
            judging.hear(own, newest, one, 0)
    assert len(own.court.rounds) == ROUNDS_PER_MICROJOB_MAX
    assert of.instance in own.court.rounds


def test_whoever_begins_many_rooms_over_our_results_makes_us_take_part_in_a_few_of_them() -> None:
    of = committed()
    me = of.peers[1]
    node = node_of(of, me)
    node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 20)
    for nonce in range(100, 100 + 2 * ROUNDS_PER_MICROJOB_MAX):
        instance = rosters.instance_id(of.terms.job, 0, STRANGER.peer, nonce)
        seats = (member_of(STRANGER, of.terms.job, instance),)
        of.list = rosters.found(STRANGER, of.terms.job, 0, nonce, seats)
        word = STRANGER.sign(SignedKind.PROPOSAL, of.proposal(tuple(of.held)))
        node.handle(ins.PeerSaid(STRANGER.peer, word), 30)
    foreign = [one for one in node.rounds.running.values() if one.basis is None]
    assert len(foreign) == ROUNDS_PER_MICROJOB_MAX


def test_who_brings_a_liars_other_verdict_is_not_to_blame() -> None:
    of = committed()
    me, liar, honest = of.peers[:3]
    table = Table(of, lambda _who, kind: kind is SignedKind.VERDICT)
    table.sit(2_000)
    node = node_of(of, me)
    node.handle(ins.PeerSaid(of.publisher.peer, HeldNotice(held=of.held)), 20)
    for who, envelope in dict.fromkeys(table.said):
        node.handle(ins.PeerSaid(who, envelope), 30)
    one, other = (
        of.pens[liar].sign(SignedKind.VERDICT, of.verdict((0,), said)) for said in (output_of, false_output)
    )
    node.handle(ins.PeerSaid(liar, one), 40)
    (round_,) = node.rounds.running.values()
    assert round_.docket.judged_by(liar)

    def blamed(sender: PeerId) -> list[PeerId]:
        effects = node.handle(ins.PeerSaid(sender, other), 50)
        return [effect.peer for effect in effects if isinstance(effect, fx.Blame)]

    assert blamed(honest) == []
    assert blamed(liar) == [liar]
    assert round_.docket.judged_by(liar) == {0: digest(output_of(0))}
