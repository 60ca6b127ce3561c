"""Attackers of a node's open ports: `python -m tests.whole.raw_bytes HOME NETWORK MULTIADDR PEER_PORT SECONDS SEED`.

Every lane throws its kind of bytes at one door, again and again until the time is up, and counts its rounds; what is not
answered, or cut off, is what a lane expects. All dice are seeded. At its end the process prints the rounds as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from sgnus.adapters.peers.certificates import make_leaf
from sgnus.crypto.identity import Identity
from sgnus.frontends.service.calls import LOCAL_CALLS
from sgnus.frontends.service.places import TOKEN_NAME, read_service
from tests.fuzz.targets import TARGETS
from tests.whole.raw_libp2p import INSIDERS, Insider, known_seed

ANSWER_S: Final = 2.0
HELD_AT_ONCE: Final = 150
HELD_ROUNDS: Final = 30
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, RESET, DATA = 4, 1, 3, 0
END_HEADERS, END_STREAM = 4, 1
LOST: Final = (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError)


@dataclass(frozen=True)
class Doors:
    """Where the attacked node listens, and what its owner knows."""

    libp2p: int
    peers: int
    http: int
    grpc: int
    socket: str
    token: str


@dataclass(frozen=True)
class Lane:
    """One attacker: its dice, its door, and for how long."""

    dice: Random
    doors: Doors
    end_s: float
    leaf: ssl.SSLContext
    count: Callable[[], None]
    """To be called once a round has begun: the door was open."""

    @property
    def is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self.end_s

    async def throw(self, port: int | str, *parts: bytes, tls: bool = False, pause_s: float = 0.0) -> bytes:
        """Connect, write all parts, and read what comes within a moment."""
        reader, writer = await opened(port, self.leaf if tls else None)
        self.count()
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                if pause_s:
                    await asyncio.sleep(pause_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S / 10):
                    return await reader.read(4_096)
            return b""
        finally:
            writer.close()

    def garbage(self, most: int = 4_096) -> bytes:
        return self.dice.randbytes(self.dice.randint(1, most))

    def mutated(self, data: bytes) -> bytes:
        """`data` with some bytes changed, put in or cut out."""
        changed = bytearray(data)
        for _ in range(self.dice.randint(1, 4)):
            at = self.dice.randint(0, len(changed))
            changed[at : at + self.dice.choice((0, 1, 9))] = self.dice.randbytes(self.dice.choice((0, 1, 5)))
        return bytes(changed)


async def opened(
    port: int | str, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(10 * ANSWER_S):
        if isinstance(port, str):
            return await asyncio.open_unix_connection(port)
        return await asyncio.open_connection("127.0.0.1", port, ssl=tls)


# ---- libp2p, before anybody has said who it is
def line(text: bytes) -> bytes:
    return bytes([len(text) + 1]) + text + b"\n"


HELLO: Final = line(b"/multistream/1.0.0")
TO_NOISE: Final = HELLO + line(b"/noise")


async def libp2p_random(lane: Lane) -> None:
    await lane.throw(lane.doors.libp2p, lane.garbage())


async def libp2p_negotiates(lane: Lane) -> None:
    """A recording of the beginning, changed; lines that announce up to 2^63 bytes, proposals of nothing."""
    huge = b"\xff" * lane.dice.randint(1, 8) + b"\x7f"
    tail = lane.dice.choice(
        (huge, line(b"ls") * 40, line(b"/nothing") * 200, b"\x00", line(b"\xff\xfe"), lane.garbage())
    )
    start = lane.dice.choice((b"", HELLO, lane.mutated(TO_NOISE)))
    await lane.throw(lane.doors.libp2p, start, tail)


async def libp2p_noise(lane: Lane) -> None:
    """As far as noise, and then no handshake; the first message of one may be right."""
    first = lane.dice.choice((b"\x00\x20" + lane.dice.randbytes(32), b"\xff\xff", b"\x00\x00"))
    await lane.throw(lane.doors.libp2p, TO_NOISE, first, lane.dice.randbytes(2) + lane.garbage(60_000))


# ---- any TCP door
def trickling(door: str, start: bytes) -> Callable[[Lane], Awaitable[None]]:
    """One byte at a time."""

    async def trickle(lane: Lane) -> None:
        parts = [bytes([byte]) for byte in start[: lane.dice.randint(1, 30)]]
        await lane.throw(getattr(lane.doors, door), *parts, pause_s=0.1)

    return trickle


def holding(door: str, start: bytes) -> Callable[[Lane], Awaitable[None]]:
    """Very many connections that say little and then nothing."""

    async def hold(lane: Lane) -> None:
        port = getattr(lane.doors, door)
        held = await asyncio.gather(
            *(opened(port, None) for _ in range(HELD_AT_ONCE)), return_exceptions=True
        )
        writers = [one[1] for one in held if not isinstance(one, BaseException)]
        if writers:
            lane.count()
        for writer in writers:
            writer.write(start[: lane.dice.randint(0, len(start))])
        for _ in range(HELD_ROUNDS):
            if not lane.is_over:
                await asyncio.sleep(0.1)
        for writer in writers:
            writer.close()

    return hold


# ---- HTTP/2 and gRPC
def h2(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def headers(stream: int, path: bytes, flags: int = END_HEADERS) -> bytes:
    """A gRPC call's headers, each literal and never indexed."""
    said = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"x", b"te": b"trailers"}
    said[b"content-type"] = b"application/grpc"
    block = b"".join(b"\x00" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in said.items())
    return h2(HEADERS, flags, stream, block)


