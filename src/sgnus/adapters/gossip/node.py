"""The libp2p host as it runs in the gossip thread: swarm, router, pubsub and dialler under one nursery."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
from libp2p.abc import Multiaddr
from libp2p.io.trio import TrioTCPStream
from libp2p.peer.id import ID
from libp2p.tools.anyio_service import background_trio_service

from sgnus.adapters.gossip.addresses import PeerAddress, host_part
from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.dialler import Dialler, Fail
from sgnus.adapters.gossip.pubsub import GossipPubsub
from sgnus.adapters.gossip.router import GossipRouter
from sgnus.adapters.gossip.swarm import (
    GossipSwarm,
    NewestConnection,
    abort_connections,
    make_host,
    make_swarm,
)
from sgnus.adapters.gossip.thread import NodeSettings
from sgnus.adapters.listening import listen_ports
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import UserFault
from sgnus.messages.ids import PeerId
from sgnus.ports import GossipEvent

_CLOSE_S: Final = 2


class GossipNode:
    """All methods run in the gossip thread."""

    def __init__(
        self, settings: NodeSettings, counters: Counters, tell: Callable[[GossipEvent], None], fail: Fail
    ) -> None:
        self._settings = settings
        self._identity = Identity.from_seed(settings.seed)
        self._counters = counters
        self._addresses: list[Any] = []
        self._fail = fail
        self._swarm: GossipSwarm = make_swarm(
            settings.seed, settings.psk, settings.connections_max, counters, settings.overruns
        )
        host = make_host(self._swarm, self._addresses)
        self._router = GossipRouter(settings.connections_max, counters)
        self.pubsub = GossipPubsub(
            host,
            self._router,
            self._identity,
            allowance=settings.allowance,
            overruns=settings.overruns,
            counters=counters,
            tell=tell,
        )
        self._swarm.register_notifee(NewestConnection(self._swarm, self.pubsub.replace))
        self._nursery: trio.Nursery
        self._dialler: Dialler

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[str]]:
        """Listen and serve inside the block; yields our full multiaddrs."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._dialler = Dialler(self._swarm, nursery, self._settings.dice, self._counters, self._fail)
            listeners = await _listen(self._settings.host, self._settings.port)
            addresses = _addresses_of(listeners)
            self._addresses.extend(Multiaddr(address) for address in addresses)
            async with self._services():
                nursery.start_soon(trio.serve_listeners, self._accept, listeners)
                try:
                    yield [f"{address}/p2p/{self._identity.peer_id}" for address in addresses]
                finally:
                    with trio.move_on_after(_CLOSE_S) as scope:
                        scope.shield = True
                        for peer in list(self._swarm.connections):
                            await abort_connections(self._swarm, peer)
                    nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _services(self) -> AsyncIterator[None]:
        async with (
            background_trio_service(self._swarm) as swarm,
            background_trio_service(self._router) as router,
            background_trio_service(self.pubsub) as pubsub,
        ):
            for manager in (swarm, router, pubsub):
                guard_tasks(manager, self._counters)
            await self.pubsub.wait_until_ready()
            yield

    async def _accept(self, stream: trio.SocketStream) -> None:
        try:
            await self._swarm.accept(TrioTCPStream(stream), self._addresses[0])
        except Exception:  # noqa: BLE001 - the libp2p border: one connection must not end the listener
            self._counters.fault("handler_errors")

    # ---- commands ------------------------------------------------------------------------------------------
    async def subscribe(self, topic: str) -> None:
        await self.pubsub.subscribe(topic)

    async def unsubscribe(self, topic: str) -> None:
        await self.pubsub.unsubscribe(topic)

    async def publish(self, topic: str, payload: bytes) -> None:
        await self.pubsub.publish(topic, payload)

    async def connect(self, address: PeerAddress) -> None:
        self._dialler.keep(address)

    async def disconnect(self, peer: PeerId) -> None:
        self._dialler.forget(peer)
        libp2p_id = ID.from_base58(peer)
        await abort_connections(self._swarm, libp2p_id)
        if libp2p_id in self.pubsub.peers:
            self.pubsub._handle_dead_peer(libp2p_id)


def guard_tasks(manager: Any, counters: Counters) -> None:
    """Run a service's tasks so that an error of one is counted, and does not stop the service.

    It also skips the manager's search for a task's parent, which walks all tasks for each new one.
    """
    run_task = manager.run_task

    async def guarded(function: Callable[..., Any], *arguments: Any) -> None:
        try:
            await function(*arguments)
        except Exception:  # noqa: BLE001 - the libp2p border: one peer's task must not stop the host
            counters.fault("task_errors")

    def run_guarded(function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        run_task(guarded, function, *arguments, **options)

    manager._find_parent_task = lambda _: None
    manager.run_task = run_guarded


def quiet_library_logs() -> None:
    """libp2p reports strangers' misbehaviour as errors, some on the root logger, which a first call would set
    up.
    """
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    """Without SO_REUSEPORT (which the library sets): two nodes on one port would each lose half of the
    connections.
    """
    reason = ""
    for candidate in listen_ports(port):
        try:
            return list(await trio.open_tcp_listeners(candidate, host=host))
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno != errno.EADDRINUSE:
                break
    raise UserFault(
        f"cannot listen on {host} port {port}: {reason}: "
        "choose another port (0 takes a free one), or end the process that holds it"
    )


def _addresses_of(listeners: list[trio.SocketListener]) -> list[str]:
    addresses = []
    for listener in listeners:
        name = listener.socket.getsockname()
        if listener.socket.family in (socket.AF_INET, socket.AF_INET6):
            addresses.append(f"{host_part(name[0])}/tcp/{name[1]}")
    return addresses
