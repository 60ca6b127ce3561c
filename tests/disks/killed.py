"""`python -m tests.disks.killed FOLDER KILLS SEED MAX`: forks writers on one database, and kills each with SIGKILL.

A writer first looks whether all is there that was acknowledged by those before it, then writes numbered facts, and tells of
each on a pipe once its store says that it is durable. It prints how many were killed and how many facts were acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from sgnus.adapters.store import SqliteStore, thread
from tests.disks.faults import NAMESPACE, facts_of

WORD: Final = struct.Struct(">Q")
AT_ONCE: Final = 3
LOST: Final = 2**63
LOG_BYTES: Final = 100_000


async def write(path: Path, acknowledged: Sequence[int], first: int, pipe: int) -> None:
    """For ever, or until something is missing."""
    store = SqliteStore(path)
    notices = await store.open()
    facts = await store.facts(NAMESPACE)
    for number in acknowledged:
        wanted = facts_of(number)
        if notices or {key: facts.get(key) for key in wanted} != wanted:
            os.write(pipe, WORD.pack(LOST + number))
    while True:
        await asyncio.gather(*(_write(store, number, pipe) for number in range(first, first + AT_ONCE)))
        first += AT_ONCE


async def _write(store: SqliteStore, number: int, pipe: int) -> None:
    await store.put_facts(NAMESPACE, facts_of(number))
    os.write(pipe, WORD.pack(number))


def one_life(path: Path, acknowledged: list[int], first: int, answers: int) -> None:
    """Fork a writer, and kill it as soon as it has told so much."""
    source, pipe = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(source)
        asyncio.run(write(path, acknowledged, first, pipe))
        os._exit(1)
    os.close(pipe)
    for _ in range(answers):
        word = os.read(source, WORD.size)
        if len(word) < WORD.size:
            break
        acknowledged.append(*WORD.unpack(word))
    os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    assert os.WIFSIGNALED(status), f"the writer ended by itself with {status}"
    # What it told before the signal came to it was acknowledged as well.
    while len(word := os.read(source, WORD.size)) == WORD.size:
        acknowledged.append(*WORD.unpack(word))
    os.close(source)


def main(arguments: Sequence[str]) -> None:
    folder, kills, seed, answers_max = arguments
    thread.LOG_BYTES_TYPICAL = LOG_BYTES  # type: ignore[misc]
    dice, acknowledged = Random(int(seed)), list[int]()
    for life in range(int(kills)):
        one_life(Path(folder) / "sgnus.db", acknowledged, life * 1_000, dice.randint(0, int(answers_max)))
        lost = [number - LOST for number in acknowledged if number >= LOST]
        assert not lost, f"after kill {life}: {lost} are lost"
    sys.stdout.write(f"{kills} {len(acknowledged)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
