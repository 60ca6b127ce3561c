"""A member that floods: honest members' jobs end right, their memory stays bounded, and it is throttled, then shut out.

How much slower jobs become meanwhile is measured by `python -m bench floods`; no figure of speed is asserted here.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from tests.whole.facts import events, held, submit_slow
from tests.whole.flooding_node import EVERYTHING
from tests.whole.floods.watching import memory_mb, throttled
from tests.whole.grid import PrivateNetwork, RunningNode, wait_for

pytestmark = pytest.mark.timeout(300)

CHANNELS = (
    "gossip garbage",
    "joins",
    "entries of its own",
    "entries of fresh keys",
    "lease requests",
    "reconciliations",
    "receipts",
    EVERYTHING,
)
"""One of each kind, and all of them at once; `python -m bench floods` runs all."""

SHUT_OUT = re.compile(r"(\w+) asked for too much for too long")

GROWTH_MB_MAX = 150.0
"""Of an honest node, while it is flooded: queues and bursts are bounded by far less, together."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNetwork]:
    """A SGNUS node that publishes, and two workers; their budgets are small, for the flooder may be slow here."""
    with PrivateNetwork(tmp_path_factory.mktemp("floods"), settling=()) as network:
        network.add_as(("tests.whole.strict_node",), 0, 1, 1)
        yield network


@pytest.mark.parametrize("how", CHANNELS)
def test_a_member_that_floods_is_throttled_and_shut_out_and_jobs_end_right(
    how: str, network: PrivateNetwork
) -> None:
    honest = network.nodes[:3]
    (flooder,) = network.add_as(("tests.whole.flooding_node", how), 1)
    memory = {node.peer: memory_mb(node) for node in honest}
    peak = dict(memory)
    dropped = sum(map(throttled, honest))
    try:
        with network.nodes[0].connect() as grid:
            jobs = [submit_slow(grid, 12, 0.5)]
            wait_for(lambda: len(held(events(jobs[0][0]))) >= 2, "the job is under way")
            os.kill(flooder.pid, signal.SIGUSR1)

            def is_over() -> bool:
                for node in honest:
                    peak[node.peer] = max(peak[node.peer], memory_mb(node))
                is_shut_out, has_ended = flooder.peer in shut_out_by(honest), jobs[-1][0].status().has_ended
                if has_ended and not is_shut_out:
                    # Who floods rooms has to hear of one first.
                    jobs.append(submit_slow(grid, 12, 0.5))
                return is_shut_out and has_ended

            wait_for(is_over, "jobs have ended, and somebody shuts the flooder out", poll_s=0.2)
            for job, right in jobs:
                assert np.array_equal(job.result(), right)
            assert sum(map(throttled, honest)) > dropped
            for node in honest:
                assert peak[node.peer] - memory[node.peer] < GROWTH_MB_MAX, node.home.name
            again, right = submit_slow(grid, 4, 0.1)
            wait_for(lambda: again.status().has_ended, "the next job has ended")
            assert np.array_equal(again.result(), right)
        assert not {node.peer for node in honest} & shut_out_by(honest), "an honest member was shut out"
    except AssertionError as error:
        error.add_note(f"the flooder says {said_by(flooder)}")
        raise
    finally:
        flooder.kill()


def shut_out_by(nodes: list[RunningNode]) -> set[str]:
    """Whom these nodes have shut out, by their logs."""
    return {peer for node in nodes for peer in re.findall(SHUT_OUT, node.log.read_text())}


def said_by(flooder: RunningNode) -> dict[str, int]:
    """What came of its flood so far."""
    path = flooder.home / "flood.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}
