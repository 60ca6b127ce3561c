"""The contract of the Gossip port, held by the fake and by the real driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest

from sgnus.adapters.gossip import FakeGossip, FakeGossipHub, Libp2pGossip
from sgnus.adapters.gossip.backoff import RedialBackoff
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import OurFault, PeerFault, UserFault
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import GOSSIP_BYTES_MAX, GOSSIP_REDIAL_MS_MAX, GOSSIP_REDIAL_MS_MIN
from sgnus.ports import Gossip, GossipEvent, NeighbourConnected, NeighbourLost
from tests.ports.gossip_support import DEADLINE_S, Listener, until

TOPIC = "jobprocessing_X_3"


class Party:
    """Some started nodes of one kind."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make
        self.nodes: list[Gossip] = []
        self.heard: list[Listener] = []
        self.addresses: list[str] = []

    async def add(self) -> int:
        index = len(self.nodes)
        gossip, heard = self.make(index + 1), Listener()
        self.addresses.append((await gossip.start(heard))[0])
        self.nodes.append(gossip)
        self.heard.append(heard)
        return index

    def peer(self, index: int) -> PeerId:
        return PeerId(self.addresses[index].rsplit("/", 1)[1])

    async def in_a_row(self, count: int) -> None:
        """0 - 1 - 2 ...: each keeps a connection to the one before."""
        for _ in range(count):
            index = await self.add()
            if index:
                self.nodes[index].connect(self.addresses[index - 1])
        for index in range(1, count):
            await self.are_neighbours(index, index - 1)

    async def say_until_heard(self, one: int, other: int, payload: bytes) -> None:
        """Again each second: what is said before a subscription is known two steps away may be lost."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE_S
        while not self.heard[other].payloads(TOPIC):
            assert loop.time() < end, f"{other} never heard {one}"
            self.nodes[one].publish(TOPIC, payload)
            with suppress(AssertionError):
                await until(lambda: self.heard[other].payloads(TOPIC), "heard", 1.0)

    async def are_neighbours(self, one: int, other: int) -> None:
        await until(
            lambda: (
                self.peer(other) in self.nodes[one].neighbours()
                and self.peer(one) in self.nodes[other].neighbours()
            ),
            f"{one} and {other} are neighbours",
        )


@asynccontextmanager
async def party(kind: str) -> AsyncIterator[Party]:
    hub = FakeGossipHub()

    def make(seed: int) -> Any:
        raw = bytes([seed]) * 32
        if kind == "fake":
            return FakeGossip(hub, Identity.from_seed(raw).peer_id)
        return Libp2pGossip(raw, jitter=Random(seed))

    made = Party(make)
    try:
        yield made
    finally:
        for node in made.nodes:
            await node.stop()


@pytest.fixture(params=["fake", "libp2p"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[Party], Awaitable[None]]], None]:
    async def story_with_party(story: Callable[[Party], Awaitable[None]]) -> None:
        async with party(request.param) as made:
            await story(made)

    return lambda story: asyncio.run(story_with_party(story))


def test_it_listens_from_start_to_stop(run: Any) -> None:
    async def story(p: Party) -> None:
        stranger = p.make(99)
        assert not stranger.is_listening
        index = await p.add()
        assert p.nodes[index].is_listening
        await p.nodes[index].stop()
        assert not p.nodes[index].is_listening
        p.nodes.pop()

    run(story)


def test_a_message_reaches_subscribers_beyond_direct_neighbours(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(3)
        for node in p.nodes:
            node.subscribe(TOPIC)
        await p.say_until_heard(0, 2, b"hello")
        assert set(p.heard[1].payloads(TOPIC)) == {b"hello"} == set(p.heard[2].payloads(TOPIC))

    run(story)


def test_the_neighbour_of_a_message_is_who_delivered_it_not_who_wrote_it(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(3)
        for node in p.nodes:
            node.subscribe(TOPIC)
        await p.say_until_heard(0, 2, b"hello")
        received = [event for event in p.heard[2].events if not isinstance(event, NeighbourConnected)]
        assert {(event.neighbour, event.author) for event in received} == {(p.peer(1), p.peer(0))}  # type: ignore[union-attr]

    run(story)


def test_our_own_messages_and_foreign_topics_are_not_delivered(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(2)
        for node in p.nodes:
            node.subscribe(TOPIC)
        p.nodes[1].publish("another", b"not for 0")
        p.nodes[1].publish(TOPIC, b"for 0")
        await until(lambda: p.heard[0].payloads(TOPIC), "the message for 0")
        assert p.heard[0].payloads("another") == []
        assert p.heard[1].payloads(TOPIC) == []

    run(story)


def test_a_node_may_publish_to_a_topic_that_it_has_not_subscribed(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(2)
        p.nodes[0].subscribe(TOPIC)
        p.nodes[1].publish(TOPIC, b"join?")
        await until(lambda: p.heard[0].payloads(TOPIC) == [b"join?"], "the request arrives")

    run(story)


def test_after_unsubscribing_nothing_arrives(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(2)
        for topic in (TOPIC, "mark"):
            p.nodes[0].subscribe(topic)
        p.nodes[1].publish(TOPIC, b"first")
        await until(lambda: p.heard[0].payloads(TOPIC), "the first")
        p.nodes[0].unsubscribe(TOPIC)
        p.nodes[0].subscribe("mark2")
        p.nodes[1].publish("mark2", b"x")
        await until(lambda: p.heard[0].payloads("mark2"), "the second mark")
        p.nodes[1].publish(TOPIC, b"second")
        p.nodes[1].publish("mark", b"x")
        await until(lambda: p.heard[0].payloads("mark"), "the mark behind it")
        assert p.heard[0].payloads(TOPIC) == [b"first"]

    run(story)


def test_a_message_over_64_kib_is_our_fault_and_one_of_64_kib_arrives(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(2)
        p.nodes[0].subscribe(TOPIC)
        with pytest.raises(OurFault, match="at most 65536"):
            p.nodes[1].publish(TOPIC, bytes(GOSSIP_BYTES_MAX + 1))
        p.nodes[1].publish(TOPIC, bytes(GOSSIP_BYTES_MAX))
        await until(lambda: p.heard[0].payloads(TOPIC) == [bytes(GOSSIP_BYTES_MAX)], "64 KiB arrive")

    run(story)


def test_whoever_is_told_of_a_neighbour_finds_it_among_them_and_of_a_lost_one_no_more(run: Any) -> None:
    async def story(p: Party) -> None:
        seen: list[tuple[bool, bool]] = []
        watcher = p.make(7)

        def watch(event: GossipEvent) -> bool:
            if isinstance(event, NeighbourConnected | NeighbourLost):
                seen.append((isinstance(event, NeighbourConnected), event.peer in watcher.neighbours()))
            return True

        p.nodes.append(watcher)
        await watcher.start(watch)
        other = p.make(8)
        p.nodes.append(other)
        watcher.connect((await other.start(Listener()))[0])
        await until(lambda: seen, "they meet")
        await other.stop()
        await until(lambda: len(seen) > 1, "the other is gone")
        assert seen == [(True, True), (False, False)]

    run(story)


def test_disconnect_ends_the_connection_and_the_redialling(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(2)
        p.nodes[1].disconnect(p.peer(0))
        await until(lambda: not p.nodes[0].neighbours() and not p.nodes[1].neighbours(), "both alone")
        assert NeighbourLost(p.peer(0)) in p.heard[1].events
        assert NeighbourLost(p.peer(1)) in p.heard[0].events
        p.nodes[1].connect(p.addresses[0])
        await p.are_neighbours(0, 1)

    run(story)


def test_a_connection_to_a_peer_that_comes_later_is_made_then(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.in_a_row(2)
        late = p.make(9)
        started = await late.start(Listener())
        peer = PeerId(started[0].rsplit("/", 1)[1])
        p.nodes[0].connect(started[0])
        await until(lambda: peer in p.nodes[0].neighbours(), "the late one")
        await late.stop()
        await until(lambda: peer not in p.nodes[0].neighbours(), "it is gone")

    run(story)


def test_our_own_address_is_never_dialled(run: Any) -> None:
    async def story(p: Party) -> None:
        await p.add()
        p.nodes[0].connect(p.addresses[0])
        await until(lambda: p.nodes[0].counters()["dials_of_self"] == 1, "noticed")  # type: ignore[attr-defined]
        assert p.nodes[0].neighbours() == ()

    run(story)


@pytest.mark.parametrize(
    "address",
    ["", "localhost:4001", "/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/0/p2p/x", "/ip4/1.2.3.4/udp/1/p2p/" + "1" * 52],
)  # fmt: skip
def test_an_address_that_is_none_is_the_users_fault(run: Any, address: str) -> None:
    async def story(p: Party) -> None:
        await p.add()
        with pytest.raises(UserFault, match="not a full peer address"):
            p.nodes[0].connect(address)

    run(story)


def test_an_inbox_that_is_full_for_a_while_loses_no_news_of_neighbours() -> None:
    async def story() -> None:
        async with party("libp2p") as p:
            await p.add()
            p.heard[0].is_full = True
            await p.add()
            p.nodes[1].connect(p.addresses[0])
            await until(p.nodes[1].neighbours, "1 is connected")
            assert p.heard[0].events == []
            p.heard[0].is_full = False
            await until(lambda: p.heard[0].events, "0 is told")
            assert p.heard[0].events == [NeighbourConnected(p.peer(1))]

    asyncio.run(story())


def test_disconnecting_what_is_no_peer_id_is_refused() -> None:
    with pytest.raises(PeerFault, match="not an Ed25519 peer id"):
        Libp2pGossip(bytes(32)).disconnect(PeerId("nobody"))


def test_redial_waits_double_from_250_ms_to_30_s_and_are_reproducible() -> None:
    backoff = RedialBackoff(Random(7))
    waits = [backoff.next_ms() for _ in range(12)]
    again = RedialBackoff(Random(7))
    assert waits == [again.next_ms() for _ in range(12)]
    steps = [min(GOSSIP_REDIAL_MS_MAX, GOSSIP_REDIAL_MS_MIN * 2**i) for i in range(12)]
    assert all(step // 2 <= wait <= step for wait, step in zip(waits, steps, strict=True))
    assert min(waits) >= GOSSIP_REDIAL_MS_MIN
    backoff.reset()
    assert backoff.next_ms() == GOSSIP_REDIAL_MS_MIN
