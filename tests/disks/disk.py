"""A disk as a power cut leaves it, from the log of what a process did to it.

What was flushed before the cut is there. What was written since may be there or not, whole or in sectors, in whatever order; a
file may have its new length without its new bytes (zeros, or what lay there before). A name that was made, changed or removed
in a folder counts only once that folder was flushed: until then any part of it may be missing, though a rename is one step.
After a flush of a file that failed, what it should have taken to the disk is never sure again, however many succeed later:
Linux forgets that those pages are dirty. (Names are in the file system's journal: that is not forgotten.)
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

HEAD: Final = struct.Struct("<QQQQiHHB7x")
SECTORS_BYTES: Final = (512, 4096)
ROOT: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log; see `disk_log.c`."""

    kind: str
    node: int
    folder: int
    at: int
    error: int
    name: str
    new_name: str
    data: bytes


def read_log(path: Path) -> list[Record]:
    """All records. AssertionError if the process changed a file in a way that is not written down."""
    data, records, at = path.read_bytes(), [], 0
    while at < len(data):
        node, folder, place, data_bytes, error, name_bytes, new_bytes, kind = HEAD.unpack_from(data, at)
        names = at + HEAD.size
        body = names + name_bytes + new_bytes
        name = data[names : names + name_bytes].decode()
        new_name = data[names + name_bytes : body].decode()
        at = body + data_bytes
        records.append(Record(chr(kind), node, folder, place, error, name, new_name, data[body:at]))
        assert chr(kind) != "X", f"the log does not know {name}"
    return records


@dataclass(slots=True)
class Change:
    """One change of a file or folder that is not on disk yet. `is_doubtful`: a flush of it failed."""

    record: Record
    is_safe: bool = False
    is_doubtful: bool = False


@dataclass(slots=True)
class Node:
    """A file or a folder: what is safe, and in their order the changes since."""

    content: bytearray = field(default_factory=bytearray)
    names: dict[str, int] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    flushes: dict[int, int] = field(default_factory=dict)
    is_folder: bool = False

    def begin_flush(self, flush: int) -> None:
        self.flushes[flush] = len(self.changes)

    def end_flush(self, flush: int, error: int) -> None:
        covered = self.flushes.pop(flush)
        for change in self.changes[:covered]:
            if error:
                change.is_doubtful = not change.is_safe and not self.is_folder
            elif not change.is_doubtful:
                change.is_safe = True
        settled = 0
        while settled < len(self.changes) and self.changes[settled].is_safe:
            self.apply(self.changes[settled].record, self.content, self.names)
            settled += 1
        del self.changes[:settled]
        self.flushes = {other: max(0, count - settled) for other, count in self.flushes.items()}

    @staticmethod
    def apply(record: Record, content: bytearray, names: dict[str, int]) -> None:
        """Make the change."""
        match record.kind:
            case "W":
                _lengthen(content, record.at)
                content[record.at : record.at + len(record.data)] = record.data
            case "T":
                _lengthen(content, record.at)
                del content[record.at :]
            case "C" | "M":
                names[record.name] = record.node
            case "U":
                names.pop(record.name, None)
            case "R":
                names.pop(record.name, None)
                names[record.new_name] = record.node


