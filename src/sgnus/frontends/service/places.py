"""Where a node's local service is found: token, socket and ports, as files in the node's home.

`service.json` is what apps read. The socket lies in a folder that only its owner may enter, which is what protects it:
the home itself, else (a home open to others, or too long for a socket's path) a folder of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import socket
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from sgnus.frontends.service.bounds import PROBE_MS_MAX, SOCKET_PATH_BYTES_MAX, TOKEN_BYTES
from sgnus.messages.errors import UserFault, WorldFault

SOCKET_NAME = "sgnus.sock"
SERVICE_NAME = "service.json"
TOKEN_NAME = "token"


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """What `service.json` holds: two loopback ports, the path of the socket, the node's process id, and sentences about its
    start that the operator must read.
    """

    http: int
    grpc: int
    socket: str
    pid: int
    notices: tuple[str, ...] = ()


def read_service(home: Path) -> ServiceFile | None:
    """Where the node of `home` serves, or None when none has said so. Its process may be gone by now."""
    try:
        found = json.loads((home / SERVICE_NAME).read_text(encoding="utf-8"))
        return ServiceFile(
            http=int(found["http"]),
            grpc=int(found["grpc"]),
            socket=str(found["socket"]),
            pid=int(found["pid"]),
            notices=tuple(str(notice) for notice in found.get("notices", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_service(home: Path, service: ServiceFile) -> None:
    """Publish where the service is, whole or not at all."""
    _write_private(home / SERVICE_NAME, json.dumps(asdict(service)) + "\n")


def remove_service(home: Path, service: ServiceFile) -> None:
    """Take `service.json` back, unless another node has written its own since."""
    if read_service(home) == service:
        (home / SERVICE_NAME).unlink(missing_ok=True)


def read_token(home: Path) -> str:
    """The token of the node of `home`, for an app on this machine. UserFault when there is none to read."""
    try:
        return (home / TOKEN_NAME).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserFault(f"no token in {home} ({error}): start the node first, as the same user") from None


def own_token(home: Path) -> str:
    """The node's token, made at the first start. One that others could read may be known: it is replaced."""
    path = home / TOKEN_NAME
    try:
        is_private = not _open_to_others(path)
    except OSError:
        is_private = False
    token = read_token(home) if is_private else ""
    if len(token) < TOKEN_BYTES:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        _write_private(path, token + "\n")
    return token


def make_home(home: Path) -> None:
    """The folder `home`, for its owner alone when it is new."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserFault(f"cannot use {home} as home ({error}): name a folder that you may write to") from None


def free_socket_path(home: Path) -> Path:
    """The path for this node's socket, free to bind: a dead node's socket is removed, a live one's refused."""
    path = _socket_folder(home) / SOCKET_NAME
    if path.exists() or path.is_symlink():
        if _answers(path):
            raise UserFault(f"a node already runs on {home}: stop it first, or give this one another home")
        path.unlink()
    return path


def free_socket_place(path: Path, home: Path) -> None:
    """Remove the socket, and the folder that was made for it alone."""
    path.unlink(missing_ok=True)
    if path.parent != home.resolve():
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _socket_folder(home: Path) -> Path:
    place = home.resolve()
    if _open_to_others(place):
        place = _private_folder(place / "run")
    if _fits(place):
        return place
    # The name follows from the home, so that a second node on it meets the first one's socket.
    name = f"sgnus-{os.getuid()}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}"
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if parent and _fits(Path(parent) / name):
            return _private_folder(Path(parent) / name)
    raise UserFault(
        f"no folder for the socket of {home} has a short path: set XDG_RUNTIME_DIR to one that has"
    )


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX


def _private_folder(path: Path) -> Path:
    """`path`, made if it is missing. In a folder that all may write to, somebody else may have been there first."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise WorldFault(f"cannot make {path} for the socket: {error}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UserFault(
            f"{path} is not a folder for you alone: remove it, or set XDG_RUNTIME_DIR to one that is yours"
        )
    return path


def _open_to_others(path: Path) -> bool:
    found = path.lstat()
    return found.st_uid != os.getuid() or bool(found.st_mode & 0o077)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_MS_MAX / 1000)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def _write_private(path: Path, text: str) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise WorldFault(f"cannot write {path}: {error}") from error
