"""A publisher asks the SGNUS node for what was settled while it was away, until it has it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.core.inputs import Input, ReceiptFetched
from sgnus.core.receipt import digest_of
from sgnus.core.shelf import Settled
from sgnus.messages.errors import WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import GetReceiptReply, GetReceiptRequest, SettledBody
from sgnus.runtime import reclaiming
from sgnus.runtime.jobs import unix_ms
from sgnus.runtime.reclaiming import Reclaiming
from tests.database_support import in_loop
from tests.ports.peers_support import until

NODE, JOB, RECEIPT = PeerId("node"), BlockId("job"), b"a receipt"


class Publisher:
    """A publisher's job of which one microjob is settled and not taken, and a SGNUS node that it asks."""

    def __init__(self) -> None:
        body = SettledBody(microjob=3, receipt=digest_of(RECEIPT), audited=True)
        self.settled = {3: Settled(NODE, body)}
        self.job: Any = SimpleNamespace(
            files=object(),
            terms=object(),
            view=SimpleNamespace(block_id=JOB, is_open=True, expires_ms=unix_ms() + 60_000),
            untaken=lambda: self.settled,
        )
        self.given: list[Input] = []
        self.asked: list[bytes] = []
        self.answer: bytes | Exception = RECEIPT
        self.tasks: list[asyncio.Task[None]] = []
        self.reclaiming = Reclaiming(self, self, self.put)  # type: ignore[arg-type]

    def put(self, given: Input) -> bool:
        self.given.append(given)
        return True

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def get_receipt(self, node: PeerId, request: GetReceiptRequest) -> GetReceiptReply:
        assert node == NODE
        self.asked.append(request.digest)
        if isinstance(self.answer, Exception):
            raise self.answer
        return GetReceiptReply(receipt=self.answer)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setattr(reclaiming, "RECLAIM_MS_MIN", 5)
    return Publisher()


@in_loop
async def test_the_receipt_is_asked_for_once_at_a_time_and_given_to_the_core(publisher: Publisher) -> None:
    publisher.reclaiming.look(publisher.job)
    publisher.reclaiming.look(publisher.job)
    assert len(publisher.tasks) == 1
    await until(lambda: publisher.given, "the receipt is here")
    assert publisher.given[0] == ReceiptFetched(JOB, 3, RECEIPT)
    publisher.settled.clear()
    await asyncio.gather(*publisher.tasks)


@in_loop
async def test_it_is_asked_for_again_until_the_microjob_is_taken(publisher: Publisher) -> None:
    publisher.answer = WorldFault("unreachable")
    publisher.reclaiming.look(publisher.job)
    await until(lambda: len(publisher.asked) >= 2, "it is asked for again")
    assert publisher.given == []
    publisher.answer = RECEIPT
    await until(lambda: publisher.given, "the receipt is here")
    publisher.settled.clear()
    await asyncio.gather(*publisher.tasks)


@in_loop
async def test_another_receipt_than_was_asked_for_is_not_given(publisher: Publisher) -> None:
    publisher.answer = b"another"
    publisher.reclaiming.look(publisher.job)
    await until(lambda: len(publisher.asked) >= 2, "it is asked for again")
    publisher.job.view.is_open = False
    await asyncio.gather(*publisher.tasks)
    assert publisher.given == []


@in_loop
async def test_of_a_job_that_expired_nothing_is_asked_for(publisher: Publisher) -> None:
    publisher.answer = WorldFault("unreachable")
    publisher.reclaiming.look(publisher.job)
    await until(lambda: publisher.asked, "it is asked for")
    publisher.job.view.expires_ms = unix_ms() - 1
    await asyncio.gather(*publisher.tasks)


@in_loop
async def test_a_job_of_somebody_else_is_left_alone(publisher: Publisher) -> None:
    publisher.job.files = None
    publisher.reclaiming.look(publisher.job)
    assert publisher.tasks == []
