"""Pulse, links, outbox, records and the lobby: inputs and exact outcomes."""

from __future__ import annotations

import dataclasses

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import JobChanged, JobFacts, RoomHeard, Tick
from sgnus.core.links import Links
from sgnus.core.lobby import Lobby
from sgnus.core.node import NodeCore
from sgnus.core.outbox import Outbox
from sgnus.core.patience import patience_ms
from sgnus.core.pulse import WORD_MS, Pulse
from sgnus.core.records import RecordBook
from sgnus.core.room import Phase
from sgnus.core.terms import Terms
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.limits import (
    DELIVERY_RETRY_MS_MIN,
    FOUNDING_HEAD_START_MS,
    FOUNDING_SPREAD_MS_MAX,
    LINGER_MS,
    REOPEN_MS_MAX,
    ROOM_STALE_MS,
    ROOMS_PER_JOB_MAX,
    SILENCE_MS_MAX,
)
from sgnus.messages.v1.types import (
    Held,
    Policy,
    ProcessedRecord,
    RoomAnnouncement,
    SignedEnvelope,
    SignedKind,
    Verify,
)
from sgnus.sim.pens import CheapPen, address_of

ME, A, B = PeerId("me"), PeerId("a"), PeerId("b")
ENVELOPE = SignedEnvelope(kind=SignedKind.RECORD, author="a", payload=b"", signature=bytes(64))
FACTS = JobFacts(
    job=BlockId("job"),
    publisher=A,
    address=None,
    processor="builtin:x@1",
    sub_blocks=25,
    microjobs=3,
    deadline_ms=1_000,
)
INSTANCE = InstanceId("11")


# ---- pulse
def test_a_broken_connection_counts_after_half_a_second_and_one_word_ends_it() -> None:
    pulse = Pulse()
    pulse.watch((A,), 0)
    pulse.note_broken(A, 100)
    assert not pulse.is_broken(A, 99 + REOPEN_MS_MAX)
    assert pulse.is_broken(A, 100 + REOPEN_MS_MAX)
    pulse.note_heard(A, 700)
    assert not pulse.is_gone(A, SILENCE_MS_MAX, 701)


def test_silence_counts_from_the_last_word() -> None:
    pulse = Pulse()
    pulse.watch((A,), 0)
    pulse.note_heard(A, 1_000)
    assert pulse.gone_at_ms(A, SILENCE_MS_MAX) == 1_000 + SILENCE_MS_MAX
    assert not pulse.is_silent(A, SILENCE_MS_MAX, 999 + SILENCE_MS_MAX)
    assert pulse.is_silent(A, SILENCE_MS_MAX, 1_000 + SILENCE_MS_MAX)


def test_a_stream_that_stands_again_is_no_word_of_the_room() -> None:
    pulse = Pulse()
    pulse.watch((A,), 0)
    pulse.note_broken(A, 4_900)
    pulse.note_connected(A, 4_950)
    assert not pulse.is_gone(A, SILENCE_MS_MAX, 4_949 + WORD_MS)
    assert pulse.is_gone(A, SILENCE_MS_MAX, 4_950 + WORD_MS)
    pulse.note_connected(A, 4_950 + WORD_MS)
    assert pulse.is_gone(A, SILENCE_MS_MAX, 4_950 + WORD_MS)


def test_nobody_is_remembered_who_is_not_watched() -> None:
    pulse = Pulse()
    pulse.note_heard(A, 5)
    pulse.note_broken(A, 5)
    assert (pulse.heard_ms, pulse.broken_ms) == ({}, {})


# ---- links
def test_what_is_needed_is_opened_once_and_closed_after_it_lingered() -> None:
    links = Links(ME)
    assert links.need([A, ME], 0) == [fx.Open(A, None)]
    assert links.need([A], 10) == []
    assert links.need([], 20) == [] and links.next_ms() == 20 + LINGER_MS
    assert links.need([], 20 + LINGER_MS) == [fx.Close(A)]
    assert links.wanted == {} and links.next_ms() is None


def test_what_is_needed_again_while_it_lingers_is_not_closed() -> None:
    links = Links(ME)
    links.need([A], 0)
    links.need([], 10)
    links.need([A], 20)
    assert links.need([A], 20 + LINGER_MS) == [] and links.next_ms() is None


