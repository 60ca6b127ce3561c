"""A node that is alone in the world: the Processing service on a unix socket, computing all results itself.

It keeps the contract of `sgnus.frontends.node_main`, and can be run as a process. Its processors: `invert`, `slow`
(inverts when told to), `fail`, `digest` (32 bytes a chunk), and `app:<name>`, which waits for an app.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from sgnus.messages.v1 import sgnus_pb2_grpc
from tests.frontends.fake_rooms import FakeService


class FakeNode:
    """The service behind a socket; `stop` and `start` again are a restart."""

    def __init__(self, home: Path, service: FakeService | None = None) -> None:
        self.home = home
        self.service = service or FakeService()
        self.server: grpc.Server | None = None

    def start(self) -> FakeNode:
        self.home.mkdir(parents=True, exist_ok=True)
        self.service.stopping = False
        self.server = grpc.server(ThreadPoolExecutor(16))
        sgnus_pb2_grpc.add_ProcessingServicer_to_server(self.service, self.server)
        self.server.add_insecure_port(f"unix:{self.home / 'sgnus.sock'}")
        self.server.start()
        service = {"http": 1, "grpc": 1, "socket": str(self.home / "sgnus.sock"), "pid": os.getpid()}
        (self.home / "service.json").write_text(json.dumps(service))
        return self

    def stop(self) -> None:
        assert self.server is not None
        with self.service.changed:
            self.service.stopping = True
            self.service.changed.notify_all()
        self.server.stop(0).wait()
        (self.home / "sgnus.sock").unlink(missing_ok=True)
        (self.home / "service.json").unlink(missing_ok=True)


def main() -> int:
    """Keeps the contract of node_main; with SGNUS_FAKE_REFUSAL in the environment it refuses to start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--peer-port", type=int, default=0)
    parser.add_argument("--discover", action="store_true")
    arguments = parser.parse_args()
    if refusal := os.environ.get("SGNUS_FAKE_REFUSAL"):
        sys.stderr.write(refusal + "\n")
        return 2
    # Blocked and waited for: a handler that sets an Event may run while this very thread holds that Event's lock.
    ends = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    node = FakeNode(arguments.home).start()
    (arguments.home / "arguments.json").write_text(json.dumps(sys.argv[1:]))
    sys.stdout.write(json.dumps({"ready": True, "peer": "12D3KooWFake", "http": "", "socket": ""}) + "\n")
    sys.stdout.flush()
    signal.sigwait(ends)
    node.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
