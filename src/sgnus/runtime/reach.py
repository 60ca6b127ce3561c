"""Where others reach this node: the addresses that it tells, as opposed to the one that it listens on."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

import ifaddr

from sgnus.adapters.gossip.addresses import host_part
from sgnus.messages.ids import PeerId

HOSTS_MAX: Final = 8


def hosts_told(listen: str, announced: Sequence[str] = ()) -> tuple[str, ...]:
    """The hosts to tell: those that the operator announced, else `listen`, else (it means all) every address here."""
    if announced:
        return tuple(announced)[:HOSTS_MAX]
    if not _means_all(listen):
        return (listen,)
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            if isinstance(each.ip, str) and not ipaddress.ip_address(each.ip).is_link_local:
                found.append(each.ip)
    outside = [host for host in found if not ipaddress.ip_address(host).is_loopback]
    return tuple(dict.fromkeys(outside or found))[:HOSTS_MAX]


def multiaddrs_told(hosts: Sequence[str], port: int, peer: PeerId) -> tuple[str, ...]:
    """Full multiaddrs of our gossip on these hosts."""
    return tuple(f"{host_part(host)}/tcp/{port}/p2p/{peer}" for host in hosts)


def _means_all(listen: str) -> bool:
    try:
        return ipaddress.ip_address(listen).is_unspecified
    except ValueError:
        return False
