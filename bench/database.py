"""What the job database costs: catching up, listing, admitting, comparing, and a busy network.

    python -m bench database
    python bench/database.py [catch-up | list | compare | network]

Prints wall and CPU seconds of this process, which has both sides. Signatures, SQLite files, codecs and, for catching up, peers'
calls over TLS are real; `network` joins twelve databases by queues (`python -m bench submits` asks twelve nodes). BENCH_QUICK=1
takes a tenth, and fewer jobs to list.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

from bench._figures import Target, is_quick, show
from bench._proc import enter_own_network, loopback_bytes
from sgnus.adapters.peers.node import GrpcPeers, Self
from sgnus.adapters.store import SqliteStore
from sgnus.core.id_index import IdSnapshot
from sgnus.core.reconcile import Session
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId, PeerId
from sgnus.messages.v1.types import (
    ArraySpec,
    Cut,
    Edge,
    EntryBatch,
    EntryKind,
    GossipMessage,
    JobBody,
    OutputSpec,
    Parameter,
    Policy,
    Processor,
    ReconcileStep,
    Verify,
)
from sgnus.ports import Duplex, PeerService
from sgnus.runtime.database import Database
from sgnus.runtime.serving import steps_of
from sgnus.wire.codec import decode, encode
from sgnus.wire.entry import check_signature, open_entry, seal_entry

NETWORK: Final = NetworkId("00" * 16)
PEER: Final = PeerId("a neighbour")
LIFE_MS: Final = 24 * 3600 * 1000


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def job_body(number: int) -> JobBody:
    return JobBody(
        name=f"job {number}",
        processor=Processor(
            id="builtin:sobel@1", parameters=(Parameter(name="radius", value="2"),), profile=50
        ),
        array=ArraySpec(shape=(8192, 8192), dtype="uint8"),
        cut=Cut(tile=(256, 256), halo=(1, 1), edge=Edge.REFLECT, chunks_per_sub_block=32),
        output=OutputSpec(dtype="uint8"),
        manifest_root=bytes(32),
        deadline_ms=60_000,
        policy=Policy(verify=Verify.NONE, samples_permille=0, verifiers=0, min_members=1),
        nonce=number.to_bytes(16, "big"),
        created_ms=clock_ms(),
    )


def identity(number: int) -> Identity:
    return Identity.from_seed(number.to_bytes(32, "big"))


def job_raw(number: int, authors: int = 12) -> bytes:
    return seal_entry(
        identity(1 + number % authors),
        NETWORK,
        EntryKind.JOB,
        None,
        job_body(number),
        seq=number,
        expires=clock_ms() + LIFE_MS + number,
    )


def database(number: int, path: Path, publish: Callable[[bytes], None] = lambda _: None) -> Database:
    return Database(
        SqliteStore(path),
        identity(1_000 + number),
        NETWORK,
        clock_ms=clock_ms,
        publish=publish,
        on_change=lambda _: None,
    )


class Stopwatch:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


def say(what: str, value: str) -> None:
    print(f"{what:<64} {value}", flush=True)


class Reconciling:
    """A node's service to its peers, as far as it compares databases."""

    def __init__(self, one: Database) -> None:
        self._database = one

    def may_call(self, peer: PeerId, method: str) -> bool:
        return True

    async def reconcile(self, peer: PeerId, duplex: Duplex) -> None:
        await self._database.reconcile(steps_of(duplex), duplex.send, peer, is_asked=True)


@asynccontextmanager
async def peers_of(*databases: Database) -> AsyncIterator[list[GrpcPeers]]:
    """A door to peers for each database, all of which know each other."""
    doors = [
        GrpcPeers(Self(identity=identity(1_000 + number), network=NETWORK, boot=time.time_ns()))
        for number in range(len(databases))
    ]
    for door, one in zip(doors, databases, strict=True):
        service = cast(PeerService, Reconciling(one))
        await door.start(service, lambda _: True, host="127.0.0.1", port=0)
    for door in doors:
        for other in doors:
            if other is not door:
                door.admit(other.address)
    try:
        yield doors
    finally:
        for door in doors:
            await door.stop()


