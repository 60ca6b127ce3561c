"""One gossip node as a process: commands come in, and events go out, as lines of JSON."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from random import Random

from sgnus.adapters.gossip import Libp2pGossip
from sgnus.ports import GossipEvent, GossipReceived


def say(kind: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"is": kind, **fields}) + "\n")
    sys.stdout.flush()


def memory_kb(name: str) -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


async def main(seed: int, topic: str, port: int) -> None:
    gossip = Libp2pGossip(bytes([seed]) * 32, ("127.0.0.1", port), jitter=Random(seed))

    def hear(event: GossipEvent) -> bool:
        if isinstance(event, GossipReceived):
            say("received", payload=event.payload.decode("latin-1"))
        else:
            asyncio.get_running_loop().call_soon(lambda: say("neighbours", peers=gossip.neighbours()))
        return True

    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    addresses = await gossip.start(hear)
    gossip.subscribe(topic)
    say("listening", address=addresses[0], peer=gossip.peer_id)
    while line := await reader.readline():
        command = json.loads(line)
        match command["do"]:
            case "connect":
                gossip.connect(command["address"])
            case "disconnect":
                gossip.disconnect(command["peer"])
            case "publish":
                gossip.publish(topic, command["payload"].encode("latin-1"))
            case "report":
                used = resource.getrusage(resource.RUSAGE_SELF)
                say(
                    "report",
                    cpu_ms=int((used.ru_utime + used.ru_stime) * 1000),
                    rss_kb=memory_kb("Rss"),
                    pss_kb=memory_kb("Pss"),
                    counters=dict(gossip.counters()),
                )
    await gossip.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
