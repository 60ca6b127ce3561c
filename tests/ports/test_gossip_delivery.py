"""Nothing is lost below the budget, and nothing grows without bound: each test fails without our mending."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

import trio
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from sgnus.adapters.gossip.budget import NeighbourAllowance, NeighbourBudget
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.gate import message_id
from sgnus.adapters.gossip.router import GossipRouter
from sgnus.adapters.gossip.rpc_queue import FrameQueue
from sgnus.adapters.gossip.seen import SeenMessages
from sgnus.adapters.tokens import TokenBucket
from sgnus.messages.limits import GOSSIP_OUTBOUND_BYTES_MAX, GOSSIP_OUTBOUND_ITEMS_MAX
from tests.ports.gossip_support import (
    RealNode,
    meshed,
    real_nodes,
    until,
)

TOPIC = "jobprocessing_X_3"
ATTACKER = 77


# ---- 5, 6. nothing is lost below the budget ----------------------------------------------------------------
def test_a_burst_of_500_messages_reaches_every_peer_once() -> None:
    async def story() -> None:
        async with real_nodes(5) as nodes:
            await meshed(nodes, TOPIC)
            sent = [b"%d" % number for number in range(500)]
            for payload in sent:
                nodes[0].gossip.publish(TOPIC, payload)
            for node in nodes[1:]:
                await until(lambda n=node: len(n.heard.payloads(TOPIC)) >= 500, "500 arrive")
                assert sorted(node.heard.payloads(TOPIC)) == sorted(sent)
                assert node.gossip.counters()["dropped_over_budget"] == 0

    asyncio.run(story())


def test_500_messages_wait_for_a_slow_neighbour_and_go_out_in_order_with_control_first() -> None:
    async def story() -> None:
        queue = FrameQueue()
        frames = [b"%03d" % number for number in range(500)]
        assert all(queue.push_frame(frame) for frame in frames)
        assert queue.push_frame(b"control", priority=True)
        assert await queue.pop_frames() == b"control" + b"".join(frames)
        assert len(queue) == 0

    trio.run(story)


def test_what_waits_for_a_neighbour_is_bounded_in_number_and_bytes() -> None:
    small, large = FrameQueue(), FrameQueue()
    assert sum(small.push_frame(b"x") for _ in range(5_000)) == GOSSIP_OUTBOUND_ITEMS_MAX
    assert sum(large.push_frame(bytes(1 << 20)) for _ in range(20)) == GOSSIP_OUTBOUND_BYTES_MAX >> 20


def test_a_peer_may_be_in_more_than_a_hundred_topics() -> None:
    async def story() -> None:
        async with real_nodes(2) as nodes:
            topics = [f"jobprocessing_X_{number}" for number in range(150)]
            for topic in topics:
                nodes[0].gossip.subscribe(topic)
            nodes[1].gossip.connect(nodes[0].address)
            await until(lambda: nodes[1].gossip.neighbours(), "connected")  # noqa: PLW0108
            loop, asked_at = asyncio.get_running_loop(), 0.0

            def is_known() -> bool:
                """What is said before the other side's subscriptions are known reaches nobody: ask until one is."""
                nonlocal asked_at
                if loop.time() - asked_at > 0.2:
                    asked_at = loop.time()
                    nodes[1].gossip.publish(topics[-1], b"known?")
                return bool(nodes[0].heard.payloads(topics[-1]))

            await until(is_known, "subscriptions known")
            for topic in topics:
                nodes[1].gossip.publish(topic, b"x")
            await until(lambda: all(nodes[0].heard.payloads(topic) for topic in topics), "each topic heard")

    asyncio.run(story())


def test_a_neighbour_over_its_budget_is_dropped_and_counted() -> None:
    async def story() -> None:
        allowance = NeighbourAllowance(messages_per_s=1, messages_burst=20)
        async with real_nodes(2, allowance=allowance) as nodes:
            await meshed(nodes, TOPIC)
            for number in range(200):
                nodes[0].gossip.publish(TOPIC, b"%d" % number)
            counters = nodes[1].gossip.counters

            def taken() -> int:
                """What the budget let through: a heartbeat may bring one of them again."""
                return counters()["received"] + counters()["duplicates"]

            await until(lambda: counters()["dropped_over_budget"] >= 5, "some is dropped, again and again")
            assert 20 <= taken() < 100

    asyncio.run(story())