class Disk:
    """Takes records in their order; `cut` says at any time what a power cut would leave."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {ROOT: Node(is_folder=True)}

    def take(self, record: Record) -> None:
        """The process did this."""
        match record.kind:
            case "A":
                return
            case "S":
                self.nodes[record.node].begin_flush(record.at)
            case "E":
                self.nodes[record.node].end_flush(record.at, record.error)
            case "W" | "T":
                self.nodes[record.node].changes.append(Change(record))
            case "C" | "M" | "U" | "R":
                if record.kind in "CM":
                    self.nodes.setdefault(record.node, Node(is_folder=record.kind == "M"))
                self.nodes[record.folder].changes.append(Change(record))
            case _:
                raise AssertionError(f"no such record: {record.kind}")

    def cut(self, dice: Random) -> Image:
        """One disk of the many that the cut may leave."""
        return Image(self.nodes, dice)

    def as_written(self) -> Image:
        """The disk without a cut: all that the process did."""
        return Image(self.nodes, None)


class Image:
    """Files and folders, by their paths below the root."""

    def __init__(self, nodes: dict[int, Node], dice: Random | None) -> None:
        self._nodes = nodes
        self._dice = dice
        self.files: dict[str, bytes] = {}
        self.folders: list[str] = []
        self._known: dict[int, bytes] = {}
        self._fill("", ROOT)

    def write(self, target: Path) -> None:
        """As real files, below an empty folder."""
        for folder in self.folders:
            (target / folder).mkdir(mode=0o700)
        for path, content in self.files.items():
            whole = target / path
            whole.touch(mode=0o600)
            whole.write_bytes(content)

    def name(self) -> bytes:
        """The same for the same files and folders."""
        whole = hashlib.blake2b(repr((self.folders, sorted(self.files))).encode())
        for path in sorted(self.files):
            whole.update(len(self.files[path]).to_bytes(8, "big") + self.files[path])
        return whole.digest()

    def _fill(self, path: str, number: int) -> None:
        names = dict(self._nodes[number].names)
        for change in _kept_names(self._nodes[number].changes, self._dice):
            Node.apply(change.record, bytearray(), names)
        for name, node in sorted(names.items()):
            inner = f"{path}{name}"
            if self._nodes[node].is_folder:
                self.folders.append(inner)
                self._fill(f"{inner}/", node)
            else:
                self.files[inner] = self._content(node)

    def _content(self, number: int) -> bytes:
        if number not in self._known:
            self._known[number] = _content_of(self._nodes[number], self._dice)
        return self._known[number]


def _kept_names(changes: list[Change], dice: Random | None) -> Iterator[Change]:
    """A file system with a journal loses the last changes of a folder; another one any of them."""
    if dice is None:
        yield from changes
        return
    in_order = dice.random() < 0.5
    kept = dice.randint(0, len(changes))
    for place, change in enumerate(changes):
        if change.is_safe or (place < kept if in_order else dice.random() < 0.5):
            yield change


def _content_of(node: Node, dice: Random | None) -> bytes:
    content = bytearray(node.content)
    if dice is None:
        for change in node.changes:
            Node.apply(change.record, content, {})
        return bytes(content)
    fate = dice.choice(FATES)(len(node.changes), dice)
    for place, change in enumerate(node.changes):
        if change.is_safe:
            Node.apply(change.record, content, {})
        else:
            fate(place, change.record, content)
    return bytes(content)


Fate = Callable[[int, Record, bytearray], None]


def _nothing_is_kept(_count: int, _dice: Random) -> Fate:
    return lambda _place, _record, _content: None


def _all_is_kept(_count: int, _dice: Random) -> Fate:
    return lambda _place, record, content: Node.apply(record, content, {})


def _the_first_are_kept(count: int, dice: Random) -> Fate:
    kept = dice.randint(0, count)

    def keep(place: int, record: Record, content: bytearray) -> None:
        if place < kept:
            Node.apply(record, content, {})
        elif place == kept:
            _tear(record, content, dice)

    return keep


def _some_are_kept(_count: int, dice: Random) -> Fate:
    share = dice.random()

    def keep(_place: int, record: Record, content: bytearray) -> None:
        if dice.random() < share:
            Node.apply(record, content, {})

    return keep


def _all_are_torn(_count: int, dice: Random) -> Fate:
    return lambda _place, record, content: _tear(record, content, dice)


FATES: Final = (_nothing_is_kept, _all_is_kept, _the_first_are_kept, _some_are_kept, _all_are_torn)


def _tear(record: Record, content: bytearray, dice: Random) -> None:
    """Some sectors of a write come to the disk, others do not; a length is one step."""
    if record.kind != "W":
        if dice.random() < 0.5:
            Node.apply(record, content, {})
        return
    sector, share = dice.choice(SECTORS_BYTES), dice.random()
    end = record.at + len(record.data)
    has_length = dice.random() < 0.5
    if has_length and end > len(content):
        new_bytes = end - len(content)
        # A file system that does not order lengths and bytes shows what lay on these blocks before.
        content += bytes(new_bytes) if dice.random() < 0.5 else dice.randbytes(new_bytes)
    for start in range(record.at - record.at % sector, end, sector):
        if dice.random() < share:
            first, last = max(start, record.at), min(start + sector, end)
            _lengthen(content, first)
            content[first:last] = record.data[first - record.at : last - record.at]


def _lengthen(content: bytearray, length: int) -> None:
    if len(content) < length:
        content += bytes(length - len(content))
