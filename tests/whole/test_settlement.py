"""Settlement on real processes: a SGNUS node that checks, audits and records, and all that can go wrong around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnus.frontends.sdk.sync import Grid
from sgnus.frontends.sdk.views import Settlement
from sgnus.messages.errors import UserFault
from sgnus.runtime.receipts import verify
from tests.whole.facts import picture, submit_slow
from tests.whole.grid import NODE, PrivateNetwork, RunningNode, wait_for

pytestmark = pytest.mark.timeout(300)

DIES, LIES = "tests.whole.dying_node", "tests.whole.lying_node"
LONG_MS, SHORT_MS = "600000", "500"


def settled_at(node: RunningNode, job: str, microjobs: int) -> list[Settlement]:
    """What this node has heard, once it has heard of so many."""
    with node.connect() as grid:

        def heard(grid: Grid = grid) -> list[Settlement]:
            found = grid.settlements(job)
            return found if len(found) >= microjobs else []

        return wait_for(heard, f"{node.home.name} hears of {microjobs} settlements")


def test_each_microjob_of_a_verified_job_is_settled_once_and_everybody_hears_of_it(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path, settling=()) as network:
        settler, publisher, one, other = network.add(1, 0, 1, 1)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 14, 0.05, verify="sample")
            assert np.array_equal(job.result(), right)
        for node in (one, other, publisher):
            found = settled_at(node, job.id, 2)
            assert [(each.microjob, each.node) for each in found] == [(0, settler.peer), (1, settler.peer)]
            assert sum(share.made for each in found for share in each.shares) == 14
            with node.connect() as grid:
                credit = grid.credits(job.id)
                assert sum(share.made for share in credit) == 14
                assert sum(share.checked for share in credit) == 2


def counter(node: RunningNode, name: str) -> int:
    with node.connect() as grid:
        return {one.name: one.value for one in grid.node().counters}[name]


def test_without_a_sgnus_node_within_reach_the_app_has_its_results_and_receipts_wait(tmp_path: Path) -> None:
    with PrivateNetwork(tmp_path, settling=()) as network:
        settler, publisher, one, _other = network.add(1, 0, 1, 1)
        settler.kill()
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 14, 0.05, verify="sample")
            assert np.array_equal(job.result(), right)
            assert job.status().state == "completed"
            assert len(job.receipts()) == 2
            assert grid.settlements(job.id) == []
        assert counter(publisher, "receipts that wait for the SGNUS node") == 2
        publisher.kill()
        network.restart(publisher)
        assert counter(publisher, "receipts that wait for the SGNUS node") == 2
        network.restart(settler)
        found = settled_at(one, job.id, 2)
        assert [each.microjob for each in found] == [0, 1]
        wait_for(
            lambda: counter(publisher, "receipts that wait for the SGNUS node") == 0,
            "the publisher's receipts are answered",
        )


def test_an_outside_beacon_has_the_last_word_and_without_it_a_receipt_waits_for_its_full_audit(
    tmp_path: Path,
) -> None:
    with PrivateNetwork(tmp_path, settling=()) as network:
        settler, publisher, _one, _other = network.add(1, 0, 1, 1)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 6, 0.05, verify="sample", outside_beacon=True)
            assert np.array_equal(job.result(), right)
            (report,) = [verify(receipt) for receipt in job.receipts()]
            assert (report.beacon, report.has_beacon, report.is_beacon_publisher) == (
                settler.peer,
                True,
                False,
            )
            settler.kill()
            job, right = submit_slow(grid, 6, 0.05, verify="sample", outside_beacon=True)
            wait_for(
                lambda: "a receipt without a beacon" in "\n".join(job.story()),
                "members do without the beacon",
            )
            assert job.status().state != "completed"
            network.restart(settler)
            assert np.array_equal(job.result(), right)
            assert len(job.receipts()) == 1
        with publisher.connect() as grid, pytest.raises(UserFault, match="leave out --outside-beacon"):
            grid.submit(picture(2), processor="invert", verify="none", outside_beacon=True)


def test_what_its_publisher_did_not_live_to_take_is_audited_in_full_settled_and_taken_when_it_is_back(
    tmp_path: Path,
) -> None:
    """The SGNUS node is killed as well, between the receipt and its settlement; inputs come from members."""
    with PrivateNetwork(tmp_path, settling=("--settle-grace-ms", LONG_MS)) as network:
        settler, one, _other = network.add(1, 1, 1)
        (publisher,) = network.add_as((DIES,), 0)
        with publisher.connect() as grid:
            job, right = submit_slow(grid, 6, 0.05, verify="full")
        wait_for(lambda: not publisher.is_running, "the publisher dies when it has the receipt")
        wait_for(
            lambda: counter(settler, "microjobs that wait to be settled") == 1, "the receipt is submitted"
        )
        settler.kill()
        settler.options = ("--settle", "--settle-grace-ms", SHORT_MS)
        network.restart(settler)
        (found,) = settled_at(one, job.id, 1)
        assert (found.audited, found.rerun) == (True, 6)
        publisher.program = NODE
        network.restart(publisher)
        with publisher.connect() as grid:
            again = grid.job(job.id)
            assert np.array_equal(again.result(), right)
            assert again.status().state == "completed"
            assert any("was settled: its receipt is here now" in line for line in again.story())


def test_a_room_of_liars_that_check_each_other_is_convicted_by_an_audit_and_never_settled(
    tmp_path: Path,
) -> None:
    """Both lie in the same way, so their receipt holds; only the SGNUS node can tell: the publisher runs nothing again."""
    with PrivateNetwork(tmp_path, settling=("--settle-grace-ms", SHORT_MS)) as network:
        (settler,) = network.add(0)
        (publisher,) = network.add_as((DIES, "--recheck", "0%"), 0)
        liars = network.add_as((LIES, "false wherever it runs"), 1, 1)
        with publisher.connect() as grid:
            job, _right = submit_slow(grid, 6, 0.05, verify="full")
        wait_for(lambda: not publisher.is_running, "the publisher dies when it has the receipt")

        def convicted() -> bool:
            said = settler.log.read_text()
            return all(f"{liar.peer} signed a false digest" in said for liar in liars)

        wait_for(convicted, "both liars are convicted")
        assert "is not published" not in settler.log.read_text()
        with settler.connect() as grid:
            assert grid.settlements(job.id) == []
