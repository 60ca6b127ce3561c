"""Those who did the work are gone, and too many to be passed over: what the publisher has done again, and what it has not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from sgnus.core import judging
from sgnus.core import roster as rosters
from sgnus.core import sealing as sealings
from sgnus.core.patience import patience_ms
from sgnus.core.publication import Court, Publication
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import BEACON_MS, ROUND_MS_MAX, ROUND_STALLED_MS, SEATED_MAX
from sgnus.messages.v1.types import Held, Reveal, Seal, SignedKind, Suspicion
from sgnus.runtime.pens import EnvelopePen
from tests.core.test_hostile_rounds import committed, founded_again, node_of, sealed_by_friends
from tests.round_support import FULL, NETWORK, Round, identity_of, job_of, member_of


def publisher_of(of: Round, **facts: int) -> Publication:
    known = node_of(of, of.peers[0]).jobs[of.terms.job].facts
    own = Publication(of.publisher, replace(known, **facts))  # type: ignore[arg-type]
    own.shelf(0).held = dict(enumerate(of.held))
    return own


def begun(of: Round, own: Publication, sealed_by: Collection[PeerId], now_ms: int = 0) -> None:
    """A round in this room that these members seal, and none of the others."""
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held))
    judging.propose(own, word, now_ms, ())
    judging.hear(own, InstanceId(of.instance), word, now_ms)
    r = sealings.read(of.publisher, of.terms, word).r
    seal = Seal(instance=of.instance, round=1, attempt=0, r=r)
    for peer in sealed_by:
        judging.hear(own, InstanceId(of.instance), of.pens[peer].sign(SignedKind.SEAL, seal), now_ms)


def reveal(of: Round, own: Publication) -> None:
    """All members do, over what they sealed."""
    instance = InstanceId(of.instance)
    r = own.court.rounds[instance].docket.sealed()[0].r
    for pen in of.pens.values():
        said = Reveal(instance=instance, round=1, r=r, proof=pen.prove(r))
        judging.hear(own, instance, pen.sign(SignedKind.REVEAL, said), 10)


def held_by(own: Publication) -> set[str]:
    """Whose results are held."""
    return {own.pen.open(one, SignedKind.HELD, Held).member for one in own.shelf(0).held.values()}


@pytest.mark.parametrize(("sealed", "left"), [(2, 2), (4, 1)])
def test_what_those_did_who_are_gone_is_done_again_where_too_few_are_left_to_pass_them_over(
    sealed: int, left: int
) -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:left]
    begun(of, own, of.peers[:sealed])
    late_ms = patience_ms(own.facts.deadline_ms)
    for now_ms in (0, late_ms - 1):
        judging.tick(own, now_ms, here)
        assert held_by(own) == set(of.peers)
    judging.tick(own, late_ms, here)
    assert held_by(own) == set(here)
    assert not own.court.rounds and not own.court.banned


def test_a_sealed_round_whose_members_can_pass_over_who_is_gone_goes_on_while_there_is_news_of_it() -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:3]
    begun(of, own, of.peers)
    said = Suspicion(instance=of.instance, round=1, attempt=0, silent=of.peers[3])
    word = of.pens[of.peers[0]].sign(SignedKind.SUSPICION, said)
    stall_ms = max(ROUND_STALLED_MS, patience_ms(own.facts.deadline_ms))
    judging.tick(own, 0, here)
    for now_ms in (stall_ms - 1, 2 * stall_ms - 2):
        judging.hear(own, InstanceId(of.instance), word, now_ms)
        judging.tick(own, now_ms, here)
        assert held_by(own) == set(of.peers) and own.court.rounds
    judging.hear(own, InstanceId(of.instance), word, 2 * stall_ms - 1)
    judging.tick(own, 2 * stall_ms - 1, here)
    assert held_by(own) == set(here), "what was said before is no news"


def test_one_stream_that_breaks_for_a_moment_undoes_nothing_and_draws_nobody_again() -> None:
    of = committed(5)
    own = publisher_of(of)
    begun(of, own, of.peers)
    reveal(of, own)
    assert own.court.rounds[InstanceId(of.instance)].docket.spoken is not None
    late_ms = patience_ms(own.facts.deadline_ms)
    for now_ms in (0, late_ms):
        judging.tick(own, now_ms, of.peers[:3])
    for now_ms in (late_ms + 500, late_ms + 1_000):
        judging.tick(own, now_ms, of.peers[:2])  # One has seen the draw, and does not like it.
    assert held_by(own) == set(of.peers) and own.court.rounds


@pytest.mark.parametrize("sealed", [2, 5])
def test_after_an_outage_of_the_publisher_nothing_is_undone(sealed: int) -> None:
    of = committed(5)
    own = publisher_of(of)
    begun(of, own, of.peers[:sealed])
    late_ms = patience_ms(own.facts.deadline_ms)
    judging.tick(own, 0, of.peers[:4])  # The fifth is late already.
    for now_ms in range(500, 2 * late_ms, 500):
        judging.tick(own, now_ms, ())
    judging.tick(own, 2 * late_ms, of.peers[:1])  # The first is back, the others a moment later.
    assert held_by(own) == set(of.peers) and own.court.rounds


@pytest.mark.parametrize("worked", [False, True], ids=["a stranger", "one who worked for the job elsewhere"])
def test_where_none_of_them_is_left_it_takes_one_that_worked_for_the_job_to_show_that_it_is_not_the_publisher_that_is_cut_off(
    worked: bool,
) -> None:
    of = committed()
    own = publisher_of(of)
    begun(of, own, of.peers[:2])
    by_friends, *seals = sealed_by_friends(of, 100)
    judging.propose(own, by_friends, 0, ())
    judging.hear(own, list(own.court.rounds)[-1], by_friends, 0)
    beside = [PeerId(seals[0].author)]
    if worked:
        own.court.note_worker(beside[0])
    wait_ms = patience_ms(own.facts.deadline_ms) * (1 if worked else 2)
    for now_ms in (0, wait_ms - 1):
        judging.tick(own, now_ms, beside)
    assert held_by(own) == set(of.peers)
    judging.tick(own, wait_ms, beside)
    assert not held_by(own)


def test_of_those_who_worked_for_a_job_the_latest_are_known() -> None:
    court = Court()
    for number in range(SEATED_MAX + 2):
        court.note_worker(PeerId(str(number)))
        court.note_worker(PeerId("0"))
    assert len(court.workers) == SEATED_MAX
    assert "0" in court.workers and "1" not in court.workers


def sealed_by_strangers(of: Round, own: Publication, now_ms: int, nonce: int = 5) -> tuple[PeerId, ...]:
    """Six found a room over the results of others, pass over those by suspicions of their own, and seal."""
    pens = [EnvelopePen(identity_of(f"sybil {number}"), NETWORK) for number in range(6)]
    instance = rosters.instance_id(of.terms.job, 0, pens[0].peer, nonce)
    seats = tuple(member_of(pen, of.terms.job, instance) for pen in pens)
    doubts = tuple(
        pen.sign(SignedKind.SUSPICION, Suspicion(instance=instance, round=1, attempt=0, silent=peer))
        for peer in of.peers
        for pen in pens
    )
    listed = rosters.found(pens[0], of.terms.job, 0, nonce, seats).envelope
    said = replace(of.proposal(of.held), instance=instance, list=listed, suspicions=doubts)
    word = pens[0].sign(SignedKind.PROPOSAL, said)
    r = sealings.read(of.publisher, of.terms, word).r
    seal = Seal(instance=instance, round=1, attempt=0, r=r)
    judging.propose(own, word, now_ms, ())
    for one in (word, *(pen.sign(SignedKind.SEAL, seal) for pen in pens)):
        judging.hear(own, instance, one, now_ms)
    assert own.court.rounds[instance].docket.sealed()
    return tuple(pen.peer for pen in pens)


@pytest.mark.parametrize("is_talking", [False, True])
def test_strangers_who_seal_a_round_and_go_no_further_do_not_keep_the_absent_for_ever(
    is_talking: bool,
) -> None:
    of = committed()
    own, here = publisher_of(of, deadline_ms=1_000), of.peers[:1]
    begun(of, own, here)
    strangers = sealed_by_strangers(of, own, 0)
    late_ms, stall_ms = patience_ms(1_000), ROUND_STALLED_MS
    until_ms = late_ms + 2 * stall_ms + 10_000 if is_talking else stall_ms
    for now_ms in range(0, until_ms, 500):
        for one in own.court.rounds.values():
            one.since.moved_ms = now_ms if is_talking else 0
        judging.tick(own, now_ms, (*here, *strangers))
        assert held_by(own) == set(of.peers), now_ms
    judging.tick(own, until_ms, (*here, *strangers))
    assert held_by(own) == set(here)


def test_what_is_held_up_does_not_begin_anew_when_its_rounds_do() -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:1]
    own.shelf(0).absence.held_up_ms = 0
    begun(of, own, here)
    strangers = sealed_by_strangers(of, own, 0)
    for now_ms in range(0, ROUND_MS_MAX + 1, 500):
        for one in own.court.rounds.values():
            one.since.moved_ms = now_ms
        judging.tick(own, now_ms, (*here, *strangers))
    assert not own.court.rounds and held_by(own) == set(of.peers)
    of.list = founded_again().list
    begun(of, own, here, ROUND_MS_MAX)
    sealed_by_strangers(of, own, ROUND_MS_MAX, nonce=6)
    for now_ms in (ROUND_MS_MAX, ROUND_MS_MAX + 2 * ROUND_STALLED_MS):
        for one in own.court.rounds.values():
            one.since.moved_ms = now_ms
        judging.tick(own, now_ms, (*here, *strangers))
    assert held_by(own) == set(here)


def test_a_round_that_waits_for_another_beacon_than_the_publisher_goes_on() -> None:
    job = job_of(5, 1, FULL, beacon=identity_of("outside"), deadline_ms=1_000)
    of = Round(members=5, chunks=5, per_sub_block=1, policy=FULL, job=job).commit()
    own, here = publisher_of(of, deadline_ms=1_000), of.peers[:4]
    begun(of, own, of.peers)
    reveal(of, own)
    for now_ms in range(0, BEACON_MS + 1_000, 500):
        judging.tick(own, now_ms, here)
        assert held_by(own) == set(of.peers), now_ms


def test_what_was_held_when_the_job_ended_stays() -> None:
    of = committed()
    own = publisher_of(of)
    begun(of, own, of.peers)
    own.is_done = True
    for now_ms in (0, 10 * patience_ms(own.facts.deadline_ms)):
        judging.tick(own, now_ms, of.peers[:1])
    assert held_by(own) == set(of.peers)


def test_an_absence_from_before_is_forgotten_when_nobody_looked_meanwhile() -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:2]
    late_ms = patience_ms(own.facts.deadline_ms)
    own.shelf(0).absence.away_ms[of.peers[3]] = 0
    begun(of, own, here, 10 * late_ms)
    judging.tick(own, 10 * late_ms, here)
    assert held_by(own) == set(of.peers)


def test_a_crowd_cannot_have_the_work_of_those_undone_who_are_there_but_do_not_seal_its_round() -> None:
    of = committed()
    own = publisher_of(of)
    begun(of, own, of.peers[:2])
    for now_ms in (0, patience_ms(own.facts.deadline_ms)):
        judging.tick(own, now_ms, of.peers)
    assert held_by(own) == set(of.peers) and own.court.rounds


def test_who_was_back_for_a_moment_has_all_of_the_time_again() -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:2]
    begun(of, own, here)
    late_ms = patience_ms(own.facts.deadline_ms)
    judging.tick(own, 0, here)
    judging.tick(own, late_ms - 1, of.peers)
    judging.tick(own, late_ms, here)
    assert held_by(own) == set(of.peers)
    judging.tick(own, 2 * late_ms, here)
    assert held_by(own) == set(here)


def test_another_round_over_the_same_results_does_not_make_those_wait_longer_who_are_there() -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:2]
    begun(of, own, here)
    late_ms = patience_ms(own.facts.deadline_ms)
    judging.tick(own, 0, here)
    again = founded_again()
    again.held = of.held
    begun(again, own, again.peers[:2], late_ms - 1)
    assert len(own.court.rounds) == 2
    judging.tick(own, late_ms, here)
    assert held_by(own) == set(here)


def test_a_publisher_that_nobody_reaches_has_nothing_done_again() -> None:
    of = committed()
    own = publisher_of(of)
    begun(of, own, of.peers[:2])
    for now_ms in (0, 10 * patience_ms(own.facts.deadline_ms)):
        judging.tick(own, now_ms, ())
    assert held_by(own) == set(of.peers) and own.court.rounds


def test_what_the_publisher_ran_itself_is_not_done_again() -> None:
    of = committed()
    own, here = publisher_of(of), of.peers[:2]
    begun(of, own, here)
    last = own.pen.open(of.held[3], SignedKind.HELD, Held)
    own.shelf(0).held[3] = own.pen.sign(SignedKind.HELD, replace(last, member=own.pen.peer))
    for now_ms in (0, patience_ms(own.facts.deadline_ms)):
        judging.tick(own, now_ms, here)
    assert sorted(own.shelf(0).held) == [0, 1, 3]
