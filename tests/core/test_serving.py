"""A host that has work and gives its members none is left; and nobody is the publisher's host by its word alone."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import effects as fx
from sgnus.core import observing
from sgnus.core import roster as rosters
from sgnus.core.inputs import JobChanged, PeerConnected, PeerLost, PeerSaid, RoomHeard, Tick
from sgnus.core.node import NodeCore
from sgnus.core.patience import patience_ms
from sgnus.core.publication import Publication
from sgnus.core.room import Phase, Room
from sgnus.core.room_table import handle
from sgnus.core.serving import Harvest, Place, Wait, is_idle_for_long, is_led_about, is_starved
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    ABANDONMENTS_MAX,
    IDLE_SEAT_MS,
    LEASE_DEADLINES_MAX,
    REMIND_MS,
    SILENCE_MS_MAX,
    STARVING_MS,
    WAITS_MAX,
)
from sgnus.messages.v1.types import (
    Held,
    OnHostChanged,
    OnPeerListChanged,
    OnSubBlockProcessingStarted,
    SignedKind,
    VoteRequest,
)
from tests.core.seats import PUBLISHER, held, member, pen, room, roster
from tests.core.test_app_seats import FACTS, JOB, beat
from tests.core.test_no_time_lost import A, B, C, announced, claim_of, seated
from tests.core.test_publication import drained, publication

STEP_MS = 500
PATIENCE_MS = patience_ms(FACTS.deadline_ms)
LONGEST_MS = PATIENCE_MS + LEASE_DEADLINES_MAX * FACTS.deadline_ms


def leased(node: NodeCore, sub_block: int, to: PeerId, now_ms: int) -> None:
    """The host tells of a lease of ten seconds."""
    assert node.room is not None
    said = OnSubBlockProcessingStarted(
        instance=node.room.seat.instance,
        epoch=1,
        sub_block=sub_block,
        member=to,
        elapsed_ms=0,
        deadline_ms=10_000,
    )
    node.handle(PeerSaid(A, said), now_ms)


def left_ms(node: NodeCore, from_ms: int, until_ms: int) -> int | None:
    """When it leaves a room whose other members all are heard."""
    for now_ms in range(from_ms, until_ms, STEP_MS):
        for sender in (A, C):
            if any(isinstance(said, fx.RoomLeft) for said in beat(node, sender, now_ms)):
                return now_ms
    return None


def test_a_member_that_gets_no_work_for_too_long_leaves_and_sees_no_room_of_that_host_for_a_while() -> None:
    node = seated("a", "b", "c")
    announced(node, 0)
    at_ms = left_ms(node, STEP_MS, 2 * LONGEST_MS)
    assert at_ms == pytest.approx(LONGEST_MS, abs=3 * STEP_MS)
    lobby = node.jobs[JOB]
    assert not lobby.living(at_ms + STARVING_MS - 1)
    assert lobby.shunned[A] == node.search.hosts.starving[A] == at_ms + STARVING_MS


def test_its_rooms_of_other_jobs_count_no_more_either_whether_we_knew_those_jobs_or_not() -> None:
    node = seated("a", "b", "c")
    known, new = (dataclasses.replace(node.jobs[JOB].facts, job=BlockId(f"another {n}")) for n in range(2))
    node.handle(JobChanged(known), 0)
    announced(node, 0)
    at_ms = left_ms(node, STEP_MS, 2 * LONGEST_MS)
    assert at_ms is not None
    node.handle(JobChanged(new), at_ms + 1)
    for job in (known.job, new.job):
        assert node.jobs[job].shunned == {A: at_ms + STARVING_MS}
    node.handle(JobChanged(dataclasses.replace(new, job=BlockId("a late one"))), at_ms + STARVING_MS)
    assert not node.jobs[BlockId("a late one")].shunned


@pytest.mark.parametrize(
    "why", ["it works", "all is leased", "the publisher is away", "an app sits there", "it did that itself"]
)
def test_who_works_or_could_not_waits_for_nothing(why: str) -> None:
    node = seated("a", "b", "c")
    node.handle(JobChanged(dataclasses.replace(node.jobs[JOB].facts, sub_blocks=3, microjobs=1)), 0)
    assert node.room is not None
    for number in range(3):
        leased(node, number, B if why == "it works" and not number else C, 0)
    if why == "the publisher is away":
        node.room.board.leases.clear()
        node.room.is_publisher_here = False
    if why == "an app sits there":
        node.room.board.leases.clear()
        node.room.seat = dataclasses.replace(node.room.seat, by_app=True)
    if why in ("it works", "all is leased"):
        for lease in node.room.board.leases:
            lease.deadline_ms = 10**9
    if why == "it did that itself":
        node.room.board.leases = [lease for lease in node.room.board.leases if lease.sub_block == 0]
        node.room.board.leases[0].member = B
        node.room.board.book.sub_blocks = 1
    assert left_ms(node, STEP_MS, 2 * LONGEST_MS) is None


def test_who_asked_to_go_and_is_kept_goes() -> None:
    node = seated("a", "b", "c")
    assert node.room is not None
    for number in range(3):
        leased(node, number, C, 0)
    for lease in node.room.board.leases:
        lease.deadline_ms = 10**9  # All is leased here, and there is work elsewhere.
    assert left_ms(node, STEP_MS, 3 * PATIENCE_MS) == pytest.approx(
        IDLE_SEAT_MS + PATIENCE_MS, abs=4 * STEP_MS
    )


@pytest.mark.parametrize("seats", [3, 4])
def test_a_room_in_which_all_is_done_and_that_its_host_does_not_end_is_left_if_enough_are_there(
    seats: int,
) -> None:
    node = seated("a", "b", "c")
    assert node.room is not None
    node.handle(JobChanged(dataclasses.replace(node.jobs[JOB].facts, sub_blocks=3, microjobs=1)), 0)
    node.room.seat = dataclasses.replace(node.room.seat, members_min=seats)
    for number in range(node.room.seat.sub_blocks):
        word = held(node.room.seat.instance, number)
        node.room.book.add_held(pen("x").open(word, SignedKind.HELD, Held), word)
    assert node.room.book.is_complete()
    found = left_ms(node, STEP_MS, 3 * PATIENCE_MS)
    assert found == (pytest.approx(PATIENCE_MS, abs=3 * STEP_MS) if seats == 3 else None)


def test_what_was_leased_for_too_long_is_work_that_nobody_has() -> None:
    node = seated("a", "b", "c")
    node.handle(JobChanged(dataclasses.replace(node.jobs[JOB].facts, sub_blocks=3, microjobs=1)), 0)
    for number in range(3):
        leased(node, number, C, 0)
    assert left_ms(node, STEP_MS, 2 * LONGEST_MS) == pytest.approx(10_000 + LONGEST_MS, abs=3 * STEP_MS)


def test_a_seat_that_was_lost_and_got_again_goes_on_waiting_but_not_after_long() -> None:
    waits: dict[PeerId, Wait] = {}
    assert not is_starved(waits, room("b", "a", "b", "c"), 0)
    for now_ms in range(0, LONGEST_MS, SILENCE_MS_MAX):
        assert not is_starved(waits, room("b", "a", "b", "c"), now_ms)
    assert is_starved(waits, room("b", "a", "b", "c"), LONGEST_MS)
    assert not is_starved(waits, room("b", "a", "b", "c"), LONGEST_MS + SILENCE_MS_MAX + 1)


FRUITLESS_MS = ABANDONMENTS_MAX * LEASE_DEADLINES_MAX * 60_000 + PATIENCE_MS


def looked_until(harvests: dict[Place, Harvest], seat: Room, from_ms: int, until_ms: int) -> int | None:
    """When it has had nothing to do for too long."""
    return next((x for x in range(from_ms, until_ms, STEP_MS) if is_idle_for_long(harvests, seat, x)), None)


def test_a_host_that_says_again_and_again_that_others_have_the_work_is_left() -> None:
    harvests: dict[Place, Harvest] = {}
    seat = room("b", "a", "b", "c")
    assert looked_until(harvests, seat, 0, FRUITLESS_MS) is None
    word = held(seat.seat.instance, 0)
    seat.book.add_held(pen("x").open(word, SignedKind.HELD, Held), word)
    assert looked_until(harvests, seat, FRUITLESS_MS, 3 * FRUITLESS_MS) == 2 * FRUITLESS_MS


def test_what_we_work_on_ourselves_is_waited_for() -> None:
    harvests: dict[Place, Harvest] = {}
    seat = room("b", "a", "b", "c")
    seat.work.running.append(0)
    assert looked_until(harvests, seat, 0, 2 * FRUITLESS_MS) is None
    seat.work.running.clear()
    assert looked_until(harvests, seat, 2 * FRUITLESS_MS, 4 * FRUITLESS_MS) == 3 * FRUITLESS_MS


@pytest.mark.parametrize("how", ["nothing is done", "something is done", "all is done here"])
def test_a_host_that_moves_on_with_us_before_anything_is_done_is_left(how: str) -> None:
    harvests: dict[Place, Harvest] = {}
    led = []
    for now_ms in range(0, FRUITLESS_MS + SILENCE_MS_MAX, SILENCE_MS_MAX):
        seat = room("b", "a", "b", "c", sub_blocks=1 if how == "all is done here" else 3)
        if how != "nothing is done" and now_ms == FRUITLESS_MS // SILENCE_MS_MAX * SILENCE_MS_MAX:
            word = held(seat.seat.instance, 0)
            seat.book.add_held(pen("x").open(word, SignedKind.HELD, Held), word)
        seat.work.running.append(0)
        led.append(is_led_about(harvests, seat, now_ms))
    assert led[:-1] == [False] * (len(led) - 1)
    assert led[-1] is (how == "nothing is done")


def test_what_came_of_our_seats_is_bounded_and_forgotten() -> None:
    harvests: dict[Place, Harvest] = {}
    for number in range(WAITS_MAX + 3):
        is_idle_for_long(harvests, room("b", f"host {number}", "b"), number)
    assert len(harvests) == WAITS_MAX
    for number in range(WAITS_MAX + 3):
        is_idle_for_long(harvests, room("b", "a", "b"), number)
        harvests[A, JOB].delivered[InstanceId(str(number))] = 0
    is_idle_for_long(harvests, room("b", "a", "b"), 0)
    assert len(harvests[A, JOB].delivered) <= WAITS_MAX + 1
    seat = room("b", "a", "b")
    seat.is_publisher_here = False
    assert not is_idle_for_long(harvests, seat, 1) and (A, JOB) not in harvests


def test_what_all_gave_back_and_the_publisher_runs_is_waited_for() -> None:
    seat = room("b", "a", "b", "c", sub_blocks=1)
    seat.board.note_started(0, B, 0, 10_000)
    assert looked_until({}, seat, 0, 2 * FRUITLESS_MS) is None


def test_a_host_is_judged_by_each_job_alone() -> None:
    harvests: dict[Place, Harvest] = {}
    assert looked_until(harvests, room("b", "a", "b", "c"), 0, FRUITLESS_MS // 2) is None
    other = room("b", "a", "b", "c")
    other.seat = dataclasses.replace(other.seat, job=BlockId("another"), deadline_ms=1_000)
    assert not is_idle_for_long(harvests, other, FRUITLESS_MS // 2)


def test_whom_we_sit_with_is_not_forgotten_for_those_that_come_later() -> None:
    harvests: dict[Place, Harvest] = {}
    for number in range(2 * WAITS_MAX):
        is_idle_for_long(harvests, room("b", "a", "b", "c"), number)
        is_idle_for_long(harvests, room("b", f"host {number}", "b"), number)
    assert harvests[A, JOB].grown_ms == 0


def test_hosts_that_are_waited_for_are_bounded() -> None:
    waits: dict[PeerId, Wait] = {}
    for number in range(WAITS_MAX + 3):
        is_starved(waits, room("b", f"host {number}", "b"), number)
    assert len(waits) == WAITS_MAX and f"host {WAITS_MAX + 2}" in waits


def test_the_room_of_a_host_that_was_left_does_not_end_ours() -> None:
    node = seated("b", "c")
    assert node.room is not None and node.room.phase is Phase.HOST
    rival = dataclasses.replace(_announcement(node), instance=rosters.instance_id(JOB, 0, A, 1))
    node.room.hosting.preferred = rival.instance
    node.search.hosts.starving[A] = 10_000
    node.handle(RoomHeard(A, rival), 9_999)
    assert node.room is not None and node.room.phase is Phase.HOST
    node.handle(RoomHeard(A, dataclasses.replace(rival, sequence=2)), 10_001)
    assert node.room is None or node.room.seat.instance != _announcement(node).instance


def _announcement(node: NodeCore) -> object:
    announced(node, 10)
    (known,) = node.jobs[JOB].rooms.values()
    return known.announcement


# ---- the publisher's host
def observed() -> Publication:
    own = publication()
    observing.see_list(own, A, OnPeerListChanged(list=roster("a", "b", "c").envelope))
    own.out = []
    return own


def test_a_list_of_a_later_epoch_makes_nobody_host_in_the_eyes_of_the_publisher() -> None:
    own, base = observed(), roster("a", "b", "c")
    usurped = rosters.successor(pen("c"), base, (member("b", "a"), member("c")), (), 40)
    observing.see_list(own, C, OnPeerListChanged(list=usurped.envelope))
    known = own.shelf(0).instances[InstanceId(base.instance)]
    assert (known.roster.host, drained(own)) == (A, [])
    observing.see_claim(own, C, claim_of("c", "b", "c"))
    assert known.roster.host == C
    later = rosters.successor(pen("c"), known.roster, (member("c"),), (), 2)
    observing.see_list(own, C, OnPeerListChanged(list=later.envelope))
    assert known.roster.peers == (C,), "its own next list counts"


def test_a_publisher_that_was_started_again_hears_of_a_later_epoch_by_votes_alone() -> None:
    own, base = publication(), roster("a", "b", "c")
    usurped = rosters.successor(pen("c"), base, (member("b", "a"), member("c")), (), 40)
    observing.see_list(own, C, OnPeerListChanged(list=usurped.envelope))
    assert not own.shelf(0).instances
    observing.see_claim(own, C, claim_of("c", "b", "c"))
    assert own.shelf(0).instances[InstanceId(base.instance)].roster.host == C


@pytest.mark.parametrize("how", ["comes back", "is reminded"])
def test_a_host_shows_the_publisher_the_votes_that_made_it_host(how: str) -> None:
    seat = room("c", "a", "b", "c")
    claim = claim_of("c", "b", "c")
    seat.adopt(rosters.read(pen("c"), claim.list), 0)
    seat.phase, seat.ballot.claim = Phase.HOST, claim
    seat.out = []
    if how == "comes back":
        handle(seat, PUBLISHER, PeerLost(PUBLISHER), 10)
        said = handle(seat, PUBLISHER, PeerConnected(PUBLISHER), 20)
    else:
        said = [one for at in range(0, 2 * REMIND_MS, STEP_MS) for one in handle(seat, C, Tick(), at)]
    told = [one.message for one in said if isinstance(one, fx.Send) and one.peers == (PUBLISHER,)]
    kinds = [type(one) for one in told if isinstance(one, OnHostChanged | OnPeerListChanged)]
    assert kinds[:2] == [OnHostChanged, OnPeerListChanged]


def test_a_claim_that_is_shown_again_changes_nothing() -> None:
    own, claim = observed(), claim_of("c", "b", "c")
    observing.see_claim(own, C, claim)
    assert drained(own)
    observing.see_claim(own, C, claim)
    assert drained(own) == []


def test_a_member_that_is_asked_for_a_vote_on_another_hosts_list_of_its_epoch_takes_no_notice() -> None:
    seat = room("b", "a", "b", "c")
    handle(seat, C, claim_of("c", "b", "c"), 10)
    assert (seat.host, seat.roster.epoch) == (C, 2)
    made_up = rosters.successor(pen("a"), roster("a", "b", "c"), (member("a", "a"), member("b")), (), 2)
    later = rosters.successor(pen("a"), made_up, made_up.list.members, (), 2)
    asked = VoteRequest(instance=seat.seat.instance, epoch=3, base=later.envelope)
    assert handle(seat, B, asked, 20) == []
    assert seat.host == C
