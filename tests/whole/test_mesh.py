"""Twelve nodes, all connected with all, many times over: an earlier mesh of this kind hung now and then."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedEnvelope
from sgnus.ports import PeerLost
from sgnus.wire.codec import decode, encode
from tests.ports.peers_support import Greeter, introduce, nodes_of, until

NODES = 12
ROUNDS = 50
# A hang lasts for ever; a round takes a second, or thirty on a machine with too much to do.
ROUND_S_MAX = 90.0
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1200)
def test_twelve_nodes_mesh_fifty_times_in_a_row() -> None:
    async def rounds() -> None:
        for _ in range(ROUNDS):
            async with asyncio.timeout(ROUND_S_MAX):
                await mesh_once()

    asyncio.run(rounds())


async def mesh_once() -> None:
    async with nodes_of("grpc") as nodes:
        parties = [await nodes.start(Greeter, number + 1) for number in range(NODES)]
        introduce(*parties)
        names = [party.peer for party in parties]
        for party in parties:
            for name in names:
                party.peers.open(name)
        await until(lambda: all(party.has_met(names) for party in parties), "all met", ROUND_S_MAX)


@pytest.mark.timeout(400)
def test_twelve_processes_mesh_and_stop() -> None:
    asyncio.run(processes())


async def processes() -> None:
    started = [await start(number + 1) for number in range(NODES)]
    try:
        async with asyncio.timeout(300):
            records = [record for process in started for record in (await hear(process))["records"]]
            for process in started:
                tell(process, records=records)
            for process in started:
                assert (await hear(process))["meshed"]
            for process in started:
                tell(process, stop=1)
            for process in started:
                assert (await hear(process))["stopped"]
                assert await process.wait() == 0
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.timeout(200)
def test_a_killed_process_is_told_as_a_loss_without_waiting_for_silence() -> None:
    async def story() -> None:
        async with nodes_of("grpc") as nodes:
            party = await nodes.start(Greeter, 1)
            process = await start(2)
            try:
                [record] = (await hear(process))["records"]
                other = decode(SignedEnvelope, base64.b64decode(record))
                party.peers.admit(other)
                party.peers.open(PeerId(other.author))
                ours = base64.b64encode(encode(party.peers.address)).decode()
                tell(process, records=[record, ours])
                await until(lambda: party.has_met([PeerId(other.author)]), "a stream", ROUND_S_MAX)
                losses = len(party.told(PeerLost))
                process.kill()
                await until(lambda: len(party.told(PeerLost)) > losses, "the loss")
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()

    asyncio.run(story())


async def start(number: int) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    script = ("-W", "error", "-m", "tests.whole.mesh_node", str(number))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return await asyncio.create_subprocess_exec(
        sys.executable, *script, stdin=pipe, stdout=pipe, env=environment, cwd=ROOT, limit=2**20
    )


async def hear(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, f"process {process.pid} ended early"
    said: dict[str, Any] = json.loads(line)
    return said


def tell(process: asyncio.subprocess.Process, **what: object) -> None:
    assert process.stdin is not None
    process.stdin.write((json.dumps(what) + "\n").encode())
