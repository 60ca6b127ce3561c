"""Nodes without a chosen port stay out of the range from which the kernel takes ports for outgoing connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator

import pytest

from sgnus.adapters.gossip import node as gossip_node
from sgnus.adapters.listening import listen_ports
from sgnus.adapters.peers import node as peers_node
from sgnus.messages.errors import UserFault
from sgnus.messages.limits import LISTEN_PORT_MAX, LISTEN_PORT_MIN, LISTEN_TRIES_MAX
from sgnus.messages.v1.types import AddressRecord
from sgnus.wire.codec import decode
from tests.ports.gossip_support import RealNode
from tests.ports.peers_support import Party, nodes_of

EPHEMERAL_MIN = 32_768


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    for port in listen_ports(0):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no free port")


async def gossip_port() -> int:
    """Where a gossip node listens to which no port was given."""
    node = RealNode(1)
    try:
        return int((await node.start()).address.split("/")[4])
    finally:
        await node.gossip.stop()


async def peer_port() -> int:
    """Where a node listens for peers' calls to which no port was given."""
    async with nodes_of("gRPC") as nodes:
        return endpoint_of(await nodes.add(1))


def endpoint_of(party: Party) -> int:
    return decode(AddressRecord, party.peers.address.payload).endpoints[0].port


DOORS = pytest.mark.parametrize(
    ("module", "door"), [(gossip_node, gossip_port), (peers_node, peer_port)], ids=["gossip", "peers"]
)


def test_a_chosen_port_is_the_only_one_tried() -> None:
    assert listen_ports(4001) == [4001]


def test_ports_that_nobody_chose_are_many_different_and_below_the_ephemeral_range() -> None:
    ports = listen_ports(0)
    assert len(set(ports)) == len(ports) == LISTEN_TRIES_MAX
    assert LISTEN_PORT_MAX < EPHEMERAL_MIN
    assert all(LISTEN_PORT_MIN <= port <= LISTEN_PORT_MAX for port in ports)
    assert listen_ports(0) != ports


@DOORS
def test_a_fresh_node_listens_below_the_ephemeral_range(
    module: object, door: Callable[[], Coroutine[None, None, int]]
) -> None:
    assert LISTEN_PORT_MIN <= asyncio.run(door()) < EPHEMERAL_MIN


@DOORS
def test_a_port_that_another_program_has_is_passed_over(
    module: object,
    door: Callable[[], Coroutine[None, None, int]],
    taken: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = free_port()
    monkeypatch.setattr(module, "listen_ports", lambda _: [taken, free])
    assert asyncio.run(door()) == free


@DOORS
def test_a_node_that_finds_every_port_taken_gives_up(
    module: object,
    door: Callable[[], Coroutine[None, None, int]],
    taken: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "listen_ports", lambda _: [taken] * 2)
    with pytest.raises(UserFault, match=r"choose another port|no port is free there"):
        asyncio.run(door())
