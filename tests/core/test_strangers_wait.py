"""How long a room with strangers waits for the one in which the work was done."""

from __future__ import annotations

import pytest

from sgnus.core import judging
from sgnus.core import sealing as sealings
from sgnus.core.publication import Observed, Publication
from sgnus.messages.ids import InstanceId
from sgnus.messages.limits import STRANGERS_WAIT_MS, STRANGERS_WAIT_MS_ALONE
from sgnus.messages.v1.types import Seal, SignedKind
from tests.core.test_hostile_rounds import committed, founded_again, node_of, sealed_by_friends
from tests.round_support import Round


def at_home(of: Round) -> Publication:
    """A publisher that holds all of a room's results, and knows its members."""
    own = Publication(of.publisher, node_of(of, of.peers[0]).jobs[of.terms.job].facts)
    shelf = own.shelf(0)
    shelf.held = dict(enumerate(of.held))
    shelf.preferred = of.instance
    shelf.instances[InstanceId(of.instance)] = Observed(of.list, {})
    return own


def test_a_room_with_strangers_waits_for_the_room_in_which_the_work_was_done() -> None:
    of = committed()
    own = at_home(of)
    by_friends, *_seals = sealed_by_friends(of, 100)
    judging.propose(own, by_friends, 0, ())
    judging.propose(own, by_friends, STRANGERS_WAIT_MS_ALONE - 1, ())
    assert not own.court.rounds
    again = founded_again()
    again.held = of.held
    judging.propose(own, again.pens[again.peers[0]].sign(SignedKind.PROPOSAL, again.proposal(of.held)), 1, ())
    judging.propose(own, of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held)), 1, ())
    assert list(own.court.rounds) == [again.instance, of.instance], (
        "its own members found it again as they like"
    )
    judging.propose(own, by_friends, STRANGERS_WAIT_MS_ALONE, ())
    assert len(own.court.rounds) == 3, "where the work was done nobody may be left"


@pytest.mark.parametrize(
    ("sealed", "connected", "wait_ms"),
    [
        (3, 3, STRANGERS_WAIT_MS),
        (2, 4, STRANGERS_WAIT_MS_ALONE),
        (4, 2, STRANGERS_WAIT_MS_ALONE),
    ],
)
def test_it_waits_longer_while_more_than_half_of_that_room_are_there_and_sealed(
    sealed: int, connected: int, wait_ms: int
) -> None:
    of = committed()
    own, here = at_home(of), of.peers[:connected]
    assert len(of.peers) == 4
    word = of.pens[of.peers[0]].sign(SignedKind.PROPOSAL, of.proposal(of.held))
    judging.propose(own, word, 0, here)
    judging.hear(own, InstanceId(of.instance), word, 0)
    seal = Seal(instance=of.instance, round=1, attempt=0, r=sealings.read(of.publisher, of.terms, word).r)
    for peer in of.peers[:sealed]:
        judging.hear(own, InstanceId(of.instance), of.pens[peer].sign(SignedKind.SEAL, seal), 0)
    by_friends, *_seals = sealed_by_friends(of, 100)
    for now_ms in (0, wait_ms - 1):
        judging.propose(own, by_friends, now_ms, here)
        assert list(own.court.rounds) == [of.instance]
    judging.propose(own, by_friends, wait_ms, here)
    assert len(own.court.rounds) == 2
