"""The process that is watched: it does what a script says on a real store, and notes in the log what it was told is durable.

`python -m tests.disks.writing FOLDER LOG KIND SEED [weak]`, on top of the library of `library.py`. `weak`: as if the store
committed with synchronous=NORMAL alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgnus.adapters.store import SqliteStore, thread
from tests.disks.library import DiskLog
from tests.disks.script import KINDS, Step, database_of, waves_of


def weaken() -> None:
    """As if no commit were durable."""
    real = sqlite3.connect

    class Weak(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute(
                statement.replace("synchronous = FULL", "synchronous = NORMAL"), *arguments
            )

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, factory=Weak, **options)
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]


async def write(folder: Path, log: DiskLog, kind: str, waves: Sequence[Sequence[Step]]) -> None:
    """All steps, in their order."""
    store, number = SqliteStore(database_of(folder)), 0
    assert not await store.open()
    for wave_number, wave in enumerate(waves, 1):
        await asyncio.gather(*(_do(store, step, number + i, log) for i, step in enumerate(wave)))
        number += len(wave)
        if wave_number % KINDS[kind].waves_per_opening == 0:
            await store.close()
            store = SqliteStore(database_of(folder))
            assert not await store.open()
    await store.close()


async def _do(store: SqliteStore, step: Step, number: int, log: DiskLog) -> None:
    await step.do(store)
    if step.is_durable:
        log.acknowledge(str(number + 1))


def main(arguments: Sequence[str]) -> None:
    folder, log_path, kind, seed, *more = arguments
    thread.LOG_BYTES_TYPICAL = KINDS[kind].log_bytes  # type: ignore[misc]
    if "weak" in more:
        weaken()
    log = DiskLog()
    log.begin(Path(folder), Path(log_path))
    asyncio.run(write(Path(folder), log, kind, waves_of(kind, int(seed))))


if __name__ == "__main__":
    main(sys.argv[1:])
