"""The laws of the job database: whatever the order, repetition or loss and repair of messages, all end with the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.adapters.store import FakeStore
from sgnus.core.id_index import IdIndex, IdSnapshot, unpack_ids
from sgnus.core.reconcile import Session
from sgnus.core.shelf import Shelf, fold
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault
from sgnus.messages.v1.types import CancelBody, EntryKind, ReconcileStep, ReviseBody, SetRange
from sgnus.runtime.shelves import Shelves
from sgnus.wire.entry import ID_BYTES, OpenedEntry
from tests.database_support import (
    NETWORK,
    NOW_MS,
    SETTLER,
    STRANGER,
    done,
    job_entry,
    room,
    sealed,
    taken,
)

END = SetRange(upper=b"", skip=True)
JOBS = [job_entry(number) for number in range(3)]
CROWD = [Identity.from_seed(bytes([60 + number]) * 32) for number in range(12)]
SETTLERS = frozenset([SETTLER.peer_id])


def everything() -> list[OpenedEntry]:
    """Three jobs, and far more said about them than their quotas let stand."""
    found = list(JOBS)
    for job in JOBS:
        found += [taken(job.cid, microjob, root, seq=root) for microjob in range(2) for root in range(4)]
        found += [room(job.cid, 0, by=identity, seq=seq) for identity in CROWD for seq in (1, 2)]
        found += [
            sealed(EntryKind.REVISE, ReviseBody(priority=seq, paused=False), job.cid, seq=seq // 2)
            for seq in range(6)
        ]
        found += [sealed(EntryKind.CANCEL, CancelBody(reason=str(seq)), job.cid, seq=seq) for seq in range(3)]
        found.append(sealed(EntryKind.CANCEL, CancelBody(reason="stranger"), job.cid, by=STRANGER))
        found.append(done(job.cid))
    return found


EVERYTHING = everything()


async def deliver(batches: Iterable[Sequence[OpenedEntry]]) -> tuple[bytes, list[object]]:
    """A fresh database to which these batches come: its bytes, and its views."""
    store = FakeStore()
    shelves = Shelves(store, NETWORK, SETTLERS, lambda _entry, _held: True)
    for batch in batches:
        await shelves.admit(batch, NOW_MS, durable=False)
        await shelves.views([job.digest for job in JOBS])  # What is kept of a view must not outlive an entry.
    ids = await store.ids()
    assert shelves.index.snapshot().packed == ids
    views = await shelves.views([job.digest for job in JOBS])
    return b"".join(await store.bodies(unpack_ids(ids))), [repr(view) + repr(view.taken) for view in views]


REFERENCE = asyncio.run(deliver([EVERYTHING]))


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shuffled_duplicated_and_partial_delivery_converges_to_the_same_bytes(random: Random) -> None:
    first = random.sample(EVERYTHING, random.randrange(len(EVERYTHING)))
    rest = random.sample(EVERYTHING, len(EVERYTHING)) + random.choices(EVERYTHING, k=20)
    batches, start = [], 0
    for queue in (first, rest):
        start = 0
        while start < len(queue):
            size = random.choice((1, 2, 5, 40))
            batches.append(queue[start : start + size])
            start += size
    assert asyncio.run(deliver(batches)) == REFERENCE


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_one_database_kept_is_enough_for_another(random: Random) -> None:
    """Top-K of a union is the top-K of the top-Ks: quotas cannot break convergence."""
    middle = random.randrange(len(EVERYTHING))
    shuffled = random.sample(EVERYTHING, len(EVERYTHING))
    halves = []
    for half in (shuffled[:middle], shuffled[middle:]):
        halves.append(kept([*JOBS, *half]))
    random.shuffle(halves)
    assert asyncio.run(deliver(halves)) == REFERENCE


def kept(offered: Sequence[OpenedEntry]) -> list[OpenedEntry]:
    shelves = {job.cid: Shelf(job, SETTLERS) for job in JOBS}
    for opened in offered:
        if opened.entry.kind is not EntryKind.JOB:
            try:
                shelves[opened.job].add(opened)
            except PeerFault:
                continue
    return [opened for shelf in shelves.values() for opened in shelf.entries()]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_fold_is_the_same_for_every_order_and_repetition(random: Random) -> None:
    mine = [opened for opened in EVERYTHING if opened.job == JOBS[0].cid]
    bag = random.choices(mine, k=30) + random.sample(mine, len(mine))
    assert fold(bag, SETTLERS) == fold(mine, SETTLERS)


def entry_id(number: int) -> bytes:
    return (NOW_MS + number % 7).to_bytes(8, "big") + number.to_bytes(32, "big")


def settle(ours: IdSnapshot, theirs: IdSnapshot) -> tuple[set[bytes], set[bytes], int]:
    """Run two sessions against each other, ids standing for bodies; what each received, and the turns taken."""
    sides = (Session(ours), Session(theirs))
    received: tuple[set[bytes], set[bytes]] = (set(), set())
    queue = [(1, sides[0].begin())]
    turns, ended = 0, [False, False]
    while queue:
        to, step = queue.pop(0)
        assert len(step.ranges) <= 4_096
        assert sum(len(one.ids or b"") for one in step.ranges) + len(step.wanted or b"") < 3 << 20
        turns += bool(step.ranges)
        got = sides[to].receive(step)
        received[to].update(got.entries)
        if got.answer is not None:
            queue.append((1 - to, got.answer))
        while owed := sides[to].next_owed():
            queue += [(1 - to, one) for one in sides[to].steps_of(owed)]
        for side in (to, 1 - to):
            if sides[side].may_end and not ended[side] and not (side != to and queue and queue[0][0] == side):
                ended[side] = True
                while owed := sides[side].next_owed():
                    queue += [(1 - side, one) for one in sides[side].steps_of(owed)]
                queue.append((1 - side, sides[side].last()))
    assert ended == [True, True]
    assert all(side.has_heard_all for side in sides)
    return *received, turns


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 60), st.integers(0, 60), st.randoms(use_true_random=False))
def test_reconciliation_gives_each_side_exactly_what_it_lacks(
    common: int, only_ours: int, only_theirs: int, random: Random
) -> None:
    numbers = random.sample(range(1 << 32), common + only_ours + only_theirs)
    shared = [entry_id(number) for number in numbers[:common]]
    mine = [entry_id(number) for number in numbers[common : common + only_ours]]
    yours = [entry_id(number) for number in numbers[common + only_ours :]]
    ours = IdSnapshot(b"".join(sorted(shared + mine)))
    theirs = IdSnapshot(b"".join(sorted(shared + yours)))
    to_us, to_them, turns = settle(ours, theirs)
    assert (to_us, to_them) == (set(yours), set(mine))
    assert turns <= 8


def test_two_large_sets_with_nothing_in_common_are_exchanged_within_the_bounds() -> None:
    ours = IdSnapshot(b"".join(sorted(entry_id(number * 2) for number in range(70_000))))
    theirs = IdSnapshot(b"".join(sorted(entry_id(number * 2 + 1) for number in range(70_000))))
    to_us, to_them, turns = settle(ours, theirs)
    assert (len(to_us), len(to_them)) == (70_000, 70_000)
    assert turns < 64


set_ranges = st.builds(
    SetRange,
    upper=st.one_of(st.just(b""), st.binary(min_size=ID_BYTES, max_size=ID_BYTES), st.binary(max_size=50)),
    fingerprint=st.one_of(st.none(), st.binary(min_size=32, max_size=32), st.binary(max_size=3)),
    ids=st.one_of(st.none(), st.binary(max_size=200), st.just(entry_id(5) + entry_id(9))),
    skip=st.booleans(),
)
steps = st.builds(
    ReconcileStep,
    ranges=st.lists(set_ranges, max_size=5).map(tuple),
    wanted=st.one_of(st.none(), st.just(entry_id(5)), st.just(entry_id(5) * 9), st.binary(max_size=90)),
    entries=st.lists(st.binary(max_size=9), max_size=3).map(tuple),
    end=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=8), st.booleans())
def test_a_hostile_partner_raises_a_peers_fault_and_gets_each_entry_once(
    script: list[ReconcileStep], is_initiator: bool
) -> None:
    session = Session(IdSnapshot(b"".join(sorted(entry_id(number) for number in range(100)))))
    if is_initiator:
        session.begin()
    served: list[bytes] = []
    try:
        for step in script:
            session.receive(step)
            served += session.next_owed()
    except PeerFault:
        pass
    assert len(served) == len(set(served)) <= 100


def test_an_entry_that_is_asked_for_again_and_again_is_sent_once() -> None:
    session = Session(IdSnapshot(b"".join(sorted(entry_id(number) for number in range(100)))))
    nothing = SetRange(upper=b"", ids=b"", skip=False)
    session.receive(ReconcileStep(ranges=(nothing,), wanted=entry_id(5) * 2, entries=(), end=False))
    assert len(session.next_owed()) == 100
    for _ in range(3):
        session.receive(ReconcileStep(ranges=(), wanted=entry_id(5) * 2, entries=(), end=False))
        assert not session.next_owed()


@pytest.mark.parametrize(
    ("ranges", "reason"),
    [
        ((SetRange(upper=entry_id(3), skip=True),), "reach the end"),
        ((SetRange(upper=entry_id(3), skip=True), SetRange(upper=entry_id(3), skip=True), END), "ascend"),
        ((SetRange(upper=b"short", skip=True), END), "ascend"),
        ((SetRange(upper=b"", skip=False),), "without fingerprint"),
        ((SetRange(upper=b"", fingerprint=b"short", skip=False),), "without fingerprint"),
        ((SetRange(upper=b"", ids=b"x" * 41, skip=False),), "whole"),
        ((SetRange(upper=b"", ids=entry_id(2) * 2, skip=False),), "ascend"),
        ((SetRange(upper=entry_id(0), ids=entry_id(1), skip=False), END), "outside"),
        (
            (SetRange(upper=entry_id(4), skip=True), SetRange(upper=b"", ids=entry_id(3), skip=False)),
            "outside",
        ),
    ],
)
def test_ranges_that_make_no_sense_are_a_peers_fault(ranges: tuple[SetRange, ...], reason: str) -> None:
    session = Session(IdSnapshot(b"".join(sorted(entry_id(number) for number in range(100)))))
    with pytest.raises(PeerFault, match=reason):
        session.receive(ReconcileStep(ranges=ranges, entries=(), end=False))


def test_a_partner_that_never_settles_is_stopped_by_the_bound_on_rounds() -> None:
    session = Session(IdSnapshot(b"".join(sorted(entry_id(number) for number in range(100)))))
    liar = ReconcileStep(
        ranges=(SetRange(upper=b"", fingerprint=bytes(32), skip=False),), entries=(), end=False
    )
    with pytest.raises(PeerFault, match="rounds"):
        for _ in range(100):
            session.receive(liar)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.booleans())))
def test_the_index_of_ids_is_a_sorted_set(script: list[tuple[bool, int, bool]]) -> None:
    index, model = IdIndex(), set[bytes]()
    for is_addition, number, is_read in script:
        if is_addition:
            index.add([entry_id(number)])
            model.add(entry_id(number))
        else:
            index.remove([entry_id(number)])
            model.discard(entry_id(number))
        if is_read:
            assert index.snapshot().packed == b"".join(sorted(model))
        assert len(index) == len(model)
        assert (entry_id(number) in index) == is_addition
    index.remove_below(entry_id(3))
    assert index.snapshot().packed == b"".join(sorted(one for one in model if one >= entry_id(3)))
