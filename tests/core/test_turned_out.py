"""A host that takes our seat again and again has no rooms for a while, so that we found one and what it did is verified."""

from __future__ import annotations

import pytest

from sgnus.core import moving
from sgnus.core import roster as rosters
from sgnus.core.inputs import PeerSaid, RoomHeard
from sgnus.core.node import NodeCore
from sgnus.core.serving import Removals, is_turned_out
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import REMOVALS_MAX, STARVING_MS, WAITS_MAX
from sgnus.messages.v1.types import OnPeerListChanged
from tests.core.seats import member, pen
from tests.core.test_app_seats import JOB
from tests.core.test_doubts import said
from tests.core.test_no_time_lost import A, seated

SHORT_MS = 2_000


def standing_alone(after_ms: list[int], *, asked_to_go: bool = False) -> NodeCore:
    """Us, whose seat was taken at each of these times."""
    node = seated("a", "b", "c")
    for number, now_ms in enumerate(after_ms):
        seats = tuple(member(name, founder="a") for name in "abc")
        first = rosters.found(pen("a"), JOB, 0, number + 8, seats)
        node.room = None  # It may have founded one of its own.
        moving.sit(node, node.jobs[JOB], first, now_ms, by_app=False)
        if asked_to_go:
            assert node.room is not None
            node.room.work.going_ms = now_ms
        following = rosters.successor(pen("a"), first, seats[:1], (), 1)
        node.handle(PeerSaid(A, OnPeerListChanged(list=following.envelope)), now_ms)
        assert node.room is None or node.room.seat.instance != first.instance
    return node


def is_living(node: NodeCore, now_ms: int) -> bool:
    """Whether a room of host A counts that we hear of now."""
    lobby = node.jobs[JOB]
    lobby.hear(RoomHeard(A, said(1, nonce=now_ms)), now_ms)
    return any(known.host == A for known in lobby.living(now_ms))


def test_a_host_that_took_our_seat_too_often_has_no_rooms_for_a_minute() -> None:
    times = [SHORT_MS * number for number in range(REMOVALS_MAX)]
    node = standing_alone(times)
    until_ms = times[-1] + STARVING_MS
    assert node.jobs[JOB].shunned[A] == node.search.hosts.starving[A] == until_ms
    assert is_living(node, until_ms - 1) is False
    assert is_living(node, until_ms + 1) is True


@pytest.mark.parametrize("how", ["once less", "with a minute between", "we had asked to go"])
def test_who_does_so_less_often_is_asked_again(how: str) -> None:
    count = REMOVALS_MAX - 1 if how == "once less" else REMOVALS_MAX + 2
    step_ms = STARVING_MS if how == "with a minute between" else SHORT_MS
    node = standing_alone(
        [step_ms * number for number in range(count)], asked_to_go=how == "we had asked to go"
    )
    assert is_living(node, step_ms * count) and not node.search.hosts.starving


def test_who_took_our_seat_is_counted_within_bounds_and_anew_after_it_counted() -> None:
    removed: dict[PeerId, Removals] = {}
    for number in range(WAITS_MAX + 3):
        assert not is_turned_out(removed, PeerId(f"host {number}"), number)
    assert len(removed) == WAITS_MAX and f"host {WAITS_MAX + 2}" in removed
    told = [is_turned_out(removed, A, 100 + number) for number in range(2 * REMOVALS_MAX)]
    assert told == [number % REMOVALS_MAX == REMOVALS_MAX - 1 for number in range(2 * REMOVALS_MAX)]
