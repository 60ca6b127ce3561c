"""One gossip node with mDNS, inside a network namespace; prints `connected` when it has found its neighbour."""

from __future__ import annotations

import asyncio
import sys
from random import Random

from sgnus.adapters.discovery import MdnsDiscovery
from sgnus.adapters.gossip import Libp2pGossip
from sgnus.messages.ids import NetworkId


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def main(seed: int, host: str, network: str) -> None:
    gossip = Libp2pGossip(bytes([seed]) * 32, (host, 0), jitter=Random(seed))
    addresses = await gossip.start(lambda _: True)
    discovery = MdnsDiscovery(NetworkId(network), addresses, gossip.connect)
    await discovery.start()
    say("ready")
    while not gossip.neighbours():  # noqa: ASYNC110 - the other process decides when
        await asyncio.sleep(0.01)
    say("connected", *gossip.neighbours())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await discovery.stop()
    await gossip.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
