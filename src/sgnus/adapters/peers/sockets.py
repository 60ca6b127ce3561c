"""Ending one connection of the gRPC server, which has no call for that: the socket is found by its far end, and shut down."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_PEER: Final = re.compile(r"ipv[46]:\[?([^\]]+)\]?:(\d+)")
_OPEN: Final = Path("/dev/fd")
_MAPPED: Final = "::ffff:"


def hang_up(peer: str) -> bool:
    """Shut down our connections with that remote end, as gRPC writes it: `ipv4:192.0.2.1:4002`. Whether there was one."""
    found = _PEER.fullmatch(unquote(peer))
    if found is None:
        return False
    end, is_found = (found[1], int(found[2])), False
    for name in os.listdir(_OPEN):
        # Descriptors come and go while we look.
        with contextlib.suppress(OSError), _copied(int(name)) as one:
            if one.type == socket.SOCK_STREAM and _far_end(one) == end:
                one.shutdown(socket.SHUT_RDWR)
                is_found = True
    return is_found


def _copied(descriptor: int) -> socket.socket:
    """A copy keeps the descriptor from becoming another's meanwhile. OSError if it is not that of a socket.

    Nothing else is copied: who closes a copy of a file gives up all locks of its process on that file, SQLite's too (fcntl(2)).
    """
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _far_end(one: socket.socket) -> tuple[str, int] | None:
    """As gRPC writes it: a socket for both families names an IPv4 address as a mapped one."""
    name = one.getpeername()
    return (name[0].removeprefix(_MAPPED), name[1]) if isinstance(name, tuple) else None
