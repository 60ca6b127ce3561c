"""Finding peers of our network on the local link by mDNS (service `_sgnus-<network id>._tcp.local.`).

Off unless the operator asks for it: it tells everybody on the link that this machine runs a node. What it finds
is a hint: the dial that follows fails unless the named peer answers at the address.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from sgnus.adapters.gossip.addresses import PeerAddress, parse_address
from sgnus.crypto.identity import public_key_of
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import DISCOVERY_ADDRESSES_MAX, DISCOVERY_LOOKUPS_MAX, DISCOVERY_MS_MAX

# A DNS label has at most 63 octets and a service name 15 characters after `_`: the first 8 digits tell networks
# apart well enough for a hint, and the whole id is in the record.
_NETWORK_DIGITS: Final = 8
_PEER_LABEL_CHARS: Final = 52


def service_type(network: NetworkId) -> str:
    """The mDNS service type of a network."""
    return f"_sgnus-{network[:_NETWORK_DIGITS]}._tcp.local."


class MdnsDiscovery:
    """Announces our addresses and hands found ones, as full multiaddrs, to `found` on the asyncio loop."""

    def __init__(self, network: NetworkId, addresses: Sequence[str], found: Callable[[str], None]) -> None:
        self._network = network
        self._ours = [parse_address(address) for address in addresses]
        self._found = found
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None

    async def start(self) -> None:
        """Announce and browse; WorldFault when no interface can do multicast."""
        try:
            self._zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
        except OSError as error:
            raise WorldFault(f"mDNS cannot be used on this machine: {error.strerror or error}") from error
        await self._zeroconf.async_register_service(self._announcement())
        self._browser = AsyncServiceBrowser(
            self._zeroconf.zeroconf, service_type(self._network), handlers=[self._noticed]
        )

    async def stop(self) -> None:
        if self._browser is not None:
            await self._browser.async_cancel()
        for task in list(self._lookups.values()):
            task.cancel()
        await asyncio.gather(*self._lookups.values(), return_exceptions=True)
        if self._zeroconf is not None:
            await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()
            self._zeroconf = None

    def _announcement(self) -> AsyncServiceInfo:
        ours = self._ours[0]
        kind = service_type(self._network)
        return AsyncServiceInfo(
            kind,
            f"{ours.peer}.{kind}",
            port=ours.port,
            server=f"{ours.peer}.local.",
            properties={"network": self._network},
            parsed_addresses=[address.host for address in self._ours],
        )

    def _noticed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        """A name came or went. Look it up in a task of its own; not more of them at once than the bound."""
        if state_change is ServiceStateChange.Removed or name in self._lookups:
            return
        if len(self._lookups) >= DISCOVERY_LOOKUPS_MAX or name.startswith(self._ours[0].peer):
            return
        task = asyncio.ensure_future(self._look_up(zeroconf, name))
        self._lookups[name] = task
        task.add_done_callback(lambda _: self._lookups.pop(name, None))

    async def _look_up(self, zeroconf: Zeroconf, name: str) -> None:
        service = AsyncServiceInfo(service_type(self._network), name)
        if not await service.async_request(zeroconf, DISCOVERY_MS_MAX):
            return
        if service.properties.get(b"network") != self._network.encode():
            return
        for address in addresses_of(name, service.parsed_addresses(), service.port):
            self._found(str(address))


def addresses_of(name: str, hosts: Sequence[str], port: int | None) -> list[PeerAddress]:
    """What a record offers to dial; nothing for a record that names no peer or no port."""
    peer = name[:_PEER_LABEL_CHARS]
    try:
        public_key_of(peer)
    except PeerFault:
        return []
    if port is None or not 0 < port < 65_536:
        return []
    usable = [host for host in hosts if not ipaddress.ip_address(host).is_multicast]
    return [PeerAddress(host, port, PeerId(peer)) for host in usable[:DISCOVERY_ADDRESSES_MAX]]
