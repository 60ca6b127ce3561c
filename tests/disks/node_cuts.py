"""Power cuts on a whole node without a network: who it is, its jobs with their input, and what it holds outlive every cut."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sgnus.messages.ids import BlockId
from tests.disks.cuts import memory
from tests.disks.disk import Disk, Record, read_log
from tests.disks.library import run_under
from tests.disks.offline_node import OfflineNode, offline_node
from tests.disks.script import home_of


@dataclass(slots=True)
class Acknowledged:
    """What the node had told others when the power was cut."""

    name: str = ""
    jobs: dict[BlockId, int] = field(default_factory=dict)
    held: dict[BlockId, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, kind: str, *word: Any) -> None:
        match kind:
            case "node":
                self.name = word[0]
            case "job":
                self.jobs[word[0]] = word[1]
            case "held":
                self.held.setdefault(word[0], []).append((word[1], word[2]))

    async def missing_on(self, home: Path) -> list[str]:
        """What a node that starts on this home does not know any more."""
        async with offline_node(home) as node:
            return [word async for word in self._missing(node)]

    async def _missing(self, node: OfflineNode) -> Any:
        if self.name and node.name != self.name:
            yield f"it is {node.name} now, and was {self.name}"
        for notice in node.parts.notices:
            yield notice
        for block_id, seed in self.jobs.items():
            await node.parts.background.watch.look(block_id)
            word = await node.verdict(block_id, seed, self.held.get(block_id, []))
            if word:
                yield word


def written_by_node(folder: Path, seed: int) -> list[Record]:
    """What a watched node did to its disk."""
    watched, log = folder / f"node-{seed}", folder / f"node-{seed}.log"
    watched.mkdir()
    run_under("tests.disks.writing_node", [str(watched), str(log), str(seed)])
    shutil.rmtree(watched)
    return read_log(log)


def cut_node(records: list[Record], count: int, seed: int) -> list[str]:
    """So many cuts of one log; sentences on those after which something acknowledged was missing."""
    return asyncio.run(_cut_node(records, count, seed))


async def _cut_node(records: list[Record], count: int, seed: int) -> list[str]:
    dice, disk, told, lost = Random(f"node {seed}"), Disk(), Acknowledged(), []
    places = sorted(dice.randint(0, len(records)) for _ in range(count))
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        for number, (first, place) in enumerate(zip([0, *places], places, strict=False)):
            _take(records[first:place], disk, told)
            target = Path(folder) / "disk"
            target.mkdir()
            disk.cut(dice).write(target)
            if told.name or home_of(target).exists():
                missing = await told.missing_on(home_of(target))
                lost += [f"node, seed {seed}, cut {number} at record {place}: {word}" for word in missing]
            shutil.rmtree(target)
    return lost


def _take(records: Iterable[Record], disk: Disk, told: Acknowledged) -> None:
    for record in records:
        disk.take(record)
        if record.kind == "A":
            told.take(*json.loads(record.data))
