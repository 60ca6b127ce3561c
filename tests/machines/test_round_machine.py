"""Rounds of verification under whatever order of words, time, work and failure, with a liar in the room and one outside.

Held at every step: no honest node seals two R of one attempt, seals after it revealed, or reveals for what it did not seal,
also across restarts; none opens what it committed to before all of it is judged; the beacon speaks once; nobody honest is
accused, or has a result taken back; what the publisher keeps as a receipt holds for whoever has nothing else, and is false
only where two liars checked each other; and what is refused changes nothing.
"""

from __future__ import annotations

import contextlib
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sgnus.core import inputs as ins
from sgnus.core import sealing as sealings
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.v1.types import SignedEnvelope, SignedKind, Verify
from sgnus.sim.courts import other_results
from tests.laws.bounds import assert_bounds
from tests.laws.corrupt import say
from tests.laws.profile import scripts
from tests.laws.round_grid import RoundGrid
from tests.laws.round_schemes import SABOTAGES, Sabotage, Saboteur
from tests.laws.small_grid import Shape

PEERS = tuple(PeerId(name) for name in ("pub", "ann", "bob", "cid", "mallory"))
HONEST = PEERS[:-1]
CORRUPT = (PeerId("mallory"), PeerId("eve"))
picks = st.integers(0, 63)
seeds = st.integers(0, 2**32)
victims = st.integers(0, len(HONEST) - 1)


class Rounds(RuleBasedStateMachine):
    """A publisher, its room of three honest members and a liar, and a stranger. Maybe another node is the beacon."""

    @initialize(
        verify=st.sampled_from((Verify.FULL, Verify.FULL, Verify.SAMPLE)),
        has_beacon=st.booleans(),
        lies=st.tuples(st.booleans(), st.booleans()),
        calm=st.integers(0, 6),
    )
    def begin(self, verify: Verify, has_beacon: bool, lies: tuple[bool, bool], calm: int) -> None:
        beacon = PEERS[3] if has_beacon else None
        shape = Shape(PEERS, CORRUPT, 4, verify, beacon=beacon, workers=0)
        self.grid = RoundGrid(shape, are_workers_lying=lies[0], are_checkers_lying=lies[1])
        for _ in range(calm):
            self.grid.pass_a_while()

    @rule(picks=st.lists(picks, min_size=1, max_size=12))
    def some_words_arrive(self, picks: list[int]) -> None:
        for pick in picks:
            self.grid.deliver(pick)

    @rule(times=st.integers(1, 3))
    def a_while_passes(self, times: int) -> None:
        for _ in range(times):
            self.grid.pass_a_while()

    @rule(ms=st.sampled_from((100, 700, 3_100, 10_100)))
    def time_passes(self, ms: int) -> None:
        self.grid.pass_time(ms)

    @rule(pick=picks, is_well=st.booleans())
    def a_run_ends(self, pick: int, is_well: bool) -> None:
        self.grid.finish(pick, is_well=is_well)

    @rule(peer=st.sampled_from((None, *PEERS)))
    def somebody_is_not_heard(self, peer: PeerId | None) -> None:
        self.grid.mail.mute = peer

    @rule(one=victims, other=victims, is_restart=st.integers(0, 3))
    def something_breaks(self, one: int, other: int, is_restart: int) -> None:
        if one != other:
            self.grid.reconnect(PEERS[one], PEERS[other])
        elif is_restart:
            self.grid.restart(PEERS[one])

    @rule(
        victim=victims,
        sabotage=st.sampled_from(SABOTAGES),
        liar=st.sampled_from((*CORRUPT[:1], *CORRUPT)),
        seed=seeds,
    )
    def a_liar_speaks(self, victim: int, sabotage: Sabotage, liar: PeerId, seed: int) -> None:
        given = sabotage(Saboteur(self.grid, liar, Random(seed)), self.grid.cores[PEERS[victim]])
        if given is not None:
            say(self.grid, PEERS[victim], given)

    @rule(sabotage=st.sampled_from(SABOTAGES), liar=st.sampled_from(CORRUPT), seed=seeds)
    def a_liar_tells_all_the_same(self, sabotage: Sabotage, liar: PeerId, seed: int) -> None:
        given = sabotage(Saboteur(self.grid, liar, Random(seed)), self.grid.cores[PEERS[1]])
        if given is not None:
            for peer in HONEST:
                say(self.grid, peer, given)

    @invariant()
    def nothing_grows_beyond_its_bounds(self) -> None:
        for core in self.grid.cores.values() if hasattr(self, "grid") else ():
            assert_bounds(core)

    @invariant()
    def no_round_is_over_what_is_not_held(self) -> None:
        for core in self.grid.cores.values() if hasattr(self, "grid") else ():
            assert not other_results(core)


Rounds.TestCase.settings = scripts(60, 40)
TestRounds = pytest.mark.timeout(900)(Rounds.TestCase)


def test_a_proposal_that_leaves_somebody_out_gets_no_second_seal_of_its_attempt() -> None:
    """What the machine above seldom meets: the liar proposes another R under a number that is sealed, and has good reasons."""
    grid = RoundGrid(Shape(PEERS, CORRUPT, 4, Verify.FULL, workers=0))
    grid.mail.mute = PEERS[3]
    while not any(envelope.kind is SignedKind.SUSPICION for envelope in grid.overheard.signed):
        grid.pass_a_while()
    ann, silent, terms = grid.cores[PEERS[1]], PEERS[3], grid.facts.terms
    assert terms is not None
    proposed = 0
    for seed in range(400):
        given = Saboteur.propose(Saboteur(grid, CORRUPT[0], Random(seed)), ann)
        assert isinstance(given, ins.PeerSaid) and isinstance(given.message, SignedEnvelope)
        with contextlib.suppress(PeerFault):
            other = sealings.read(ann.pen, terms, given.message)
            sealed = ann.rounds.running[InstanceId(grid.list.instance)].steps.sealed
            if silent not in other.members and other.proposal.attempt in [number for number, _by in sealed]:
                proposed += 1
                say(grid, ann.pen.peer, given)
    assert proposed, "none of these proposals could have been sealed"
