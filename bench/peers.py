"""Peer gRPC between two processes: messages, pieces, reset, memory. `python -m bench peers`."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from bench._figures import is_quick
from sgnus.adapters.peers.budget import StreamAllowance
from sgnus.adapters.peers.node import GrpcPeers, Self
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.limits import DATA_BYTES_TYPICAL
from sgnus.messages.v1.types import (
    OutputsHeader,
    ReadChunksRequest,
    SignedEnvelope,
    SignedKind,
    WriteOutputsReply,
)
from sgnus.ports import PeerConnected, PeerEvent, PeerLost, PeerSent, PeerService
from sgnus.wire.codec import decode, encode

NETWORK = NetworkId("00" * 16)
MESSAGES = 2_000 if is_quick() else 20_000
MESSAGE = bytes(200)
PIECES = 40 if is_quick() else 400
KILLS = 1 if is_quick() else 5
STREAMS = 11
PIECE = bytes(DATA_BYTES_TYPICAL)
CHUNKS = ReadChunksRequest(job="j", microjob=0, instance="i", sub_block=0, output=False)
HEADER = OutputsHeader(
    record=SignedEnvelope(kind=SignedKind.RECORD, author="a", payload=b"p", signature=b"s"),
    salt_seed=b"s",
    digests=b"",
)


class Service:
    """Serves pieces, and drops what is written."""

    def may_call(self, peer: PeerId, method: str) -> bool:
        return True

    async def read_chunks(
        self, peer: PeerId, request: ReadChunksRequest
    ) -> AsyncIterator[bytes | memoryview]:
        for _ in range(PIECES):
            yield PIECE

    async def write_outputs(
        self, peer: PeerId, header: OutputsHeader, pieces: AsyncIterator[bytes]
    ) -> WriteOutputsReply:
        async for _ in pieces:
            pass
        return WriteOutputsReply(refused="dropped")


class Node:
    """A node that counts what it hears."""

    def __init__(self, number: int) -> None:
        who = Identity.from_seed(number.to_bytes(32, "big"))
        self.peer = who.peer_id
        # What the stream itself can do: nothing here is too much.
        allowance = StreamAllowance(*[1 << 40] * 4)
        self.peers = GrpcPeers(Self(identity=who, network=NETWORK, boot=time.time_ns(), allowance=allowance))
        self.heard = 0
        self.expected = 0
        self.happened: asyncio.Queue[PeerEvent] = asyncio.Queue()

    async def start(self) -> None:
        await self.peers.start(cast(PeerService, Service()), self.deliver, host="127.0.0.1", port=0)

    def deliver(self, event: PeerEvent) -> bool:
        if isinstance(event, PeerSent):
            self.heard += 1
            if self.heard % MESSAGES == 0:
                self.peers.send(event.peer, b"all", urgent=True)
        if not isinstance(event, PeerSent) or event.payload == b"all":
            self.happened.put_nowait(event)
        return True

    async def wait(self, kind: type[PeerEvent]) -> float:
        """Until such an event came; when it was."""
        async with asyncio.timeout(60):
            while not isinstance(await self.happened.get(), kind):
                pass
        return time.perf_counter()


class Other:
    """Nodes in another process."""

    def __init__(self, process: asyncio.subprocess.Process, records: list[SignedEnvelope]) -> None:
        self.process = process
        self.records = records
        self.peers = [PeerId(record.author) for record in records]

    @classmethod
    async def start(cls, near: Node, first: int, count: int) -> Other:
        pipe = asyncio.subprocess.PIPE
        ours = base64.b64encode(encode(near.peers.address)).decode()
        command = (sys.executable, "-m", "bench.peers", "serve", str(first), str(count), ours)
        root = Path(__file__).parents[1]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, limit=2**20, cwd=root
        )
        assert process.stdout is not None
        told: list[str] = json.loads(await process.stdout.readline())
        records = [decode(SignedEnvelope, base64.b64decode(text)) for text in told]
        for record in records:
            near.peers.admit(record)
        return cls(process, records)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


async def serve(first: int, count: int, record: str) -> None:
    nodes = [Node(first + number) for number in range(count)]
    for node in nodes:
        await node.start()
        node.peers.admit(decode(SignedEnvelope, base64.b64decode(record)))
    print(json.dumps([base64.b64encode(encode(n.peers.address)).decode() for n in nodes]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for node in nodes:
        await node.peers.stop()


def pss_kb() -> int:
    """Proportional set size of this process."""
    lines = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure_messages(near: Node, peer: PeerId) -> None:
    begun, cpu = time.perf_counter(), cpu_s()
    for number in range(MESSAGES):
        assert near.peers.send(peer, MESSAGE)
        if number % 2_000 == 1_999:
            await asyncio.sleep(0.02)
    seconds = await near.wait(PeerSent) - begun
    print(f"messages of 200 bytes: {MESSAGES / seconds:,.0f}/s, "
          f"{(cpu_s() - cpu) / MESSAGES * 1e6:.1f} us of CPU each at the sender")  # fmt: skip


async def measure_pieces(near: Node, peer: PeerId) -> None:
    megabytes = PIECES * len(PIECE) / 1e6
    for _ in range(2):
        begun, cpu = time.perf_counter(), cpu_s()
        async for _piece in near.peers.calls.read_chunks(peer, CHUNKS):
            pass
        seconds, used = time.perf_counter() - begun, cpu_s() - cpu
    print(
        f"read_chunks, 512 KiB a piece: {megabytes / seconds:,.0f} MB/s, reader {used / megabytes * 1e3:.2f} CPU-ms/MB"
    )

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield PIECE

    begun, cpu = time.perf_counter(), cpu_s()
    await near.peers.calls.write_outputs(peer, HEADER, pieces())
    seconds, used = time.perf_counter() - begun, cpu_s() - cpu
    print(
        f"write_outputs, 512 KiB a piece: {megabytes / seconds:,.0f} MB/s, writer {used / megabytes * 1e3:.2f} CPU-ms/MB"
    )


async def measure_resets(near: Node) -> None:
    opened, lost = [], []
    for number in range(KILLS):
        other = await Other.start(near, 100 + number, 1)
        begun = time.perf_counter()
        near.peers.open(other.peers[0])
        opened.append(await near.wait(PeerConnected) - begun)
        await asyncio.sleep(0.1)
        begun = time.perf_counter()
        other.process.send_signal(signal.SIGKILL)
        lost.append(await near.wait(PeerLost) - begun)
        near.peers.remove(other.peers[0])
        await other.kill()
    print(f"open to connected: {statistics.median(opened) * 1e3:.0f} ms (median of {KILLS}); "
          f"kill -9 to PeerLost: {statistics.median(lost) * 1e3:.0f} ms, worst {max(lost) * 1e3:.0f} ms")  # fmt: skip


async def measure_memory(near: Node) -> None:
    other = await Other.start(near, 200, STREAMS)
    try:
        before = pss_kb()
        for peer in other.peers:
            near.peers.open(peer)
        for _ in other.peers:
            await near.wait(PeerConnected)
        dialled = pss_kb()
        for peer in other.peers:
            async for _ in near.peers.calls.read_chunks(peer, CHUNKS):
                break
        called = pss_kb()
        print(f"memory (PSS): {before / 1024:.0f} MB with one stream, {(dialled - before) / STREAMS:.0f} KB for a "
              f"dialled one more, {(called - dialled) / STREAMS:.0f} KB for a channel that was just read from")  # fmt: skip
        cpu, begun = cpu_s(), time.perf_counter()
        for _ in range(1 if is_quick() else 5):
            for peer in other.peers:
                near.peers.send(peer, MESSAGE)
            await asyncio.sleep(1)
        share = (cpu_s() - cpu) / (time.perf_counter() - begun)
        print(f"a message a second to each of {STREAMS}: {share:.2%} of a core")
    finally:
        await other.kill()


async def measure() -> None:
    near = Node(1)
    await near.start()
    other = await Other.start(near, 2, 1)
    try:
        near.peers.open(other.peers[0])
        await near.wait(PeerConnected)
        await measure_memory(near)
        await measure_messages(near, other.peers[0])
        await measure_pieces(near, other.peers[0])
        await measure_resets(near)
    finally:
        await other.kill()
        await near.peers.stop()


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
    else:
        main()
