"""Who hangs up has no connection left, whatever became of the call before."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc.aio

from sgnus.adapters.peers.calls import hang_up
from sgnus.adapters.peers.wires import ClientWire
from sgnus.messages.errors import WorldFault
from tests.database_support import in_loop
from tests.ports.peers_support import until

ESTABLISHED = "01"


def connections(port: int) -> int:
    """Of this process, to that port; both ends counted. Others on this machine may use a port of that number, too."""
    tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    ours = [
        link for file in Path("/proc/self/fd").iterdir() if (link := _target(file)).startswith("socket:[")
    ]
    held = [row for row in rows if row[3] == ESTABLISHED and f"socket:[{row[9]}]" in ours]
    return sum(end.endswith(f":{port:04X}") for row in held for end in row[1:3])


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:
        return ""  # Of the folder that is being read.


class Talker:
    """A server that says something, and ends the call."""

    def __init__(self) -> None:
        self.server = grpc.aio.server()
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.add_generic_rpc_handlers((self,))  # type: ignore[arg-type]

    def service(self, _details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._talk)  # type: ignore[attr-defined]

    async def _talk(self, _requests: Any, context: Any) -> None:
        await context.write(b"what nobody reads")

    def calling(self) -> tuple[Any, Any]:
        channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{self.port}", options=[("grpc.use_local_subchannel_pool", 1)]
        )
        return channel, channel.stream_stream("/a/b")()  # type: ignore[call-arg]


async def write_until_it_fails(wire: ClientWire) -> None:
    async with asyncio.timeout(10):
        while True:
            await wire.write(b"more")


async def call_whose_write_fails(talker: Talker) -> None:
    """Its wire is closed, and nobody has it any more."""
    channel, call = talker.calling()
    wire = ClientWire(call, channel.close)
    with suppress(WorldFault):
        await write_until_it_fails(wire)
    assert connections(talker.port)
    await wire.close()


@in_loop
async def test_a_stream_whose_write_failed_leaves_no_connection_when_it_is_closed() -> None:
    talker = Talker()
    await talker.server.start()
    try:
        for _ in range(3):
            await call_whose_write_fails(talker)
            await until(lambda: not connections(talker.port), "the connection is gone")
    finally:
        await talker.server.stop(None)


@in_loop
async def test_a_call_that_is_over_may_be_hung_up_again() -> None:
    talker = Talker()
    await talker.server.start()
    channel, call = talker.calling()
    while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
        pass
    for _ in range(3):
        hang_up(call)
    await channel.close()
    hang_up(call)
    await talker.server.stop(None)
