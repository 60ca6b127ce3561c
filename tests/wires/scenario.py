"""A job on wires that have a plan of faults: submitted as people do, ended in time, right, and judged by the laws."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.whole.facts import SIDE, Pixels, picture
from tests.whole.grid import RunningNode, wait_for
from tests.whole.modules import slow_invert
from tests.wires.grid import WiredNetwork, sgnus
from tests.wires.laws import judge
from tests.wires.plan import Plan
from tests.wires.witness import story_of

POLL_S: Final = 0.3
"""Each look at a job is a connection of its own, and costs its node something."""
END_S: Final = 90.0
"""How long a job may take to its end once all wires are fair again."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job to be submitted: so many sub-blocks of so much CPU time each, and how it is verified."""

    sub_blocks: int
    seconds: float
    verify: str = "sample"

    @property
    def source(self) -> Pixels:
        return picture(self.sub_blocks)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that is under way, by its BLOCKID, and the node that published it."""

    id: str
    work: Work
    publisher: RunningNode

    def state(self) -> str:
        with self.publisher.connect() as grid:
            return grid.job(self.id).status().state

    def delivered(self) -> int:
        with self.publisher.connect() as grid:
            return grid.job(self.id).status().delivered


def submit(network: WiredNetwork, publisher: RunningNode, work: Work) -> Submitted:
    """By `sgnus submit`."""
    source, module = network.folder / f"{work.sub_blocks}.npy", network.folder / f"{work.seconds}.wasm"
    np.save(source, work.source)
    module.write_bytes(slow_invert(work.seconds))
    answer = sgnus(
        *("submit", str(source), "--processor", f"wasm:{module}", "--tile", f"{SIDE}x{SIDE}", "--halo", "0"),
        *("--chunks-per-sub-block", "1", "--verify", work.verify, "--detach", "--json"),
        *("--home", str(publisher.home)),
    )
    return Submitted(json.loads(answer)["job"], work, publisher)


def await_delivered(job: Submitted, sub_blocks: int) -> None:
    """Until the job is in its middle: so many are delivered, and the rest is not."""
    wait_for(
        lambda: job.delivered() >= sub_blocks,
        f"{sub_blocks} sub-blocks are delivered",
        END_S,
        POLL_S,
    )
    assert job.delivered() < job.work.sub_blocks, "the job is over before its faults begin: give it more work"


def run(network: WiredNetwork, job: Submitted, plan: Plan) -> float:
    """Follow `plan` from now on; the job ends, and ends right. How many seconds after the last fault it ended."""
    with _told(network, job, plan):
        begun_s = time.time()
        network.begin(plan)
        healed_s = network.await_end_of_plan(plan)["unix_ms"] / 1000
        await_end(network, job, END_S)
        ended_s = time.time()
        is_verified = job.work.verify != "none"
        spans = ((begun_s, healed_s),)
        judge(network, job.id, job.publisher, is_verified=is_verified, troubled=spans)
        network.await_mesh()
    return ended_s - healed_s


def await_end(network: WiredNetwork, job: Submitted, deadline_s: float) -> None:
    """Until the job has completed, and its result is the only right one."""
    wait_for(lambda: job.state() == "completed", "the job completes", deadline_s, POLL_S)
    out = network.folder / f"{job.id[-8:]}.npy"
    sgnus("job", "results", job.id, "-o", str(out), "--home", str(job.publisher.home))
    assert np.array_equal(np.load(out), 255 - job.work.source), "the result is wrong"


@contextmanager
def _told(network: WiredNetwork, job: Submitted, plan: Plan) -> Iterator[None]:
    """A failure says what it takes to look into it: the seed, the plan, and where the nodes' logs and stories are."""
    try:
        yield
    except BaseException as error:
        for node in network.nodes:
            (network.folder / f"{node.home.name}.story").write_text(story_of(node, job.id))
        error.add_note(
            f"seed {plan.seed}, plan '{plan.name}', job {job.id}, published by {job.publisher.home.name}; "
            f"logs and stories are in {network.folder}; the switch says {network.changes()[-1:]}"
        )
        raise
