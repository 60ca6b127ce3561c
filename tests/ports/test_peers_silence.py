"""A connection whose other end was cut off: nothing comes, and nothing says so. Calls must not wait for it for long."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sgnus.adapters.peers import channels
from sgnus.messages.errors import WorldFault
from sgnus.messages.limits import CALL_PING_MS, CALL_PING_MS_MAX, PEER_CALL_MS_MAX
from sgnus.messages.v1.types import Endpoint
from tests.ports.liars import BRANCH, endpoint_of, record_of, run
from tests.ports.peers_support import Nodes, Party, identity

READ_BYTES_MAX = 64 * 1024
ANSWER_S_MAX = 60.0
SOON = {
    "grpc.keepalive_time_ms": 300,
    "grpc.keepalive_timeout_ms": 300,
    "grpc.http2.ping_timeout_ms": 300,
}


class Relay:
    """Carries connections to a node. Those that it has when it stalls stand from then on, and carry nothing."""

    def __init__(self, target: Endpoint) -> None:
        self._target = target
        self._gates: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.connections = 0

    def stall(self) -> None:
        """As a cut does to connections that stand; later ones are carried."""
        for gate in self._gates:
            gate.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Endpoint]:
        """Its own endpoint."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        try:
            yield Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)
        for one, other in ((reader, back), (there, writer)):
            self._tasks.append(asyncio.create_task(_pump(one, other, gate)))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while data := await reader.read(READ_BYTES_MAX):
            await gate.wait()
            writer.write(data)
            await writer.drain()


async def ask(caller: Party, callee: Party) -> None:
    """A small call."""
    assert (await caller.peers.calls.read_branch(callee.peer, BRANCH)).digests


async def ask_in_vain(caller: Party, callee: Party) -> str:
    """Why a call fails; empty if it does not. On a machine that stands still for a moment, any may."""
    try:
        await ask(caller, callee)
    except WorldFault as fault:
        return str(fault)
    return ""


async def ask_until_answered(caller: Party, callee: Party) -> None:
    async with asyncio.timeout(ANSWER_S_MAX):
        while await ask_in_vain(caller, callee):  # noqa: ASYNC110 - a call that fails tells nobody when to try again
            await asyncio.sleep(0.05)


def test_a_call_over_a_connection_that_was_cut_off_ends_soon_and_the_next_one_takes_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "PINGS", tuple(({**dict(channels.PINGS), **SOON}).items()))

    async def story(nodes: Nodes) -> None:
        one, other = await nodes.add(1), await nodes.add(2)
        other.peers.admit(one.peers.address)
        relay = Relay(endpoint_of(other))
        async with relay.running() as endpoint:
            one.peers.admit(record_of(identity(2), other, endpoint=endpoint, sequence=2**40))
            await ask_until_answered(one, other)
            before = relay.connections
            relay.stall()
            begun_s = time.monotonic()
            assert "unreachable" in await ask_in_vain(one, other)
            assert time.monotonic() - begun_s < PEER_CALL_MS_MAX / 2_000
            await ask_until_answered(one, other)
            assert relay.connections > before
            await one.peers.stop()

    run(story)


def test_the_pings_of_calls_find_a_cut_long_before_a_call_is_given_up() -> None:
    chosen = dict(channels.PINGS)
    assert [chosen[name] for name in SOON] == [CALL_PING_MS, CALL_PING_MS_MAX, CALL_PING_MS_MAX]
    assert CALL_PING_MS + CALL_PING_MS_MAX <= PEER_CALL_MS_MAX / 2
