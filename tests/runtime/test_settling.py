"""A SGNUS node's role on a real database: what it refuses, keeps, settles, and finds again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sgnus.adapters.store.memory import FakeStore
from sgnus.core import effects as fx
from sgnus.core import settlement_events as ev
from sgnus.core.receipt import digest_of
from sgnus.crypto.digests import digest
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import CLOCK_SKEW_MS_MAX, SETTLE_GRACE_MS
from sgnus.messages.v1.types import (
    EntryKind,
    GetReceiptRequest,
    ListReceiptsRequest,
    Policy,
    Receipt,
    SettledBody,
    SettlementState,
    SubmitReceiptRequest,
    TakenBody,
    Verify,
)
from sgnus.runtime.database import Database
from sgnus.runtime.jobs import JobBook
from sgnus.runtime.kept_receipts import KeptReceipts
from sgnus.runtime.pens import EnvelopePen
from sgnus.runtime.settlement_engine import SettlingParts
from sgnus.runtime.settling import Settling
from sgnus.wire.codec import decode, encode
from sgnus.wire.entry import seal_entry
from tests.database_support import SETTLER, in_loop
from tests.round_support import (
    FULL,
    NETWORK,
    NOW_MS,
    OTHER_NETWORK,
    PUBLISHER,
    Round,
    identity_of,
    job_of,
    output_of,
    proven,
)

PEER = PUBLISHER.peer_id
DEADLINE_S = 20.0
OTHER = identity_of("another SGNUS node")


def receipt_of(members: int = 3) -> bytes:
    return proven(Round(policy=FULL, chunks=8, members=members))


HONEST = receipt_of()
AGAIN = receipt_of(4)
JOB = Round(policy=FULL, chunks=8).job


class WeakStore(FakeStore):
    """A store whose disk refuses what it is told to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: Callable[[str], bool] = lambda namespace: False

    async def put_facts(self, namespace: str, facts: Mapping[str, bytes], *, durable: bool = True) -> None:
        if self.refuses(namespace):
            raise WorldFault("the disk is full")
        await super().put_facts(namespace, facts, durable=durable)


class Audits:
    """Stands for the sandbox: what every chunk gives."""

    def __init__(self) -> None:
        self.asked: list[ev.Audit] = []
        self.can_run = True

    async def run(self, asked: ev.Audit) -> dict[int, bytes]:
        self.asked.append(asked)
        if not self.can_run:
            return {}
        return {
            number: b"".join(digest(output_of(chunk)) for chunk in (2 * number, 2 * number + 1))
            for number in asked.sub_blocks
        }


class SgnusNode:
    """The role on its parts; `again` is the next run on the same disk."""

    def __init__(
        self,
        folder: Path,
        store: WeakStore | None = None,
        grace_ms: int = SETTLE_GRACE_MS,
        now_ms: int = NOW_MS,
    ) -> None:
        self.folder, self.store, self.grace_ms = folder, store or WeakStore(), grace_ms
        self.now_ms = now_ms
        self.audits = Audits()
        self.accused: list[fx.Accuse] = []
        pen = EnvelopePen(SETTLER, NETWORK)
        self.database = Database(
            self.store,
            SETTLER,
            NETWORK,
            settlement_peers=[pen.peer, OTHER.peer_id],
            clock_ms=lambda: self.now_ms,
            publish=lambda payload: None,
            on_change=lambda job: None,
        )
        self.jobs = JobBook(folder, pen.peer, NETWORK, _no_blob)
        parts = SettlingParts(
            pen=pen,
            store=self.store,
            database=self.database,
            jobs=self.jobs,
            auditor=self.audits,  # type: ignore[arg-type]
            accuse=self.accused.append,
            clock_ms=lambda: self.now_ms,
        )
        self.role = Settling(parts, NETWORK, grace_ms)

    async def __aenter__(self) -> SgnusNode:
        await self.database.start()
        await self.role.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.role.stop()
        await self.database.stop()

    def again(self, **changed: Any) -> SgnusNode:
        return SgnusNode(self.folder, self.store, **{"grace_ms": self.grace_ms, **changed})

    async def submit(self, data: bytes) -> SettlementState:
        return (await self.role.submit_receipt(PEER, SubmitReceiptRequest(receipt=data))).state

    async def take(self, data: bytes) -> None:
        """The publisher's TAKEN arrives."""
        body = TakenBody(microjob=0, root=bytes(32), receipt=digest_of(data))
        raw = seal_entry(PUBLISHER, NETWORK, EntryKind.TAKEN, JOB.cid, body, seq=1, expires=JOB.entry.expires)
        intake = await self.database.receive([JOB.raw, raw])
        assert not intake.refused
        view = await self.database.job(JOB.cid)
        assert view is not None
        self.role.look(await self.jobs.update(view))

    async def settled(self) -> list[bytes]:
        """The receipts of all SETTLED entries that are held."""
        return list(await self.database.entries(JOB.cid, [EntryKind.SETTLED]))

    async def until_settled(self) -> bytes:
        end = asyncio.get_running_loop().time() + DEADLINE_S
        while True:
            view = await self.database.job(JOB.cid)
            if view is not None and 0 in view.settled:
                return view.settled[0]
            assert asyncio.get_running_loop().time() < end, "it was not settled"
            await asyncio.sleep(0.005)

    async def until_closed(self) -> None:
        end = asyncio.get_running_loop().time() + DEADLINE_S
        while self.role.open_cases:
            assert asyncio.get_running_loop().time() < end, "something is to be decided yet"
            await asyncio.sleep(0.005)