async def reconcile(one: Database, door: GrpcPeers, other: PeerId) -> int:
    """Compare with a peer; returns the bytes that crossed the loopback, TLS included."""
    before = loopback_bytes(os.getpid())
    async with door.calls.reconcile(other) as duplex:
        await one.reconcile(steps_of(duplex), duplex.send, other)
    return loopback_bytes(os.getpid()) - before


def bench_parts(raws: Sequence[bytes]) -> None:
    watch = Stopwatch()
    opened = [open_entry(raw, NETWORK) for raw in raws]
    say(
        "open an entry (decode, canonical form, types, CID)",
        f"{watch.read()[1] / len(raws) * 1e6:.0f} us CPU",
    )
    watch = Stopwatch()
    assert all(check_signature(one) for one in opened)
    say("check a signature", f"{watch.read()[1] / len(raws) * 1e6:.0f} us CPU")


async def bench_catch_up(home: Path) -> None:
    missed = 1_000 if is_quick() else 10_000
    raws = [job_raw(number) for number in range(missed)]
    bench_parts(raws[:2_000])
    full, empty = database(0, home / "full.db"), database(1, home / "empty.db")
    await full.start()
    await empty.start()
    watch = Stopwatch()
    await full.receive(raws, PEER)
    wall, cpu = watch.read()
    say(f"admit {missed:,} jobs, batched", f"{missed / wall:.0f}/s, {cpu / missed * 1e6:.0f} us CPU each")
    async with peers_of(full, empty) as (_door, door):
        watch = Stopwatch()
        sent = await reconcile(empty, door, identity(1_000).peer_id)
        wall, cpu = watch.read()
        assert empty.counters()["entries"] == missed
        show(f"a node that missed {missed:,} jobs catches up", wall, "s", Target(5))
        say("  that is, with both sides", f"{cpu:.2f} CPU-s, {sent:,} bytes on the wire")
        watch = Stopwatch()
        sent = await reconcile(empty, door, identity(1_000).peer_id)
        say("the two compared again", f"{watch.read()[0] * 1e3:.1f} ms, {sent:,} bytes")
    await full.stop()
    await empty.stop()


async def bench_list(home: Path) -> None:
    one = database(3, home / "list.db")
    await one.start()
    count = 5_000 if is_quick() else 100_000
    raws = [job_raw(number) for number in range(count)]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watch = Stopwatch()
    for start in range(0, count, 1_000):
        await one.receive(raws[start : start + 1_000], PEER)
    wall, cpu = watch.read()
    say(f"{count:,} jobs admitted", f"{wall:.1f} s, {cpu:.1f} CPU-s")
    say(
        "memory that this took, at most",
        f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024:.0f} MiB",
    )
    for label, limit in (("first", 100), ("first", 1_000)):
        watch = Stopwatch()
        views = await one.open_jobs(limit)
        wall, cpu = watch.read()
        say(
            f"list the {label} {limit} of {count:,} open jobs, cold",
            f"{wall * 1e3:.1f} ms, {cpu * 1e3:.1f} CPU-ms",
        )
        assert len(views) == limit
        times = []
        for _ in range(5):
            watch = Stopwatch()
            await one.open_jobs(limit)
            times.append(watch.read()[0])
        say(f"list the {label} {limit} of {count:,} open jobs, again", f"{sorted(times)[2] * 1e3:.2f} ms")
    await one.stop()
    watch = Stopwatch()
    again = database(3, home / "list.db")
    await again.start()
    wall, cpu = watch.read()
    say(f"start on {count:,} jobs", f"{wall * 1e3:.0f} ms, {cpu * 1e3:.0f} CPU-ms")
    await again.stop()


