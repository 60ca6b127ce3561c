"""Connections: noise and yamux only, bounded, dialled by us alone, one per peer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import trio
from libp2p.abc import INotifee
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.host.basic_host import BasicHost, _IdentifyNotifee
from libp2p.host.ping import ID as PING_ID
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY_ID
from libp2p.identity.identify.identify import identify_handler_for
from libp2p.network.config import ConnectionConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.protocol_muxer.exceptions import MultiselectClientError, MultiselectError
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.transport.exceptions import MuxerUpgradeFailure
from libp2p.transport.upgrader import TransportUpgrader

from sgnus.adapters.gossip.counters import Counters
from sgnus.adapters.gossip.muxer import GossipMuxer
from sgnus.adapters.gossip.negotiation import bound_negotiation
from sgnus.adapters.gossip.pnet import ProtectedConnection
from sgnus.adapters.overruns import Overruns
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import GOSSIP_CROSSED_DIAL_MS, GOSSIP_DIAL_MS_MAX, GOSSIP_HANDSHAKES_MAX

_UPGRADE_S: Final = GOSSIP_DIAL_MS_MAX / 1000


class NoAutoConnector:
    """In place of the library's, which dials whomever it heard of."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def run_background_task(self, nursery: trio.Nursery) -> None: ...

    async def maybe_connect(self) -> None: ...

    def record_disconnect(self, peer: ID) -> None: ...