def call(lane: Lane) -> bytes:
    """The path of a call of either service, or of none."""
    name = lane.dice.choice(LOCAL_CALLS).name
    return lane.dice.choice(
        (
            b"/sgnus.v1.Peer/ReadBranch",
            b"/sgnus.v1.Peer/Exchange",
            b"/sgnus.v1.Processing/" + name.encode(),
            b"/x",
        )
    )


async def h2_garbage(lane: Lane, port: int | str, *, tls: bool = False) -> None:
    """The preface, and then frames that are none."""
    frames = [
        h2(lane.dice.randrange(12), lane.dice.randrange(256), lane.dice.randrange(9), lane.garbage(200))
        for _ in range(lane.dice.randint(1, 30))
    ]
    lie = h2(HEADERS, END_HEADERS, 1, lane.garbage(100), length=lane.dice.randrange(2**24))
    await lane.throw(
        port, PREFACE + h2(SETTINGS, 0, 0), b"".join(frames), lane.dice.choice((b"", lie)), tls=tls
    )


async def h2_rapid_reset(lane: Lane, port: int | str, *, tls: bool = False) -> None:
    """Calls that are taken back as soon as they are made (CVE-2023-44487)."""
    cancel = (8).to_bytes(4, "big")
    calls = b"".join(
        headers(2 * number + 1, call(lane)) + h2(RESET, 0, 2 * number + 1, cancel) for number in range(500)
    )
    await lane.throw(port, PREFACE + h2(SETTINGS, 0, 0), calls, tls=tls)


async def h2_bodies(lane: Lane, port: int | str, *, tls: bool = False) -> None:
    """Right calls with wrong bodies: units of the fuzzers' corpora, changed."""
    parts = [PREFACE + h2(SETTINGS, 0, 0)]
    for stream in range(1, 41, 2):
        body = lane.mutated(lane.dice.choice(TARGETS["grpc"].corpus_units()))[1:]
        said = lane.dice.choice((b"\0" + len(body).to_bytes(4, "big"), b"\1\xff\xff\xff\xff"))
        parts += [headers(stream, call(lane)), h2(DATA, END_STREAM, stream, said + body)]
    await lane.throw(port, b"".join(parts), tls=tls)


