"""Whatever goes wrong where work is done, the core hears that it is over: somebody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.core import effects as fx
from sgnus.core.inputs import DeliveryEnded, Input, PublisherRan, Rechecked, Reexecuted, SubBlockFailed
from sgnus.messages.errors import OurFault, PeerFault, WorldFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId
from sgnus.messages.v1.types import Opening, ReturnReason, SignedEnvelope, SignedKind
from sgnus.runtime import publisher_run
from sgnus.runtime.events import EventHub
from sgnus.runtime.proofs import Proofs
from sgnus.runtime.publisher_run import PublisherRuns
from sgnus.runtime.rechecks import Rechecks
from sgnus.runtime.work import Deliveries, Hands, Kept, Secrets

JOB, ROOM, ME = BlockId("job"), InstanceId("room"), PeerId("me")
RECORD = SignedEnvelope(kind=SignedKind.RECORD, author=ME, payload=b"", signature=b"")
BUG = KeyError("a bug")
FAULTS = (WorldFault("no child process"), OurFault("the pool is not running"), PeerFault("a lie"), BUG)


class Failing:
    """A worker, and calls, that raise what they are told to; and a book of one job of ours."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, _job: BlockId) -> Any:
        plan = SimpleNamespace(chunks_of=lambda *_: range(1))
        view = SimpleNamespace(block_id=JOB, is_open=True)
        return SimpleNamespace(files=object(), plan=plan, view=view, wants_proof=True)

    async def run(self, *_: Any) -> Any:
        raise self._error

    async def digests(self, *_: Any) -> Any:
        raise self._error

    async def write_outputs(self, *_: Any) -> Any:
        raise self._error


async def ended(error: Exception, begin: Callable[[Failing, Hands, Callable[[Input], bool]], None]) -> Input:
    """What the core is told of work that meets this error."""
    told: list[Input] = []
    failing: Any = Failing(error)

    def put(given: Input) -> bool:
        told.append(given)
        return True

    hands = Hands(failing, failing, ME, Secrets(b"seed"), put)
    begin(failing, hands, put)
    await hands.finish(5_000)
    for _ in range(3):
        await asyncio.sleep(0)
    (one,) = told
    return one


def leased(failing: Any, hands: Hands, _put: Any) -> None:
    hands.process(fx.Process(JOB, 0, ROOM, 1, False), lambda: 0)


def checked(failing: Any, hands: Hands, put: Any) -> None:
    Proofs(failing, failing, hands, EventHub(), put).reexecute(fx.Reexecute(JOB, 0, ROOM, (1, 2)))


def rechecked(failing: Any, hands: Hands, put: Any) -> None:
    Rechecks(failing, failing, hands, put, permille=1000).run(fx.Recheck(JOB, 0, 1, (1, 2)))


def delivered(failing: Any, hands: Hands, put: Any) -> None:
    opening = Opening(instance=ROOM, sub_block=1, salt_seed=b"", digests=b"")
    hands.kept[ROOM, 1] = Kept([b"out"], opening)

    async def store_here(*_: Any) -> Any:
        raise AssertionError("another one is the publisher")

    deliveries = Deliveries(hands, failing, store_here, put)
    deliveries.deliver(fx.Deliver(JOB, 0, ROOM, 1, PeerId("publisher"), RECORD))


def run_here(failing: Any, hands: Hands, put: Any) -> None:
    PublisherRuns(failing, failing, hands, failing, put).run(fx.RunHere(JOB, 0, 1))


KINDS: Sequence[tuple[Callable[..., None], type[Input]]] = (
    (leased, SubBlockFailed),
    (checked, Reexecuted),
    (rechecked, Rechecked),
    (delivered, DeliveryEnded),
    (run_here, PublisherRan),
)


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("begin", "kind"), KINDS, ids=[begin.__name__ for begin, _ in KINDS])
def test_work_that_meets_a_fault_ends_and_the_core_is_told(
    begin: Callable[..., None],
    kind: type[Input],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher_run, "RUN_HERE_AGAIN_MS_MIN", 0)
    assert isinstance(asyncio.run(ended(error, begin)), kind)


@pytest.mark.parametrize("begin", [begin for begin, _ in KINDS])
def test_a_bug_is_told_in_the_log_as_one(
    begin: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(publisher_run, "RUN_HERE_AGAIN_MS_MIN", 0)
    asyncio.run(ended(BUG, begin))
    assert "Traceback" in caplog.text


def test_a_node_that_can_start_no_child_gives_its_lease_back_at_once() -> None:
    told = asyncio.run(ended(WorldFault("no child process"), leased))
    assert told == SubBlockFailed(ROOM, 1, ReturnReason.ABANDONED, "no child process")
