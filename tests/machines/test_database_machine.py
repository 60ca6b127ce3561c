"""Copies of the job database to which anything is said in any order, and which compare themselves with each other and with liars.

After every step each copy holds exactly what a naive model makes of the bag of all that was offered to it, whatever the order;
what is refused changes neither fold nor bytes; and a reconciliation ends within bounded turns, whoever takes part.
"""

from __future__ import annotations

import contextlib
from functools import cache
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from sgnus.core import database
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId
from sgnus.messages.v1.types import (
    CancelBody,
    DoneBody,
    DoneStatus,
    EntryKind,
    FraudBody,
    ReviseBody,
    RoomBody,
    SettledBody,
    TakenBody,
)
from sgnus.runtime import shelves
from sgnus.wire.entry import OpenedEntry, open_entry, seal_entry
from tests.database_support import AUTHOR, DAY_MS, NETWORK, NOW_MS, OTHER_NETWORK, SETTLER, STRANGER, job_body
from tests.laws.copies import Copy, Side, Spoil, exchange, vetted
from tests.laws.profile import scripts

COPIES, JOBS, JOBS_PER_AUTHOR = 2, 4, 3
CROWD = tuple(Identity.from_seed(bytes([60 + number]) * 32) for number in range(10))
AUTHORS = (AUTHOR, STRANGER, SETTLER, *CROWD)
MINUTE_MS = 60_000
KINDS = tuple(kind for kind in EntryKind if kind not in (EntryKind.UNSPECIFIED, EntryKind.JOB))
copies = st.integers(0, COPIES - 1)
seeds = st.integers(0, 2**32)


@cache
def job_of(number: int) -> OpenedEntry:
    """One of four jobs of one author, the first of which ends before the others."""
    by = STRANGER if number == JOBS else AUTHOR
    return entry_of(EntryKind.JOB, number, by, number, NOW_MS + DAY_MS + number)


@cache
def entry_of(
    kind: EntryKind, variant: int, by: Identity, seq: int, expires: int, *, job: int = 0
) -> OpenedEntry:
    """A signed entry. `variant` chooses what it says."""
    about = None if kind is EntryKind.JOB else BlockId(job_of(job).cid)
    raw = seal_entry(by, NETWORK, kind, about, body_of(kind, variant), seq=seq, expires=expires)
    return open_entry(raw, NETWORK)


def body_of(kind: EntryKind, variant: int) -> Message:
    microjob = (0, 0, 1, (1 << 20) + 1)[variant % 4]
    digest = bytes([variant % 3]) * 32
    match kind:
        case EntryKind.JOB:
            return job_body(variant)
        case EntryKind.REVISE:
            return ReviseBody(priority=variant, paused=bool(variant % 2))
        case EntryKind.CANCEL:
            return CancelBody(reason=str(variant))
        case EntryKind.TAKEN:
            return TakenBody(microjob=microjob, root=digest)
        case EntryKind.DONE:
            return DoneBody(status=list(DoneStatus)[1 + variant % 2], reason="")
        case EntryKind.ROOM:
            return RoomBody(microjob=microjob, instance="ab" * 32, epoch=variant, address=b"")
        case EntryKind.SETTLED:
            return SettledBody(microjob=microjob, receipt=digest, audited=False)
        case _:
            return FraudBody(accused=CROWD[variant % 3].peer_id, proof=bytes([variant]))


@st.composite
def entries(draw: st.DrawFn) -> OpenedEntry:
    """By anybody, about any of the jobs, with a life that may or may not be right."""
    if draw(st.integers(0, 4)) == 0:
        return job_of(draw(st.integers(0, JOBS)))
    kind, job = draw(st.sampled_from(KINDS)), draw(st.integers(0, JOBS))
    with_job = job_of(job).entry.expires
    usual = NOW_MS + 5 * MINUTE_MS if kind is EntryKind.ROOM else with_job
    expires = draw(
        st.sampled_from((usual, usual, usual, with_job - 1, with_job + 1, NOW_MS, NOW_MS + 90 * DAY_MS))
    )
    by = draw(st.sampled_from((AUTHOR, AUTHOR, SETTLER, STRANGER)))
    return entry_of(kind, draw(st.integers(0, 3)), by, draw(st.integers(0, 2)), expires, job=job)


