"""The job database of a whole node, with real stores, real signatures and a duplex in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sgnus.adapters.store import FakeStore, SqliteStore
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, UserFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import GOSSIP_BYTES_MAX
from sgnus.messages.v1.types import (
    CancelBody,
    DoneBody,
    DoneStatus,
    EntryBatch,
    EntryKind,
    GossipMessage,
    JobState,
    ReconcileStep,
    ReviseBody,
    RoomBody,
    TakenBody,
)
from sgnus.ports import Store, StoreChange
from sgnus.runtime import vetting
from sgnus.runtime.database import Database
from sgnus.runtime.reconciling import Reconciled
from sgnus.wire.codec import decode
from sgnus.wire.entry import OpenedEntry
from tests.database_support import (
    AUTHOR,
    DAY_MS,
    NETWORK,
    NOW_MS,
    STRANGER,
    in_loop,
    job_body,
    job_entry,
    taken,
)

PEER = PeerId(STRANGER.peer_id)


class Node:
    """A database, with what it published and told."""

    def __init__(self, identity: Identity, store: Store | None = None) -> None:
        self.now_ms = NOW_MS
        self.published: list[bytes] = []
        self.changed: list[BlockId] = []
        self.database = Database(
            store or FakeStore(),
            identity,
            NETWORK,
            clock_ms=lambda: self.now_ms,
            publish=self.published.append,
            on_change=self.changed.append,
        )

    def gossiped(self) -> list[bytes]:
        found: list[bytes] = []
        for payload in self.published:
            assert len(payload) <= GOSSIP_BYTES_MAX
            body = decode(GossipMessage, payload).body
            assert isinstance(body, EntryBatch)
            found += body.entries
        return found


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    for node in nodes:
        await node.database.start()
    try:
        yield
    finally:
        for node in nodes:
            await node.database.stop()


async def reconcile(one: Node, other: Node) -> tuple[Reconciled, Reconciled]:
    """Compare two databases over a duplex of bounded queues."""
    queues: list[asyncio.Queue[ReconcileStep]] = [asyncio.Queue(4), asyncio.Queue(4)]

    async def steps(queue: asyncio.Queue[ReconcileStep]) -> AsyncIterator[ReconcileStep]:
        while True:
            yield await queue.get()

    return await asyncio.gather(
        one.database.reconcile(steps(queues[0]), queues[1].put, PEER),
        other.database.reconcile(steps(queues[1]), queues[0].put, PEER, is_asked=True),
    )


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110 - a deadline, and no event to wait for
            await asyncio.sleep(0.005)


@in_loop
async def test_a_submitted_job_is_known_here_and_by_gossip_there() -> None:
    here, there = Node(AUTHOR), Node(STRANGER)
    async with running(here, there):
        job = await here.database.submit(EntryKind.JOB, None, job_body())
        await until(lambda: bool(here.published))
        intake = await there.database.receive(here.gossiped())
        assert (intake.accepted, intake.refused) == (1, ())
        assert await there.database.job(job) == await here.database.job(job)
        assert here.changed == there.changed == [job]
        assert [view.block_id for view in await there.database.open_jobs()] == [job]
        assert [view.block_id for view in await here.database.own_jobs()] == [job]
        assert await there.database.own_jobs() == []


@in_loop
async def test_the_life_of_a_job_reaches_another_node_by_reconciliation() -> None:
    here, there = Node(AUTHOR), Node(STRANGER)
    async with running(here, there):
        job = await here.database.submit(EntryKind.JOB, None, job_body(), NOW_MS + DAY_MS)
        await here.database.submit(EntryKind.REVISE, job, ReviseBody(priority=3, paused=True))
        await here.database.submit(EntryKind.TAKEN, job, TakenBody(microjob=0, root=bytes(32)))
        await here.database.submit(EntryKind.DONE, job, DoneBody(status=DoneStatus.COMPLETED, reason=""))
        sent = await reconcile(there, here)
        assert (sent[0].entries_received, sent[1].entries_sent) == (4, 4)
        view = await there.database.job(job)
        assert view is not None
        assert view == await here.database.job(job)
        assert (view.state, view.priority, view.paused) == (JobState.COMPLETED, 3, True)
        assert view.expires_ms == NOW_MS + DAY_MS
        assert await there.database.open_jobs() == []
        again = await reconcile(here, there)
        assert [one.entries_received for one in again] == [0, 0]


@in_loop
async def test_two_databases_that_both_lack_something_end_equal(tmp_path: Path) -> None:
    here, there = Node(AUTHOR, SqliteStore(tmp_path / "a.db")), Node(STRANGER, SqliteStore(tmp_path / "b.db"))
    async with running(here, there):
        await asyncio.gather(
            *(
                node.database.submit(EntryKind.JOB, None, job_body(n))
                for node in (here, there)
                for n in range(300)
            )
        )
        await reconcile(here, there)
        views = [await node.database.open_jobs() for node in (here, there)]
        assert views[0] == views[1]
        assert len(views[0]) == 600


@in_loop
async def test_a_strangers_cancel_is_refused_at_home_and_abroad() -> None:
    here, there = Node(AUTHOR), Node(STRANGER)
    async with running(here, there):
        job = await here.database.submit(EntryKind.JOB, None, job_body())
        await reconcile(there, here)
        with pytest.raises(UserFault, match="Only the node that published"):
            await there.database.submit(EntryKind.CANCEL, job, CancelBody(reason="mine"))
        forged = taken(job, 0, by=STRANGER).raw
        intake = await here.database.receive([forged])
        assert intake.accepted == 0
        assert "not the author" in intake.refused[0]
        view = await here.database.job(job)
        assert view is not None
        assert view.is_open


@in_loop
async def test_a_wrong_signature_a_foreign_network_and_garbage_are_counted_and_dropped() -> None:
    node = Node(AUTHOR)
    async with running(node):
        good = job_entry(1, by=STRANGER).raw
        tampered = good.replace(b"job 1", b"job 2")
        intake = await node.database.receive([b"garbage", tampered, b"", good, good[:-1]])
        assert (intake.accepted, len(intake.refused)) == (1, 4)
        assert intake.blamed == intake.refused
        assert node.database.counters()["refused"] == 4


@in_loop
async def test_who_gossips_what_another_signed_is_refused_without_a_look_at_the_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, looked_at = Node(AUTHOR), list[str]()
    checks = vetting.check_signature

    def checked(opened: OpenedEntry) -> bool:
        looked_at.append(opened.author)
        return checks(opened)

    monkeypatch.setattr(vetting, "check_signature", checked)
    async with running(node):
        own, others = job_entry(1, by=STRANGER), job_entry(2)
        intake = await node.database.receive([own.raw, others.raw], PEER)
        assert (intake.accepted, len(intake.blamed)) == (1, 1)
        assert "another signed" in intake.blamed[0]
        assert looked_at == [STRANGER.peer_id]
        third = job_entry(3, by=STRANGER).raw
        assert (await node.database.receive([third] * 126, PEER)).known == 125
        assert looked_at == [STRANGER.peer_id] * 2, "copies are looked at once"
        assert await node.database.job(own.cid) is not None
        assert await node.database.job(others.cid) is None


@in_loop
async def test_what_is_known_is_not_verified_again() -> None:
    node = Node(AUTHOR)
    async with running(node):
        raw = job_entry(1, by=STRANGER).raw
        assert (await node.database.receive([raw])).accepted == 1
        assert node.database.unseen([raw, raw]) == []
        again = await node.database.receive([raw, raw])
        assert (again.accepted, again.known, node.changed) == (0, 2, [job_entry(1, by=STRANGER).cid])


@in_loop
async def test_an_entry_that_comes_before_its_job_counts_once_the_job_is_there() -> None:
    node = Node(STRANGER)
    async with running(node):
        job = job_entry(4)
        early = await node.database.receive([taken(job.cid, 1).raw])
        assert (early.accepted, early.orphans) == (0, 1)
        await node.database.receive([job.raw])
        view = await node.database.job(job.cid)
        assert view is not None
        assert list(view.taken) == [1]


@in_loop
async def test_expired_entries_go_and_come_back_from_nobody() -> None:
    here, there = Node(AUTHOR), Node(STRANGER)
    async with running(here, there):
        job = await here.database.submit(EntryKind.JOB, None, job_body(), NOW_MS + DAY_MS)
        longer = await here.database.submit(EntryKind.JOB, None, job_body(1), NOW_MS + 3 * DAY_MS)
        await reconcile(there, here)
        here.now_ms = there.now_ms = NOW_MS + 2 * DAY_MS
        await here.database.sweep()
        assert await here.database.job(job) is None
        assert [view.block_id for view in await here.database.open_jobs()] == [longer]
        await reconcile(here, there)
        assert await here.database.job(job) is None
        assert here.database.counters()["refused"] == 0


@in_loop
async def test_a_restarted_node_has_its_jobs_and_rising_numbers(tmp_path: Path) -> None:
    node = Node(AUTHOR, SqliteStore(tmp_path / "jobs.db"))
    async with running(node):
        job = await node.database.submit(EntryKind.JOB, None, job_body())
        await node.database.submit(EntryKind.REVISE, job, ReviseBody(priority=1, paused=False))
    node = Node(AUTHOR, SqliteStore(tmp_path / "jobs.db"))
    node.now_ms = NOW_MS - 60_000  # the clock went back meanwhile
    async with running(node):
        await node.database.submit(EntryKind.REVISE, job, ReviseBody(priority=2, paused=False))
        (view,) = await node.database.own_jobs()
        assert (view.block_id, view.priority) == (job, 2)
        assert node.database.counters()["entries"] == 3


@in_loop
async def test_many_entries_share_few_gossip_messages_and_the_rest_is_left_to_reconciliation() -> None:
    node = Node(AUTHOR)
    async with running(node):
        await asyncio.gather(*(node.database.submit(EntryKind.JOB, None, job_body(n)) for n in range(1_500)))
        await until(lambda: node.database.counters()["gossip_messages"] >= 5)
    counters = node.database.counters()
    assert counters["gossip_messages"] <= 6  # the clock stands still: a second's worth, and no more
    assert counters["gossip_left_out"] > 0
    assert len(node.gossiped()) + counters["gossip_left_out"] <= 1_500


@in_loop
async def test_a_room_claim_waits_for_its_batch_and_lives_no_longer_than_its_job() -> None:
    node = Node(AUTHOR)
    async with running(node):
        job = await node.database.submit(EntryKind.JOB, None, job_body(), NOW_MS + 60_000)
        body = RoomBody(microjob=0, instance="ab" * 32, epoch=1, address=b"")
        await node.database.submit(EntryKind.ROOM, job, body, NOW_MS + 120_000)
        view = await node.database.job(job)
        assert view is not None
        assert [claim.expires_ms for claim in view.rooms] == [NOW_MS + 60_000]


@in_loop
async def test_two_claims_of_ours_that_share_a_transaction_are_both_said_and_the_later_stands() -> None:
    node = Node(AUTHOR)
    async with running(node):
        job = await node.database.submit(EntryKind.JOB, None, job_body())
        bodies = [RoomBody(microjob=0, instance="ab" * 32, epoch=epoch, address=b"") for epoch in (1, 2)]
        claims = [
            node.database.submit(EntryKind.ROOM, job, body, NOW_MS + body.epoch * 60_000) for body in bodies
        ]
        assert len(set(await asyncio.gather(*claims))) == 2
        view = await node.database.job(job)
        assert view is not None
        assert [claim.expires_ms for claim in view.rooms] == [NOW_MS + 120_000]
        assert node.database.counters()["entries"] == 2


@in_loop
async def test_a_full_database_refuses_by_its_hook() -> None:
    node = Node(AUTHOR)
    node.database = Database(
        FakeStore(),
        AUTHOR,
        NETWORK,
        clock_ms=lambda: NOW_MS,
        publish=lambda _: None,
        on_change=lambda _: None,
        admits=lambda entry, held: held < 1 or entry.author == AUTHOR.peer_id,
    )
    async with running(node):
        raws = [job_entry(number, by=STRANGER).raw for number in range(3)]
        intake = await node.database.receive(raws)
        assert (intake.accepted, set(intake.refused)) == (1, {"the database is full"})
        assert not intake.blamed
        await node.database.submit(EntryKind.JOB, None, job_body())


@in_loop
async def test_a_failed_commit_leaves_memory_as_the_disk_is() -> None:
    class Failing(FakeStore):
        is_broken = False

        async def apply(self, change: StoreChange, *, durable: bool) -> None:
            if self.is_broken:
                raise WorldFault("The disk is full.")
            await super().apply(change, durable=durable)

    store = Failing()
    node = Node(AUTHOR, store)
    async with running(node):
        job = await node.database.submit(EntryKind.JOB, None, job_body())
        store.is_broken = True
        with pytest.raises(WorldFault):
            await node.database.submit(EntryKind.CANCEL, job, CancelBody(reason="x"))
        view = await node.database.job(job)
        assert view is not None
        assert view.is_open
        store.is_broken = False
        await node.database.submit(EntryKind.CANCEL, job, CancelBody(reason="x"))
        view = await node.database.job(job)
        assert view is not None
        assert view.cancelled == "x"


@in_loop
async def test_own_entries_are_durable_and_peers_are_not() -> None:
    store = FakeStore()
    node = Node(AUTHOR, store)
    async with running(node):
        await node.database.receive([job_entry(1, by=STRANGER).raw])
        assert store.durable_commits == 0
        await node.database.submit(EntryKind.JOB, None, job_body())
        assert store.durable_commits == 2  # the reserved numbers, and the entry


@in_loop
async def test_an_unknown_job_and_a_wrong_id_are_told_apart() -> None:
    node = Node(AUTHOR)
    async with running(node):
        assert await node.database.job(job_entry(9).cid) is None
        with pytest.raises(PeerFault):
            await node.database.job(BlockId("nonsense"))
        with pytest.raises(UserFault, match="knows no job"):
            await node.database.submit(EntryKind.CANCEL, job_entry(9).cid, CancelBody(reason=""))


@in_loop
async def test_a_partner_that_leaves_or_lies_ends_the_reconciliation_with_its_fault() -> None:
    node = Node(AUTHOR)
    sent: list[ReconcileStep] = []

    async def send(step: ReconcileStep) -> None:
        sent.append(step)

    async def nothing() -> AsyncIterator[ReconcileStep]:
        for step in list[ReconcileStep]():
            yield step

    async def early_end() -> AsyncIterator[ReconcileStep]:
        yield ReconcileStep(ranges=(), entries=(), end=True)

    async with running(node):
        with pytest.raises(PeerFault, match="left"):
            await node.database.reconcile(nothing(), send, PEER)
        with pytest.raises(PeerFault, match="ranges open"):
            await node.database.reconcile(early_end(), send, PEER, is_asked=True)
        assert (node.database.counters()["reconcile_faults"], len(sent)) == (2, 1)
