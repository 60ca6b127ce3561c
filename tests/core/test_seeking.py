"""Which job a node works on first, and when it stops waiting for a publisher that is not there."""

from __future__ import annotations

import dataclasses

from sgnus.core import effects as fx
from sgnus.core.inputs import JobChanged, JobFacts, NeighboursChanged, Tick
from sgnus.core.node import NodeCore
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import STRANDED_AGAIN_MS, STRANDED_MS
from sgnus.sim.pens import CheapPen, address_of

ME, NEAR, NOBODY = PeerId("me"), PeerId("near"), PeerId("nobody")
FAKE = JobFacts(
    job=BlockId("fake"),
    publisher=NOBODY,
    address=None,
    processor="builtin:x@1",
    sub_blocks=5,
    microjobs=1,
    deadline_ms=1_000,
    priority=9,
    created_ms=1,
)
REAL = dataclasses.replace(FAKE, job=BlockId("real"), publisher=NEAR, priority=0, created_ms=2)


def node() -> NodeCore:
    """With one worker, in touch with one peer."""
    own = CheapPen(ME)
    made = NodeCore.create(own, address_of(own), 1, 0)
    made.handle(NeighboursChanged((ME, NEAR)), 0)
    return made


def pass_time(made: NodeCore, from_ms: int, to_ms: int) -> list[fx.Effect]:
    """Let it wake whenever it wants to."""
    effects: list[fx.Effect] = []
    now_ms = from_ms
    while (wake_ms := made.wake_ms(now_ms)) is not None and wake_ms <= to_ms:
        now_ms = max(now_ms + 1, wake_ms)
        effects += made.handle(Tick(), now_ms)
    return effects


def seat(made: NodeCore) -> str:
    return made.room.seat.job if made.room is not None else ""


def test_a_job_whose_publisher_is_in_touch_comes_before_one_of_higher_priority_of_nobody() -> None:
    made = node()
    made.handle(JobChanged(FAKE), 0)
    made.handle(JobChanged(REAL), 0)
    pass_time(made, 0, 5_000)
    assert seat(made) == REAL.job


def test_who_waits_alone_for_a_publisher_that_is_not_there_goes_where_work_is() -> None:
    made = node()
    made.handle(JobChanged(FAKE), 0)
    pass_time(made, 0, 5_000)
    assert seat(made) == FAKE.job
    pass_time(made, 5_000, 10 * STRANDED_MS)
    assert seat(made) == FAKE.job, "nothing else is to do"
    made.handle(JobChanged(REAL), 10 * STRANDED_MS)
    pass_time(made, 10 * STRANDED_MS, 10 * STRANDED_MS + 5_000)
    assert seat(made) == REAL.job
    assert made.jobs[FAKE.job].turn_from_ms >= 10 * STRANDED_MS + STRANDED_AGAIN_MS


def test_nobody_goes_before_the_publisher_had_time_to_come() -> None:
    made = node()
    made.handle(JobChanged(FAKE), 0)
    pass_time(made, 0, 3_000)
    made.handle(JobChanged(REAL), 3_000)
    assert made.room is not None
    pass_time(made, 3_000, made.room.seat.joined_ms + STRANDED_MS - 500)
    assert seat(made) == FAKE.job
