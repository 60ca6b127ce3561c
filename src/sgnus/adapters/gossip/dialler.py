"""Keeps connections to the peers that we were told to keep: dials, waits until the connection is lost, dials
again.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import trio
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID

from sgnus.adapters.gossip.addresses import PeerAddress
from sgnus.adapters.gossip.backoff import RedialBackoff
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.swarm import GossipSwarm
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    GOSSIP_ADDRESSES_PER_TARGET_MAX,
    GOSSIP_DIAL_MS_MAX,
    GOSSIP_SETTLED_MS,
    GOSSIP_TARGETS_MAX,
)

Fail = Callable[[PeerAddress, str], None]


class Target:
    """One peer to stay connected to, and where it may be."""

    def __init__(self) -> None:
        self.addresses: list[PeerAddress] = []
        self.scope = trio.CancelScope()

    def add(self, address: PeerAddress) -> None:
        """The newest address is tried first; the oldest is forgotten."""
        if address in self.addresses:
            self.addresses.remove(address)
        self.addresses.insert(0, address)
        del self.addresses[GOSSIP_ADDRESSES_PER_TARGET_MAX:]


class Dialler:
    """One task per target."""

    def __init__(
        self, swarm: GossipSwarm, nursery: trio.Nursery, dice: Random, counters: Counters, fail: Fail
    ) -> None:
        self._swarm = swarm
        self._nursery = nursery
        self._dice = dice
        self._counters = counters
        self._fail = fail
        self._targets: dict[PeerId, Target] = {}

    def keep(self, address: PeerAddress) -> None:
        """Stay connected to this peer; over the bound of targets the address is refused with its reason."""
        if address.peer == self._swarm.get_peer_id().to_base58():
            self._counters.add("dials_of_self")
            self._fail(address, "this is our own peer id")
            return
        target = self._targets.get(address.peer)
        if target is not None:
            target.add(address)
            return
        if len(self._targets) >= GOSSIP_TARGETS_MAX:
            self._fail(address, f"{GOSSIP_TARGETS_MAX} peers are kept already")
            return
        target = self._targets[address.peer] = Target()
        target.add(address)
        self._nursery.start_soon(self._keep, ID.from_base58(address.peer), target)

    def forget(self, peer: PeerId) -> None:
        target = self._targets.pop(peer, None)
        if target is not None:
            target.scope.cancel()

    async def _keep(self, peer: ID, target: Target) -> None:
        backoff = RedialBackoff(self._dice)
        with target.scope:
            while True:
                if await self._is_reached(peer, target):
                    since = trio.current_time()
                    await self._until_lost(peer)
                    if trio.current_time() - since >= GOSSIP_SETTLED_MS / 1000:
                        backoff.reset()  # Else two sides that keep replacing each other's connection would never rest.
                await trio.sleep(backoff.next_ms() / 1000)

    async def _is_reached(self, peer: ID, target: Target) -> bool:
        for address in list(target.addresses):
            if live_connections(self._swarm, peer):
                return True
            try:
                self._counters.add("dials")
                await dial(self._swarm, peer, address)
                return True
            except Exception as error:  # noqa: BLE001 - the libp2p border: a dial fails in many ways, all mean "later"
                self._counters.add("dials_failed")
                self._fail(address, reason_of(error))
        return False

    async def _until_lost(self, peer: ID) -> None:
        while connections := live_connections(self._swarm, peer):
            await connections[0].muxed_conn.event_closed.wait()


def live_connections(swarm: GossipSwarm, peer: ID) -> list[Any]:
    """The connections to `peer` that are not closed. (A closed one stays listed for a moment.)"""
    return [each for each in swarm.connections.get(peer, ()) if not each.muxed_conn.event_closed.is_set()]


async def dial(swarm: GossipSwarm, peer: ID, address: PeerAddress) -> Any:
    """A connection to `peer` at `address`; noise fails when another peer answers there."""
    with trio.fail_after(GOSSIP_DIAL_MS_MAX / 1000):
        stream = await trio.open_tcp_stream(address.host, address.port)
    raw = RawConnection(TrioTCPStream(stream), True)
    try:
        return await swarm.upgrade_outbound_raw_conn(raw, peer)
    except BaseException:
        with trio.CancelScope(shield=True):
            await raw.close()
        raise


def reason_of(error: BaseException) -> str:
    """The innermost cause of a failed dial, in its own words."""
    while True:
        inner = error.__cause__ or (error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None)
        if inner is None:
            return str(error) or type(error).__name__
        error = inner