async def _no_blob(peer: Any, wanted: bytes, bytes_max: int) -> bytes:
    raise AssertionError("the processor ships")


@in_loop
async def test_a_receipt_of_a_job_that_nobody_told_of_brings_its_job_along(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path) as node:
        assert await node.submit(HONEST) is SettlementState.ACCEPTED
        assert await node.database.job(JOB.cid) is not None


@in_loop
async def test_what_was_taken_is_settled_once_whoever_brings_it_and_how_often(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path) as node:
        states = await asyncio.gather(*(node.submit(HONEST) for _ in range(50)))
        assert sorted(states) == [SettlementState.ACCEPTED] + 49 * [SettlementState.DUPLICATE]
        await node.take(HONEST)
        assert await node.until_settled() == digest_of(HONEST)
        assert await node.submit(HONEST) is SettlementState.DUPLICATE
        assert await node.submit(AGAIN) is SettlementState.DUPLICATE
        assert len(await node.settled()) == 1


@in_loop
async def test_what_another_node_settles_meanwhile_is_not_settled_a_second_time(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path) as node:
        assert await node.submit(HONEST) is SettlementState.ACCEPTED
        body = SettledBody(microjob=0, receipt=digest_of(HONEST), audited=False, shares=())
        raw = seal_entry(OTHER, NETWORK, EntryKind.SETTLED, JOB.cid, body, seq=1, expires=JOB.entry.expires)
        assert not (await node.database.receive([raw])).refused
        await node.take(HONEST)
        await node.until_closed()
        assert await node.settled() == [raw]


@in_loop
async def test_what_was_taken_before_the_receipt_came_is_settled_with_it(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path) as node:
        await node.take(HONEST)
        await node.submit(HONEST)
        assert await node.until_settled() == digest_of(HONEST)


@in_loop
async def test_without_the_publisher_it_is_run_again_in_full_and_then_settled(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path, grace_ms=30) as node:
        await node.submit(HONEST)
        assert await node.until_settled() == digest_of(HONEST)
        assert [audit.sub_blocks for audit in node.audits.asked] == [(0, 1, 2, 3)]
        view = await node.database.job(JOB.cid)
        assert view is not None
        assert view.settlements[0].is_full


@in_loop
async def test_a_kept_receipt_is_given_to_who_names_it_and_listed_by_job(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path) as node:
        await node.submit(HONEST)
        asked = GetReceiptRequest(digest=digest_of(HONEST))
        assert (await node.role.get_receipt(PEER, asked)).receipt == HONEST
        listed = await node.role.list_receipts(PEER, ListReceiptsRequest(job=JOB.cid))
        assert listed.digests == (digest_of(HONEST),)
        assert (await node.role.list_receipts(PEER, ListReceiptsRequest(job="bafynone"))).digests == ()
        with pytest.raises(PeerFault):
            await node.role.get_receipt(PEER, GetReceiptRequest(digest=bytes(32)))
        with pytest.raises(PeerFault):
            await node.role.get_receipt(PEER, GetReceiptRequest(digest=b""))


