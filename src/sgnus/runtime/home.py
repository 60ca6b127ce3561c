"""A node's home folder: who owns it, what lies where, and the small settings that a restart must find again."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any, Final

from sgnus.adapters.folders import make_folder
from sgnus.adapters.identity_file import load_or_create_identity
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import UserFault, WorldFault

LOCK: Final = "lock"
KEY: Final = "identity.key"
NETWORK: Final = "network.json"
PORTS: Final = "ports.json"
DATABASE: Final = "sgnus.db"
JOBS: Final = "jobs"


class NodeHome:
    """One node's folder, locked while it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def take(self) -> None:
        """Make the folder and lock it. UserFault when it cannot be written, or another node has it."""
        try:
            make_folder(self.path)
            make_folder(self.path / JOBS)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserFault(
                f"The home {self.path} cannot be written ({error.strerror}); choose another one with --home."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserFault(
                f"Another node runs on the home {self.path}; stop it with `sgnus node stop`, or choose another --home."
            ) from error

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def identity(self) -> Identity:
        """The node's key, made at first."""
        return load_or_create_identity(self.path / KEY)

    @property
    def network_path(self) -> Path:
        return self.path / NETWORK

    @property
    def database_path(self) -> Path:
        return self.path / DATABASE

    @property
    def jobs_path(self) -> Path:
        return self.path / JOBS

    def ports(self, listen: str) -> tuple[int, int]:
        """(gossip, peer) ports of the last run, so that a restart keeps its address; 0 where there is none.

        0 as well where another program has it by now: nobody chose that port.
        """
        try:
            known: Any = json.loads((self.path / PORTS).read_text())
            ports = int(known["gossip"]), int(known["peer"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0
        gossip, peer = (port if 0 < port < 65536 and _is_free(listen, port) else 0 for port in ports)
        return gossip, peer

    def keep_ports(self, gossip: int, peer: int) -> None:
        """Remember them. WorldFault if the disk refuses."""
        path = self.path / f"{PORTS}.new"
        try:
            path.write_text(json.dumps({"gossip": gossip, "peer": peer}))
            path.replace(self.path / PORTS)
        except OSError as error:
            raise WorldFault(f"cannot write {self.path / PORTS}: {error.strerror}") from error


def _is_free(listen: str, port: int) -> bool:
    """Whether we could listen there now."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(listen, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError:
        return False
    return True
