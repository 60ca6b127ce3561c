"""How much a node keeps of what it told of its jobs."""

from __future__ import annotations

import pytest

from sgnus.messages.ids import BlockId
from sgnus.runtime import events
from sgnus.runtime.events import EventHub


def lines_of(hub: EventHub, job: str) -> list[str]:
    return [line.split("  ")[-1] for line in hub.log(BlockId(job)).lines]


def test_lines_are_bounded_over_all_jobs_and_those_not_looked_at_for_longest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LINES_MAX", 12)
    hub = EventHub()
    for job in ("a", "b", "c"):
        for number in range(4):
            hub.note(BlockId(job), f"{job}{number}")
    assert lines_of(hub, "a") == ["a0", "a1", "a2", "a3"]  # And so it was looked at last.
    hub.note(BlockId("d"), "d0")
    assert lines_of(hub, "d") == ["d0"] and lines_of(hub, "a") == ["a0", "a1", "a2", "a3"]
    assert lines_of(hub, "c") == ["c0", "c1", "c2", "c3"] and lines_of(hub, "b") == []


def test_a_job_keeps_its_newest_lines_and_another_one_is_not_forgotten_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LINES_MAX", events.EVENTS_PER_JOB_MAX + 10)
    hub = EventHub()
    hub.note(BlockId("small"), "here")
    for number in range(2 * events.EVENTS_PER_JOB_MAX):
        hub.note(BlockId("large"), str(number))
    assert len(lines_of(hub, "large")) == events.EVENTS_PER_JOB_MAX
    assert lines_of(hub, "small") == ["here"]
