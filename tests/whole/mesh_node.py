"""Some nodes of a mesh in a process of their own, driven by lines of JSON on stdin: {"records": [...]}, {"stop": 1}."""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedEnvelope
from sgnus.wire.codec import decode, encode
from tests.ports.peers_support import Greeter, Nodes, until


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def mesh(parties: list[Greeter], records: list[SignedEnvelope]) -> None:
    """Connect with everyone, greet everyone, and hear everyone."""
    names = [PeerId(record.author) for record in records]
    for party in parties:
        for record in records:
            party.peers.admit(record)
        for name in names:
            party.peers.open(name)
    await until(lambda: all(party.has_met(names) for party in parties), "all met", 300.0)


async def main(numbers: list[int]) -> None:
    nodes = Nodes("grpc")
    parties = [await nodes.start(Greeter, number) for number in numbers]
    say(records=[base64.b64encode(encode(party.peers.address)).decode() for party in parties])
    loop = asyncio.get_running_loop()
    asked = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    records = [decode(SignedEnvelope, base64.b64decode(text)) for text in asked["records"]]
    await mesh(parties, records)
    say(meshed=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    await nodes.stop()
    say(stopped=True)


if __name__ == "__main__":
    asyncio.run(main([int(number) for number in sys.argv[1:]]))
