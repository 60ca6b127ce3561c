"""A disk that refuses: `python -m tests.disks.faults FOLDER store|node ERRNO HOW`, on top of the library.

The same work is done again and again on a new folder; each time the next call that changes the disk fails, until the work ends
before that call comes. What fails must be told as WorldFault (a node that
cannot start may say UserFault), what was acknowledged must be there after a restart, and the disk must be usable again. It
prints one line of JSON for each run, and leaves the log of each in FOLDER, for cuts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from sgnus.adapters.store import SqliteStore, thread
from sgnus.messages.errors import UserFault, WorldFault
from sgnus.messages.ids import BlockId
from sgnus.runtime import engine
from tests.disks.library import NEVER, DiskLog, How
from tests.disks.node_cuts import Acknowledged
from tests.disks.offline_node import offline_node, sub_blocks
from tests.disks.script import database_of, home_of

WAVES: Final = 10
LOG_BYTES: Final = 24_000
NAMESPACE: Final = "votes"
DELIVERED: Final = 4
RETRY_MS: Final = 5
ABOUT_HEARD_MS: Final = 200
"""So long a member waits here; the engine goes on trying."""


@dataclass(slots=True)
class Run:
    """What one run saw. `acknowledged` are words of the log; `wrong`: what must not be, in sentences."""

    call: int
    calls: int = 0
    refused: int = 0
    acknowledged: list[list[Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, error: Exception) -> None:
        self.refused += 1
        if not isinstance(error, WorldFault):
            place = "".join(traceback.format_exception(error)[-4:])
            self.wrong.append(f"call {self.call} was told as {error!r}: {place}")


def facts_of(number: int) -> dict[str, bytes]:
    """Two facts that are written together."""
    dice = Random(number)
    size = dice.choice((20, 200, 6_000))
    return {f"{number}/a": dice.randbytes(size), f"{number}/b": dice.randbytes(10)}


# ---- the store alone
async def use_store(folder: Path, log: DiskLog, run: Run) -> None:
    """Open it, write facts that are numbered, close it halfway, go on, close it."""
    number = 0
    for half in range(2):
        store = SqliteStore(database_of(folder))
        try:
            notices = await store.open()
        except WorldFault as fault:
            run.note(fault)
            continue
        run.wrong += [f"call {run.call}: {notice}" for notice in notices]
        dice = Random(half)
        for _ in range(WAVES // 2):
            wave = range(number, number + dice.choice((1, 1, 2, 4)))
            number = wave.stop
            await asyncio.gather(*(_write(store, one, log, run, is_durable=one % 3 != 1) for one in wave))
        await store.close()


async def _write(store: SqliteStore, number: int, log: DiskLog, run: Run, *, is_durable: bool) -> None:
    try:
        await store.put_facts(NAMESPACE, facts_of(number), durable=is_durable)
    except Exception as error:  # noqa: BLE001 - any other than the ones allowed is what we look for
        run.note(error)
        return
    if is_durable:
        run.acknowledged.append(["fact", number])
        log.acknowledge(json.dumps(["fact", number]))


async def missing_in_store(folder: Path, acknowledged: Sequence[Sequence[Any]]) -> list[str]:
    """What is wrong with the store after a restart."""
    store = SqliteStore(database_of(folder))
    wrong = list(await store.open())
    facts = await store.facts(NAMESPACE)
    found = {int(key.split("/")[0]) for key in facts}
    wrong += [f"fact {number} is lost" for _kind, number in acknowledged if number not in found]
    for number in found:
        if {key: facts.get(key) for key in facts_of(number)} != facts_of(number):
            wrong.append(f"fact {number} is half there")
    await store.put_facts(NAMESPACE, {"-1/a": b"well again"})
    await store.close()
    return wrong


# ---- a whole node
async def use_node(folder: Path, log: DiskLog, run: Run) -> None:
    """Start it, submit a job, deliver some of it, stop it."""

    def acknowledge(*word: Any) -> None:
        run.acknowledged.append(list(word))
        log.acknowledge(json.dumps(word))

    try:
        async with offline_node(home_of(folder)) as node:
            acknowledge("node", node.name)
            block_id = await node.submit(0)
            acknowledge("job", block_id, 0)
            if block_id not in node.parts.core.publications:  # It will be looked at later.
                run.refused += 1
                return
            todo = sub_blocks(node.job(block_id).plan)[:DELIVERED]
            for where in todo:
                try:
                    async with asyncio.timeout(ABOUT_HEARD_MS / 1000):
                        await node.deliver(block_id, *where)
                except TimeoutError:
                    run.refused += 1
                    continue
                except Exception as error:  # noqa: BLE001 - any other than the ones allowed is what we look for
                    run.note(error)
                    continue
                acknowledge("held", block_id, *where)
    except UserFault as fault:
        run.refused += 1
        if str(home_of(folder)) not in str(fault):
            run.wrong.append(f"call {run.call} was told as {fault!r}")
    except Exception as error:  # noqa: BLE001 - any other than the ones allowed is what we look for
        run.note(error)


async def missing_in_node(folder: Path, acknowledged: Sequence[Sequence[Any]]) -> list[str]:
    """What is wrong with the node after a restart, once it has taken another job."""
    told = Acknowledged()
    for word in acknowledged:
        told.take(*word)
    wrong = [
        word for word in await told.missing_on(home_of(folder)) if "came back with what it holds" not in word
    ]
    async with offline_node(home_of(folder)) as node:
        block_id = await node.submit(1)
        await node.deliver(BlockId(block_id), 0, 0)
    return wrong


USES: Final = {"store": (use_store, missing_in_store), "node": (use_node, missing_in_node)}


async def one_run(folder: Path, log: DiskLog, kind: str, call: int, refusal: tuple[int, How]) -> Run:
    """The work on a new folder, with that call refused, and then a restart on a disk that works."""
    run, (use, missing) = Run(call), USES[kind]
    watched = folder / f"{call}"
    watched.mkdir()
    log.begin(watched, folder / f"{call}.log")
    log.refuse(call, *refusal)
    await use(watched, log, run)
    run.calls = log.calls()
    log.end()
    log.refuse(NEVER, 0, How.ONCE)
    try:
        run.wrong += [f"call {call}: {word}" for word in await missing(watched, run.acknowledged)]
    except Exception as error:  # noqa: BLE001 - any other than the ones allowed is what we look for
        run.wrong.append(f"call {call}, after the restart: {error!r}")
    shutil.rmtree(watched)
    return run


async def all_runs(folder: Path, kind: str, refusal: tuple[int, How]) -> None:
    """A run for each call, until one is done before its call came."""
    log, call = DiskLog(), 0
    while True:
        run = await one_run(folder, log, kind, call, refusal)
        words = {name: getattr(run, name) for name in ("call", "calls", "refused", "acknowledged", "wrong")}
        sys.stdout.write(json.dumps(words) + "\n")
        if run.calls <= call:
            return
        call += 1


def main(arguments: Sequence[str]) -> None:
    folder, kind, error, how = arguments
    thread.LOG_BYTES_TYPICAL = LOG_BYTES  # type: ignore[misc]
    engine.DISK_RETRY_MS = RETRY_MS  # type: ignore[misc]
    logging.disable(logging.CRITICAL)  # The node logs each fault, which is what is wanted here.
    asyncio.run(all_runs(Path(folder), kind, (int(error), How[how])))


if __name__ == "__main__":
    main(sys.argv[1:])
