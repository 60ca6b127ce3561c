"""The sorted ids of a whole database, packed: 40 bytes an entry, nothing for an empty one.

Changes wait in small lists and are merged when somebody reads; a reader keeps its own immutable snapshot meanwhile.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sgnus.wire.entry import ID_BYTES

EMPTY_ID: Final = b""
MERGE_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class IdSnapshot:
    """Sorted ids, end to end. Bounds are ids; the empty upper bound means the end."""

    packed: bytes = b""
    _whole: list[bytes] = field(default_factory=list, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.packed) // ID_BYTES

    def __contains__(self, entry_id: bytes) -> bool:
        place = self.place(entry_id)
        return self.packed[place * ID_BYTES : (place + 1) * ID_BYTES] == entry_id

    def at(self, place: int) -> bytes:
        """The id at a place."""
        return self.packed[place * ID_BYTES : (place + 1) * ID_BYTES]

    def place(self, entry_id: bytes) -> int:
        """How many ids are below `entry_id`."""
        low, high, packed = 0, len(self), self.packed
        while low < high:
            middle = (low + high) // 2
            if packed[middle * ID_BYTES : (middle + 1) * ID_BYTES] < entry_id:
                low = middle + 1
            else:
                high = middle
        return low

    def span(self, lower: bytes, upper: bytes) -> tuple[int, int]:
        """The places from `lower` up to, not including, `upper`."""
        return self.place(lower), self.place(upper) if upper else len(self)

    def ids(self, start: int, stop: int) -> bytes:
        """The ids of those places, end to end."""
        return self.packed[start * ID_BYTES : stop * ID_BYTES]

    def fingerprint(self, start: int, stop: int) -> bytes:
        """sha256 over the ids of those places. The whole set's is computed once."""
        if start == 0 and stop == len(self):
            if not self._whole:
                self._whole.append(hashlib.sha256(self.packed).digest())
            return self._whole[0]
        return hashlib.sha256(memoryview(self.packed)[start * ID_BYTES : stop * ID_BYTES]).digest()


class IdIndex:
    """A set of ids that grows and shrinks."""

    def __init__(self, packed: bytes = b"") -> None:
        self._merged = IdSnapshot(packed)
        self._added: dict[bytes, None] = {}
        self._removed: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._merged) + len(self._added) - len(self._removed)

    def __contains__(self, entry_id: bytes) -> bool:
        if entry_id in self._added:
            return True
        return entry_id not in self._removed and entry_id in self._merged

    def add(self, ids: Iterable[bytes]) -> None:
        """Take ids in; those that are in already stay."""
        for entry_id in ids:
            if entry_id in self._removed:
                del self._removed[entry_id]
            elif entry_id not in self:
                self._added[entry_id] = None
        if len(self._added) > MERGE_MAX:
            self.snapshot()

    def remove(self, ids: Iterable[bytes]) -> None:
        """Take ids out."""
        for entry_id in ids:
            if entry_id in self._added:
                del self._added[entry_id]
            elif entry_id in self:
                self._removed[entry_id] = None
        if len(self._removed) > MERGE_MAX:
            self.snapshot()

    def remove_below(self, floor: bytes) -> None:
        """Take out every id below `floor`."""
        snapshot = self.snapshot()
        self._merged = IdSnapshot(snapshot.packed[snapshot.place(floor) * ID_BYTES :])

    def snapshot(self) -> IdSnapshot:
        """All ids as of now. It never changes."""
        if self._added or self._removed:
            self._merged = IdSnapshot(self._merge())
            self._added, self._removed = {}, {}
        return self._merged

    def _merge(self) -> bytes:
        """Whole slices between the changes are copied at once: the cost is that of the changes, and one copy."""
        old, parts, done = self._merged, [], 0
        added = sorted(self._added)
        changes = sorted([*added, *self._removed])
        for entry_id in changes:
            place = old.place(entry_id)
            parts.append(old.ids(done, place))
            done = place
            if entry_id in self._removed:
                done = place + 1
            else:
                parts.append(entry_id)
        parts.append(old.ids(done, len(old)))
        return b"".join(parts)


def unpack_ids(packed: bytes) -> list[bytes]:
    """One id an item."""
    return [packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES)]


def is_in(sorted_ids: list[bytes], entry_id: bytes) -> bool:
    """Whether `entry_id` is in a sorted list."""
    place = bisect_left(sorted_ids, entry_id)
    return place < len(sorted_ids) and sorted_ids[place] == entry_id
