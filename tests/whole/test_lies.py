"""Real processes of which one lies: what is noticed, who is convicted (the guilty, by its own signature, or nobody), and
that the job ends with the right bytes all the same. `tests/whole/lies` has the lies, `docs/protocol/lies.md` their table.

One network stays up: a publisher and two honest workers. A liar joins it for each test, and is gone after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid, Job
from sgnus.runtime.receipts import ReceiptReport, verify
from tests.whole import court
from tests.whole.facts import SIDE, picture
from tests.whole.grid import PrivateNetwork, RunningNode, wait_for
from tests.whole.lying_node import LIES
from tests.whole.modules import slow_invert

pytestmark = pytest.mark.timeout(400)

PROGRAM: Final = "tests.whole.lying_node"
JOBS_MAX: Final = 30
"""Whether a lie is told, and to whom, is a matter of the draw and of who founds: the rarest is noticed in half of the jobs."""
SUB_BLOCKS: Final = 6
CHUNKS: Final = 2
CHUNK_SECONDS: Final = 0.06
"""Long enough for others to come before whoever founded a room has done all of it."""
DEADLINE_MS: Final = 2_000
LIED: Final = "tests.lies lies about"


@dataclass(frozen=True, slots=True)
class Case:
    """A lie, and what shows that it was noticed; `{liar}` stands for the end of its id.

    `story`: a line of the publisher's or of a member's story of the job. `refused`: why an honest node refuses a word of the
    liar (one of several reasons, separated by |). `answered`: why the publisher refuses what the liar brings. `receipt`: the
    part of the receipt that names the liar. `convicts`: its own signature proves it false.
    """

    how: str
    story: str = ""
    refused: str = ""
    answered: str = ""
    receipt: str = ""
    convicts: bool = False


MADE: Final = "{liar} returned a false chunk"
JUDGED: Final = "{liar} accused somebody of a false chunk"
UNHEARD: Final = "has not heard {liar}"

CASES: Final = (
    Case("false in one chunk", story=MADE, convicts=True),
    Case("false in some chunks", story=MADE, convicts=True),
    Case("false in all chunks", story=MADE, convicts=True),
    Case("a false accusation", story=JUDGED, convicts=True),
    Case("all right, unseen", story=JUDGED, convicts=True),
    Case("other bytes than the digests", answered="the bytes do not have the digests that came with them"),
    Case("a copied commit", answered="the bytes do not have the root of the signed record"),
    Case("two commits", receipt="made"),
    Case("no commit", story="works on sub-block"),
    Case("no seal", story=UNHEARD, receipt="excused"),
    Case("two seals", receipt="members"),
    Case("no reveal", receipt="unrevealed"),
    Case("no opening", receipt="made"),
    Case("no verdict", story=UNHEARD, receipt="skipped"),
    Case("two tongues", receipt="checked"),
    Case("a beacon of its own", refused="a beacon that the job does not name"),
    Case("invented members", refused="the list seats a member by a request of another peer"),
    Case("a made up receipt", refused="a HELD that is not signed by the publisher"),
    Case("replays", refused="the signature is not by"),
    Case("a result left out", refused="do not cover the microjob|not those of its sub-blocks"),
)
SLANDER: Final = Case("slander", receipt="members")
REMOVAL: Final = Case("others removed", story="left: removed from the list")


@dataclass(slots=True)
class Stage:
    """The honest nodes, and the liar of the test: who came when into which log."""

    network: PrivateNetwork
    grid: Grid
    read: dict[Path, int] = field(default_factory=dict)

    @property
    def honest(self) -> list[RunningNode]:
        """The publisher, and two members."""
        return self.network.nodes[:3]

    @property
    def liar(self) -> RunningNode:
        return self.network.nodes[-1]

    def enter(self, how: str) -> None:
        self.network.add_as((PROGRAM, how), 1)
        self.turn_page()

    def turn_page(self) -> None:
        """What is in the logs by now is of jobs before."""
        self.read = {node.log: len(node.log.read_text()) for node in (*self.honest, self.liar)}

    def said(self, node: RunningNode) -> str:
        """What a node has logged since."""
        return node.log.read_text()[self.read[node.log] :]

    def run(self) -> Job:
        """A job that is verified in full and ends with the right bytes."""
        self.turn_page()
        return self.right(submit(self.grid))

    @staticmethod
    def right(job: Job) -> Job:
        """It ends with the right bytes."""
        assert np.array_equal(job.result(), 255 - picture(SUB_BLOCKS * CHUNKS))
        assert job.status().state == "completed"
        return job


def submit(grid: Grid) -> Job:
    source, module = picture(SUB_BLOCKS * CHUNKS), slow_invert(CHUNK_SECONDS)
    tile = (SIDE, SIDE)
    return grid.submit(
        source,
        module=module,
        tile=tile,
        halo=0,
        chunks_per_sub_block=CHUNKS,
        verify="full",
        deadline_ms=DEADLINE_MS,
    )


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with PrivateNetwork(tmp_path_factory.mktemp("lies")) as nodes:
        nodes.add_as((PROGRAM, "nothing"), 0, 1, 1)
        with nodes.nodes[0].connect() as grid:
            yield Stage(nodes, grid)


@pytest.fixture
def stage(network: Stage) -> Iterator[Stage]:
    """The liar, if one came, is gone after the test; its home stays its own."""
    yield network
    for node in network.network.nodes[3:]:
        node.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.how.replace(" ", "_").replace(",", ""))
def test_a_lie_is_noticed_and_convicts_nobody_but_its_liar(stage: Stage, case: Case) -> None:
    until_noticed(stage, case)


def until_noticed(stage: Stage, case: Case) -> tuple[Job, ReceiptReport]:
    """The first job in which the lie was told and noticed, and its receipt; every job before ended right as well."""
    stage.enter(case.how)
    convicted: dict[str, None] = {}
    for _ in range(JOBS_MAX):
        job = stage.run()
        (report,) = (verify(receipt) for receipt in job.receipts())
        convicted |= convicted_in(stage, job)
        if LIED in stage.said(stage.liar) and is_noticed(stage, case, job, report):
            break
    else:
        raise AssertionError(f"in {JOBS_MAX} jobs nobody noticed {case}")
    assert list(convicted) == [stage.liar.peer] * case.convicts
    assert all("Traceback" not in stage.said(node) for node in stage.honest)
    return job, report


def test_whom_a_liar_slanders_works_on_and_is_drawn_from(stage: Stage) -> None:
    job, report = until_noticed(stage, SLANDER)
    publisher, *members = stage.honest
    slandered = {node.peer for node in members}
    wait_for(
        lambda: {*court.accused(publisher, job.id).get(stage.liar.peer, ())} >= slandered,
        "the slander spreads",
    )
    assert {node.peer for node in members} <= {*report.members}


def test_members_that_a_host_removed_are_drawn_from_for_what_they_did(stage: Stage) -> None:
    _job, report = until_noticed(stage, REMOVAL)
    assert {*report.made} <= {*report.members}
    assert {*report.checked} - {stage.liar.peer}


def test_a_publisher_that_makes_its_beacon_up_gets_no_draw_and_no_receipt(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path) as network:
        network.add_as((PROGRAM, "a made up beacon"), 0)
        members = network.add_as((PROGRAM, "nothing"), 1, 1)
        publisher = network.nodes[0]
        with publisher.connect() as grid:
            job = submit(grid)
            why = f"{publisher.peer}: a beacon whose proof is wrong"
            wait_for(lambda: all(why in node.log.read_text() for node in members), "both refuse the beacon")
            assert job.status().state not in ("completed", "failed")
            assert not job.receipts()
            assert not court.accused(publisher, job.id)
            for node in members:
                with node.connect() as its:
                    assert "drawn:" not in "\n".join(its.job(job.id).story())


def test_each_lie_has_its_case() -> None:
    elsewhere = {
        "a made up beacon",
        "false wherever it runs",
    }  # The first above, the other in test_settlement.py.
    assert {case.how for case in (*CASES, SLANDER, REMOVAL)} == {*LIES} - {"nothing"} - elsewhere


def convicted_in(stage: Stage, job: Job) -> dict[str, None]:
    """Whom the publisher convicts in this job: by proofs that hold, and it accuses nobody else."""
    publisher = stage.honest[0]
    found = court.convicted(publisher, job.id)
    told = {line for line in job.story() if "by its own signature" in line}
    assert bool(told) is bool(found)
    assert all(stage.liar.peer[-6:] in line for line in told)
    wait_for(
        lambda: {*court.accused(publisher, job.id).get(publisher.peer, [])} == {*found},
        "it accuses them, and nobody else",
    )
    return found


def is_noticed(stage: Stage, case: Case, job: Job, report: ReceiptReport) -> bool:
    """All that the case asks for was seen in this job."""
    end = stage.liar.peer[-6:]
    if case.story and not any(case.story.format(liar=end) in story for story in stories(stage, job)):
        return False
    if case.receipt and stage.liar.peer not in getattr(report, case.receipt):
        return False
    if case is SLANDER and len(report.members) < len(stage.honest):
        return False  # Not all of the liar and the two whom it slanders came in time for a seat.
    if case.answered and case.answered not in stage.said(stage.liar):
        return False
    lines = [line for node in stage.honest for line in stage.said(node).splitlines()]
    blamed = [line for line in lines if f"{stage.liar.peer}: " in line]
    return not case.refused or any(why in line for why in case.refused.split("|") for line in blamed)


def stories(stage: Stage, job: Job) -> Iterator[str]:
    """How each honest node tells the job."""
    for node in stage.honest:
        with node.connect() as grid:
            yield "\n".join(grid.job(job.id).story())