# ---- outbox
def test_a_delivery_is_offered_until_it_is_held() -> None:
    outbox = Outbox()
    deliver = fx.Deliver(BlockId("job"), 0, INSTANCE, 3, A, ENVELOPE)
    outbox.add(deliver)
    assert outbox.due(10**6) == [] and outbox.owes(INSTANCE)
    assert outbox.ended(INSTANCE, 3, 0, held=False) == []
    assert outbox.due(2 * DELIVERY_RETRY_MS_MIN - 1) == []
    assert outbox.due(2 * DELIVERY_RETRY_MS_MIN) == [deliver]
    assert outbox.ended(INSTANCE, 3, 9_000, held=True) == [fx.DropOutputs(INSTANCE, 3)]
    assert not outbox.owes(INSTANCE) and outbox.publishers() == []


def test_a_publisher_that_comes_back_is_not_kept_waiting() -> None:
    outbox = Outbox()
    outbox.add(fx.Deliver(BlockId("job"), 0, INSTANCE, 3, A, ENVELOPE))
    outbox.ended(INSTANCE, 3, 0, held=False)
    outbox.publisher_is_here(B, 5)
    assert outbox.due(5) == []
    outbox.publisher_is_here(A, 6)
    assert len(outbox.due(6)) == 1


def test_a_job_that_is_over_takes_its_outputs_with_it() -> None:
    outbox = Outbox()
    outbox.add(fx.Deliver(BlockId("job"), 0, INSTANCE, 3, A, ENVELOPE))
    assert outbox.drop_job("other") == []
    assert outbox.drop_job("job") == [fx.DropOutputs(INSTANCE, 3)]


# ---- records
def record(sub_block: int) -> ProcessedRecord:
    return ProcessedRecord(
        job="job", microjob=0, instance="11", sub_block=sub_block, chunks=1, root=b"", elapsed_ms=1
    )


def held(sub_block: int) -> Held:
    return Held(job="job", microjob=0, instance="11", sub_block=sub_block, member="a", root=b"")


def test_the_first_held_of_a_sub_block_stands() -> None:
    book = RecordBook(2)
    other = dataclasses.replace(ENVELOPE, signature=b"1" * 64)
    assert book.add_held(held(1), ENVELOPE) and not book.add_held(held(1), other)
    assert book.held_envelopes() == (ENVELOPE,) and not book.is_complete()
    assert book.add_held(held(0), other) and book.is_complete()


def test_a_summary_differs_exactly_when_something_is_to_repair() -> None:
    mine, theirs = RecordBook(10), RecordBook(10)
    mine.add_processed(record(9), ENVELOPE)
    assert mine.summary() == b"\x02\x00\x00\x00" and theirs.summary() == bytes(4)
    assert mine.beyond(*theirs.known(), "11").processed == (ENVELOPE,)
    assert mine.beyond(*mine.known(), "11").processed == ()


