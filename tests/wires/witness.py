"""What one node tells of one job: its events with the time of each, and the job as it sees it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final, TypeVar

from sgnus.frontends.sdk.views import Event, JobStatus
from tests.whole.grid import RunningNode

EVENT: Final = re.compile(
    r" *(\d+\.\d+) s  room \d+: "
    r"(host is |\d+ members|\S{6} works on sub-block|sub-block \d+ is (?:held from|processed by) )"
)
"""A line of the story that tells an event; the other lines tell what no app is told."""

EventT = TypeVar("EventT")


@dataclass(frozen=True, slots=True)
class Witness:
    """`timed` are events with the Unix time, in seconds, at which this node told of them."""

    name: str
    peer: str
    timed: tuple[tuple[float, Event], ...]
    status: JobStatus

    def of(self, kind: type[EventT]) -> list[EventT]:
        """The events of this kind, in order."""
        return [event for _at_s, event in self.timed if isinstance(event, kind)]


def testify(node: RunningNode, job: str) -> Witness:
    """Ask a node. Each event has its line in the story, in the same order, and the story has the times."""
    with node.connect() as grid:
        found = grid.job(job)
        lines = [match for line in found.story() if (match := EVENT.match(line))]
        events = [event for event in found.events(follow=False) if not isinstance(event, JobStatus)]
        uptime_s = grid.node().uptime_ms / 1000
        status = found.status()
    start_s = time.time() - uptime_s
    # The events were asked for after the story, and may be more.
    assert len(lines) <= len(events) <= len(lines) + 50, (len(lines), len(events))
    times_s = [start_s + float(match[1]) for match in lines]
    times_s += [time.time()] * (len(events) - len(lines))
    return Witness(node.home.name, node.peer, tuple(zip(times_s, events, strict=True)), status)


def story_of(node: RunningNode, job: str) -> str:
    """The node's story of the job; in words, if it cannot tell one."""
    try:
        with node.connect() as grid:
            return "\n".join(grid.job(job).story())
    except Exception as error:  # noqa: BLE001 - this only adds to what is told of another failure
        return f"{node.home.name} tells no story: {error}"
