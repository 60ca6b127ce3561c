"""Which ports a node takes when nobody chose one.

Never the kernel's choice (port 0): it comes out of the range of outgoing connections. Peers dial a node's port again
after it crashed, and on loopback such a dial can be given that very port and connect to itself; the node that comes
back then finds its own port taken.
"""

from __future__ import annotations

from random import SystemRandom
from typing import Final

from sgnus.messages.limits import LISTEN_PORT_MAX, LISTEN_PORT_MIN, LISTEN_TRIES_MAX

_PORTS: Final = range(LISTEN_PORT_MIN, LISTEN_PORT_MAX + 1)


def listen_ports(port: int) -> list[int]:
    """The ports to try in turn: `port`, or for 0 some of those below the kernel's range."""
    return [port] if port else SystemRandom().sample(_PORTS, LISTEN_TRIES_MAX)
