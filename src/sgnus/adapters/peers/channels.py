"""gRPC channels to peers: TLS bound to a peer id, lean options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import grpc
import grpc.aio

from sgnus.adapters.peers.certificates import Leaf, authority_pem
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    CALL_PING_MS,
    CALL_PING_MS_MAX,
    GRPC_MESSAGE_BYTES_MAX,
    PEER_STREAMS_PER_CONNECTION_MAX,
)
from sgnus.messages.v1.types import Endpoint

SERVICE: Final = "sgnus.v1.Peer"
SETTLEMENT: Final = "sgnus.v1.Settlement"

COMMON: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.max_receive_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", GRPC_MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.enable_channelz", 0),
)
SERVER: Final[tuple[tuple[str, Any], ...]] = (
    *COMMON,
    # Without it a second node on the port would share it silently.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", PEER_STREAMS_PER_CONNECTION_MAX),
    ("grpc.server_handshake_timeout_ms", 5_000),
    # Callers ping; without this they would be sent away for it.
    ("grpc.http2.min_ping_interval_without_data_ms", CALL_PING_MS // 2),
)
CLIENT: Final[tuple[tuple[str, Any], ...]] = (
    *COMMON,
    # A connection of its own for each channel, so that a new attempt never waits for an old one's back-off.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Links between peers are direct.
    ("grpc.enable_http_proxy", 0),
)

PINGS: Final[tuple[tuple[str, Any], ...]] = (
    # TCP tries a connection that was cut off again ever more rarely, and gives it up after minutes: after a partition of a
    # minute, calls over the old connection would wait for up to another one.
    ("grpc.keepalive_time_ms", CALL_PING_MS),
    ("grpc.keepalive_timeout_ms", CALL_PING_MS_MAX),
    # One ping is under way at a time, and gRPC has others of its own: it is this that ends the wait for a lost one.
    ("grpc.http2.ping_timeout_ms", CALL_PING_MS_MAX),
    ("grpc.http2.max_pings_without_data", 0),
)
"""For channels of calls, while a call is under way. Streams between peers have the heartbeats of their rooms."""


# grpc's stubs know neither raw bytes without serializers nor calls without an iterator.
Channel = Any
EOF: Final[Any] = cast(Any, grpc.aio).EOF


def open_call_channel(peer: PeerId, endpoint: Endpoint, leaf: Leaf) -> Channel:
    """As `open_channel`, for calls: a connection that carries nothing any more is found, and its calls fail as unreachable."""
    return open_channel(peer, endpoint, leaf, PINGS)


def open_channel(
    peer: PeerId, endpoint: Endpoint, leaf: Leaf, more: Sequence[tuple[str, Any]] = ()
) -> Channel:
    """A channel to `endpoint` that only the holder of `peer`'s key can answer."""
    credentials = grpc.ssl_channel_credentials(authority_pem(peer), leaf.key_pem, leaf.certificate_pem)
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    # The name is for the TLS stack only: what authenticates is that nobody else's leaf verifies under this root.
    options = (*CLIENT, *more, ("grpc.ssl_target_name_override", str(peer)))
    return grpc.aio.secure_channel(f"{host}:{endpoint.port}", credentials, options=options)


def path(method: str, service: str = SERVICE) -> str:
    """The full name of a method."""
    return f"/{service}/{method}"
