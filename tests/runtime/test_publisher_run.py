"""What a publisher runs itself, and that a disk that refuses for a moment fails no job."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, PublisherRan
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.ports import Abandoned, Computed, Outcome
from sgnus.runtime import publisher_run
from sgnus.runtime.publisher_run import PublisherRuns

ASKED = fx.RunHere(BlockId("job"), 0, 3)


@dataclass
class Parts:
    """Stands for the node around it: one job of ours, whose disk refuses the first `refusals` outputs."""

    outcome: Outcome
    refusals: int = 0
    me: PeerId = field(default=PeerId("publisher"))
    told: list[Input] = field(default_factory=list)
    started: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    kept: dict[Any, Any] = field(default_factory=dict)
    places: dict[str, Any] = field(default_factory=dict)
    instances: list[InstanceId] = field(default_factory=list)

    def get(self, job: BlockId) -> Any:
        plan = SimpleNamespace(chunks_of=lambda microjob, sub_block: range(2))
        view = SimpleNamespace(is_open=True, block_id=job)
        return SimpleNamespace(files=SimpleNamespace(outputs=self), plan=plan, view=view, wants_proof=False)

    async def append(self, _data: Any) -> tuple[int, int]:
        if self.refusals:
            self.refusals -= 1
            raise WorldFault("the disk is full")
        return 0, 8

    async def run(self, _job: Any, _microjob: int, instance: InstanceId, _sub_block: int) -> Outcome:
        self.instances.append(instance)
        return self.outcome

    def keep(self, *_of: Any) -> tuple[bytes, None]:
        return b"root", None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.started.append(work)

    def ran(self, asked: fx.RunHere = ASKED) -> PublisherRan:
        async def go() -> None:
            PublisherRuns(self, self, self, self, lambda given: self.told.append(given) or True).run(asked)  # type: ignore[arg-type, func-returns-value]
            await asyncio.gather(*self.started)

        asyncio.run(go())
        (ran,) = self.told
        assert isinstance(ran, PublisherRan)
        return ran


def test_a_disk_that_refuses_for_a_while_fails_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_run, "RUN_HERE_AGAIN_MS_MIN", 1)
    parts = Parts(Computed([b"right"], 1), refusals=3)
    assert parts.ran().error == ""
    assert list(parts.places) == ["job/0/3/here"]


def test_a_disk_that_goes_on_refusing_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_run, "RUN_HERE_AGAIN_MS_MIN", 0)
    assert Parts(Computed([b"right"], 1), refusals=10**6).ran().error == "the disk is full"


def test_what_gives_no_output_here_either_is_said_with_its_reason() -> None:
    assert Parts(Abandoned("too slow")).ran().error == "too slow"


def test_what_it_runs_of_two_microjobs_or_jobs_is_never_taken_for_one_another() -> None:
    others = (ASKED, fx.RunHere(BlockId("job"), 1, 3), fx.RunHere(BlockId("other"), 0, 3))
    found: list[InstanceId] = []
    for asked in others:
        parts = Parts(Computed([b"right"], 1))
        parts.ran(asked)
        found += parts.instances
    assert len(set(found)) == len(others)
