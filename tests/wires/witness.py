"""What one node tells of one job: its events with the time of each, and the job as it sees it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sgnus.frontends.sdk.views import Event, JobStatus
from tests.whole.grid import RunningNode

EVENT: Final = re.compile(
    r" *(\d+\.\d+) s  room \d+: "
    r"(host is |\d+ members|\S{6} works on sub-block|sub-block \d+ is (?:held from|processed by) )"
)
"""A line of the story that tells an event; the other lines tell what no app is told."""

REIGN: Final = re.compile(
    r" *(\d+\.\d+) s  room \d+/([0-9a-f]{8}): (?:(?P<begins>founded with|hosts in epoch)|(?P<ends>left: |host is ))"
)
"""A line that says that this node hosts a room from then on, or no more."""

EventT = TypeVar("EventT")
Span = tuple[float, float]
"""From when to when, in Unix time."""


@dataclass(frozen=True, slots=True)
class Witness:
    """`timed` are events with the Unix time, in seconds, at which this node told of them; `reigns` says for each instance when
    it was the host.
    """

    name: str
    peer: str
    timed: tuple[tuple[float, Event], ...]
    reigns: tuple[tuple[str, Span], ...]
    status: JobStatus

    def of(self, kind: type[EventT]) -> list[EventT]:
        """The events of this kind, in order."""
        return [event for _at_s, event in self.timed if isinstance(event, kind)]


def testify(node: RunningNode, job: str) -> Witness:
    """Ask a node. Each event has its line in the story, in the same order, and the story has the times."""
    with node.connect() as grid:
        found = grid.job(job)
        story = found.story()
        lines = [match for line in story if (match := EVENT.match(line))]
        events = [event for event in found.events(follow=False) if not isinstance(event, JobStatus)]
        uptime_s = grid.node().uptime_ms / 1000
        status = found.status()
    start_s = time.time() - uptime_s
    # The events were asked for after the story, and may be more.
    assert len(lines) <= len(events) <= len(lines) + 50, (len(lines), len(events))
    times_s = [start_s + float(match[1]) for match in lines]
    times_s += [time.time()] * (len(events) - len(lines))
    timed = tuple(zip(times_s, events, strict=True))
    return Witness(node.home.name, node.peer, timed, reigns_in(story, start_s, time.time()), status)


def reigns_in(story: Sequence[str], start_s: float, now_s: float) -> tuple[tuple[str, Span], ...]:
    """When the teller of this story hosted which instance; what has not ended lasts until now."""
    reigns, begun_s = list[tuple[str, Span]](), dict[str, float]()
    for match in (found for line in story if (found := REIGN.match(line))):
        at_s, instance = start_s + float(match[1]), match[2]
        if match["begins"]:
            begun_s.setdefault(instance, at_s)
        elif instance in begun_s:
            reigns.append((instance, (begun_s.pop(instance), at_s)))
    return (*reigns, *((instance, (since_s, now_s)) for instance, since_s in begun_s.items()))


def story_of(node: RunningNode, job: str) -> str:
    """The node's story of the job; in words, if it cannot tell one."""
    try:
        with node.connect() as grid:
            return "\n".join(grid.job(job).story())
    except Exception as error:  # noqa: BLE001 - this only adds to what is told of another failure
        return f"{node.home.name} tells no story: {error}"
