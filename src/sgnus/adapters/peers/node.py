"""`Peers` over gRPC: mutual TLS bound to peer ids, one stream per pair, calls beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc
import grpc.aio

from sgnus.adapters.listening import listen_ports
from sgnus.adapters.overruns import Overruns
from sgnus.adapters.peers.authority import Gate
from sgnus.adapters.peers.budget import CallBudget, ReadBudget, StreamAllowance, StreamBudget
from sgnus.adapters.peers.calls import Channels, GrpcCalls
from sgnus.adapters.peers.certificates import Leaf, make_leaf
from sgnus.adapters.peers.channels import SERVER
from sgnus.adapters.peers.directory import Directory, roots_of
from sgnus.adapters.peers.events import Events
from sgnus.adapters.peers.exchange import Callee, Caller
from sgnus.adapters.peers.hello import Greeting
from sgnus.adapters.peers.pairs import Pairs
from sgnus.adapters.peers.server import OtherMethods, PeerServer
from sgnus.adapters.peers.settlement import GrpcSettlement, SettlementServer
from sgnus.adapters.peers.streams import Surroundings
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import OurFault, UserFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import (
    ADDRESS_LIFE_MS_MAX,
    LINGER_MS_MAX,
    PEER_CALLS_MAX,
    PEER_MESSAGE_BYTES_MAX,
)
from sgnus.messages.v1.types import Endpoint, SignedEnvelope
from sgnus.ports import PeerEvent, PeerService
from sgnus.ports.settlement import SettlementService
from sgnus.wire.envelope import seal_address

LOG: Final = logging.getLogger("sgnus.peers")
STOP_S_MAX: Final = 3.0
READMIT_S: Final = 0.1


def wall_ms() -> int:
    """Unix time; used for the coarse expiry of address records alone."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """Who this node is to its peers. `boot` rises with each start of the process."""

    identity: Identity
    network: NetworkId
    boot: int
    now_ms: Callable[[], int] = wall_ms
    budget: ReadBudget = field(default_factory=ReadBudget)
    allowance: StreamAllowance = field(default_factory=StreamAllowance)
    overruns: Overruns = field(default_factory=Overruns)
    streamed: StreamBudget | None = None
    """Of whoever reads the messages, and may find one dearer than it looked; made from the two above if none is given."""


class GrpcPeers:
    """Implements `Peers`."""

    def __init__(self, own: Self) -> None:
        self._own = own
        self._counts: Counter[str] = Counter()
        self._leaf = make_leaf(own.identity)
        self._events = Events()
        self._directory = Directory(
            own.network, own.now_ms, lambda peer: peer in self._pairs, own.overruns.is_shut_out
        )
        self._greeting = Greeting(own.network, own.boot, self._directory)
        self._channels = Channels(self._directory, self._leaf)
        self._calls = GrpcCalls(self._channels)
        self._pairs = Pairs(
            Surroundings(
                own=own.identity.peer_id,
                events=self._events,
                dial=Caller(self._directory, self._greeting, self._leaf).dial,
                is_reachable=lambda peer: bool(self._directory.endpoints(peer)),
                count=partial(_count, self._counts),
                budget=own.streamed or StreamBudget(own.overruns, own.allowance),
            )
        )
        self._server: grpc.aio.Server | None = None

    async def start(
        self,
        service: PeerService,
        deliver: Callable[[PeerEvent], bool],
        *,
        host: str,
        port: int,
        settlement: SettlementService | None = None,
    ) -> Endpoint:
        """See `Peers`."""
        own, count = self._own, partial(_count, self._counts)
        callee = Callee(self._greeting, self._pairs, self._events, count)
        gate = Gate(self._directory, CallBudget(own.overruns), count)
        server = grpc.aio.server(options=SERVER, maximum_concurrent_rpcs=PEER_CALLS_MAX)
        calls = PeerServer(service, gate, own.budget, callee.serve)
        server.add_generic_rpc_handlers((calls.handlers(),))
        if settlement is not None:
            settling = SettlementServer(settlement, gate, own.budget)
            server.add_generic_rpc_handlers((settling.handlers(),))
        server.add_generic_rpc_handlers((OtherMethods(gate),))
        port = _listen(
            server, host, port, lambda: _credentials(self._directory, self._leaf, own.identity.peer_id)
        )
        endpoint, now_ms = Endpoint(host=host, port=port), own.now_ms()
        record = seal_address(
            own.identity,
            own.network,
            endpoints=(endpoint,),
            sequence=now_ms,
            expires_ms=now_ms + ADDRESS_LIFE_MS_MAX,
        )
        self.announce(record)
        self._events.deliver_to(deliver)
        loop = asyncio.get_running_loop()
        doors = (self._directory, self._pairs, gate)
        shut_out = partial(_shut_out, own.overruns, doors, count)
        own.overruns.followers.append(lambda peer: _call_in(loop, partial(shut_out, peer)))
        await server.start()
        self._server = server
        return endpoint

    @property
    def calls(self) -> GrpcCalls:
        """See `Peers`."""
        return self._calls

    @property
    def settlement(self) -> GrpcSettlement:
        """See `Peers`."""
        return GrpcSettlement(self._channels)

    @property
    def address(self) -> SignedEnvelope:
        """See `Peers`."""
        if self._greeting.address is None:
            raise OurFault("peers were asked for the address before start")
        return self._greeting.address

    @property
    def counters(self) -> Mapping[str, int]:
        """What was refused or dropped, by reason."""
        return dict(self._counts)

    def announce(self, record: SignedEnvelope) -> None:
        """See `Peers`."""
        self._greeting.address = record

    def admit(self, record: SignedEnvelope) -> bool:
        """See `Peers`."""
        peer = PeerId(record.author)
        if peer == self._own.identity.peer_id or not self._directory.admit(record):
            return False
        self._pairs.learnt(peer)
        return True

    def remove(self, peer: PeerId) -> None:
        """See `Peers`."""
        self._directory.remove(peer)
        self._pairs.drop(peer, "removed here")

    def open(self, peer: PeerId) -> None:
        """See `Peers`."""
        if peer != self._own.identity.peer_id:
            self._pairs.want(peer)

    def close(self, peer: PeerId) -> None:
        """See `Peers`."""
        self._pairs.unwant(peer)

    def send(self, peer: PeerId, message: bytes, *, urgent: bool = False) -> bool:
        """See `Peers`."""
        if not 0 < len(message) <= PEER_MESSAGE_BYTES_MAX:
            raise OurFault(f"a message of {len(message)} bytes to a peer")
        return self._pairs.send(peer, message, urgent=urgent)

    def connected(self) -> Sequence[PeerId]:
        """See `Peers`."""
        return self._pairs.connected()

    @property
    def is_listening(self) -> bool:
        """See `Peers`."""
        return self._server is not None

    async def stop(self) -> None:
        """See `Peers`. Bounded, whatever the other sides do."""
        await self._pairs.stop(LINGER_MS_MAX / 1000)
        await self._channels.close_all()
        if self._server is not None:
            server, self._server = self._server, None
            # Its streams are over; what it may still wait for must not keep us.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S_MAX):
                    await server.stop(0)
        self._events.stop()


def _count(counts: Counter[str], what: str) -> None:
    counts[what] += 1


def _shut_out(
    overruns: Overruns, doors: tuple[Directory, Pairs, Gate], count: Callable[[str], None], peer: PeerId
) -> None:
    """Nothing of it is taken until the time is over; then it is as known as before."""
    directory, pairs, gate = doors

    def readmit() -> None:
        directory.readmit(peer)
        pairs.learnt(peer)  # Who waits for its address may have it now.

    count("peers shut out")
    LOG.warning("%s asked for too much for too long: it is shut out for a while", peer, extra={"peer": peer})
    directory.shut_out(peer)
    pairs.drop(peer, "shut out for a while")
    gate.cut_off(peer)
    wait_s = overruns.shut_out_ms(peer) / 1000 + READMIT_S
    asyncio.get_running_loop().call_later(wait_s, readmit)


def _call_in(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """Soon, from any thread."""
    with contextlib.suppress(RuntimeError):  # The loop is closed: nobody is left to shut out.
        loop.call_soon_threadsafe(what)


def _credentials(directory: Directory, leaf: Leaf, own: PeerId) -> grpc.ServerCredentials:
    """TLS that admits whom the directory knows. Our own root keeps the set from being empty."""
    ours = roots_of((own,))

    def configuration(roots: bytes) -> grpc.ServerCertificateConfiguration:
        pair = (leaf.key_pem, leaf.certificate_pem)
        return grpc.ssl_server_certificate_configuration([pair], ours + roots)

    def changed() -> Any:
        roots = directory.changed_roots()
        return None if roots is None else configuration(roots)

    return grpc.dynamic_ssl_server_credentials(configuration(b""), changed, True)


def _listen(
    server: grpc.aio.Server, host: str, port: int, credentials: Callable[[], grpc.ServerCredentials]
) -> int:
    name = f"[{host}]" if ":" in host else host
    for candidate in listen_ports(port):
        # gRPC does not say why it failed (a host that is not ours costs all tries), and uses up the credentials.
        with contextlib.suppress(RuntimeError):
            return server.add_secure_port(f"{name}:{candidate}", credentials())
    if port == 0:
        raise UserFault(
            f"cannot listen on {host}: this machine has no such address, or no port is free there"
        )
    raise UserFault(
        f"cannot listen on {host} port {port}: another program has it, or this machine "
        "has no such address; stop that program, or choose another port"
    )
