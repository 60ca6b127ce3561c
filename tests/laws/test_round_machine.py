"""Rounds of verification under whatever order of words, time, work and failure, with a liar in the room and one outside.

Held at every step: no honest node seals two R of one attempt, seals after it revealed, or reveals for what it did not seal,
also across restarts; none opens what it committed to before all of it is judged; the beacon speaks once; nobody honest is
accused, or has a result taken back; what the publisher keeps as a receipt holds for whoever has nothing else, and is false
only where two liars checked each other; and what is refused changes nothing.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Verify
from tests.laws.bounds import assert_bounds
from tests.laws.corrupt import say
from tests.laws.profile import scripts
from tests.laws.round_grid import RoundGrid
from tests.laws.round_schemes import SABOTAGES, Sabotage, Saboteur
from tests.laws.small_grid import Shape

PEERS = tuple(PeerId(name) for name in ("pub", "ann", "bob", "cid"))
CORRUPT = (PeerId("mallory"), PeerId("eve"))
picks = st.integers(0, 63)
seeds = st.integers(0, 2**32)
victims = st.integers(0, len(PEERS) - 1)


class Rounds(RuleBasedStateMachine):
    """A publisher, its room of three honest members and a liar, and a stranger. Maybe another node is the beacon."""

    @initialize(
        verify=st.sampled_from((Verify.FULL, Verify.FULL, Verify.SAMPLE)),
        has_beacon=st.booleans(),
        calm=st.integers(0, 3),
    )
    def begin(self, verify: Verify, has_beacon: bool, calm: int) -> None:
        beacon = PEERS[-1] if has_beacon else None
        self.grid = RoundGrid(Shape(PEERS, CORRUPT, 4, verify, beacon=beacon))
        for _ in range(calm):
            self.grid.deliver_all()
            self.grid.pass_time(500)

    @rule(pick=picks)
    def one_word_arrives(self, pick: int) -> None:
        self.grid.deliver(pick)

    @rule()
    def all_words_arrive(self) -> None:
        self.grid.deliver_all()

    @rule(ms=st.sampled_from((100, 700, 3_100, 10_100)))
    def time_passes(self, ms: int) -> None:
        self.grid.pass_time(ms)

    @rule(pick=picks, is_well=st.booleans())
    def a_run_ends(self, pick: int, is_well: bool) -> None:
        self.grid.finish(pick, is_well=is_well)

    @rule()
    def all_runs_end(self) -> None:
        for _ in range(len(self.grid.tasks)):
            self.grid.finish(0)

    @rule(one=victims, other=victims)
    def a_stream_breaks(self, one: int, other: int) -> None:
        if one != other:
            self.grid.reconnect(PEERS[one], PEERS[other])

    @rule(peer=victims)
    def a_node_is_started_again(self, peer: int) -> None:
        self.grid.restart(PEERS[peer])

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

    @rule(
        sabotage=st.sampled_from((Saboteur.seal, Saboteur.reveal, Saboteur.judge, Saboteur.propose)),
        seed=seeds,
    )
    def a_liar_tells_all_the_same(self, sabotage: Sabotage, seed: int) -> None:
        given = sabotage(Saboteur(self.grid, CORRUPT[0], Random(seed)), self.grid.cores[PEERS[1]])
        for peer in PEERS if given is not None else ():
            assert given is not None
            say(self.grid, peer, given)

    @invariant()
    def nothing_grows_beyond_its_bounds(self) -> None:
        for core in self.grid.cores.values() if hasattr(self, "grid") else ():
            assert_bounds(core)


Rounds.TestCase.settings = scripts(60, 40)
TestRounds = pytest.mark.timeout(900)(Rounds.TestCase)