class GossipSwarm(Swarm):  # type: ignore[misc]
    """The library's swarm without its own dialling, and with slots that are given back."""

    def __init__(
        self, *arguments: Any, counters: Counters, psk: bytes | None, overruns: Overruns, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.counters = counters
        self._overruns = overruns
        self.auto_connector: Any = NoAutoConnector()
        self._network_key = psk
        self._handshakes = 0

    async def dial_peer(self, peer_id: ID) -> list[Any]:
        """Peer exchange, auto-connect and streams to absent peers end here: only our dialler dials."""
        raise SwarmException(f"not connected to {peer_id}")

    async def upgrade_outbound_raw_conn(self, raw_conn: Any, peer_id: ID, pre_scope: Any = None) -> Any:
        if self._overruns.is_shut_out(PeerId(peer_id.to_base58())):
            await raw_conn.close()
            raise SwarmException("shut out for a while")
        if len(self.get_connections()) >= self.connection_config.max_connections:
            await raw_conn.close()
            raise SwarmException("as many connections as allowed are open")
        with trio.fail_after(_UPGRADE_S):
            return await super().upgrade_outbound_raw_conn(self._protected(raw_conn), peer_id, pre_scope)

    async def upgrade_inbound_raw_conn(self, raw_conn: Any, maddr: Any) -> Any:
        return await super().upgrade_inbound_raw_conn(self._protected(raw_conn), maddr)

    async def accept(self, stream: Any, maddr: Any) -> None:
        """Serve one inbound TCP connection until it ends. (The library holds its slot till it stops.)"""
        if self._handshakes >= GOSSIP_HANDSHAKES_MAX:
            self.counters.add("connections_refused")
            await stream.close()
            return
        self._handshakes += 1
        try:
            muxed = await self.upgrade_inbound_raw_conn(RawConnection(stream, False), maddr)
        except Exception:  # noqa: BLE001 - the libp2p border: whatever a stranger sends ends its connection only
            self.counters.add("connections_refused")
            await stream.close()
            return
        finally:
            self._handshakes -= 1
        await muxed.event_closed.wait()

    def _protected(self, raw_conn: Any) -> Any:
        return raw_conn if self._network_key is None else ProtectedConnection(raw_conn, self._network_key)


class GossipUpgrader(TransportUpgrader):  # type: ignore[misc]
    """Makes our muxer of a secured connection; the library's negotiates any class and then makes its own.

    Who is shut out gets none: noise has just proven who it is, and the rest would cost us more than that.
    """

    def __init__(self, *arguments: Any, counters: Counters, overruns: Overruns) -> None:
        super().__init__(*arguments)
        self._counters = counters
        self._overruns = overruns
        for multistream in (self.security_multistream, self.muxer_multistream):
            bound_negotiation(multistream._selector)

    async def upgrade_connection(self, conn: Any, peer_id: ID) -> GossipMuxer:
        if self._overruns.is_shut_out(PeerId(peer_id.to_base58())):
            self._counters.add("connections_shut_out")
            raise MuxerUpgradeFailure("shut out for a while")
        try:
            await self.muxer_multistream.select_transport(conn)
        except (MultiselectError, MultiselectClientError) as error:
            raise MuxerUpgradeFailure("failed to negotiate yamux") from error
        return GossipMuxer(conn, peer_id, is_initiator=conn.is_initiator)


async def abort_connections(swarm: GossipSwarm, peer: ID) -> None:
    """Close all connections to `peer` now; one that is frozen must not hold us up."""
    for connection in list(swarm.connections.get(peer, ())):
        swarm.remove_conn(connection)
        await connection.muxed_conn.abort()


@dataclass
class NewestConnection(INotifee):  # type: ignore[misc]
    """Keeps one connection per peer.

    A peer that vanished without a FIN and comes back holds a new connection beside our dead one, and the
    library would go on talking into the dead one. So the newest wins, except when both sides dialled at once:
    then both keep the one that the smaller peer id dialled, else each would close the other's.
    """

    swarm: GossipSwarm
    replaced: Callable[[ID, list[Any]], None]

    async def connected(self, network: Any, conn: Any) -> None:
        peer = conn.muxed_conn.peer_id
        others = [other for other in self.swarm.connections.get(peer, ()) if other is not conn]
        if not others:
            return
        self.swarm.counters.add("connections_replaced")
        losers = [conn] if any(self._outranks(other, conn) for other in others) else others
        for loser in losers:
            self.swarm.remove_conn(loser)
        if conn not in losers:
            self.replaced(peer, [loser.muxed_conn for loser in losers])
        for loser in losers:
            await loser.muxed_conn.abort()

    def _outranks(self, older: Any, newer: Any) -> bool:
        is_crossed = (
            older.direction != newer.direction
            and newer._created_at - older._created_at < GOSSIP_CROSSED_DIAL_MS / 1000
        )
        return is_crossed and bool(older.muxed_conn.is_initiator) == self._dials_first(conn_peer(older))

    def _dials_first(self, peer: ID) -> bool:
        return bool(self.swarm.get_peer_id().to_bytes() < peer.to_bytes())

    async def disconnected(self, network: Any, conn: Any) -> None: ...

    async def opened_stream(self, network: Any, stream: Any) -> None: ...

    async def closed_stream(self, network: Any, stream: Any) -> None: ...

    async def listen(self, network: Any, multiaddr: Any) -> None: ...

    async def listen_close(self, network: Any, multiaddr: Any) -> None: ...


def conn_peer(connection: Any) -> ID:
    peer: ID = connection.muxed_conn.peer_id
    return peer


def make_swarm(
    seed: bytes, psk: bytes | None, connections_max: int, counters: Counters, overruns: Overruns
) -> GossipSwarm:
    """A swarm that speaks noise and yamux alone: anybody may claim any peer id on a plaintext connection."""
    keys = create_new_key_pair(seed)
    own_id = ID.from_pubkey(keys.public_key)
    peerstore = PeerStore()
    peerstore.add_key_pair(own_id, keys)
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    return GossipSwarm(
        own_id,
        peerstore,
        GossipUpgrader({NOISE_ID: noise}, {YAMUX_ID: GossipMuxer}, counters=counters, overruns=overruns),
        [],
        connection_config=ConnectionConfig(
            max_connections=connections_max,
            min_connections=0,
            low_watermark=0,
            high_watermark=connections_max,
            max_connections_per_peer=4,
            inbound_upgrade_timeout=_UPGRADE_S,
            outbound_upgrade_timeout=_UPGRADE_S,
        ),
        counters=counters,
        psk=psk,
        overruns=overruns,
    )


def make_host(swarm: GossipSwarm, addresses: list[Any]) -> Any:
    """A host that answers identify and ping, and asks nobody anything on its own."""
    protocols: OrderedDict[Any, Callable[[Any], Awaitable[None]]] = OrderedDict()
    host = BasicHost(
        swarm,
        default_protocols=OrderedDict({PING_ID: _unused}),
        addrs_factory=lambda _: list(addresses),
        disable_identify_address_discovery=True,
    )
    bound_negotiation(host)
    protocols[IDENTIFY_ID] = identify_handler_for(host, use_varint_format=True)
    protocols[PING_ID] = PingService(host).handle_ping
    for protocol, handler in protocols.items():
        host.set_stream_handler(protocol, handler)
    for notifee in [notifee for notifee in swarm.notifees if isinstance(notifee, _IdentifyNotifee)]:
        swarm.remove_notifee(notifee)
    _guard_streams(swarm, host._swarm_stream_handler)
    return host


def _guard_streams(swarm: GossipSwarm, serve: Callable[[Any], Awaitable[None]]) -> None:
    async def guarded(stream: Any) -> None:
        try:
            await serve(stream)
        except Exception:  # noqa: BLE001 - the libp2p border: an exception here would stop the whole host
            swarm.counters.fault("handler_errors")
            with trio.move_on_after(1):
                await stream.reset()

    swarm.set_stream_handler(guarded)


async def _unused(stream: Any) -> None:
    await stream.reset()
