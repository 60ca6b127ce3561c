"""What a job database says, computed the slow and obvious way from the bag of all that was ever offered to it.

Quotas are taken of the whole bag, level by level; the core takes them entry by entry, in the order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final

from sgnus.messages.v1.types import DoneStatus, EntryKind, JobState
from sgnus.wire.entry import OpenedEntry

# Of one author with one body, of one author, in one slot, of the job: docs/protocol/database.md.
KEPT_MAX: Final = {
    EntryKind.REVISE: (1, 2, 2, 2),
    EntryKind.CANCEL: (1, 1, 1, 1),
    EntryKind.TAKEN: (1, 2, 2, 1 << 20),
    EntryKind.DONE: (1, 2, 2, 2),
    EntryKind.ROOM: (1, 1, 8, 4096),
    EntryKind.SETTLED: (1, 2, 8, 1 << 20),
    EntryKind.FRAUD: (1, 4, 64, 64),
}
BY_AUTHOR_ALONE: Final = (EntryKind.REVISE, EntryKind.CANCEL, EntryKind.TAKEN, EntryKind.DONE)
Bag = Sequence[OpenedEntry]


def rank(one: OpenedEntry) -> tuple[int, int, bytes]:
    return one.entry.expires, one.entry.seq, one.digest


def top(bag: Bag, count: int, of: Callable[[OpenedEntry], Hashable], by: Callable[[OpenedEntry], Any]) -> Bag:
    """The best of each group."""
    kept: list[OpenedEntry] = []
    for group in dict.fromkeys(of(one) for one in bag):
        kept += sorted((one for one in bag if of(one) == group), key=by)[-count:]
    return kept


def place(one: OpenedEntry) -> object:
    return getattr(one.body, "microjob", None)


def may_live(one: OpenedEntry, now_ms: int) -> bool:
    """Whether it is looked at at all: by itself, at this time."""
    entry, skew_ms = one.entry, 10 * 60_000
    life_ms = 10 * 60_000 if entry.kind is EntryKind.ROOM else 14 * 24 * 3_600_000
    if not now_ms - skew_ms < entry.expires <= now_ms + life_ms + skew_ms:
        return False
    return getattr(one.body, "microjob", 0) < 1 << 20


def may_say(one: OpenedEntry, job: OpenedEntry, settlers: frozenset[str]) -> bool:
    entry = one.entry
    if entry.kind in BY_AUTHOR_ALONE:
        return (entry.author, entry.expires) == (job.entry.author, job.entry.expires)
    if entry.kind is EntryKind.SETTLED and entry.author not in settlers:
        return False
    return entry.expires <= job.entry.expires


def kept_of_job(job: OpenedEntry, bag: Iterable[OpenedEntry], settlers: frozenset[str]) -> Bag:
    """What stays of all that was said about a job."""
    said = [one for one in bag if one.entry.job == job.cid and may_say(one, job, settlers)]
    kept: list[OpenedEntry] = []
    for kind, (of_body, of_author, of_slot, of_job) in KEPT_MAX.items():
        some: Bag = [one for one in said if one.entry.kind is kind]
        some = top(some, of_body, lambda one: (place(one), one.author, one.entry.body), rank)
        some = top(some, of_author, lambda one: (place(one), one.author), rank)
        some = top(some, of_slot, place, rank)
        kept += top(some, of_job, lambda _one: 0, rank)
    return kept


def kept(bag: Iterable[OpenedEntry], now_ms: int, jobs_max: int, settlers: frozenset[str]) -> Bag:
    """What a database holds to which all of this was offered."""
    alive = [one for one in bag if one.entry.expires > now_ms - 10 * 60_000]
    jobs = top(
        [one for one in alive if one.entry.kind is EntryKind.JOB],
        jobs_max,
        lambda one: one.author,
        lambda one: one.id,
    )
    return [*jobs, *(one for job in jobs for one in kept_of_job(job, alive, settlers))]


def view(job: OpenedEntry, said: Bag) -> dict[str, object]:
    """What entries that are kept say about their job."""
    best = sorted(said, key=rank, reverse=True)

    def of(kind: EntryKind) -> list[OpenedEntry]:
        return [one for one in best if one.entry.kind is kind]

    def by_place(kind: EntryKind, name: str) -> dict[object, object]:
        found: dict[object, object] = {}
        for one in of(kind):
            found.setdefault(place(one), getattr(one.body, name))
        return found

    revised, cancelled, done = of(EntryKind.REVISE), of(EntryKind.CANCEL), of(EntryKind.DONE)
    taken, rooms = by_place(EntryKind.TAKEN, "root"), of(EntryKind.ROOM)
    if done and done[0].body.status is DoneStatus.COMPLETED:
        state = JobState.COMPLETED
    elif cancelled:
        state = JobState.CANCELLED
    elif done:
        state = JobState.FAILED
    else:
        state = JobState.RUNNING if taken or rooms else JobState.QUEUED
    return {
        "state": state,
        "priority": revised[0].body.priority if revised else 0,
        "paused": revised[0].body.paused if revised else False,
        "cancelled": cancelled[0].body.reason if cancelled else None,
        "taken": taken,
        "settled": by_place(EntryKind.SETTLED, "receipt"),
        "rooms": sorted((one.body.microjob, one.author) for one in rooms),
        "banned": sorted({one.body.accused for one in of(EntryKind.FRAUD) if one.author == job.author}),
    }
