"""The thread that owns the database file: it takes all that waits, runs it as one transaction, then answers.

Durability: SQLite in WAL mode with synchronous=NORMAL loses acknowledged rows on power loss, FULL does not. A batch that
holds anything durable is committed with FULL; the fsync covers what was written before it too.

What a disk refused once it may have lost for good, whatever later calls say: after a failure the log is written again before
anything else is. SQLite would pass over a failure to move its log into the database, so we move it ourselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sgnus.adapters.store.file import BUSY_MS_MAX, LOG, close_file, open_file, world_fault, write_log_again
from sgnus.messages.errors import OurFault, WorldFault

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

BATCH_MAX: Final = 1_024
LOG_BYTES_TYPICAL: Final = 4 * 1024 * 1024
"""Once the log is so long it is moved into the database."""
FLUSHED: Final = (
    "INSERT INTO meta VALUES ('flushes', 1) ON CONFLICT DO UPDATE SET value = excluded.value + meta.value"
)
"""SQLite does not flush a commit that changes nothing, also where what it repeats was never flushed: this always changes."""
# A caller's mistakes, as sqlite3 and Python report them; the thread must outlive them.
_BAD_CALLS: Final = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    TypeError,
    ValueError,
    OverflowError,
    LookupError,
    AttributeError,
)


@dataclass(slots=True)
class _Task:
    """One call: what to do, how safely, and whom to tell."""

    work: Work
    durable: bool
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class StoreThread:
    """Runs functions of a connection, in the order of the calls, each answered after its commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(path.name + LOG)
        self._is_in_doubt = False
        """Something failed since the log was last known to be on disk as far as it was flushed."""
        self._is_behind = False
        """There are commits that were not flushed."""
        self._long_bytes = LOG_BYTES_TYPICAL
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> Sequence[str]:
        """Start; returns what the operator must read. WorldFault when the file cannot be opened."""
        if self._thread is not None:
            raise OurFault("the store is open already")
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Sequence[str]] = loop.create_future()
        self._thread = threading.Thread(
            target=self._serve, args=(loop, opened), name="sgnus-store", daemon=True
        )
        self._thread.start()
        try:
            return await opened
        except WorldFault:
            self._thread.join()
            self._thread = None
            raise

    async def close(self) -> None:
        """Commit what waits, close the file, end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._tasks.put(None)
            await asyncio.to_thread(thread.join)

    async def do(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """What `work` returns, once it is committed."""
        if self._thread is None:
            raise WorldFault(f"the database {self._path} is closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._tasks.put(_Task(work, durable, loop, answer))
        return await answer

    # ---- in the store's own thread
    def _serve(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[Sequence[str]]) -> None:
        try:
            connection, notices = open_file(self._path)
        except (sqlite3.Error, OSError) as error:
            fault = world_fault(self._path, error)
            loop.call_soon_threadsafe(_fail, opened, fault)
            return
        loop.call_soon_threadsafe(_succeed, opened, notices)
        more = True
        while more:
            batch, more = self._next_batch()
            if batch:
                self._commit(connection, batch)
                _answer(batch)
                self._move_log(connection)
        self._close(connection)

    def _next_batch(self) -> tuple[list[_Task], bool]:
        batch: list[_Task] = []
        task = self._tasks.get()
        while task is not None:
            batch.append(task)
            if len(batch) >= BATCH_MAX or self._tasks.empty():
                return batch, True
            task = self._tasks.get()
        return batch, False

    def _commit(self, connection: sqlite3.Connection, batch: list[_Task]) -> None:
        """Run the batch as one transaction. Nobody is told anything before the commit."""
        is_durable = any(task.durable for task in batch)
        level = "FULL" if is_durable else "NORMAL"
        try:
            self._settle_doubt()
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("BEGIN")
            for task in batch:
                _run(connection, task)
            if is_durable and self._is_behind:
                connection.execute(FLUSHED)
            connection.execute("COMMIT")
            self._is_behind = not is_durable
        except (sqlite3.Error, OSError) as error:
            self._is_in_doubt = True
            _roll_back(connection)
            for task in batch:
                task.error = task.error or error
        for task in batch:
            if isinstance(task.error, sqlite3.Error | OSError):
                task.error = world_fault(self._path, task.error)

    def _settle_doubt(self) -> None:
        """OSError while the disk still refuses."""
        if self._is_in_doubt:
            write_log_again(self._path)
            self._is_in_doubt = False

    def _move_log(self, connection: sqlite3.Connection) -> None:
        """Into the database, when it has become long. If that fails, all is in the log still."""
        try:
            log_bytes = self._log.stat().st_size
            if self._is_in_doubt or log_bytes < self._long_bytes:
                return
            connection.execute(
                "PRAGMA busy_timeout = 0"
            )  # Whoever reads the file meanwhile does not hold us up.
            is_busy, _pages, _moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS_MAX}")
            self._long_bytes = LOG_BYTES_TYPICAL + (log_bytes if is_busy else 0)
            if not is_busy:
                # Now empty, and that must be on disk before it is begun anew: half of a new head before old commits looks
                # like damage.
                write_log_again(self._path)
        except (sqlite3.Error, OSError):
            self._is_in_doubt = True

    def _close(self, connection: sqlite3.Connection) -> None:
        """SQLite moves the log, which must be whole for that. Where the disk refuses, the next opening does it."""
        with contextlib.suppress(OSError):
            self._settle_doubt()
        close_file(connection)


def _run(connection: sqlite3.Connection, task: _Task) -> None:
    """One task in a savepoint of its own: what is wrong with it alone does not take its neighbours along."""
    connection.execute("SAVEPOINT task")
    try:
        task.result = task.work(connection)
    except _BAD_CALLS as error:
        task.error = OurFault(f"the store was asked for what cannot be: {error!r}")
        connection.execute("ROLLBACK TO task")
    connection.execute("RELEASE task")


def _roll_back(connection: sqlite3.Connection) -> None:
    """Whatever failed, the next batch begins anew."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return  # the next BEGIN fails, and says so


def _answer(batch: list[_Task]) -> None:
    """Tell each loop once, not once per task."""
    for loop in dict.fromkeys(task.loop for task in batch):
        mine = [task for task in batch if task.loop is loop]
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:
            continue  # the loop is closed: nobody waits any more


def _resolve(tasks: list[_Task]) -> None:
    for task in tasks:
        if task.error is not None:
            _fail(task.answer, task.error)
        else:
            _succeed(task.answer, task.result)


def _succeed(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
