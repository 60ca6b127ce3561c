"""Ending one connection of the gRPC server, which has no call for that: the socket is found by its far end, and shut down."""

from __future__ import annotations

import contextlib
import os
import re
import socket
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
        # Descriptors come and go while we look; a copy of our own keeps the one that we look at from becoming another's.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as one:
            if one.type == socket.SOCK_STREAM and _far_end(one) == end:
                one.shutdown(socket.SHUT_RDWR)
                is_found = True
    return is_found


def _far_end(one: socket.socket) -> tuple[str, int] | None:
    """As gRPC writes it: a socket for both families names an IPv4 address as a mapped one."""
    name = one.getpeername()
    return (name[0].removeprefix(_MAPPED), name[1]) if isinstance(name, tuple) else None
