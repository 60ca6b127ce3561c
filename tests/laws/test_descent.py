"""Laws of what leads to a host: each was elected by those on the list of the one before, from the founder on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnus.core import ballot, election, observing, succession
from sgnus.core import effects as fx
from sgnus.core import roster as rosters
from sgnus.core.room import Phase, Room
from sgnus.core.room_table import handle
from sgnus.core.roster import Roster
from sgnus.core.succession import History
from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.messages.limits import SUCCESSIONS_MAX, SUSPICION_MS
from sgnus.messages.v1.types import (
    MemberList,
    OnHostChanged,
    OnPeerListChanged,
    PublisherView,
    SignedKind,
    Succession,
)
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
        before=History(base, before).elections() or (),
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
    assert succession.check_claim(seats.pen("x"), claim).first.host == NAMES[count]


def history_after(told: list[OnHostChanged], count: int) -> History:
    """What somebody knows who heard so many of the claims."""
    if not count:
        return History(seats.roster(*NAMES))
    return History(rosters.read(seats.pen("x"), told[count - 1].list), told[count - 1])


@given(st.integers(2, SUCCESSIONS_MAX), st.data())
def test_it_holds_only_from_the_first_epoch_or_from_one_that_is_known(
    count: int, data: st.DataObject
) -> None:
    told = claims(count)
    claim, missing = told[-1], data.draw(st.integers(1, count - 1))
    cut = replace(claim, before=claim.before[missing:])
    with pytest.raises(PeerFault, match="not elected"):
        succession.check_claim(seats.pen("x"), cut)
    found = succession.check_claim(seats.pen("x"), cut, history_after(told, missing))
    assert found.claim == claim, "who keeps it can show all of it"
    with pytest.raises(PeerFault, match="not elected"):
        succession.check_claim(seats.pen("x"), cut, history_after(told, missing - 1))


@given(st.integers(1, 3), st.integers(1, SUCCESSIONS_MAX))
def test_what_a_reader_need_not_check_it_does_not_keep(known: int, count: int) -> None:
    told = claims(known + 1)
    rubbish = Succession(base=replace(told[0].base, payload=b"x"), votes=())
    padded = replace(told[-1], before=(rubbish,) * count)
    found = succession.check_claim(seats.pen("x"), padded, history_after(told, known))
    assert found.claim == told[-1]


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
        succession.check_claim(seats.pen("x"), replace(claim, before=tuple(before)))


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
    assert not history_after(told, SUCCESSIONS_MAX + 1).may_be_followed()
    assert history_after(told, SUCCESSIONS_MAX).may_be_followed()
    last = history_after(told, SUCCESSIONS_MAX + 1)
    base = rosters.read(seats.pen("x"), told[-1].base)
    newcomers = tuple(seats.member(name) for name in "lmnopqrs")
    newer = rosters.successor(
        seats.pen(base.host), base, (*base.list.members[:3], *newcomers), (), base.epoch
    )
    assert last.is_outvoted(seats.pen("x"), newer), "it yields as any other does"


def test_a_host_that_was_convicted_gets_its_room_back_from_nobody() -> None:
    base = seats.roster(*"abcde")
    claim, a = taken_over(base, "b", "bcde"), PeerId("a")
    crowd = tuple(seats.member(f"s{number}") for number in range(10))
    shown = rosters.successor(seats.pen("a"), base, (base.list.members[0], *crowd), (), 1)
    for banned in ((), (a,)):
        own = publication()
        own.facts = replace(own.facts, banned=banned)
        observing.see_claim(own, PeerId("b"), claim)
        observing.see_list(own, a, OnPeerListChanged(list=shown.envelope))
        host = own.shelf(0).instances[InstanceId(base.instance)].roster.host
        assert host == ("b" if banned else "a")
        room = seat_at("b", rosters.read(seats.pen("b"), claim.list), 1_000)
        room.phase, room.ballot.claim, room.board.banned = Phase.HOST, claim, banned
        handle(room, a, OnPeerListChanged(list=shown.envelope), 1_001)
        assert (room.phase is Phase.HOST) is bool(banned)
    grown = rosters.successor(
        seats.pen("a"), base, (*base.list.members, seats.member("f"), seats.member("g")), (), 1
    )
    own = publication()
    own.facts = replace(own.facts, banned=(a,))
    observing.see_list(own, a, OnPeerListChanged(list=grown.envelope))
    observing.see_claim(own, PeerId("b"), taken_over(base, "b", "bcd"), (a,))
    assert own.shelf(0).instances[InstanceId(base.instance)].roster.host == "b"


def test_a_list_longer_than_any_is_refused() -> None:
    base = seats.roster(*"abc")
    long = replace(base.list, sequence=2, previous=bytes(1_000_000))
    with pytest.raises(PeerFault, match="longer than any list"):
        rosters.read(seats.pen("x"), seats.pen("a").sign(SignedKind.LIST, long))


def test_who_was_seated_in_a_later_epoch_stands_once_it_was_told_of_the_election() -> None:
    room = seats.room("d", *NAMES)
    claim = claims(1)[0]
    room.adopt(rosters.read(seats.pen("d"), claim.list), 0)
    room.ballot.since_ms = 0
    assert election.stand_ms(room) is None
    handle(room, PeerId("b"), claim, 10)
    assert len(election.history_of(room).elections() or ()) == 1
    assert election.stand_ms(room) is not None


def test_who_cannot_show_how_its_host_was_elected_needs_to_be_shown_all_and_keeps_it() -> None:
    told = claims(2)
    newcomer = History(rosters.read(seats.pen("x"), told[0].list))
    found = succession.check_claim(seats.pen("x"), told[1], newcomer)
    assert found.claim == told[1] and len(found.claim.before) == 1
    with pytest.raises(PeerFault, match="not elected"):
        succession.check_claim(seats.pen("x"), replace(told[1], before=()), newcomer)


# ---- lists that were followed by others
def small_then_large() -> tuple[Roster, Roster]:
    """Two lists of host a: one of the time when m alone sat there with it, and one of eleven members."""
    small = rosters.found(
        seats.pen("a"), seats.JOB, 0, 7, (seats.member("a", founder="a"), seats.member("m"))
    )
    newcomers = tuple(seats.member(name) for name in "bcdefghij")
    return small, rosters.successor(seats.pen("a"), small, (*small.list.members, *newcomers), (), 1)


def taken_over(base: Roster, name: str, voters: str) -> OnHostChanged:
    """The claim of this member on that list, by these votes."""
    pen = seats.pen(name)
    members = tuple(one for one in base.list.members if one.peer != base.host)
    first = rosters.successor(pen, base, members, (), base.epoch + 1)
    votes = tuple(ballot.cast(seats.pen(peer), base, first.epoch, pen.peer) for peer in sorted(voters))
    claim = elected(base, name, None, first.epoch)
    return replace(claim, votes=votes, list=first.envelope)


def seat_at(me: str, roster: Roster, now_ms: int) -> Room:
    """The seat of `me` in this room, all of whose members were just heard."""
    room = seats.room(me, *roster.peers)
    room.seat = replace(room.seat, instance=roster.instance)
    room.adopt(roster, 0)
    for peer in roster.peers:
        room.pulse.note_heard(peer, now_ms)
    room.out = []
    return room


@pytest.mark.parametrize("me", ["a", "b"])
def test_who_sat_there_when_a_room_was_small_takes_it_over_from_nobody_who_hears_its_host(me: str) -> None:
    small, large = small_then_large()
    room = seat_at(me, large, 1_000)
    effects = handle(room, PeerId("m"), taken_over(small, "m", "m"), 1_001)
    assert (room.host, room.roster.digest) == ("a", large.digest)
    assert OnPeerListChanged(list=large.envelope) in [one.message for one in sends(effects)]
    assert not [one for one in effects if isinstance(one, fx.Blame)], (
        "it may have been elected honestly, after a parting"
    )


def test_where_the_host_is_gone_an_older_list_will_do() -> None:
    small, large = small_then_large()
    room = seat_at("m", large, 1_000)
    room.seat = replace(room.seat, pen=seats.pen("b"))
    handle(room, PeerId("m"), taken_over(small, "m", "m"), 1_000 + SUSPICION_MS)
    assert room.phase is Phase.CLOSED, "it goes on without b"


def test_a_publisher_takes_no_such_host_while_it_hears_the_one_before() -> None:
    small, large = small_then_large()
    own, claim = publication(), taken_over(small, "m", "m")
    observing.see_list(own, PeerId("a"), OnPeerListChanged(list=large.envelope))
    own.out = []
    observing.see_claim(own, PeerId("m"), claim, (PeerId("a"),))
    (told,) = sends(own.out)
    assert (told.peers, told.message) == ((PeerId("m"),), OnPeerListChanged(list=large.envelope))
    observing.see_claim(own, PeerId("m"), claim)
    assert own.shelf(0).instances[InstanceId(small.instance)].roster.host == "m"


def test_a_publisher_shows_a_host_that_was_succeeded_by_whom() -> None:
    base = seats.roster(*"abc")
    own, claim = publication(), taken_over(base, "b", "bc")
    observing.see_claim(own, PeerId("b"), claim)
    own.out = []
    later = rosters.successor(seats.pen("a"), base, base.list.members[:1], (), 1)
    observing.see_list(own, PeerId("a"), OnPeerListChanged(list=later.envelope))
    assert [(one.peers, one.message) for one in sends(own.out)] == [((PeerId("a"),), claim)]


def test_a_publisher_goes_back_to_a_host_whose_room_had_grown_when_too_few_elected_another() -> None:
    small, large = small_then_large()
    own, claim = publication(), taken_over(small, "m", "m")
    observing.see_claim(own, PeerId("m"), claim)
    shown = OnPeerListChanged(list=large.envelope)
    observing.see_list(own, PeerId("m"), shown)
    known = own.shelf(0).instances[InstanceId(small.instance)]
    assert known.roster.host == "m", "it comes from the host itself, or it may be gone"
    observing.see_list(own, PeerId("a"), shown)
    assert known.roster.digest == large.digest
    assert PublisherView in [type(one.message) for one in sends(own.out) if one.peers == ("a",)]
    assert shown in [one.message for one in sends(own.out) if one.peers == ("m",)], "an honest one yields"


def test_votes_of_more_than_half_of_both_lists_are_enough_for_an_older_one() -> None:
    old = seats.roster(*"abcdefghij")
    new = rosters.successor(seats.pen("a"), old, (*old.list.members, seats.member("k")), (), 1)
    room = seat_at("k", new, 1_000)
    handle(room, PeerId("b"), taken_over(old, "b", "bcdef"), 1_001)
    assert room.host == "a", "five of ten"
    handle(room, PeerId("b"), taken_over(old, "b", "bcdefg"), 1_002)
    assert room.phase is Phase.CLOSED, "six of ten: it goes on without k, which may join there"


@pytest.mark.parametrize("voters", ["bcdef", "bcdefg"])
@pytest.mark.parametrize("way", ["list", "claim"])
def test_who_was_elected_on_an_older_list_by_too_few_yields_to_the_host_before(voters: str, way: str) -> None:
    old = seats.roster(*"abcdefghij")
    new = rosters.successor(seats.pen("a"), old, (*old.list.members, seats.member("k")), (), 1)
    claim = taken_over(old, "b", voters)
    room = seat_at("b", rosters.read(seats.pen("b"), claim.list), 1_000)
    room.phase, room.ballot.claim = Phase.HOST, claim
    other = taken_over(new, "k", "kcdefg")
    shown = OnPeerListChanged(list=new.envelope) if way == "list" else other
    handle(room, PeerId("k"), shown, 1_001)
    has_won = way == "list" or room.roster.standing() > rosters.read(seats.pen("x"), other.list).standing()
    assert (room.phase is Phase.HOST) is (has_won and voters == "bcdefg")


def sends(effects: list[fx.Effect]) -> list[fx.Send]:
    return [one for one in effects if isinstance(one, fx.Send)]
