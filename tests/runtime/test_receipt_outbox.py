"""Receipts on their way to the SGNUS node: on disk until it has answered, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable

from sgnus.adapters.store.memory import FakeStore
from sgnus.core import effects as fx
from sgnus.core.claims import SUBMISSIONS
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import SUBMISSIONS_KEPT_MAX
from sgnus.messages.v1.types import SettlementState, SubmitReceiptReply, SubmitReceiptRequest
from sgnus.runtime.receipt_outbox import ReceiptOutbox
from tests.database_support import in_loop
from tests.ports.peers_support import until

NODE, OTHER = PeerId("node"), PeerId("other")


class Nodes:
    """SGNUS nodes that write down what comes; `fault` keeps them from it."""

    def __init__(self, *listed: PeerId) -> None:
        self.listed = listed
        self.fault: Exception | None = None
        self.refuses: Callable[[bytes], bool] = lambda receipt: False
        self.tries = 0
        self.received: list[tuple[PeerId, bytes]] = []
        self.state = SettlementState.ACCEPTED

    def chosen(self, named: PeerId) -> PeerId | None:
        return named if named in self.listed else next(iter(self.listed), None)

    async def submit_receipt(self, node: PeerId, request: SubmitReceiptRequest) -> SubmitReceiptReply:
        self.tries += 1
        if self.fault is not None:
            raise self.fault
        if self.refuses(request.receipt):
            raise WorldFault("no place now")
        self.received.append((node, request.receipt))
        return SubmitReceiptReply(state=self.state, detail="")


class Jobs:
    """A database in which all jobs are known but those that expired."""

    def __init__(self, *expired: str) -> None:
        self.expired = expired

    async def job(self, block_id: BlockId) -> object | None:
        return None if block_id in self.expired else object()


def asked(name: str, job: str = "job", node: PeerId = NODE) -> fx.SubmitReceipt:
    return fx.SubmitReceipt(node, BlockId(job), f"{job}/0/{name}/{node}", name.encode())


async def submit(outbox: ReceiptOutbox, store: FakeStore, *receipts: fx.SubmitReceipt) -> None:
    """As the engine does: on disk first."""
    for one in receipts:
        await store.put_facts(SUBMISSIONS, {one.key: one.receipt})
        outbox.submit(one)


async def begun(nodes: Nodes, store: FakeStore, jobs: Jobs | None = None) -> ReceiptOutbox:
    outbox = ReceiptOutbox(nodes, store, jobs or Jobs())  # type: ignore[arg-type]
    await outbox.start()
    return outbox


@in_loop
async def test_a_receipt_is_sent_and_then_forgotten() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one"), asked("two"))
    await until(lambda: outbox.waiting == 0, "the outbox is so far")
    assert nodes.received == [(NODE, b"one"), (NODE, b"two")]
    assert not await store.facts(SUBMISSIONS)
    await outbox.stop()


@in_loop
async def test_without_a_sgnus_node_within_reach_it_waits_and_goes_out_when_one_comes() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    nodes.fault = WorldFault("unreachable")
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one"))
    await until(lambda: nodes.tries >= 2, "the outbox is so far")
    assert await store.facts(SUBMISSIONS)
    nodes.fault = None
    await until(lambda: nodes.received, "the outbox is so far")
    await outbox.stop()


@in_loop
async def test_a_node_that_is_listed_but_does_not_settle_yet_is_tried_again() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    nodes.fault = PeerFault("refused: this is no SGNUS node")
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one"))
    await until(lambda: nodes.tries >= 2, "the outbox is so far")
    nodes.fault = None
    await until(lambda: nodes.received, "the outbox is so far")
    await outbox.stop()


@in_loop
async def test_what_waits_survives_a_restart() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    nodes.fault = WorldFault("unreachable")
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one"))
    await outbox.stop()
    nodes.fault = None
    later = await begun(nodes, store)
    await until(lambda: nodes.received, "the outbox is so far")
    await until(lambda: later.waiting == 0, "the outbox is so far")
    await later.stop()


@in_loop
async def test_what_is_refused_for_good_is_not_sent_again() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    nodes.state = SettlementState.REFUSED
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one"))
    await until(lambda: outbox.waiting == 0, "the outbox is so far")
    assert not await store.facts(SUBMISSIONS)
    await outbox.stop()


@in_loop
async def test_one_that_has_no_place_now_keeps_no_other_from_being_sent() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    nodes.refuses = lambda receipt: receipt.startswith(b"stuck")
    outbox = await begun(nodes, store)
    stuck = [asked(f"stuck {number}") for number in range(5)]
    await submit(outbox, store, *stuck, asked("one"), asked("two"))
    await until(lambda: len(nodes.received) == 2, "the outbox is so far")
    assert outbox.waiting == 5
    await outbox.stop()


@in_loop
async def test_the_node_that_the_job_names_gets_it_if_the_network_lists_it() -> None:
    nodes, store = Nodes(NODE, OTHER), FakeStore()
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one", node=OTHER), asked("two", node=PeerId("nobody")))
    await until(lambda: len(nodes.received) == 2, "the outbox is so far")
    assert nodes.received == [(OTHER, b"one"), (NODE, b"two")]
    await outbox.stop()


@in_loop
async def test_receipts_of_expired_jobs_are_dropped() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    outbox = await begun(nodes, store, Jobs("old"))
    await submit(outbox, store, asked("one", job="old"), asked("two"))
    await until(lambda: outbox.waiting == 0, "the outbox is so far")
    assert nodes.received == [(NODE, b"two")]
    await outbox.stop()


@in_loop
async def test_without_a_sgnus_node_in_the_network_nothing_is_kept() -> None:
    store = FakeStore()
    await store.put_facts(SUBMISSIONS, {asked("one").key: b"one"})
    outbox = await begun(Nodes(), store)
    await submit(outbox, store, asked("two"))
    await until(lambda: outbox.waiting == 0, "nothing waits")
    assert not await store.facts(SUBMISSIONS)
    await outbox.stop()


@in_loop
async def test_whatever_a_publisher_calls_its_sgnus_node_the_receipt_goes_to_one_that_is_listed() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    outbox = await begun(nodes, store)
    await submit(outbox, store, asked("one", node=PeerId("a/b//c/")), asked("two", node=PeerId("")))
    await until(lambda: outbox.waiting == 0, "both are sent")
    assert nodes.received == [(NODE, b"one"), (NODE, b"two")]
    await outbox.stop()


@in_loop
async def test_what_waits_is_bounded_and_the_oldest_goes() -> None:
    nodes, store = Nodes(NODE), FakeStore()
    nodes.fault = WorldFault("unreachable")
    outbox = await begun(nodes, store)
    await submit(outbox, store, *(asked(f"{number:05}") for number in range(SUBMISSIONS_KEPT_MAX + 3)))
    await until(lambda: outbox.waiting == SUBMISSIONS_KEPT_MAX, "the outbox is so far")
    kept = await store.facts(SUBMISSIONS)
    assert len(kept) == SUBMISSIONS_KEPT_MAX
    assert asked(f"{SUBMISSIONS_KEPT_MAX + 2:05}").key in kept
    await outbox.stop()
