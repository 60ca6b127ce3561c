"""The watched process of a whole node: `python -m tests.disks.writing_node FOLDER LOG SEED`, on top of the library.

It starts, takes jobs of an app and outputs of members, stops, and starts again; the log has what it acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from sgnus.messages.ids import BlockId
from tests.disks.library import DiskLog
from tests.disks.offline_node import OfflineNode, offline_node, sub_blocks
from tests.disks.script import home_of

STARTS: Final = 3

Acknowledge = Callable[..., None]


async def live(folder: Path, acknowledge: Acknowledge, seed: int) -> None:
    """The node's life, in which each start does a part of the work of the jobs so far."""
    dice = Random(seed)
    jobs: dict[BlockId, list[tuple[int, int]]] = {}
    for number in range(STARTS):
        async with offline_node(home_of(folder)) as node:
            acknowledge("node", node.name)
            block_id = await node.submit(number)
            acknowledge("job", block_id, number)
            jobs[block_id] = sub_blocks(node.job(block_id).plan)
            for one in jobs:
                await node.parts.background.watch.look(one)
            while any(jobs.values()) and dice.random() < 0.85:
                wave = [
                    (one, todo.pop(0))
                    for one, todo in jobs.items()
                    for _ in range(dice.choice((0, 1, 3)))
                    if todo
                ]
                await asyncio.gather(*(_deliver(node, acknowledge, *where) for where in wave))


async def _deliver(node: OfflineNode, acknowledge: Acknowledge, job: BlockId, where: tuple[int, int]) -> None:
    await node.deliver(job, *where)
    acknowledge("held", job, *where)


def main(arguments: Sequence[str]) -> None:
    folder, log_path, seed = arguments
    log = DiskLog()
    log.begin(Path(folder), Path(log_path))
    asyncio.run(live(Path(folder), lambda *word: log.acknowledge(json.dumps(word)), int(seed)))


if __name__ == "__main__":
    main(sys.argv[1:])