# ---- lobby
def announcement(instance: str, microjob: int = 0, **changes: object) -> RoomAnnouncement:
    made = RoomAnnouncement(
        job="job",
        microjob=microjob,
        instance=instance,
        epoch=1,
        members=1,
        seats=10,
        sub_blocks=10,
        unleased=3,
        delivered=0,
        address=ENVELOPE,
        waiting=False,
        sequence=1,
        closing=False,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def lobby() -> Lobby:
    return Lobby(ME, FACTS, 0)


def instances(known: Lobby, now_ms: int, *, with_work: bool) -> list[str]:
    return [room.announcement.instance for room in known.joinable(now_ms, with_work=with_work)]


def test_of_many_nodes_as_many_ask_each_room_first_as_it_has_open_work_for() -> None:
    first: dict[str, int] = {"aa": 0, "bb": 0}
    for number in range(300):
        known = Lobby(PeerId(f"node-{number}"), FACTS, 0)
        known.hear(RoomHeard(A, announcement("aa", unleased=1)), 0)
        known.hear(RoomHeard(B, announcement("bb", 1, unleased=5)), 0)
        known.hear(RoomHeard(PeerId("peer-c"), announcement("cc", 2, unleased=0)), 0)
        first[instances(known, 1, with_work=True)[0]] += 1
        assert instances(known, 1, with_work=False) == ["cc"]
    assert 30 <= first["aa"] <= 70  # One sixth of all, by lots.


def crowded(microjobs: int = 100) -> Lobby:
    """A lobby of 99 rooms that have no seats, all heard at 0 ms."""
    known = Lobby(ME, dataclasses.replace(FACTS, microjobs=microjobs, sub_blocks=10 * microjobs), 0)
    for number in range(99):
        known.hear(RoomHeard(PeerId(f"host-{number}"), announcement(f"{number:x}", number, seats=0)), 0)
    return known


def test_a_room_of_a_crowd_speaks_seldom_and_counts_as_gone_later() -> None:
    known = crowded()
    assert known.without_room(ROOM_STALE_MS) == known.without_room(9 * ROOM_STALE_MS) == [99]
    assert len(known.without_room(10 * ROOM_STALE_MS)) == 100


def test_rooms_that_are_made_up_do_not_silence_those_of_a_small_job() -> None:
    known = lobby()
    for number in range(ROOMS_PER_JOB_MAX):
        known.hear(RoomHeard(PeerId(f"liar-{number}"), announcement(f"{number:x}", number % 3)), 0)
    assert known.crowd == FACTS.microjobs
    known.facts = dataclasses.replace(FACTS, taken=frozenset({0, 1}))
    assert known.crowd == 1


def test_in_a_crowd_some_found_at_once_and_each_at_its_own_moment() -> None:
    facts = dataclasses.replace(FACTS, microjobs=100, sub_blocks=1_000)
    names = tuple(PeerId(f"node-{number}") for number in range(24))
    turns = sorted(Lobby(name, facts, 0, 0).founding_ms(names) for name in names)
    assert turns[2] < FOUNDING_SPREAD_MS_MAX and len(set(turns[:3])) == 3
    alone = sorted(Lobby(name, facts, 0, None).founding_ms(names) for name in names)
    assert alone[0] == 0 and alone[1] > FOUNDING_HEAD_START_MS, (
        "who had a seat here listens first, as in a small network"
    )


def test_a_room_that_was_not_heard_of_for_long_is_founded_again() -> None:
    known = lobby()
    known.hear(RoomHeard(A, announcement("aa")), 0)
    assert 0 not in known.without_room(ROOM_STALE_MS - 1)
    assert 0 in known.without_room(ROOM_STALE_MS)


def test_a_room_that_closed_stays_closed_whatever_comes_late() -> None:
    known = lobby()
    known.hear(RoomHeard(A, announcement("aa", sequence=9, closing=True)), 0)
    known.hear(RoomHeard(A, announcement("aa", sequence=8)), 1)
    assert known.rooms == {}


def test_an_older_epoch_does_not_replace_a_newer_one() -> None:
    known = lobby()
    known.hear(RoomHeard(B, announcement("aa", epoch=2)), 0)
    known.hear(RoomHeard(A, announcement("aa", epoch=1, sequence=50)), 1)
    assert known.rooms[InstanceId("aa")].host == B


def test_a_flood_of_rooms_does_not_hide_those_that_live() -> None:
    known = lobby()
    for number in range(ROOMS_PER_JOB_MAX + 5):
        known.hear(RoomHeard(PeerId(f"liar-{number}"), announcement(f"{number:x}")), number)
    known.hear(RoomHeard(B, announcement("real", 1)), 10**4)
    assert len(known.rooms) == ROOMS_PER_JOB_MAX and known.room_of(1, 10**4) is not None


def test_one_host_cannot_occupy_all_microjobs_or_keep_all_from_founding() -> None:
    known = lobby()
    for number in range(300):
        said = announcement(f"{number:x}", number % 3, seats=0, sequence=number + 1)
        known.hear(RoomHeard(A, said), number * 100)
    assert len(known.without_room(30_000)) == 2
    assert known.turn_from_ms <= 20_000


def test_only_its_host_closes_a_room() -> None:
    known = lobby()
    known.hear(RoomHeard(A, announcement("aa")), 0)
    known.hear(RoomHeard(B, announcement("aa", sequence=9, closing=True)), 1)
    known.hear(RoomHeard(A, announcement("aa", sequence=2)), 2)
    assert known.rooms[InstanceId("aa")].heard_ms == 2


def test_the_host_is_heard_again_when_a_later_epoch_was_made_up() -> None:
    known = lobby()
    known.hear(RoomHeard(A, announcement("aa")), 0)
    known.hear(RoomHeard(B, announcement("aa", epoch=2**31, sequence=9)), 1)
    known.hear(RoomHeard(A, announcement("aa", sequence=2)), 2)
    assert known.rooms[InstanceId("aa")].host == B
    known.refuse(InstanceId("aa"), 3, dead=True)
    known.hear(RoomHeard(A, announcement("aa", sequence=3)), 4)
    assert known.rooms[InstanceId("aa")].host == A


TERMS = Terms(
    network="net",
    job=BlockId("job"),
    publisher=A,
    entry=b"",
    policy=Policy(verify=Verify.SAMPLE, samples_permille=100, verifiers=1, min_members=2),
    beacon=A,
    beacon_key=bytes(32),
    chunks=25,
    chunks_per_sub_block=1,
)
LATE_MS = patience_ms(FACTS.deadline_ms)
DONE = {"delivered": 10, "members": 2, "closing": True, "sequence": 2}


def ended(terms: Terms | None = TERMS, host: PeerId = B, **changes: object) -> Lobby:
    """A lobby that heard of B's room of microjob 0, and of its end from `host`."""
    known = Lobby(ME, dataclasses.replace(FACTS, terms=terms), 0)
    known.hear(RoomHeard(B, announcement("aa")), 0)
    known.hear(RoomHeard(host, announcement("aa", **{**DONE, **changes})), 1)
    return known


def test_what_others_verify_is_not_founded_again_until_that_is_late() -> None:
    known = ended()
    assert 0 not in known.without_room(LATE_MS)
    assert 0 in known.without_room(LATE_MS + 1)
    # A host that says so again and again does not keep a microjob for itself.
    known.hear(RoomHeard(B, announcement("bb", sequence=3)), LATE_MS)
    known.hear(RoomHeard(B, announcement("bb", **{**DONE, "sequence": 4})), LATE_MS)
    assert 0 in known.without_room(LATE_MS + 1)


def test_a_verification_that_failed_opens_its_microjob_at_once() -> None:
    known = ended()
    known.finished.open_again(0)
    assert 0 in known.without_room(2)


@pytest.mark.parametrize(
    "known",
    [
        ended(None),
        ended(host=PeerId("peer-c")),
        ended(delivered=9),
        ended(members=1),
    ],
    ids=["nothing is verified", "another host says so", "some is missing", "too few verify it"],
)
def test_a_room_that_ends_without_being_verified_is_founded_again(known: Lobby) -> None:
    known.hear(RoomHeard(B, announcement("aa", closing=True, sequence=9)), 1)
    assert 0 in known.without_room(2)


def test_a_taken_microjob_is_not_founded_again() -> None:
    known = Lobby(ME, dataclasses.replace(FACTS, taken=frozenset({0, 2})), 0)
    assert known.without_room(0) == [1]


def test_the_publisher_founds_last_and_a_room_that_ended_early_makes_all_listen() -> None:
    known = lobby()
    assert Lobby(A, FACTS, 0).founding_ms((A, B, ME)) == 900
    before = known.founding_ms((A, B, ME))
    known.listen(5_000)
    assert known.founding_ms((A, B, ME)) == before + 6_300


def test_a_stranger_that_only_announces_ends_our_room_once_and_not_again() -> None:
    own = CheapPen(ME)
    node = NodeCore.create(own, address_of(own), 1, 0)
    node.handle(JobChanged(FACTS), 0)
    node.handle(Tick(), 10_000)
    assert node.room is not None and node.room.phase is Phase.HOST
    for number in range(40):
        now_ms = 10_001 + number * 500
        said = announcement(
            f"{number:064x}", node.room.seat.microjob if node.room else 0, seats=0, sequence=number + 1
        )
        node.handle(RoomHeard(A, said), now_ms)
        node.handle(Tick(), now_ms + 1)
        if number == 0:
            assert node.room is None
    assert node.room is not None and node.room.phase is Phase.HOST and node.room.seat.joined_ms < 14_000