class Databases(RuleBasedStateMachine):
    """Two copies, one clock, and a bag of what was ever said."""

    def __init__(self) -> None:
        super().__init__()
        self.usual = shelves.JOBS_PER_AUTHOR_MAX
        shelves.JOBS_PER_AUTHOR_MAX = JOBS_PER_AUTHOR  # type: ignore[misc]
        self.now_ms = NOW_MS
        self.copies = [Copy(JOBS_PER_AUTHOR) for _ in range(COPIES)]

    def teardown(self) -> None:
        shelves.JOBS_PER_AUTHOR_MAX = self.usual  # type: ignore[misc]

    @initialize(known=st.lists(st.integers(0, JOBS), max_size=JOBS))
    def some_jobs_are_known(self, known: list[int]) -> None:
        for number in known:
            self.offer(number % COPIES, [job_of(number)])

    @rule(copy=copies, entry=entries())
    def something_is_said(self, copy: int, entry: OpenedEntry) -> None:
        self.offer(copy, [entry])

    @rule(copy=copies, batch=st.lists(entries(), min_size=2, max_size=12))
    def many_things_are_said_at_once(self, copy: int, batch: list[OpenedEntry]) -> None:
        self.offer(copy, batch)

    @rule(
        copy=copies,
        kind=st.sampled_from((EntryKind.ROOM, EntryKind.FRAUD, EntryKind.CANCEL, EntryKind.SETTLED)),
        job=st.integers(0, JOBS),
        seq=st.integers(0, 3),
    )
    def a_crowd_floods_a_job(self, copy: int, kind: EntryKind, job: int, seq: int) -> None:
        expires = NOW_MS + 5 * MINUTE_MS if kind is EntryKind.ROOM else job_of(job).entry.expires
        of = self.copies[copy]
        for number, by in enumerate(CROWD):
            of.admit([entry_of(kind, number % 3, by, seq, expires, job=job)], self.now_ms)
        # One look at the end: the naive model looks at all that was ever said, which takes its time.
        of.check(self.now_ms)

    @rule(copy=copies, entry=entries(), place=st.integers(0, 1 << 16), bits=st.integers(1, 255))
    def a_bit_of_an_entry_is_not_what_was_signed(
        self, copy: int, entry: OpenedEntry, place: int, bits: int
    ) -> None:
        raw = bytearray(entry.raw)
        raw[place % len(raw)] ^= bits
        assert vetted(bytes(raw)) is None
        assert vetted(bytes(raw[: place % len(raw)])) is None
        self.copies[copy].receive([bytes(raw)], self.now_ms)
        self.copies[copy].check(self.now_ms)

    @rule(entry=entries())
    def an_entry_of_another_network_is_none(self, entry: OpenedEntry) -> None:
        foreign = seal_entry(
            AUTHOR,
            OTHER_NETWORK,
            EntryKind.REVISE,
            entry.job,
            ReviseBody(priority=1, paused=False),
            seq=1,
            expires=entry.entry.expires,
        )
        assert vetted(foreign) is None

    @rule(minutes=st.sampled_from((1, 6, 16, 24 * 60, 24 * 60 + 11)))
    def time_passes(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS
        for copy in self.copies:
            copy.expire(self.now_ms)
            copy.check(self.now_ms)

    @rule(copy=copies)
    def a_node_is_started_again(self, copy: int) -> None:
        before = self.copies[copy].bytes()
        self.copies[copy].start()
        assert self.copies[copy].bytes() == before
        self.copies[copy].check(self.now_ms)

    @rule(seed=seeds)
    def two_copies_compare_themselves(self, seed: int) -> None:
        for _ in range(
            2
        ):  # What waited for its job here is held once the job has come, and goes over the next time.
            sides = self.sides()
            assert exchange(sides, Random(seed)), "an honest reconciliation came to no end"
            self.take_in(sides)
        lacking = [
            set(one.offered) - {two.id for two in map(vetted, one.bytes()) if two} for one in self.copies
        ]
        if not any(lacking):
            assert self.copies[0].bytes() == self.copies[1].bytes()

    @rule(seed=seeds)
    def a_liar_compares_itself(self, seed: int) -> None:
        dice, sides = Random(seed), self.sides()
        with contextlib.suppress(PeerFault):
            exchange(sides, dice, Spoil(dice))
        held = self.copies[0].shelves.index
        assert len(sides[0].served) == len(dict.fromkeys(sides[0].served))
        assert all(name in held for name in sides[0].served)
        self.take_in((sides[0], sides[0]))

    # ---- inner
    def sides(self) -> tuple[Side, Side]:
        floor = database.expiry_floor(self.now_ms).to_bytes(8, "big") + bytes(32)
        return Side(self.copies[0], floor), Side(self.copies[1], floor)

    def take_in(self, sides: tuple[Side, Side]) -> None:
        """What was received is admitted only now, so that neither side compares itself while it changes."""
        for side in sides:
            side.copy.receive(side.received, self.now_ms)
            side.copy.check(self.now_ms)

    def offer(self, number: int, batch: list[OpenedEntry]) -> None:
        """To one copy. What is refused leaves no trace."""
        copy = self.copies[number]
        before, views = copy.bytes(), copy.views()
        admitted = copy.admit(batch, self.now_ms)
        if not admitted.accepted and not admitted.orphans:
            assert (copy.bytes(), copy.views()) == (before, views)
        held = copy.shelves.index
        assert all(one.id in held for one in admitted.accepted)
        copy.check(self.now_ms)


Databases.TestCase.settings = scripts(60, 30)
TestDatabases = pytest.mark.timeout(900)(Databases.TestCase)
