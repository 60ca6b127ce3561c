"""Attackers behind noise: a real handshake, and then frames, streams and sessions that are none."""

from __future__ import annotations

import json
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import trio
from libp2p.host.ping import ID as PING_ID
from libp2p.identity.identify.identify import ID as IDENTIFY_ID

from sgnus.adapters.gossip.router import MESHSUB
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import NetworkId
from sgnus.messages.topics import ADDRESS_TOPIC
from sgnus.messages.v1.types import Endpoint, GossipMessage
from sgnus.wire.codec import encode
from sgnus.wire.envelope import seal_address
from tests.fuzz.targets import TARGETS
from tests.ports.gossip_attacker import _connected, frame, signed

ROUND_S_MAX: Final = 5.0
KNOWN: Final = 77
YAMUX: Final = struct.Struct("!BBHII")
Script = Callable[["Insider", Any, Any], Awaitable[None]]


def known_seed() -> bytes:
    """The seed of the one attacker that tells its address, and so is known."""
    return bytes([KNOWN]) * 32


class Insider:
    """Connects, does one thing, and goes; again and again."""

    def __init__(self, address: str, network: str, seed: int) -> None:
        self.dice = Random(f"{seed} insider")
        self._address = address
        self._network = NetworkId(json.loads(Path(network).read_text())["id"])

    def run(self, seconds: float, rounds: Counter[str]) -> None:
        """In a thread of its own."""
        trio.run(self._run, time.monotonic() + seconds, rounds)

    async def _run(self, end_s: float, rounds: Counter[str]) -> None:
        while True:
            for name, script in INSIDERS.items():
                # Whatever the node answers, or does not: an attacker goes on.
                with suppress(Exception), trio.move_on_after(ROUND_S_MAX):
                    async with _connected(self.dice.choice((KNOWN, 78, 79)), self._address) as (host, peer):
                        rounds[name] += 1
                        await script(self, host, peer)
            if time.monotonic() >= end_s:
                return

    def known_address(self) -> bytes:
        """The address record of the known attacker, as gossip carries it."""
        record = seal_address(
            Identity.from_seed(known_seed()),
            self._network,
            endpoints=(Endpoint(host="127.0.0.1", port=9),),
            sequence=time.time_ns() // 1_000_000,
            expires_ms=time.time_ns() // 1_000_000 + 3_600_000,
        )
        return encode(GossipMessage(body=record))


def muxer_of(host: Any, peer: Any) -> Any:
    return host.get_network().connections[peer][0].muxed_conn


async def announces(insider: Insider, host: Any, peer: Any) -> None:
    """What makes the known one known, and messages that are none on topics that the node listens to."""
    stream = await host.new_stream(peer, [MESHSUB])
    sequence = time.time_ns()
    await stream.write(frame(signed(KNOWN, ADDRESS_TOPIC, insider.known_address(), sequence)))
    for number, unit in enumerate(TARGETS["gossip"].corpus_units(), 1):
        await stream.write(frame(signed(KNOWN, ADDRESS_TOPIC, unit, sequence + number)))
    await stream.write(insider.dice.randbytes(300))


async def breaks_noise(insider: Insider, host: Any, peer: Any) -> None:
    """Bytes that are no ciphertext, on a session that stands."""
    raw = muxer_of(host, peer).secured_conn.conn.read_writer.read_write_closer
    await raw.write(insider.dice.randbytes(5_000))


async def breaks_yamux(insider: Insider, host: Any, peer: Any) -> None:
    """Frames of any type, flag, stream and length."""
    dice, secured = insider.dice, muxer_of(host, peer).secured_conn
    for _ in range(dice.randint(1, 200)):
        length = dice.choice((0, 1, 64, 2**18, 2**24, 2**32 - 1))
        said = YAMUX.pack(
            dice.choice((0, 0, 9)), dice.randrange(5), dice.randrange(16), dice.randrange(9), length
        )
        await secured.write(said + dice.randbytes(min(length, 3_000)))


async def floods_streams(insider: Insider, host: Any, peer: Any) -> None:
    """Streams opened and reset with data in them, and one that is sent more than its window."""
    secured = muxer_of(host, peer).secured_conn
    for number in range(1, 400, 2):
        await secured.write(YAMUX.pack(0, 0, 1, number, 50_000) + bytes(50_000))
        await secured.write(YAMUX.pack(0, 1, 8, number, 0))
    await secured.write(YAMUX.pack(0, 1, 1, 401, 0))
    for _ in range(100):
        await secured.write(YAMUX.pack(0, 0, 0, 401, 60_000) + bytes(60_000))


async def breaks_streams(insider: Insider, host: Any, peer: Any) -> None:
    """Protocols that the node speaks, and garbage on their streams."""
    for protocol in (IDENTIFY_ID, PING_ID, MESHSUB):
        stream = await host.new_stream(peer, [protocol])
        await stream.write(insider.dice.randbytes(insider.dice.choice((1, 31, 5_000))))
        if insider.dice.randrange(2):
            await stream.close()


async def breaks_negotiation(insider: Insider, host: Any, peer: Any) -> None:
    """Streams on which no protocol is agreed upon."""
    muxer = muxer_of(host, peer)
    for _ in range(40):
        stream = await muxer.open_stream()
        await stream.write(
            insider.dice.choice(
                (b"\xff" * 9 + b"\x7f", b"\x13/multistream/1.0.0\n", insider.dice.randbytes(99))
            )
        )


INSIDERS: Final[dict[str, Script]] = {
    "insider: announces": announces,
    "insider: noise": breaks_noise,
    "insider: yamux": breaks_yamux,
    "insider: floods": floods_streams,
    "insider: streams": breaks_streams,
    "insider: negotiation": breaks_negotiation,
}
