"""Those who did the work are gone, and too many to be passed over: what the publisher has done again, and what it has not."""

from __future__ import annotations

from dataclasses import replace

from sgnus.core import judging
from sgnus.core import sealing as sealings
from sgnus.core.publication import Publication
from sgnus.messages.ids import InstanceId
from sgnus.messages.limits import ABSENT_MS_MAX
from sgnus.messages.v1.types import Held, Seal, SignedKind
from tests.core.test_hostile_rounds import committed, node_of
from tests.round_support import Round


def unsealed(of: Round) -> Publication:
    """A publisher with a round that half of the members seal, and none of the others."""
    own = Publication(of.publisher, node_of(of, of.peers[0]).jobs[of.terms.job].facts)
    own.shelf(0).held = dict(enumerate(of.held))
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held))
    judging.propose(own, word, 0)
    judging.hear(own, InstanceId(of.instance), word, 0)
    r = sealings.read(of.publisher, of.terms, word).r
    seal = Seal(instance=of.instance, round=1, attempt=0, r=r)
    for peer in of.peers[:2]:
        judging.hear(own, InstanceId(of.instance), of.pens[peer].sign(SignedKind.SEAL, seal), 0)
    return own


def test_what_those_did_who_are_gone_is_done_again_where_too_few_are_left_to_pass_them_over() -> None:
    of = committed()
    own = unsealed(of)
    judging.tick(own, ABSENT_MS_MAX - 1, ())
    assert len(own.shelf(0).held) == len(of.held)
    judging.tick(own, ABSENT_MS_MAX, ())
    assert {own.pen.open(one, SignedKind.HELD, Held).member for one in own.shelf(0).held.values()} == {
        *of.peers[:2]
    }
    assert not own.court.rounds and not own.court.banned


def test_a_crowd_cannot_have_the_work_of_those_undone_who_are_there_but_do_not_seal_its_round() -> None:
    of = committed()
    own = unsealed(of)
    judging.tick(own, ABSENT_MS_MAX, of.peers[2:])
    assert len(own.shelf(0).held) == len(of.held) and own.court.rounds


def test_what_the_publisher_ran_itself_is_not_done_again_for_want_of_its_seal() -> None:
    of = committed()
    own = unsealed(of)
    last = own.pen.open(of.held[3], SignedKind.HELD, Held)
    own.shelf(0).held[3] = own.pen.sign(SignedKind.HELD, replace(last, member=own.pen.peer))
    judging.tick(own, ABSENT_MS_MAX, ())
    assert sorted(own.shelf(0).held) == [0, 1, 3]