def entry_id(number: int) -> bytes:
    return (1_800_000_000_000 + number % 1_000).to_bytes(8, "big") + identity_free_digest(number)


def identity_free_digest(number: int) -> bytes:
    return (number * 0x9E3779B97F4A7C15 % 2**256).to_bytes(32, "little")


def compare(ours: list[bytes], theirs: list[bytes]) -> tuple[float, int]:
    """Wall seconds and bytes of the turns of two sessions (no bodies)."""
    sides = [Session(IdSnapshot(b"".join(sorted(ids)))) for ids in (ours, theirs)]
    watch, total, to = Stopwatch(), 0, 1
    step: ReconcileStep | None = sides[0].begin()
    while step is not None:
        data = encode(step)
        total += len(data)
        step = sides[to].receive(decode(ReconcileStep, data)).answer
        to = 1 - to
    return watch.read()[0], total


def bench_compare() -> None:
    ids = [entry_id(number) for number in range(100_000)]
    for label, ours, theirs in (
        ("equal", ids, ids),
        ("one missing", ids, ids[:-1]),
        ("100 + 100 scattered", ids[100:], ids[:-100]),
    ):
        wall, total = compare(ours, theirs)
        say(f"compare two sets of 100,000 ids: {label}", f"{wall * 1e3:.1f} ms, {total:,} bytes")


async def bench_network(home: Path, nodes: int = 12, per_second: int = 200, seconds: int = 5) -> None:
    """Each submits its share; what one publishes the others receive, as gossip would bring it."""
    inboxes: list[asyncio.Queue[bytes]] = [asyncio.Queue() for _ in range(nodes)]

    def publisher(me: int) -> Callable[[bytes], None]:
        def publish(payload: bytes) -> None:
            for number, inbox in enumerate(inboxes):
                if number != me:
                    inbox.put_nowait(payload)

        return publish

    databases = [database(100 + n, home / f"net{n}.db", publisher(n)) for n in range(nodes)]
    for one in databases:
        await one.start()

    async def listen(me: int) -> None:
        while True:
            body = decode(GossipMessage, await inboxes[me].get()).body
            assert isinstance(body, EntryBatch)
            await databases[me].receive(body.entries, PEER)

    listeners = [asyncio.create_task(listen(number)) for number in range(nodes)]
    watch, submits = Stopwatch(), []
    for number in range(per_second * seconds):
        await asyncio.sleep(max(0.0, number / per_second - watch.read()[0]))
        submit = databases[number % nodes].submit(EntryKind.JOB, None, job_body(number))
        submits.append(asyncio.create_task(submit))
    await asyncio.gather(*submits)
    wall, cpu = watch.read()
    say(
        f"{nodes} databases take {per_second} submits a second ({len(submits)} in {wall:.1f} s)",
        f"{cpu / wall:.2f} cores, {cpu / wall / nodes * 100:.1f} % of a core a node",
    )
    while any(one.counters()["entries"] < len(submits) for one in databases):
        await asyncio.sleep(0.1)
        left = sum(one.counters()["gossip_left_out"] for one in databases)
        if left or watch.read()[0] > seconds + 30:
            break
    wall, _ = watch.read()
    held = min(one.counters()["entries"] for one in databases)
    messages = sum(one.counters()["gossip_messages"] for one in databases)
    say(
        "all of them in every database after", f"{wall:.1f} s ({held} of {len(submits)}, {messages} messages)"
    )
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    for one in databases:
        await one.stop()


def main(names: Sequence[str] = ()) -> None:
    enter_own_network()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if not names or "catch-up" in names:
            asyncio.run(bench_catch_up(home))
        if not names or "compare" in names:
            bench_compare()
        if not names or "list" in names:
            asyncio.run(bench_list(home))
        if not names or "network" in names:
            asyncio.run(bench_network(home, seconds=1 if is_quick() else 5))


if __name__ == "__main__":
    main(sys.argv[1:])