@in_loop
async def test_after_a_restart_an_accepted_receipt_is_settled_all_the_same(tmp_path: Path) -> None:
    node = SgnusNode(tmp_path)
    async with node:
        assert await node.submit(HONEST) is SettlementState.ACCEPTED
    async with node.again() as later:
        await later.take(HONEST)
        assert await later.until_settled() == digest_of(HONEST)
    async with later.again() as last:
        assert await last.submit(HONEST) is SettlementState.DUPLICATE
        assert await last.submit(AGAIN) is SettlementState.DUPLICATE
        assert len(await last.settled()) == 1
        asked = GetReceiptRequest(digest=digest_of(HONEST))
        assert (await last.role.get_receipt(PEER, asked)).receipt == HONEST


@in_loop
async def test_what_was_taken_while_it_was_down_is_settled_at_the_start(tmp_path: Path) -> None:
    node = SgnusNode(tmp_path)
    async with node:
        await node.submit(HONEST)
        await node.role.stop()
        await node.take(HONEST)
    async with node.again() as later:
        assert await later.until_settled() == digest_of(HONEST)


@in_loop
async def test_nothing_is_answered_that_the_disk_refused_and_it_can_be_brought_again(tmp_path: Path) -> None:
    async with SgnusNode(tmp_path) as node:
        node.store.refuses = lambda namespace: namespace == ev.RECEIPTS
        with pytest.raises(WorldFault, match="the disk is full"):
            await node.submit(HONEST)
        node.store.refuses = lambda namespace: False
        assert await node.submit(HONEST) is SettlementState.ACCEPTED
        await node.take(HONEST)
        await node.until_settled()


@in_loop
async def test_what_cannot_be_settled_is_refused_with_a_reason(tmp_path: Path) -> None:
    altered = HONEST[:-1] + bytes([HONEST[-1] ^ 1])
    foreign = HONEST.replace(NETWORK.encode(), OTHER_NETWORK.encode())
    unproved = Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1)
    of_another = replace(decode(Receipt, HONEST), job=job_of(8, 2, unproved).raw)
    async with SgnusNode(tmp_path) as node:
        for data in (b"", b"no receipt", altered, foreign, encode(of_another)):
            assert await node.submit(data) is SettlementState.REFUSED
        assert not await node.store.facts(ev.RECEIPTS)
    async with SgnusNode(tmp_path, now_ms=NOW_MS + 365 * 24 * 3600 * 1000) as late:
        assert await late.submit(HONEST) is SettlementState.REFUSED


@in_loop
async def test_receipts_go_with_their_jobs(tmp_path: Path) -> None:
    node = SgnusNode(tmp_path)
    async with node:
        await node.submit(HONEST)
    expired_ms = JOB.entry.expires + CLOCK_SKEW_MS_MAX + 1
    async with node.again(now_ms=expired_ms) as later:
        assert not await later.store.facts(ev.RECEIPTS)
        assert not await later.store.facts(ev.OPEN)


@in_loop
async def test_receipts_are_kept_up_to_so_many_bytes() -> None:
    store = FakeStore()
    kept = KeptReceipts(store, bytes_max=10)
    await kept.keep({"job/0/aa": b"12345678"}, BlockId("job"), NOW_MS)
    with pytest.raises(WorldFault, match="as many receipts as it may"):
        await kept.keep({"job/1/bb": b"123"}, BlockId("job"), NOW_MS)
    again = KeptReceipts(store, bytes_max=10)
    await again.load()
    with pytest.raises(WorldFault, match="as many receipts as it may"):
        await again.keep({"job/1/bb": b"123"}, BlockId("job"), NOW_MS)
    await again.expire(NOW_MS + 1)
    await again.keep({"job/1/bb": b"123"}, BlockId("job"), NOW_MS + 9)
