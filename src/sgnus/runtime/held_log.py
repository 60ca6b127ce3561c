"""What a job's folder keeps beside its outputs, so that a job of ours outlives the database: records of bytes, end to end.

A record is its length and the head of its digest, then the bytes. The first that is cut short or damaged ends what is read:
a crash may have torn it, and what comes next is written in its place. The database is what counts; this follows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sgnus.crypto.digests import digest
from sgnus.messages.errors import WorldFault
from sgnus.messages.limits import ENTRY_BYTES_MAX

LENGTH_BYTES: Final = 4
CHECK_BYTES: Final = 8
KEY_LENGTH_BYTES: Final = 2
PLACE_BYTES: Final = 24
RECORD_BYTES_MAX: Final = 2 * ENTRY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """One HELD as the store has it: its key, where its outputs lie (packed), the signed envelope (encoded)."""

    key: str
    place: bytes
    held: bytes

    def pack(self) -> bytes:
        key = self.key.encode()
        return len(key).to_bytes(KEY_LENGTH_BYTES, "big") + key + self.place + self.held

    @staticmethod
    def unpack(data: bytes) -> HeldRecord:
        start = KEY_LENGTH_BYTES + int.from_bytes(data[:KEY_LENGTH_BYTES], "big")
        key = data[KEY_LENGTH_BYTES:start].decode(errors="replace")
        return HeldRecord(key, data[start : start + PLACE_BYTES], data[start + PLACE_BYTES :])


class HeldLog:
    """Append-only. Not flushed: what a power cut takes from it, the database still has, and `runtime/restoring.py` repeats."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end: int | None = None

    def read(self) -> list[HeldRecord]:
        """All whole records, oldest first. WorldFault if the disk refuses."""
        try:
            data = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise WorldFault(f"cannot read {self._path}: {error.strerror}") from error
        records = list(read_records(data))
        self._end = sum(LENGTH_BYTES + CHECK_BYTES + len(record) for record in records)
        return [HeldRecord.unpack(record) for record in records]

    def append(self, records: Sequence[HeldRecord]) -> None:
        """Write them behind the last whole record. WorldFault if the disk refuses; then nothing counts as written."""
        if self._end is None:
            self.read()
        end = self._end or 0
        data = write_records(record.pack() for record in records)
        try:
            with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb", 0) as file:
                file.truncate(end)
                file.seek(end)
                written = 0
                while written < len(data):
                    written += file.write(data[written:])
        except OSError as error:
            raise WorldFault(f"cannot write {self._path}: {error.strerror}") from error
        self._end = end + len(data)


def write_records(records: Iterator[bytes]) -> bytes:
    """Records as bytes."""
    return b"".join(
        len(record).to_bytes(LENGTH_BYTES, "big") + digest(record)[:CHECK_BYTES] + record
        for record in records
    )


def read_records(data: bytes) -> Iterator[bytes]:
    """The whole and sound records that `data` begins with."""
    at, head = 0, LENGTH_BYTES + CHECK_BYTES
    while at + head <= len(data):
        length = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        record = data[at + head : at + head + length]
        if length > RECORD_BYTES_MAX or digest(record)[:CHECK_BYTES] != data[at + LENGTH_BYTES : at + head]:
            return
        yield record
        at += head + length
