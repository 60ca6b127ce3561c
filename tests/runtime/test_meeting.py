"""When a node compares its database, and with whom: at each connection, now and then by chance, and again after a failure."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from sgnus.adapters.peers.fake_calls import FakeCalls
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import MEET_AGAIN_MS_MAX, MEET_AGAIN_MS_MIN
from sgnus.messages.v1.types import ExchangeAddressesReply, ExchangeAddressesRequest
from sgnus.ports import Duplex
from sgnus.runtime.addresses import AddressBook
from sgnus.runtime.meeting import FIRST_RECONCILE_S, RECONCILE_S_MAX, RECONCILE_S_MIN, Meeting
from sgnus.wire.envelope import seal_address
from tests.runtime.timeless import timeless

NETWORK = NetworkId("17" * 16)
ME, *OTHERS = (Identity.from_seed(bytes([number]) * 32) for number in range(1, 7))
PEERS = [other.peer_id for other in OTHERS]
SOON_S = 2 * FIRST_RECONCILE_S


class World:
    """Gossip, calls, database and acquaintance of one node, with what was done and when (in the loop's seconds)."""

    def __init__(self) -> None:
        self.connected: list[PeerId] = []
        self.faults: dict[PeerId, Exception] = {}
        self.tried: list[tuple[float, PeerId]] = []
        self.compared: list[tuple[float, PeerId]] = []
        self.calls = FakeCalls(ME.peer_id, self._find)
        self.addresses = AddressBook(ME, NETWORK, lambda: 0, lambda *_: None)
        for other in OTHERS:
            self.addresses.learn(
                seal_address(other, NETWORK, endpoints=(), multiaddrs=(), sequence=1, expires_ms=60_000)
            )

    # ---- what Meeting asks for
    def subscribe(self, topic: str) -> None: ...

    def neighbours(self) -> Sequence[PeerId]:
        return tuple(self.connected)

    def tell(self, own: object) -> None: ...

    def meet(self, record: object, *, in_any_case: bool) -> None: ...

    async def reconcile(self, incoming: object, send: object, neighbour: PeerId) -> None:
        self.compared.append((_now(), neighbour))

    def parts(self) -> Any:
        drivers = SimpleNamespace(gossip=self, peers=self, database=self)
        background = SimpleNamespace(acquaintance=self)
        return SimpleNamespace(
            drivers=drivers, addresses=self.addresses, background=background, core=SimpleNamespace()
        )

    # ---- the peers' side
    def _find(self, peer: PeerId, method: str) -> Any:
        if method == "ExchangeAddresses":
            self.tried.append((_now(), peer))
        if peer in self.faults:
            raise self.faults[peer]
        return _Willing()

    def tries_of(self, peer: PeerId) -> list[float]:
        return [at_s for at_s, tried in self.tried if tried == peer]


class _Willing:
    async def exchange_addresses(
        self, peer: PeerId, request: ExchangeAddressesRequest
    ) -> ExchangeAddressesReply:
        return ExchangeAddressesReply(records=())

    async def reconcile(self, peer: PeerId, duplex: Duplex) -> None: ...


class Never(random.Random):
    """Dice that put off for longer than any test what comes by chance."""

    def uniform(self, a: float, b: float) -> float:
        return 1e6


def _now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def meeting(world: World, dice: random.Random) -> AsyncIterator[None]:
    tasks = Meeting(world.parts(), (), dice)
    tasks.start()
    try:
        yield
    finally:
        await tasks.stop()


async def after(seconds: float) -> None:
    """Let so much of the loop's own time pass."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()


def gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@timeless
async def test_each_neighbour_is_compared_with_once_on_connecting_and_again_when_it_comes_back() -> None:
    world = World()
    async with meeting(world, Never()):
        world.connected = PEERS[:3]
        await after(SOON_S)
        assert [peer for _, peer in world.compared] == PEERS[:3]
        await after(600)
        assert len(world.compared) == 3
        world.connected = PEERS[:2]
        await after(SOON_S)
        world.connected = PEERS[:3]
        await after(SOON_S)
        assert [peer for _, peer in world.compared] == [*PEERS[:3], PEERS[2]]


@timeless
async def test_who_has_told_no_address_is_met_once_it_has() -> None:
    world = World()
    stranger = Identity.from_seed(bytes([9]) * 32)
    async with meeting(world, Never()):
        world.connected = [stranger.peer_id]
        await after(10)
        assert world.tried == []
        world.addresses.learn(seal_address(stranger, NETWORK, endpoints=(), sequence=1, expires_ms=60_000))
        await after(SOON_S)
        assert [peer for _, peer in world.compared] == [stranger.peer_id]


@timeless
async def test_a_neighbour_is_chosen_by_chance_every_30_to_60_s() -> None:
    world = World()
    async with meeting(world, random.Random(1)):
        world.connected = PEERS
        await after(SOON_S)
        world.compared.clear()
        await after(2 * 3600)
    waits = gaps([at_s for at_s, _ in world.compared])
    assert all(RECONCILE_S_MIN <= wait <= RECONCILE_S_MAX for wait in waits)
    assert min(waits) < 33 and max(waits) > 57
    counts = [[peer for _, peer in world.compared].count(peer) for peer in PEERS]
    assert sum(counts) == len(world.compared) > 120
    assert all(count > 15 for count in counts), counts
    assert [peer for _, peer in world.compared] != list(
        itertools.islice(itertools.cycle(PEERS), len(world.compared))
    )


@pytest.mark.parametrize("fault", [PeerFault("nonsense"), WorldFault("unreachable"), TimeoutError()])
@timeless
async def test_a_neighbour_with_whom_it_fails_is_tried_again_after_waits_that_double_up_to_a_bound(
    fault: Exception,
) -> None:
    world = World()
    world.faults[PEERS[0]] = fault
    async with meeting(world, Never()):
        world.connected = PEERS[:2]
        await after(1800)
    waits = gaps(world.tries_of(PEERS[0]))
    due_ms = MEET_AGAIN_MS_MIN
    for wait in waits:
        assert due_ms / 1000 <= wait < due_ms / 1000 + SOON_S
        due_ms = min(2 * due_ms, MEET_AGAIN_MS_MAX)
    assert due_ms == MEET_AGAIN_MS_MAX and len(waits) < 40
    assert len(world.tries_of(PEERS[1])) == 1, "the others are not held up"


@timeless
async def test_a_new_connection_ends_the_waits() -> None:
    world = World()
    peer = PEERS[0]
    world.faults[peer] = WorldFault("too young to know us")
    async with meeting(world, Never()):
        world.connected = [peer]
        await after(300)
        world.connected = []
        await after(SOON_S)
        world.connected, world.faults = [peer], {}
        await after(SOON_S)
        assert [met for _, met in world.compared] == [peer], "at once, not after a minute"
        await after(300)
        assert len(world.compared) == 1


@timeless
async def test_after_a_success_the_waits_begin_anew() -> None:
    world = World()
    peer = PEERS[0]
    async with meeting(world, random.Random(1)):
        world.connected, world.faults = [peer], {peer: WorldFault("too young to know us")}
        await after(300)
        world.faults = {}
        await after(SOON_S + MEET_AGAIN_MS_MAX / 1000)
        compared, tries = len(world.compared), len(world.tried)
        assert compared > 0
        world.faults = {peer: WorldFault("away for a moment")}
        while len(world.tried) == tries:
            await after(1)
        world.faults = {}
        await after(2)
        assert len(world.compared) == compared + 1
