"""Laws of lists and elections: a host needs more than half of the electors, and a member goes by the newest list."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnus.core import ballot, room_table, succession
from sgnus.core import roster as rosters
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import OnHostChanged, OnPeerListChanged
from tests.core import seats

NAMES = "abcdefghijk"


def claim_of(names: str, voters: list[str]) -> OnHostChanged:
    """The second of these claims to host, with the votes of those."""
    base, pen = seats.roster(*names), seats.pen(names[1])
    first = rosters.successor(pen, base, base.list.members, (), base.epoch + 1)
    votes = [ballot.cast(seats.pen(name), base, first.epoch, pen.peer) for name in voters]
    return OnHostChanged(
        job=seats.JOB,
        microjob=0,
        instance=base.instance,
        epoch=first.epoch,
        host=pen.peer,
        base=base.envelope,
        votes=tuple(votes),
        list=first.envelope,
    )


@given(st.integers(2, len(NAMES)), st.data())
def test_a_claim_holds_exactly_with_more_than_half_of_those_who_may_vote(
    size: int, data: st.DataObject
) -> None:
    names = NAMES[:size]
    voters = data.draw(st.lists(st.sampled_from(names[1:]), unique=True))
    claim = claim_of(names, voters)
    if 2 * len(voters) > size - 1:
        assert succession.check_claim(seats.pen("x"), claim).first.host == names[1]
    else:
        with pytest.raises(PeerFault, match="no majority"):
            succession.check_claim(seats.pen("x"), claim)


@given(st.integers(3, len(NAMES)), st.data())
def test_a_vote_given_twice_by_the_suspect_or_for_another_counts_nothing(
    size: int, data: st.DataObject
) -> None:
    names = NAMES[:size]
    enough = list(names[1 : 2 + (size - 1) // 2])
    claim = claim_of(names, enough)
    lacking = claim.votes[1:]
    base = seats.roster(*names)
    useless = data.draw(
        st.sampled_from(
            (
                lacking[0],
                ballot.cast(seats.pen(names[0]), base, claim.epoch, PeerId(names[1])),
                ballot.cast(seats.pen(enough[0]), base, claim.epoch + 1, PeerId(names[1])),
                ballot.cast(seats.pen(enough[0]), base, claim.epoch, PeerId(names[2])),
            )
        )
    )
    with pytest.raises(PeerFault):
        succession.check_claim(seats.pen("x"), replace(claim, votes=(*lacking, useless)))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_whatever_comes_in_which_order_a_member_goes_by_the_newest_list(order: list[int]) -> None:
    room = seats.room("c", "a", "b", "c")
    lists = [room.roster]
    for _ in range(5):
        lists.append(
            rosters.successor(seats.pen("a"), lists[-1], lists[-1].list.members, (), lists[-1].epoch)
        )
    for number in order:
        with suppress(PeerFault):
            room_table.handle(room, PeerId("a"), OnPeerListChanged(list=lists[number].envelope), 10)
    assert room.roster == lists[max(0, *order)]


@given(st.integers(1, 2), st.sampled_from("bc"))
def test_a_list_that_the_host_did_not_sign_changes_nothing(ahead: int, author: str) -> None:
    room = seats.room("d", "a", "b", "c", "d")
    second = succession.check_claim(room.seat.pen, claim_of("abcd", ["b", "c"])).first
    room.adopt(second, 5)
    own = room.roster
    pen = seats.pen("c" if author == "b" else "a")
    forged = own
    for _ in range(ahead):
        forged = rosters.successor(pen, forged, own.list.members, (), own.epoch)
    with suppress(PeerFault):
        room_table.handle(room, pen.peer, OnPeerListChanged(list=forged.envelope), 10)
    assert room.roster == own
