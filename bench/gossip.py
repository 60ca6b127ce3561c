"""What gossip costs: meshes of processes made again and again, and the CPU, memory and time of one.

python -m bench.gossip mesh --nodes 12 --count 50     each mesh must connect and deliver, else exit status 1
python -m bench.gossip cost --nodes 12 --messages 200
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._figures import is_quick
from tests.ports.gossip_support import ProcessNode, process_nodes, until

TOPIC = "jobprocessing_bench"


async def mesh(nodes: Sequence[ProcessNode]) -> None:
    """Connect all to all, and pass one message from each to all."""
    for index, node in enumerate(nodes):
        for other in nodes[:index]:
            node.say(do="connect", address=other.address)
    await until(lambda: all(len(n.neighbours) == len(nodes) - 1 for n in nodes), "all are connected", 60)
    for index, node in enumerate(nodes):
        node.say(do="publish", payload=f"hello {index}")
    await until(lambda: all(len(n.payloads) == len(nodes) - 1 for n in nodes), "all heard all", 60)


async def mesh_often(nodes: int, count: int) -> int:
    failures = 0
    seconds = []
    for round_ in range(1, count + 1):
        async with process_nodes(nodes, TOPIC) as started:
            began = time.monotonic()
            try:
                await mesh(started)
                seconds.append(time.monotonic() - began)
            except AssertionError as error:
                failures += 1
                print(f"mesh {round_}: {error}; neighbours {[len(n.neighbours) for n in started]}")
        print(f"mesh {round_} of {count}: {failures} failed", flush=True)
    if seconds:
        print(f"meshing {nodes} nodes and 1 message from each: median {statistics.median(seconds):.2f} s, "
              f"slowest {max(seconds):.2f} s")  # fmt: skip
    return failures


async def reports(nodes: Sequence[ProcessNode]) -> list[dict[str, int]]:
    for node in nodes:
        node.report = {}
        node.say(do="report")
    await until(lambda: all(n.report for n in nodes), "all reported")
    return [node.report for node in nodes]


async def cost(count: int, messages: int) -> None:
    async with process_nodes(count, TOPIC) as nodes:
        await mesh(nodes)
        before = await reports(nodes)
        await asyncio.sleep(10)
        idle = await reports(nodes)
        for number in range(messages):
            nodes[number % count].say(do="publish", payload="x" * 300)
            await asyncio.sleep(0.05)
        expected = count - 1 + messages - messages // count
        await until(lambda: all(len(n.payloads) >= expected - 1 for n in nodes), "all heard all", 120)
        after = await reports(nodes)

    def spent(later: list[dict[str, int]], earlier: list[dict[str, int]]) -> float:
        return sum(one["cpu_ms"] - two["cpu_ms"] for one, two in zip(later, earlier, strict=True))

    seconds = messages * 0.05
    idle_share = spent(idle, before) / count / 10_000
    busy = spent(after, idle) - idle_share * seconds * 1000 * count
    print(f"idle: {idle_share:.2%} of a core a node; memory {statistics.median(r['rss_kb'] for r in after) / 1024:.0f} MB RSS, "
          f"{statistics.median(r['pss_kb'] for r in after) / 1024:.0f} MB PSS")  # fmt: skip
    print(f"a message in a full mesh of {count}: {busy / messages / count:.2f} CPU-ms a node, "
          f"{busy / messages:.1f} in all")  # fmt: skip


def import_seconds() -> float:
    program = "import time; t = time.perf_counter(); import sgnus.adapters.gossip.node; print(time.perf_counter() - t)"
    done = [
        float(
            subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
        )
        for _ in range(5)
    ]
    return statistics.median(done)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="cost", choices=["mesh", "cost"])
    parser.add_argument("--nodes", type=int, default=12)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()
    if is_quick():
        options.count, options.messages = 2, 40
    if options.what == "mesh":
        return 1 if asyncio.run(mesh_often(options.nodes, options.count)) else 0
    print(f"import of libp2p and our adapter: {import_seconds():.2f} s")
    asyncio.run(cost(options.nodes, options.messages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
