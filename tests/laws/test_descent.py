"""Laws of what leads to a host: each was elected by those on the list of the one before, from the founder on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnus.core import ballot, observing
from sgnus.core import roster as rosters
from sgnus.core.room_table import handle
from sgnus.core.roster import Roster
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import SUCCESSIONS_MAX
from sgnus.messages.v1.types import MemberList, OnHostChanged, SignedKind
from tests.core import seats
from tests.core.test_publication import publication

NAMES = "abcdefghijk"


def elected(base: Roster, name: str, before: OnHostChanged | None, epoch: int) -> OnHostChanged:
    """The claim of this member, by the votes of all but the host."""
    pen = seats.pen(name)
    members = tuple(one for one in base.list.members if one.peer != base.host)
    first = rosters.successor(pen, base, members, (), epoch)
    votes = tuple(
        ballot.cast(seats.pen(peer), base, epoch, pen.peer) for peer in sorted(ballot.electors(base))
    )
    return OnHostChanged(
        job=seats.JOB,
        microjob=0,
        instance=base.instance,
        epoch=epoch,
        host=name,
        base=base.envelope,
        votes=votes,
        list=first.envelope,
        before=ballot.elections(base, before) or (),
    )


def claims(count: int, gaps: tuple[int, ...] = ()) -> list[OnHostChanged]:
    """The claims of so many hosts that follow the founder, one after the other; each signs a second list before it fails."""
    found: list[OnHostChanged] = []
    base, reader = seats.roster(*NAMES), seats.pen("x")
    for number in range(count):
        name, gap = NAMES[number + 1], gaps[number] if number < len(gaps) else 1
        found.append(elected(base, name, found[-1] if found else None, base.epoch + gap))
        first = rosters.read(reader, found[-1].list)
        base = rosters.successor(seats.pen(name), first, first.list.members, (), first.epoch)
    return found


@given(st.integers(1, SUCCESSIONS_MAX), st.lists(st.integers(1, 5), max_size=SUCCESSIONS_MAX))
def test_a_claim_that_shows_all_elections_holds_for_anybody(count: int, gaps: list[int]) -> None:
    claim = claims(count, tuple(gaps))[-1]
    assert len(claim.before) == count - 1
    assert ballot.check_claim(seats.pen("x"), claim)[1].host == NAMES[count]


@given(st.integers(2, SUCCESSIONS_MAX), st.data())
def test_it_holds_only_from_the_first_epoch_or_from_one_that_is_known(
    count: int, data: st.DataObject
) -> None:
    told = claims(count)
    claim, missing = told[-1], data.draw(st.integers(1, count - 1))
    cut = replace(claim, before=claim.before[missing:])
    with pytest.raises(PeerFault, match="not elected"):
        ballot.check_claim(seats.pen("x"), cut)
    reached, before = told[missing - 1], told[missing - 2] if missing > 1 else None
    assert ballot.check_claim(seats.pen("x"), cut, (reached.epoch, PeerId(reached.host)))
    unreached = (1, PeerId(NAMES[0])) if before is None else (before.epoch, PeerId(before.host))
    with pytest.raises(PeerFault, match="not elected"):
        ballot.check_claim(seats.pen("x"), cut, unreached)


@given(st.integers(2, SUCCESSIONS_MAX), st.sampled_from(["votes", "order", "other", "author"]), st.data())
def test_whoever_alters_one_of_the_elections_is_refused(count: int, how: str, data: st.DataObject) -> None:
    claim = claims(count)[-1]
    place = data.draw(st.integers(0, count - 2))
    before = list(claim.before)
    if how == "votes":
        before[place] = replace(before[place], votes=before[place].votes[:1])
    elif how == "order":
        before.append(before[place])
    elif how == "other":
        listing = seats.pen("x").open(before[place].base, SignedKind.LIST, MemberList)
        other = replace(listing, sequence=listing.sequence + 1)
        signed = seats.pen(NAMES[place]).sign(SignedKind.LIST, other)
        before[place] = replace(before[place], base=signed)
    else:
        before[place] = replace(before[place], base=replace(before[place].base, author="k"))
    with pytest.raises(PeerFault):
        ballot.check_claim(seats.pen("x"), replace(claim, before=tuple(before)))


@pytest.mark.parametrize("epoch", [3, 40, 1_000])
def test_two_keys_that_never_sat_in_a_room_cannot_make_up_a_list_to_vote_on(epoch: int) -> None:
    real = seats.roster(*NAMES)
    listing = replace(real.list, epoch=epoch, sequence=90, members=(seats.member("v"), seats.member("w")))
    envelope = seats.pen("v").sign(SignedKind.LIST, listing)
    claim = elected(rosters.read(seats.pen("x"), envelope), "w", None, epoch + 1)
    with pytest.raises(PeerFault, match="not elected"):
        handle(seats.room("b", *NAMES), PeerId("w"), claim, 10)
    with pytest.raises(PeerFault, match="not elected"):
        observing.see_claim(publication(), PeerId("w"), claim)


def test_a_room_that_had_too_many_hosts_elects_no_other() -> None:
    told = claims(SUCCESSIONS_MAX + 1)
    assert len(told[-1].before) == SUCCESSIONS_MAX
    first = rosters.read(seats.pen("x"), told[-1].list)
    assert ballot.elections(first, told[-1]) is None
    assert ballot.elections(rosters.read(seats.pen("x"), told[-2].list), told[-2]) is not None


def test_who_was_seated_in_a_later_epoch_stands_once_it_was_told_of_the_election() -> None:
    room = seats.room("d", *NAMES)
    claim = claims(1)[0]
    room.adopt(rosters.read(seats.pen("d"), claim.list), 0)
    assert ballot.elections(room.roster, room.ballot.claim) is None
    handle(room, PeerId("b"), claim, 10)
    assert ballot.elections(room.roster, room.ballot.claim) == (ballot.elections(room.roster, claim))
    assert len(ballot.elections(room.roster, claim) or ()) == 1