async def tls_garbage(lane: Lane) -> None:
    """A client's first words of TLS, changed, and random bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLError):
        lane.leaf.wrap_bio(incoming, outgoing).do_handshake()
    await lane.throw(lane.doors.peers, lane.dice.choice((lane.mutated(outgoing.read()), lane.garbage())))


# ---- HTTP
async def http_requests(lane: Lane) -> None:
    """Without the token, with a wrong one, and with the right one and a wrong body; heads of any size."""
    dice, path = (
        lane.dice,
        lane.dice.choice([each.http_path for each in LOCAL_CALLS] + ["/metrics", "/%00", "*"]),
    )
    token = dice.choice(("", "Bearer wrong", "Bearer " + lane.doors.token, "Bearer é" * 3))
    body = lane.mutated(dice.choice(TARGETS["http"].corpus_units()))[1:]
    claimed = dice.choice((len(body), len(body), 2**40, -1))
    head = (
        f"{dice.choice(('POST', 'POST', 'GET', 'HEAD'))} {path} HTTP/1.1\r\nHost: 127.0.0.1:{lane.doors.http}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {claimed}\r\n"
    )
    if token:
        head += f"Authorization: {token}\r\n"
    if dice.randrange(8) == 0:
        head += "X-Long: " + "a" * dice.choice((10_000, 100_000)) + "\r\n"
    raw = head.encode() + b"\r\n" + body
    await lane.throw(lane.doors.http, lane.mutated(raw) if dice.randrange(3) == 0 else raw)


async def http_random(lane: Lane) -> None:
    await lane.throw(lane.doors.http, lane.garbage())


LANES: Final[dict[str, Callable[[Lane], Awaitable[None]]]] = {
    "libp2p: random bytes": libp2p_random,
    "libp2p: negotiation": libp2p_negotiates,
    "libp2p: noise": libp2p_noise,
    "libp2p: a byte at a time": trickling("libp2p", TO_NOISE),
    "libp2p: held": holding("libp2p", TO_NOISE),
    "peers: TLS garbage": tls_garbage,
    "peers: held": holding("peers", b"\x16\x03\x01"),
    "peers: HTTP/2 garbage": lambda lane: h2_garbage(lane, lane.doors.peers, tls=True),
    "peers: rapid reset": lambda lane: h2_rapid_reset(lane, lane.doors.peers, tls=True),
    "peers: bodies": lambda lane: h2_bodies(lane, lane.doors.peers, tls=True),
    "gRPC: HTTP/2 garbage": lambda lane: h2_garbage(lane, lane.doors.grpc),
    "gRPC: rapid reset": lambda lane: h2_rapid_reset(lane, lane.doors.grpc),
    "gRPC: bodies without a token": lambda lane: h2_bodies(lane, lane.doors.grpc),
    "gRPC: held": holding("grpc", PREFACE),
    "socket: HTTP/2 garbage": lambda lane: h2_garbage(lane, lane.doors.socket),
    "socket: rapid reset": lambda lane: h2_rapid_reset(lane, lane.doors.socket),
    "socket: bodies": lambda lane: h2_bodies(lane, lane.doors.socket),
    "HTTP: requests": http_requests,
    "HTTP: random bytes": http_random,
    "HTTP: a byte at a time": trickling("http", b"POST /v1/jobs HTTP/1.1\r\nHost: x"),
    "HTTP: held": holding("http", b"POST /v1/jobs HTTP/1.1\r\nHost: x"),
}


async def ride(name: str, lane: Lane) -> None:
    """One lane: a round at least, and others until its time is up."""
    while True:
        with suppress(*LOST):
            await LANES[name](lane)
        if lane.is_over:
            return
        await asyncio.sleep(0.02)  # Else the attackers would take the cores from whom they attack.


def stranger_tls() -> ssl.SSLContext:
    """TLS as a peer speaks it, with a leaf of a key that the node has heard of, whom it takes for nobody special."""
    leaf = make_leaf(Identity.from_seed(known_seed()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with tempfile.NamedTemporaryFile() as file:
        file.write(leaf.key_pem + leaf.certificate_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def attack(doors: Doors, insider: Insider, seconds: float, seed: int) -> Counter[str]:
    """All lanes at once."""
    rounds: Counter[str] = Counter()
    thread = threading.Thread(target=insider.run, args=(seconds, rounds), daemon=True)
    thread.start()
    end_s, tls = asyncio.get_running_loop().time() + seconds, stranger_tls()
    lanes = [
        ride(name, Lane(Random(f"{seed} {name}"), doors, end_s, tls, partial(rounds.update, [name])))
        for name in LANES
    ]
    await asyncio.gather(*lanes)
    await asyncio.to_thread(thread.join)
    return rounds


def doors_of(home: Path, multiaddr: str, peers: int) -> Doors:
    service = read_service(home)
    assert service is not None
    token = (home / TOKEN_NAME).read_text().strip()
    return Doors(int(multiaddr.split("/")[4]), peers, service.http, service.grpc, service.socket, token)


def main() -> None:
    """The rounds of each lane on standard output."""
    home, network, multiaddr, peers, seconds, seed = sys.argv[1:]
    doors, insider = doors_of(Path(home), multiaddr, int(peers)), Insider(multiaddr, network, int(seed))
    rounds = asyncio.run(attack(doors, insider, float(seconds), int(seed)))
    sys.stdout.write(json.dumps({name: rounds[name] for name in (*LANES, *INSIDERS)}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # Whatever the library still holds open ends with the process.


if __name__ == "__main__":
    main()
