"""Those who did the work are gone, and too many to be passed over: what the publisher has done again, and what it has not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from sgnus.core import judging
from sgnus.core import sealing as sealings
from sgnus.core.patience import patience_ms
from sgnus.core.publication import Publication
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import Held, Seal, SignedKind
from tests.core.test_hostile_rounds import committed, founded_again, node_of
from tests.round_support import Round


def publisher_of(of: Round) -> Publication:
    own = Publication(of.publisher, node_of(of, of.peers[0]).jobs[of.terms.job].facts)
    own.shelf(0).held = dict(enumerate(of.held))
    return own


def begun(of: Round, own: Publication, sealed_by: Collection[PeerId], now_ms: int = 0) -> None:
    """A round in this room that these members seal, and none of the others."""
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held))
    judging.propose(own, word, now_ms)
    judging.hear(own, InstanceId(of.instance), word, now_ms)
    r = sealings.read(of.publisher, of.terms, word).r
    seal = Seal(instance=of.instance, round=1, attempt=0, r=r)
    for peer in sealed_by:
        judging.hear(own, InstanceId(of.instance), of.pens[peer].sign(SignedKind.SEAL, seal), now_ms)


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


def test_a_sealed_round_whose_members_can_pass_over_who_is_gone_goes_on() -> None:
    of = committed()
    own = publisher_of(of)
    begun(of, own, of.peers)
    for now_ms in (0, patience_ms(own.facts.deadline_ms)):
        judging.tick(own, now_ms, of.peers[:3])
    assert held_by(own) == set(of.peers) and own.court.rounds


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
