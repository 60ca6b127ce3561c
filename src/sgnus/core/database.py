"""Admission to the job database: which entries may be in it at all, whatever else it holds.

Decides, entry by entry: life (not expired, not too far ahead), authority (`core/shelf.py`), quota. States: an entry is
unknown, an orphan (its job is not known yet), kept, or displaced by better ones. It must never admit by the order of
arrival, and must never let an entry of a stranger change a job.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.messages.errors import PeerFault
from sgnus.messages.ids import BlockId
from sgnus.messages.limits import CLOCK_SKEW_MS_MAX, ENTRY_LIFE_MS_MAX
from sgnus.messages.v1.types import EntryKind
from sgnus.wire.entry import OpenedEntry

JOBS_PER_AUTHOR_MAX: Final = 131_072
ENTRIES_MAX: Final = 2_000_000
ORPHANS_MAX: Final = 4_096
ORPHAN_BYTES_MAX: Final = 8 * 1024 * 1024
ROOM_LIFE_MS_MAX: Final = 10 * 60 * 1000
MICROJOB_MAX: Final = 1 << 20
JOB_NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that was not admitted, and why. It is no fault of who brings it if it hangs on what else is held here."""

    cid: BlockId
    reason: str
    is_fault: bool = True


def check_life(opened: OpenedEntry, now_ms: int) -> None:
    """PeerFault if the entry is expired, lives too long, or is out of bounds by itself."""
    entry = opened.entry
    if is_expired(entry.expires, now_ms):
        raise PeerFault("an entry that has expired")
    life = ROOM_LIFE_MS_MAX if entry.kind is EntryKind.ROOM else ENTRY_LIFE_MS_MAX
    if entry.expires > now_ms + life + CLOCK_SKEW_MS_MAX:
        raise PeerFault(f"a {entry.kind.name} that expires more than {life // 60_000} minutes ahead")
    if getattr(opened.body, "microjob", 0) >= MICROJOB_MAX:
        raise PeerFault(f"a microjob beyond {MICROJOB_MAX}")
    if entry.kind is EntryKind.JOB and len(opened.body.nonce) != JOB_NONCE_BYTES:
        raise PeerFault(f"the nonce of a job has {JOB_NONCE_BYTES} bytes")


def is_expired(expires_ms: int, now_ms: int) -> bool:
    """Whether every clock within the skew agrees that this is over."""
    return expires_ms + CLOCK_SKEW_MS_MAX <= now_ms


def expiry_floor(now_ms: int) -> int:
    """Entries that expire below this are expired."""
    return max(0, now_ms - CLOCK_SKEW_MS_MAX + 1)


class Orphans:
    """A bounded ring of entries about jobs that are not known yet; the oldest go first, and reconciliation repairs."""

    def __init__(self, count_max: int = ORPHANS_MAX, bytes_max: int = ORPHAN_BYTES_MAX) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._ring: OrderedDict[BlockId, OpenedEntry] = OrderedDict()
        self._by_job: dict[BlockId, list[BlockId]] = {}
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._ring)

    def __contains__(self, opened: OpenedEntry) -> bool:
        return opened.cid in self._ring

    def add(self, opened: OpenedEntry) -> None:
        """Keep it for a while."""
        if opened.cid in self._ring:
            return
        self._ring[opened.cid] = opened
        self._by_job.setdefault(opened.job, []).append(opened.cid)
        self._bytes += len(opened.raw)
        while len(self._ring) > self._count_max or self._bytes > self._bytes_max:
            self._forget(next(iter(self._ring)))
            self.dropped += 1

    def claim(self, job: BlockId) -> Sequence[OpenedEntry]:
        """Take out what waited for `job`."""
        return [self._forget(cid) for cid in list(self._by_job.get(job, ()))]

    def remove_expired(self, now_ms: int) -> None:
        """Forget what expired while it waited."""
        for cid, opened in list(self._ring.items()):
            if is_expired(opened.entry.expires, now_ms):
                self._forget(cid)

    def _forget(self, cid: BlockId) -> OpenedEntry:
        opened = self._ring.pop(cid)
        self._bytes -= len(opened.raw)
        waiting = self._by_job[opened.job]
        waiting.remove(cid)
        if not waiting:
            del self._by_job[opened.job]
        return opened
