"""The multiaddrs that we dial: `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>/p2p/<Ed25519 peer id>`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from sgnus.crypto.identity import public_key_of
from sgnus.messages.errors import PeerFault, UserFault
from sgnus.messages.ids import PeerId

_ADDRESS_CHARS_MAX: Final = 512
_NAMES: Final = ("dns", "dns4", "dns6")


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer listens, and who must answer there."""

    host: str
    port: int
    peer: PeerId

    def __str__(self) -> str:
        return f"{host_part(self.host)}/tcp/{self.port}/p2p/{self.peer}"


def host_part(host: str) -> str:
    """`/ip4/..`, `/ip6/..` or `/dns/..` for a host."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return f"/dns/{host}"
    return f"/ip{version}/{host}"


def parse_address(multiaddr: str) -> PeerAddress:
    """A full multiaddr taken apart; UserFault says what is wrong with any other text."""
    parts = multiaddr[: _ADDRESS_CHARS_MAX + 1].split("/")
    if len(multiaddr) > _ADDRESS_CHARS_MAX or len(parts) != 7 or parts[0] or parts[3::2] != ["tcp", "p2p"]:
        raise _fault(multiaddr)
    kind, host, port, peer = parts[1], parts[2], parts[4], parts[6]
    if not _is_host(kind, host) or not _is_port(port):
        raise _fault(multiaddr)
    try:
        public_key_of(peer)
    except PeerFault as error:
        raise _fault(multiaddr) from error
    return PeerAddress(host, int(port), PeerId(peer))


def _is_host(kind: str, host: str) -> bool:
    if kind in _NAMES:
        return 0 < len(host) <= 253 and host.isascii() and host.replace("-", "").replace(".", "").isalnum()
    try:
        return kind == f"ip{ipaddress.ip_address(host).version}"
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65_536


def _fault(multiaddr: str) -> UserFault:
    return UserFault(
        f"not a full peer address: {multiaddr[:_ADDRESS_CHARS_MAX]!r}: "
        "write /ip4/HOST/tcp/PORT/p2p/PEER_ID (or ip6, dns), as `sgnus network show` prints it"
    )
