"""The database file: its schema, its health, and what is said when it fails."""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sgnus.adapters.folders import flush_folder, make_folder
from sgnus.messages.errors import WorldFault

SCHEMA_VERSION: Final = 1
BUSY_MS_MAX: Final = 5_000
CACHE_KIB: Final = 2_048
CHECKED_BYTES_MAX: Final = 32 * 1024 * 1024
CORRUPT_FILES_MAX: Final = 10_000
LOG: Final = "-wal"
BESIDE: Final = (LOG, "-shm", "-journal")
"""What SQLite keeps beside a database, by the ending of its name."""
LOG_HEAD: Final = struct.Struct(">8I")
LOG_MAGIC: Final = 0x377F0682
"""The last bit says in which order of bytes the log is summed; https://sqlite.org/fileformat2.html#walformat"""
FRAME_BYTES_MIN: Final = 24 + 512
COPIED_BYTES: Final = 1 << 20

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, job BLOB NOT NULL, kind INTEGER NOT NULL,
    author TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE INDEX entries_by_job ON entries (job);
CREATE TABLE jobs (
    job BLOB PRIMARY KEY, id BLOB NOT NULL UNIQUE, author TEXT NOT NULL, open INTEGER NOT NULL,
    priority INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_open ON jobs (priority DESC, id) WHERE open = 1;
CREATE INDEX jobs_by_author ON jobs (author, id);
CREATE TABLE facts (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
INSERT INTO meta VALUES ('closed', 1);
"""
SETTLED: Final = 7
"""`EntryKind.SETTLED`: a partial index serves a query only that has the number in its text."""
# What came later and changes nothing for whoever does not know it.
ADDED: Final = f"CREATE INDEX IF NOT EXISTS entries_settled ON entries (job) WHERE kind = {SETTLED}"


class CorruptFile(sqlite3.DatabaseError):
    """The file is a database no more."""


def open_file(path: Path) -> tuple[sqlite3.Connection, Sequence[str]]:
    """A connection to a sound database of our schema, and what the operator must be told."""
    try:
        return _connect(path), ()
    except sqlite3.DatabaseError as error:
        if not _is_corruption(error):
            raise
    aside = _set_aside(path)
    notice = (
        f"The database {path} was corrupt. It was set aside as {aside}, and an empty one begun: this node's own"
        " jobs come back from their folders, others' from peers; what only the database knew (its votes, say) is in the file"
        " set aside."
    )
    return _connect(path), (notice,)


def close_file(connection: sqlite3.Connection) -> None:
    """Close, and note that it was closed in order. A disk that fails now has nothing more to lose."""
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("UPDATE meta SET value = 1 WHERE key = 'closed'")
    except sqlite3.Error:
        pass  # the next opening checks the file
    finally:
        connection.close()


def write_log_again(path: Path) -> None:
    """Write the bytes of the database's log over themselves, and flush them. OSError if the disk refuses.

    After a flush that failed, Linux takes what it could not write for written, and the next flush succeeds without it. A
    commit is lost with those before it in the log: none may count as durable until they were written anew.
    """
    try:
        descriptor = os.open(path.with_name(path.name + LOG), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        at = 0
        while data := os.pread(descriptor, COPIED_BYTES, at):
            at += os.pwrite(descriptor, data, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def world_fault(path: Path, error: BaseException) -> WorldFault:
    """A sentence: what is wrong with which file, and what to do."""
    text = str(error)
    if "full" in text or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return WorldFault(
            f"The disk that holds {path} is full: free some space; nothing acknowledged is lost."
        )
    if isinstance(error, OSError) and "schema" in text:
        return WorldFault(
            f"The database {text}: use the version of sgnus that wrote it, or move the file away."
        )
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return WorldFault(f"The disk that holds {path} does not work ({error.strerror}): look at it.")
    if isinstance(error, OSError) or any(
        word in text for word in ("readonly", "unable to open", "permission")
    ):
        return WorldFault(
            f"The database {path} cannot be written ({text}): check the permissions of its folder."
        )
    if isinstance(error, sqlite3.DatabaseError) and _is_corruption(error):
        return WorldFault(f"The database {path} is corrupt ({text}): restart the node, which sets it aside.")
    if "locked" in text:
        return WorldFault(f"The database {path} is in use by another process: stop that one first.")
    return WorldFault(f"The database {path} failed: {text}.")


def _connect(path: Path) -> sqlite3.Connection:
    make_folder(path.parent)
    _check_log(path)
    if not path.exists():
        _begin(path)
    # Another process may have had a flush of it fail, and ended: see there.
    write_log_again(path)
    connection = _connection(path)
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise CorruptFile("file is malformed: it is empty")
        if version != SCHEMA_VERSION:
            raise OSError(f"{path} has schema {version}, this program knows schema {SCHEMA_VERSION}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "PRAGMA wal_autocheckpoint = 0"
        )  # It would not tell of a failure; see `thread.py`.
        _prepare(connection, path)
        flush_folder(path.parent)  # SQLite does so for a new log, and passes over a failure.
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS_MAX / 1000)


def _begin(path: Path) -> None:
    """An empty database, which gets its name once it is whole on disk: a file without our schema is thus a damaged one."""
    fresh = path.with_name(f"{path.name}.new")
    for suffix in ("", *BESIDE):
        path.with_name(fresh.name + suffix).unlink(missing_ok=True)
    connection = _connection(fresh)
    try:
        # Not in a log: SQLite does not tell if it fails to move one into the database when it closes.
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    fresh.rename(path)
    flush_folder(path.parent)


def _check_log(path: Path) -> None:
    """CorruptFile if there are commits in the log that SQLite would pass over without a word.

    It takes a log without a sound head for an empty one, but flushes the head before it writes anything behind it.
    """
    log = path.with_name(path.name + LOG)
    if not log.exists() or log.stat().st_size < LOG_HEAD.size + FRAME_BYTES_MIN:
        return
    if not path.exists():
        raise CorruptFile(f"file is malformed: only its log {log.name} is there")
    with log.open("rb") as file:
        head = file.read(LOG_HEAD.size)
    magic, *rest = LOG_HEAD.unpack(head)
    order = ">" if magic & 1 else "<"
    first = second = 0
    words = struct.unpack(f"{order}6I", head[:24])
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    if magic & ~1 != LOG_MAGIC or rest[-2:] != [first, second]:
        raise CorruptFile(f"file is malformed: the head of its log {log.name} is damaged")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(ADDED)
    row = connection.execute("SELECT value FROM meta WHERE key = 'closed'").fetchone()
    if row != (1,) or path.stat().st_size <= CHECKED_BYTES_MAX:
        # A bad page would else be found much later, and by a caller. Reading all of a big file takes long, so a big one
        # is checked only when it was not closed in order.
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise CorruptFile(f"file is malformed: {verdict}")
    connection.execute("UPDATE meta SET value = 0 WHERE key = 'closed'")


def _is_corruption(error: sqlite3.DatabaseError) -> bool:
    text = str(error)
    return "malformed" in text or "not a database" in text or "no such table" in text


def _set_aside(path: Path) -> Path:
    """Rename the file and what belongs to it to the first free `<name>.corrupt-<n>`."""
    for number in range(1, CORRUPT_FILES_MAX):
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        if not any(aside.with_name(aside.name + suffix).exists() for suffix in ("", *BESIDE)):
            break
    else:
        raise OSError(f"too many files {path.name}.corrupt-<n> beside {path}: delete some")
    # The file first: a log alone is told of at the next start, a sound file without its log would not be.
    for suffixes in (("",), BESIDE):
        for suffix in suffixes:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        flush_folder(path.parent)
    return aside
