"""Where a node lives on disk, and how an app finds its local service there."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sgnus.messages.errors import UserFault

ANSWER_S_MAX: Final = 2.0
SERVICE_BYTES_MAX: Final = 64 * 1024
SOCKET_PATH_BYTES_MAX: Final = 107
"""What Linux allows a unix socket's path; a longer one is called over loopback with the token."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to call: a gRPC target, and the bearer token that loopback wants."""

    address: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """A node's folder: identity, database, blobs, socket and token."""

    path: Path

    @staticmethod
    def of(path: str | os.PathLike[str] | None = None) -> Home:
        """The given folder, else the environment's SGNUS_HOME, else ~/.sgnus."""
        chosen = path or os.environ.get("SGNUS_HOME") or Path.home() / ".sgnus"
        return Home(Path(chosen).expanduser().absolute())

    @property
    def socket_path(self) -> Path:
        return self.path / "sgnus.sock"

    @property
    def log_path(self) -> Path:
        return self.path / "node.log"

    @property
    def network_path(self) -> Path:
        return self.path / "network.json"

    @property
    def invited_path(self) -> Path:
        """Ids of the networks whose invitation was shown here."""
        return self.path / "network.invited"

    def prepare(self) -> None:
        """Make the folder, for its owner alone. UserFault when that cannot be."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.path / f".writable-{os.getpid()}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise UserFault(
                f"The home {self.path} cannot be written ({error.strerror}); "
                "choose another with --home or SGNUS_HOME, or mend its permissions."
            ) from error

    def service(self) -> Mapping[str, Any]:
        """What the node wrote about its service; empty when it wrote nothing."""
        try:
            with (self.path / "service.json").open("rb") as file:
                content = json.loads(file.read(SERVICE_BYTES_MAX))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def pid(self) -> int | None:
        """The process that wrote the service file; it may be gone."""
        value = self.service().get("pid")
        return value if isinstance(value, int) and value > 1 else None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the operator must read about the node's start: that its database was corrupt, say."""
        told = self.service().get("notices")
        return tuple(str(notice) for notice in told) if isinstance(told, list) else ()

    @property
    def http_url(self) -> str:
        """Where the local service answers HTTP; empty when no node told."""
        port = self.service().get("http")
        return f"http://127.0.0.1:{port}" if port else ""

    def target(self) -> Target:
        """The unix socket where the node says that it is; a path too long for one is passed over for loopback."""
        service = self.service()
        socket_path = str(service.get("socket") or self.socket_path)
        if len(os.fsencode(socket_path)) <= SOCKET_PATH_BYTES_MAX:
            return Target(f"unix:{socket_path}")
        try:
            token = (self.path / "token").read_text().strip()
        except OSError:
            token = None
        return Target(f"127.0.0.1:{service.get('grpc', 0)}", token)

    def is_answering(self) -> bool:
        """Whether something accepts connections where the service should be. Does not need gRPC."""
        try:
            with _connected(self.target().address):
                return True
        except (OSError, ValueError):
            return False


def _connected(address: str) -> socket.socket:
    """A connection to a gRPC target, of either kind."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=ANSWER_S_MAX)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(ANSWER_S_MAX)
        connection.connect(address.removeprefix("unix:"))
    except OSError:
        connection.close()
        raise
    return connection