def test_the_budget_refills_at_its_rate_up_to_its_burst() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=5, now_ms=0)
    assert [bucket.take(1, 0) for _ in range(6)] == [True] * 5 + [False]
    assert not bucket.take(1, 99)
    assert bucket.take(1, 100)
    assert not bucket.take(6, 1_000_000)
    assert bucket.take(5, 1_000_000)
    assert not bucket.take(1, 0)


def test_the_default_budget_lets_an_honest_burst_of_500_through() -> None:
    budget = NeighbourBudget(NeighbourAllowance(), now_ms=0)
    assert all(budget.allows_message(0) and budget.allows_frame(8_192, 0) for _ in range(500))


def test_seen_messages_are_bounded_in_number_and_time() -> None:
    seen = SeenMessages(ids_max=3, life_ms=100)
    for number in range(5):
        seen.add(b"%d" % number, now_ms=0)
    assert [seen.has(b"%d" % number) for number in range(5)] == [False, False, True, True, True]
    seen.add(b"new", now_ms=101)
    assert not seen.has(b"4")
    assert seen.has(b"new")


# ---- 7. restart ------------------------------------------------------------------------------------------
def test_messages_after_a_restart_with_the_same_key_are_not_taken_for_old_ones() -> None:
    async def story() -> None:
        async with real_nodes(1) as (node,):
            node.gossip.subscribe(TOPIC)
            for life in (b"first", b"second"):
                again = await RealNode(50).start()
                again.gossip.subscribe(TOPIC)
                again.gossip.connect(node.address)
                # Until it has heard that we are subscribed, it sends us nothing.
                probe = Probe(again, node, life)
                await until(probe.is_heard, "its words reach us")
                for number in range(100):
                    again.gossip.publish(TOPIC, b"%s %d" % (life, number))
                await until(
                    lambda mark=life: (
                        sum(p.startswith(mark + b" ") for p in node.heard.payloads(TOPIC)) == 100
                    ),
                    f"100 of the {life!r} life",
                )
                await again.gossip.stop()
                await until(lambda: not node.gossip.neighbours(), "gone")

    asyncio.run(story())


class Probe:
    """Says a word now and then, within its budget, until one is heard."""

    def __init__(self, sender: RealNode, hearer: RealNode, life: bytes) -> None:
        self._sender, self._hearer, self._word, self._said_s = sender, hearer, b"probe " + life, 0.0

    def is_heard(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._said_s > 0.2:
            self._said_s = now_s
            self._sender.gossip.publish(TOPIC, b"%s %f" % (self._word, now_s))
        return any(payload.startswith(self._word) for payload in self._hearer.heard.payloads(TOPIC))


# ---- the router's parameters -----------------------------------------------------------------------------
def test_a_mesh_as_large_as_the_connections_allow_is_never_pruned() -> None:
    class Host:
        """Just enough pubsub for a heartbeat: everybody is in the topic."""

        peer_topics: ClassVar[dict[str, set[ID]]] = {TOPIC: {ID(bytes([0, 1, n])) for n in range(200)}}

    router = GossipRouter(200, Counters())
    router.pubsub = Host()
    router.mesh[TOPIC] = set(Host.peer_topics[TOPIC])
    grafted, pruned = router.mesh_heartbeat()
    assert not grafted
    assert not pruned


def test_only_meshsub_1_1_is_spoken_and_message_ids_are_raw_bytes() -> None:
    assert GossipRouter(64, Counters()).get_protocols() == ["/meshsub/1.1.0"]
    assert message_id(rpc_pb2.Message(from_id=b"\x00author", seqno=bytes(8))) == b"\x00author" + bytes(8)


def test_a_prune_of_a_topic_that_we_are_not_in_leaves_no_trace() -> None:
    router = GossipRouter(64, Counters())
    prune = rpc_pb2.ControlPrune(topicID="of the sender's choice", backoff=2**40)
    trio.run(router.handle_prune, prune, ID(b"\x00\x01x"))
    assert router.back_off == {}
    assert not router.graft_flood_tracking
