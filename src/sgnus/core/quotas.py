"""How many entries of a job stay: limits that nest in each other, so that what is kept never depends on the order of arrival.

docs/protocol/database.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import EntryKind
from sgnus.wire.entry import OpenedEntry

NO_SLOT: Final = -1
CONVICTIONS: Final = 1
"""Slot of the FRAUDs by the job's own author: they bar the accused, and nothing that others say may take their place."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many entries of one kind stay: of one author with one body, of one author, in one slot, and of the job."""

    per_body: int
    per_author: int
    per_slot: int
    per_job: int


# Two, where only one may exist: the second is the proof that the author signed both.
_QUOTAS: Final[Mapping[EntryKind, Quota]] = MappingProxyType(
    {
        EntryKind.REVISE: Quota(per_body=1, per_author=2, per_slot=2, per_job=2),
        EntryKind.CANCEL: Quota(per_body=1, per_author=1, per_slot=1, per_job=1),
        EntryKind.TAKEN: Quota(per_body=1, per_author=2, per_slot=2, per_job=1 << 20),
        EntryKind.DONE: Quota(per_body=1, per_author=2, per_slot=2, per_job=2),
        EntryKind.ROOM: Quota(per_body=1, per_author=1, per_slot=8, per_job=4096),
        EntryKind.SETTLED: Quota(per_body=1, per_author=2, per_slot=8, per_job=1 << 20),
        EntryKind.FRAUD: Quota(per_body=1, per_author=4, per_slot=64, per_job=192),
    }
)
OF_CONVICTIONS: Final = Quota(per_body=1, per_author=128, per_slot=128, per_job=192)


def slot_of(opened: OpenedEntry, author: PeerId) -> int:
    """The microjob that the entry is about, where its kind names one; `author` is the job's."""
    if opened.entry.kind is EntryKind.FRAUD and opened.author == author:
        return CONVICTIONS
    return getattr(opened.body, "microjob", NO_SLOT)


def quota_of(kind: EntryKind, slot: int) -> Quota:
    """What limits the entries of that kind in that slot."""
    return OF_CONVICTIONS if (kind, slot) == (EntryKind.FRAUD, CONVICTIONS) else _QUOTAS[kind]
