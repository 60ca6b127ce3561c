"""Rooms under whatever order of mail, work, time and failure, while corrupt peers say what they like.

Held after every step: no core raises or breaks an invariant of its own, nobody blames an honest node, what is refused changes
nothing, and nothing that others say makes a node hold more than its bounds.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sgnus.core import inputs as ins
from sgnus.core.room import Phase
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Verify
from tests.laws.bounds import assert_bounds
from tests.laws.corrupt import SCHEMES, Scheme, Schemer, say
from tests.laws.profile import scripts
from tests.laws.small_grid import JOB, Shape, SmallGrid

PEERS = tuple(PeerId(name) for name in ("pub", "ann", "bob", "cid"))
CORRUPT = (PeerId("eve"), PeerId("mallory"))
CROWD = tuple(PeerId(f"eve's friend {number}") for number in range(12))
picks = st.integers(0, 63)
seeds = st.integers(0, 2**32)
victims = st.integers(0, len(PEERS) - 1)


class Rooms(RuleBasedStateMachine):
    """A job, its publisher, three nodes that process it, and two corrupt peers."""

    @initialize(
        sub_blocks=st.sampled_from((1, 3, 12)),
        verify=st.sampled_from((Verify.NONE, Verify.SAMPLE)),
        calm=st.integers(0, 6),
    )
    def begin(self, sub_blocks: int, verify: Verify, calm: int) -> None:
        self.grid = SmallGrid(Shape(PEERS, (*CORRUPT, *CROWD), sub_blocks, verify))
        for _ in range(calm):
            self.grid.pass_a_while()

    # ---- what happens in any grid
    @rule(picks=st.lists(picks, min_size=1, max_size=12))
    def some_messages_arrive(self, picks: list[int]) -> None:
        for pick in picks:
            self.grid.deliver(pick)

    @rule(times=st.integers(1, 3))
    def a_while_passes(self, times: int) -> None:
        for _ in range(times):
            self.grid.pass_a_while()

    @rule(ms=st.sampled_from((60, 700, 1_600, 5_200)))
    def time_passes(self, ms: int) -> None:
        self.grid.pass_time(ms)

    @rule(pick=picks, is_well=st.booleans())
    def work_ends(self, pick: int, is_well: bool) -> None:
        self.grid.finish(pick, is_well=is_well)

    @rule(peer=st.sampled_from((None, *PEERS)))
    def somebody_is_not_heard(self, peer: PeerId | None) -> None:
        self.grid.mail.mute = peer

    @rule(one=victims, other=victims, how=st.integers(0, 5))
    def something_breaks(self, one: int, other: int, how: int) -> None:
        if one != other:
            self.grid.reconnect(PEERS[one], PEERS[other])
        elif how:
            self.grid.restart(PEERS[one])
        else:
            self.grid.give(PEERS[one], ins.Stopping())

    @rule(peer=victims, what=st.sampled_from((ins.AppJoins, ins.AppHosts, ins.AppLeaves)))
    def an_app_wants_a_seat(self, peer: int, what: type[ins.AppJoins | ins.AppHosts | ins.AppLeaves]) -> None:
        self.grid.give(PEERS[peer], what(self.grid.now_ms, JOB, 0))

    # ---- what corrupt peers do
    @rule(victim=victims, scheme=st.sampled_from(SCHEMES), liar=st.sampled_from(CORRUPT), seed=seeds)
    def a_corrupt_peer_speaks(self, victim: int, scheme: Scheme, liar: PeerId, seed: int) -> None:
        core = self.grid.cores[PEERS[victim]]
        given = scheme(Schemer(self.grid, liar, Random(seed)), core)
        if given is not None:
            say(self.grid, PEERS[victim], given)

    @rule(scheme=st.sampled_from(SCHEMES), liar=st.sampled_from(CORRUPT), seed=seeds)
    def a_corrupt_peer_tells_all_the_same(self, scheme: Scheme, liar: PeerId, seed: int) -> None:
        given = scheme(Schemer(self.grid, liar, Random(seed)), self.grid.cores[PEERS[1]])
        for peer in PEERS:
            if given is not None:
                say(self.grid, peer, given)

    @rule(victim=victims, count=st.sampled_from((3, 12)))
    def a_crowd_asks_for_seats(self, victim: int, count: int) -> None:
        for friend in CROWD[:count]:
            asked = Schemer(self.grid, friend, Random(1)).ask_seat(self.grid.cores[PEERS[victim]])
            if asked is not None:
                self.grid.give(PEERS[victim], asked)
        self.grid.pass_time(60)

    @rule(victim=victims, liar=st.sampled_from(CORRUPT))
    def the_stream_of_a_corrupt_peer_breaks(self, victim: int, liar: PeerId) -> None:
        self.grid.give(PEERS[victim], ins.PeerLost(liar))

    # ---- what always holds
    @invariant()
    def nothing_grows_beyond_its_bounds(self) -> None:
        for core in self.grid.cores.values() if hasattr(self, "grid") else ():
            assert_bounds(core)

    @invariant()
    def nobody_hosts_for_the_publisher_what_is_not_its_job(self) -> None:
        for core in self.grid.cores.values() if hasattr(self, "grid") else ():
            room = core.room
            assert room is None or room.phase is Phase.CLOSED or core.pen.peer in room.roster.peers


Rooms.TestCase.settings = scripts(120, 40)
TestRooms = pytest.mark.timeout(900)(Rooms.TestCase)
