"""A node in the foreground: `python -m sgnus.frontends.node_main --home DIR`, until SIGTERM or SIGINT.

Prints one JSON line when it is ready. Ends with status 0, 2 for wrong use and 1 for what the machine refuses; a failure is one
sentence on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sgnus.frontends.logs import FORMATS, log_to_stderr
from sgnus.frontends.shares import permille
from sgnus.messages.errors import SgnusError, UserFault, WorldFault
from sgnus.messages.limits import RECHECK_PERMILLE_DEFAULT, SETTLE_GRACE_MS

# Objects made between two collections, and how many of a generation make one of the next: a sub-block makes thousands.
GC_ALLOCATIONS: Final = 10_000
GC_YOUNG: Final = 20
GC_MIDDLE: Final = 20
# All of them are looked at by the clock: see adapters/heap.py.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit status."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # What a node writes is its owner's alone, also in a home that others may enter.
    # gRPC's core says a line for each bad header of a stranger, who may send any number; what matters reaches us as events.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Our children are begun anew, never forked: gRPC's handlers for forks have nothing to do here, and can fail.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    log_to_stderr(options.log_format, verbose=options.verbose)
    faulthandler.enable(file=2)  # A library that aborts says nothing by itself: at least where it did.
    allow_open_files()
    try:
        asyncio.run(_run(options))
    except UserFault as fault:
        _say(fault, options.log_format)
        return 2
    except WorldFault as fault:
        _say(fault, options.log_format)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def allow_open_files() -> None:
    """As many as this user may have open. Strangers hold connections for the seconds of a handshake, and the usual 1,024
    would be gone before those are over: then neither a peer nor a file of ours could be opened.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(fault: SgnusError, form: str) -> None:
    """The last sentence; for programs it is a record as any other."""
    if form == "json":
        logging.getLogger("sgnus.node").critical("%s", fault)
    else:
        sys.stderr.write(f"{fault}\n")


async def _run(options: argparse.Namespace) -> None:
    from sgnus.frontends.service.local import LocalService
    from sgnus.frontends.service.probes import Probes
    from sgnus.runtime.api import NodeApi
    from sgnus.runtime.figures import Figures
    from sgnus.runtime.health import Health
    from sgnus.runtime.node import Node, NodeOptions

    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, _note_signal, stop, hurry)
    node = Node(
        NodeOptions(
            home=options.home,
            workers=options.workers,
            listen=options.listen,
            port=options.port,
            peer_port=options.peer_port,
            network=options.network,
            discover=options.discover,
            bootstrap=tuple(options.bootstrap),
            announce=tuple(options.announce),
            settle=options.settle,
            settle_grace_ms=options.settle_grace_ms,
            recheck_permille=options.recheck,
        )
    )
    parts = await node.start()
    try:
        service = LocalService(
            NodeApi(parts),
            options.home,
            http_port=options.http_port,
            notices=parts.notices,
            probes=Probes(Health(parts), Figures(parts)),
        )
        try:
            where = await service.start()
            _spare_collector()
            ready = {
                "ready": True,
                "peer": parts.core.pen.peer,
                "http": where.http,
                "socket": where.socket,
                "multiaddrs": list(parts.addresses.own_multiaddrs()),
                "pid": os.getpid(),
                "notices": list(parts.notices),
            }
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            await stop.wait()
            await node.depart(hurry)
        finally:
            await service.stop()
    finally:
        await node.stop()


def _note_signal(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """The first asks to stop in order, a second one not to wait for that."""
    (hurry if stop.is_set() else stop).set()


def _spare_collector() -> None:
    """What was made up to here stays: the cycle collector need not walk it again and again while results pour in."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, GC_YOUNG, GC_MIDDLE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sgnus node run", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of this node")
    parser.add_argument("--network", type=Path, default=None, help="network file (else the home's own)")
    parser.add_argument("--workers", type=int, default=1, help="sandboxed children (0: only serve apps)")
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on for peers")
    parser.add_argument("--port", type=int, default=0, help="gossip port (0: as last time, or any)")
    parser.add_argument(
        "--peer-port", type=int, default=0, help="port for peers' calls (0: as last time, or any)"
    )
    parser.add_argument("--http-port", type=int, default=0, help="port of the local HTTP service (0: any)")
    parser.add_argument("--bootstrap", action="append", default=[], help="multiaddr of a peer to begin with")
    parser.add_argument(
        "--announce", action="append", default=[], help="host to tell peers (else all of --listen)"
    )
    parser.add_argument("--discover", action="store_true", help="find peers of the network on the LAN (mDNS)")
    parser.add_argument(
        "--settle", action="store_true", help="be a SGNUS node: check, audit and settle receipts"
    )
    parser.add_argument("--settle-grace-ms", type=int, default=SETTLE_GRACE_MS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--recheck",
        type=permille,
        default=RECHECK_PERMILLE_DEFAULT,
        metavar="SHARE",
        help="run so much of what others deliver for our jobs again, such as 1%% or 0.005 (0: none)",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.add_argument("--log-format", choices=FORMATS, default="text", help="how to log to standard error")
    return parser


if __name__ == "__main__":
    sys.exit(main())
