"""A round of verification among members and the publisher: who is silent, who lies, what follows; real signatures and VRF."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from sgnus.core import proving
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.patience import unsealed_ms
from sgnus.core.verification import Verification
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import REVEAL_MS, ROUND_STALLED_MS
from sgnus.messages.v1.types import Proposal, Seal, SignedKind
from sgnus.runtime.pens import EnvelopePen
from tests.core.round_table import STEP_MS, VERDICT_MS, Mute, Table
from tests.round_support import FULL, NETWORK, SAMPLE, Round, false_output, identity_of, member_of, output_of


def committed(members: int = 4, lies_of: int | None = None) -> Round:
    """A complete room; the member of number `lies_of` committed to false outputs."""
    of = Round(members=members, chunks=members, per_sub_block=1, policy=FULL)
    return of.commit(lambda chunk: false_output(chunk) if chunk == lies_of else output_of(chunk))


def silent(peer: PeerId, *kinds: SignedKind) -> Mute:
    """This one never says any of these; without kinds, nothing at all."""
    return lambda who, kind: who == peer and (not kinds or kind in kinds)


def test_honest_members_end_with_a_receipt_that_names_them_all() -> None:
    table = Table(committed())
    proven = table.proven()
    assert proven.sealing.members == tuple(sorted(table.members))
    assert not proven.draw.skipped and not table.guilty
    assert proven.draw.verifier in table.members


@pytest.mark.parametrize("members", [2, 3, 11])
def test_a_room_of_any_size_is_verified(members: int) -> None:
    assert len(Table(committed(members)).proven().sealing.members) == members


@pytest.mark.parametrize("seed", range(6))
def test_words_in_any_order_and_twice_end_with_a_receipt(seed: int) -> None:
    Table(committed(), dice=random.Random(seed)).proven()


def test_the_same_samples_are_drawn_by_everybody() -> None:
    of = Round(members=3, chunks=40, per_sub_block=4, policy=SAMPLE).commit()
    assert len(Table(of).proven().draw.samples) == 4


def test_a_member_that_says_nothing_is_left_out_by_suspicions_of_more_than_half() -> None:
    of = committed()
    proven = Table(of, silent(of.peers[3])).proven()
    assert of.peers[3] not in proven.sealing.members
    assert len(proven.sealing.proposal.suspicions) >= 2


def test_a_round_that_its_members_never_seal_ends_although_somebody_proposes_again_and_again() -> None:
    of = committed(5)
    nobodies = of.peers[2:]
    table = Table(of, lambda who, _kind: who in nobodies)
    assert table.sit(unsealed_ms(VERDICT_MS) - STEP_MS) is False
    assert not any(table.members[peer].is_over for peer in of.peers[:2])
    table.sit(unsealed_ms(VERDICT_MS) + 2 * STEP_MS)
    assert all(table.members[peer].is_over for peer in of.peers[:2])


def test_a_host_that_proposes_nothing_is_not_needed() -> None:
    of = committed()
    table = Table(of, silent(of.peers[0], SignedKind.PROPOSAL))
    assert of.peers[0] in table.proven().sealing.members
    assert any(SignedKind.PROPOSAL in table.kinds(peer) for peer in of.peers[1:])


def test_strangers_who_found_a_room_over_others_results_are_not_alone_in_the_draw() -> None:
    of = committed()
    strangers = [EnvelopePen(identity_of(f"stranger {number}"), NETWORK) for number in range(2)]
    instance = rosters.instance_id(of.terms.job, 0, strangers[0].peer, 1)
    seats = tuple(member_of(pen, of.terms.job, instance) for pen in strangers)
    listed = rosters.found(strangers[0], of.terms.job, 0, 1, seats)
    proposal = replace(of.proposal(of.held), instance=instance, list=listed.envelope)
    sealing = sealings.read(of.publisher, of.terms, strangers[0].sign(SignedKind.PROPOSAL, proposal))
    assert set(sealing.members) == {*of.peers, *(pen.peer for pen in strangers)}


def test_half_of_the_others_cannot_push_a_member_out() -> None:
    of = committed(5)

    def mute(who: PeerId, kind: SignedKind) -> bool:
        """The last does not seal, and two of the other four do not mind."""
        return (who == of.peers[4] and kind is SignedKind.SEAL) or (
            who in of.peers[2:4] and kind is SignedKind.SUSPICION
        )

    table = Table(of, mute)
    assert not table.sit(20_000, lambda: table.court.receipt is not None)
    assert all(member.docket.spoken is None for member in table.members.values())


def test_a_reveal_that_is_withheld_does_not_hold_the_beacon_up_for_long() -> None:
    of = committed()
    table = Table(of, silent(of.peers[1], SignedKind.REVEAL))
    proven = table.proven()
    assert of.peers[1] not in proven.draw.order
    assert table.now_ms >= REVEAL_MS


def test_a_verifier_that_is_silent_is_passed_over_and_the_draw_stands() -> None:
    verifier = Table(committed()).proven().draw.verifier
    assert verifier is not None
    table = Table(committed())
    table.runs[verifier] = None
    proven = table.proven()
    assert proven.draw.verifier == verifier
    assert proven.draw.skipped == (verifier,)
    assert verifier not in proven.draw.dues


def test_what_a_member_does_not_open_the_publisher_opens() -> None:
    of, verifier = committed(), Table(committed()).proven().draw.verifier
    worker = next(peer for peer in of.peers if peer != verifier)
    table = Table(of, silent(worker, SignedKind.OPENING))
    table.proven()
    assert SignedKind.OPENING in table.kinds(table.publisher)


def test_without_the_verifiers_receipt_another_member_brings_it() -> None:
    table = Table(committed())
    verifier = Table(committed()).proven().draw.verifier
    assert verifier is not None
    table.members[verifier].steps.proven = True
    table.proven()


def test_nothing_is_opened_before_all_verdicts_are_signed() -> None:
    table = Table(committed())
    table.proven()
    kinds = [envelope.kind for _who, envelope in dict.fromkeys(table.said)]
    last_verdict = len(kinds) - 1 - kinds[::-1].index(SignedKind.VERDICT)
    assert kinds.index(SignedKind.OPENING) > last_verdict


@pytest.mark.parametrize("number", range(4))
def test_a_worker_that_committed_to_a_falsehood_is_convicted_and_nobody_else(number: int) -> None:
    table = Table(committed(lies_of=number))
    assert table.sit(30_000, lambda: bool(table.guilty))
    assert [(guilt.peer, guilt.is_worker) for guilt in table.guilty] == [(table.round.peers[number], True)]
    assert table.court.receipt is None


def test_a_verifier_that_accuses_falsely_is_convicted_and_nobody_else() -> None:
    verifier = Table(committed()).proven().draw.verifier
    assert verifier is not None
    table = Table(committed())
    table.runs[verifier] = false_output
    assert table.sit(30_000, lambda: bool(table.guilty))
    assert [(guilt.peer, guilt.is_worker) for guilt in table.guilty] == [(verifier, False)]


def test_a_verifier_that_waves_a_falsehood_through_is_seen_by_nobody_if_the_two_agree() -> None:
    """What full verification does not promise: a worker and its checker that lie alike."""
    verifier = Table(committed()).proven().draw.verifier
    of = committed()
    worker = next(n for n, peer in enumerate(of.peers) if peer != verifier)
    table = Table(committed(lies_of=worker))
    for peer in table.members:
        table.runs[peer] = lambda chunk: false_output(chunk) if chunk == worker else output_of(chunk)
    assert table.proven()


def test_who_has_revealed_seals_nothing_more() -> None:
    of = committed()
    table = Table(of)
    table.proven()
    first = next(env for _who, env in table.said if env.kind is SignedKind.PROPOSAL)
    proposal = of.publisher.open(first, SignedKind.PROPOSAL, Proposal)
    again = of.pens[of.peers[1]].sign(SignedKind.PROPOSAL, replace(proposal, attempt=7))
    before = {peer: table.kinds(peer).count(SignedKind.SEAL) for peer in table.members}
    table.put(of.peers[1], again)
    table.sit(table.now_ms + 2_000)
    assert before == {peer: table.kinds(peer).count(SignedKind.SEAL) for peer in table.members}


def test_no_member_seals_two_things_in_one_attempt() -> None:
    of = committed()
    table = Table(of, lambda _who, kind: kind is SignedKind.SEAL)
    table.sit(25_000)
    for peer, member in table.members.items():
        seals = [
            of.publisher.open(env, SignedKind.SEAL, Seal)
            for env in member.steps.said
            if env.kind is SignedKind.SEAL
        ]
        assert len({seal.attempt for seal in seals}) == len(seals), peer


def test_a_round_in_which_nothing_happens_ends_by_itself() -> None:
    of = committed()
    table = Table(of, lambda _who, kind: kind is SignedKind.REVEAL)
    table.sit(ROUND_STALLED_MS + 60_000, lambda: all(x.is_over for x in table.members.values()))
    assert all(member.is_over for member in table.members.values())


def test_a_checker_has_as_long_as_a_worker_would_have() -> None:
    verifier = Table(committed()).proven().draw.verifier
    assert verifier is not None
    table = Table(committed(), silent(verifier, SignedKind.VERDICT))
    table.sit(VERDICT_MS - 500)
    assert SignedKind.SUSPICION not in [kind for peer in table.members for kind in table.kinds(peer)]


def test_a_word_that_no_round_knows_is_the_senders_fault() -> None:
    of = committed()
    member: Verification = Table(of).members[of.peers[0]]
    with pytest.raises(PeerFault):
        proving.hear(member, of.list.envelope, 0)
