"""One vote an epoch, however often a peer is started again or seated anew in an instance."""

from __future__ import annotations

from sgnus.core.ballot import Votes, voted_before
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import VOTED_INSTANCES_MAX

ROOM = InstanceId("i")


def test_a_vote_counts_as_given_after_a_restart_and_on_another_seat() -> None:
    votes = voted_before({"job/i/2": b"b", "job/i/3": b"c", "j/2": b"a"})
    assert votes.of(ROOM) == {2: "b", 3: "c"}
    votes.of(ROOM)[4] = PeerId("a")
    votes.of(InstanceId("k"))
    assert votes.of(ROOM) == {2: "b", 3: "c", 4: "a"}


def test_votes_in_rooms_that_we_sat_in_longest_ago_are_forgotten_first() -> None:
    votes = Votes()
    votes.of(ROOM)[2] = votes.of(InstanceId("old"))[2] = PeerId("a")
    for number in range(VOTED_INSTANCES_MAX - 1):
        votes.of(InstanceId(f"room {number}"))
        votes.of(ROOM)
    assert len(votes.by_instance) == VOTED_INSTANCES_MAX
    assert votes.of(ROOM) == {2: "a"}
    assert votes.of(InstanceId("old")) == {}
