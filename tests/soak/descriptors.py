"""What a node's process holds open, by kind: a leak is of one kind and goes on, connections come and go with their peers."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

LISTENING: Final = "0A"
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_ANONYMOUS: Final = re.compile(r"anon_inode:\[?(\w+)\]?")


def ports_of(homes: Iterable[Path]) -> dict[int, str]:
    """What the ports of those nodes are for: `gossip` or `peer`."""
    ports: dict[int, str] = {}
    for home in homes:
        try:
            said = json.loads((home / "ports.json").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            continue  # It has not started yet.
        ports |= {port: name for name, port in said.items()}
    return ports


def kinds_of(pid: int, ports: Mapping[int, str]) -> Counter[str]:
    """How many descriptors of each kind. OSError when the process is gone."""
    folder = Path(f"/proc/{pid}/fd")
    sockets = _sockets(pid, ports)
    kinds: Counter[str] = Counter()
    for name in os.listdir(folder):
        try:
            target = os.readlink(folder / name)
        except FileNotFoundError:
            continue  # Closed meanwhile.
        kinds[_kind(target, sockets)] += 1
    return kinds


def _kind(target: str, sockets: Mapping[str, str]) -> str:
    if found := _SOCKET.fullmatch(target):
        return sockets.get(found[1], "unconnected socket")
    if found := _ANONYMOUS.fullmatch(target):
        return found[1]
    name = target.removesuffix(" (deleted)").rpartition("/")[2]
    if target.startswith("pipe:"):
        return "pipe"
    return name if name.startswith("sgnus.db") else "other file"


def _sockets(pid: int, ports: Mapping[int, str]) -> dict[str, str]:
    """Inode -> what kind of socket it is, of all in the same network namespace."""
    kinds = {row[6]: "unix socket" for row in _table(pid, "unix")}
    for _slot, local, remote, state, *_rest, inode in (
        row[:10] for table in ("tcp", "tcp6") for row in _table(pid, table)
    ):
        kinds[inode] = "listening" if state == LISTENING else _connection(_port(local), _port(remote), ports)
    return kinds


def _connection(local: int, remote: int, ports: Mapping[int, str]) -> str:
    if local in ports:
        return f"{ports[local]}, called"
    return f"{ports[remote]}, calling" if remote in ports else "other tcp"


def _table(pid: int, name: str) -> list[list[str]]:
    rows = Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii", errors="replace").splitlines()
    return [row.split() for row in rows[1:]]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
