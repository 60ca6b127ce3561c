"""The private share at work: what the dice choose, and what becomes of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import Input, Rechecked
from sgnus.messages.errors import UserFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId
from sgnus.messages.limits import RECHECKS_WAITING_MAX
from sgnus.ports import Trapped
from sgnus.runtime.node import Node, NodeOptions
from sgnus.runtime.rechecks import Rechecks
from sgnus.runtime.work import Worker

JOB = BlockId("job")
ASKED = fx.Recheck(JOB, 0, 1, (4, 5))


@dataclass
class Parts:
    """Stands for the node around it: one job of ours, a worker that says what the test says, hands that wait."""

    gives: Callable[[], bytes | None]
    started: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    told: list[Input] = field(default_factory=list)

    def get(self, job: BlockId) -> Any:
        return SimpleNamespace(files=object()) if job == JOB else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.started.append(work)

    async def digests(self, _job: Any, _instance: InstanceId, _chunks: Sequence[int]) -> bytes | None:
        return self.gives()

    def put(self, given: Input) -> bool:
        self.told.append(given)
        return True

    def rechecks(self, permille: int = 1000) -> Rechecks:
        return Rechecks(self, self, self, self.put, permille=permille, dice=random.Random(7))  # type: ignore[arg-type]

    def run(self, asked: fx.Recheck = ASKED) -> list[Input]:
        """All of it, to its end."""

        async def go() -> None:
            self.rechecks().run(asked)
            await asyncio.gather(*self.started)

        asyncio.run(go())
        return self.told


def refuses() -> bytes:
    raise WorldFault("the disk is gone")


def drawn(permille: int) -> tuple[int, ...]:
    return Parts(lambda: None).rechecks(permille).draw(range(10_000))


def test_the_dice_choose_none_all_or_about_the_share() -> None:
    assert drawn(0) == ()
    assert drawn(1000) == tuple(range(10_000))
    assert 60 < len(drawn(10)) < 140


def test_what_was_run_again_is_told_to_the_core() -> None:
    assert Parts(lambda: b"d" * 64).run() == [Rechecked(JOB, 0, 1, (4, 5), b"d" * 64)]


@pytest.mark.parametrize("gives", [lambda: None, refuses])
def test_what_gives_no_output_is_told_without_digests(gives: Callable[[], bytes | None]) -> None:
    assert Parts(gives).run() == [Rechecked(JOB, 0, 1, (4, 5), None)]


def test_a_job_that_is_gone_ends_in_no_digests() -> None:
    asked = fx.Recheck(BlockId("another"), 0, 1, (4, 5))
    assert Parts(lambda: b"d" * 64).run(asked) == [Rechecked(BlockId("another"), 0, 1, (4, 5), None)]


def test_what_waits_is_bounded() -> None:
    parts = Parts(lambda: None)
    rechecks = parts.rechecks()
    for _ in range(RECHECKS_WAITING_MAX + 3):
        rechecks.run(ASKED)
    assert len(parts.started) == RECHECKS_WAITING_MAX
    assert parts.told == [Rechecked(JOB, 0, 1, (4, 5), None)] * 3
    for work in parts.started:
        work.close()


def test_a_chunk_that_traps_gives_no_digest() -> None:
    class Trapping(Worker):
        async def run_some(self, *_given: Any) -> Any:
            return Trapped(0, "unreachable")

    plan = SimpleNamespace(place_of=lambda _chunk: (0, 0), chunks_of=lambda *_place: range(2))
    worker = Trapping(None, None, None)  # type: ignore[arg-type]
    job: Any = SimpleNamespace(plan=plan)
    assert asyncio.run(worker.digests(job, InstanceId("i"), (0, 1))) is None


@pytest.mark.parametrize("share", [-1, 1001])
def test_a_node_refuses_a_share_that_is_none(tmp_path: Path, share: int) -> None:
    with pytest.raises(UserFault, match="0 % to 100 %"):
        Node(NodeOptions(home=tmp_path, recheck_permille=share))
