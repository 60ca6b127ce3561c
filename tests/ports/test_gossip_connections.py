"""Connections: half-open, crossed, frozen, private, bounded: each mending of py-libp2p 0.8.1 fails here
without it.
"""

from __future__ import annotations

import asyncio
import signal
from random import Random
from typing import Any

import pytest
import trio
from libp2p.peer.id import ID

from sgnus.adapters.gossip import Libp2pGossip, muxer
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.pnet import xsalsa20
from sgnus.adapters.gossip.swarm import NewestConnection
from sgnus.messages.errors import UserFault
from sgnus.ports import NeighbourConnected, NeighbourLost
from tests.ports.gossip_support import (
    Listener,
    ProcessNode,
    RealNode,
    process_nodes,
    real_nodes,
    until,
    works_on,
)

TOPIC = "jobprocessing_X_3"
ATTACKER = 77


# ---- 3. half-open connections ----------------------------------------------------------------------------
class SilentProxy:
    """Forwards TCP until it falls silent; it closes nothing, as when a cable is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> SilentProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.fall_silent()
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fall_silent(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        self._tasks.append(asyncio.create_task(self._pump(reader, far_writer)))
        self._tasks.append(asyncio.create_task(self._pump(far_reader, writer)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)


def test_a_peer_that_vanished_without_a_fin_and_came_back_is_heard_and_hears() -> None:
    async def story() -> None:
        async with real_nodes(1) as (node,), SilentProxy(int(node.address.split("/")[4])) as proxy:
            node.gossip.subscribe(TOPIC)
            before = await RealNode(50).start()
            before.gossip.subscribe(TOPIC)
            before.gossip.connect(node.address.replace(node.address.split("/")[4], str(proxy.port)))
            await until(lambda: node.gossip.neighbours() and before.gossip.neighbours(), "connected")
            await works_on([node, before], TOPIC, b"before")
            proxy.fall_silent()
            await before.gossip.stop()
            assert node.gossip.neighbours() == (before.gossip.peer_id,)
            after = await RealNode(50).start()
            after.gossip.subscribe(TOPIC)
            after.gossip.connect(node.address)
            await until(lambda: after.gossip.neighbours(), "connected again")  # noqa: PLW0108
            await works_on([node, after], TOPIC, b"after")
            assert node.gossip.counters()["connections_replaced"] == 1
            news = [e for e in node.heard.events if isinstance(e, NeighbourConnected | NeighbourLost)]
            peer = before.gossip.peer_id
            assert news == [NeighbourConnected(peer), NeighbourLost(peer), NeighbourConnected(peer)]
            await after.gossip.stop()

    asyncio.run(story())


def test_two_nodes_that_dial_each_other_at_once_end_with_one_connection_that_works() -> None:
    async def story() -> None:
        for _ in range(5):
            async with real_nodes(2) as nodes:
                for node, other in (nodes, nodes[::-1]):
                    node.gossip.subscribe(TOPIC)
                    node.gossip.connect(other.address)
                await until(lambda: all(n.gossip.neighbours() for n in nodes), "connected")
                await works_on(nodes, TOPIC, b"crossed")

    asyncio.run(story())


@pytest.mark.parametrize("age_ms", [0, 10_000])
@pytest.mark.parametrize("smaller_dialled_older", [True, False])
def test_of_two_crossed_dials_both_sides_keep_the_one_of_the_smaller_peer_id(
    smaller_dialled_older: bool, age_ms: int
) -> None:
    async def story() -> None:
        kept = []
        for ours, theirs in ((b"\x00\x01a", b"\x00\x01b"), (b"\x00\x01b", b"\x00\x01a")):
            is_ours = smaller_dialled_older if ours < theirs else not smaller_dialled_older
            swarm = StubSwarm(ID(ours))
            older, newer = (
                StubConnection(ID(theirs), is_ours, 0),
                StubConnection(ID(theirs), not is_ours, age_ms),
            )
            swarm.connections[ID(theirs)] = [older, newer]
            await NewestConnection(swarm, lambda *_: None).connected(swarm, newer)
            (left,) = swarm.connections[ID(theirs)]
            kept.append(left is older)
        # One that is much older is taken for dead, whoever dialled it.
        assert kept == [smaller_dialled_older and age_ms == 0] * 2

    trio.run(story)


class StubConnection:
    """What decides between two connections to a peer."""

    def __init__(self, peer: ID, is_initiator: bool, created_ms: int) -> None:
        self.direction = is_initiator
        self._created_at = created_ms / 1000
        self.muxed_conn = self
        self.peer_id = peer
        self.is_initiator = is_initiator

    async def abort(self) -> None: ...


class StubSwarm:
    """A list of connections."""

    def __init__(self, own_id: ID) -> None:
        self.connections: dict[ID, list[Any]] = {}
        self.counters = Counters()
        self._own_id = own_id

    def get_peer_id(self) -> ID:
        return self._own_id

    def remove_conn(self, connection: Any) -> None:
        self.connections[connection.peer_id].remove(connection)


# ---- 4. frozen peers -------------------------------------------------------------------------------------
def test_a_frozen_peer_is_removed_by_disconnect_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(muxer, "GOSSIP_PING_MS", 3_600_000)  # so that only disconnect can remove it
        async with real_nodes(1) as (node,), process_nodes(2, TOPIC) as processes:
            node.gossip.subscribe(TOPIC)
            for process in processes:
                node.gossip.connect(process.address)
            await until(lambda: len(node.gossip.neighbours()) == 2, "both are connected")
            frozen, other = processes
            frozen.signal(signal.SIGSTOP)
            node.gossip.disconnect(frozen.peer)
            await until(lambda: node.gossip.neighbours() == (other.peer,), "the frozen one is gone")
            node.gossip.publish(TOPIC, b"go on")
            await until(lambda: "go on" in other.payloads, "the other hears")
            other.say(do="publish", payload="I do")
            await until(lambda: b"I do" in node.heard.payloads(TOPIC), "and is heard")
            frozen.signal(signal.SIGCONT)

    asyncio.run(story())


def test_a_frozen_peer_that_nobody_disconnects_is_lost_by_its_missing_pongs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        monkeypatch.setattr(muxer, "GOSSIP_PING_MS", 500)
        monkeypatch.setattr(muxer, "GOSSIP_PING_MS_MAX", 2_000)
        async with real_nodes(1) as (node,), process_nodes(1, TOPIC) as (frozen,):
            node.gossip.connect(frozen.address)
            await until(lambda: node.gossip.neighbours(), "connected")  # noqa: PLW0108
            frozen.signal(signal.SIGSTOP)
            await until(lambda: NeighbourLost(frozen.peer) in node.heard.events, "it is lost")
            frozen.signal(signal.SIGCONT)
            await until(lambda: node.gossip.neighbours(), "it is redialled when it thaws")  # noqa: PLW0108

    asyncio.run(story())


# ---- connections -----------------------------------------------------------------------------------------
def test_a_pre_shared_key_must_match() -> None:
    async def story() -> None:
        async with real_nodes(1, psk=b"k" * 32) as (node,):
            others = [RealNode(60, psk=b"K" * 32), RealNode(61), RealNode(62, psk=b"k" * 32)]
            for other in others:
                await other.start()
                other.gossip.connect(node.address)
            member = others[2].gossip
            await until(lambda: node.gossip.neighbours() == (member.peer_id,), "the member is in")
            for stranger in others[:2]:
                await until(lambda s=stranger: s.gossip.counters()["dials_failed"] >= 1, "it failed")
                assert stranger.gossip.neighbours() == ()
            node.gossip.subscribe(TOPIC)
            member.subscribe(TOPIC)
            await works_on([node, others[2]], TOPIC, b"private")
            assert node.gossip.neighbours() == (member.peer_id,)
            for other in others:
                await other.gossip.stop()

    asyncio.run(story())


def test_the_private_network_cipher_is_xsalsa20() -> None:
    from nacl.secret import SecretBox

    key, nonce = Random(1).randbytes(32), Random(2).randbytes(24)
    # NaCl's secret box is XSalsa20 whose first 32 bytes of key stream make the authenticator.
    expected = SecretBox(key).encrypt(bytes(5_000), nonce).ciphertext[16:]
    assert xsalsa20(key, nonce).encrypt(bytes(32 + 5_000))[32:] == expected


def test_a_dial_to_an_address_of_another_peer_fails_and_says_so() -> None:
    async def story() -> None:
        async with real_nodes(3) as nodes:
            wrong = nodes[0].address.replace(nodes[0].gossip.peer_id, nodes[1].gossip.peer_id)
            nodes[2].gossip.connect(wrong)
            await until(lambda: wrong in nodes[2].gossip.dial_failures(), "the reason is told")
            assert nodes[0].gossip.peer_id in nodes[2].gossip.dial_failures()[wrong]
            assert nodes[2].gossip.neighbours() == ()

    asyncio.run(story())


def test_a_peer_is_reached_at_whichever_of_its_addresses_answers() -> None:
    async def story() -> None:
        async with real_nodes(3) as (node, peer, other):
            mistaken = other.address.replace(other.gossip.peer_id, peer.gossip.peer_id)
            nobody = f"/ip4/127.0.0.1/tcp/1/p2p/{peer.gossip.peer_id}"
            node.gossip.connect(mistaken)
            await until(lambda: mistaken in node.gossip.dial_failures(), "another peer answers there")
            node.gossip.connect(peer.address)
            node.gossip.connect(nobody)
            await until(lambda: node.gossip.neighbours() == (peer.gossip.peer_id,), "reached")

    asyncio.run(story())


def test_connections_are_bounded_and_their_slots_given_back() -> None:
    async def story() -> None:
        async with real_nodes(1, max_connections=2) as (node,):
            for round_ in range(3):
                comers = [await RealNode(60 + round_ * 3 + i).start() for i in range(3)]
                for comer in comers:
                    comer.gossip.connect(node.address)
                await until(lambda: len(node.gossip.neighbours()) == 2, "two are in")
                await until(
                    lambda cs=comers: sum(c.gossip.counters()["dials"] for c in cs) > 3,
                    "the third tried again",
                )
                assert len(node.gossip.neighbours()) == 2
                for comer in comers:
                    await comer.gossip.stop()
                await until(lambda: not node.gossip.neighbours(), "all are gone")

    asyncio.run(story())


def test_a_port_that_is_taken_is_the_users_fault() -> None:
    async def story() -> None:
        async with real_nodes(1) as (node,):
            port = int(node.address.split("/")[4])
            with pytest.raises(UserFault, match=f"cannot listen on 127.0.0.1 port {port}"):
                await Libp2pGossip(bytes(32), ("127.0.0.1", port)).start(Listener())

    asyncio.run(story())


@pytest.mark.timeout(300)
def test_twelve_processes_mesh_and_a_message_reaches_them_all() -> None:
    async def story() -> None:
        async with process_nodes(12, TOPIC) as nodes:
            for index, node in enumerate(nodes):
                for other in nodes[:index]:
                    node.say(do="connect", address=other.address)
            await until(lambda: all(len(n.neighbours) == 11 for n in nodes), "all are connected", 90)
            nodes[5].say(do="publish", payload="hello")
            others: list[ProcessNode] = [n for n in nodes if n is not nodes[5]]
            await until(lambda: all(n.payloads == ["hello"] for n in others), "all heard it once", 60)

    asyncio.run(story())
