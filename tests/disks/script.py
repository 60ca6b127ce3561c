"""What is written to a store in a test of disks, from a seed: who writes and who checks make the same list of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from sgnus.adapters.store import FakeStore
from sgnus.adapters.store.thread import LOG_BYTES_TYPICAL
from sgnus.ports import EntryRow, JobRow, Store, StoreChange
from sgnus.wire.dagcbor import cid_of_digest

NAMESPACES: Final = ("held", "votes")
AUTHORS: Final = ("ann", "bob")
KEYS: Final = 24
EXPIRES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the store."""

    call: str
    arguments: tuple[Any, ...]
    is_durable: bool | None = None
    """None: the call has no choice."""

    async def do(self, store: Store) -> None:
        options = {} if self.is_durable is None else {"durable": self.is_durable}
        await getattr(store, self.call)(*self.arguments, **options)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a store is used: how much, how big, how often its log is moved into the database, how often it is opened."""

    waves: int
    value_bytes_max: int
    log_bytes: int = LOG_BYTES_TYPICAL
    """From which length on the log is moved into the database."""
    waves_per_opening: int = 10_000


KINDS: Final = {
    "plain": Kind(waves=60, value_bytes_max=200),
    "moving": Kind(waves=60, value_bytes_max=3_000, log_bytes=48_000),
    "reopening": Kind(waves=40, value_bytes_max=600, log_bytes=160_000, waves_per_opening=6),
    "big": Kind(waves=30, value_bytes_max=120_000),
}


def waves_of(kind: str, seed: int) -> list[list[Step]]:
    """Steps in the order of their calls; those of a wave are called together, and so share commits."""
    dice = Random(f"{kind} {seed}")
    writing = _Writing(dice, KINDS[kind].value_bytes_max)
    return [[writing.step() for _ in range(dice.choice((1, 1, 2, 3, 8)))] for _ in range(KINDS[kind].waves)]


async def state_of(store: Store) -> bytes:
    """The digest of all that a store holds."""
    ids, counts, *told = await asyncio.gather(
        store.ids(),
        store.counts(),
        store.open_jobs(1_000),
        *(store.jobs_of(author) for author in AUTHORS),
        *(store.facts(namespace) for namespace in NAMESPACES),
    )
    bodies = await store.bodies([ids[at : at + 40] for at in range(0, len(ids), 40)])
    held = (ids, list(bodies), (counts.entries, counts.jobs, counts.open_jobs), told)
    return hashlib.sha256(repr(held).encode()).digest()


def states_of(steps: Sequence[Step]) -> list[bytes]:
    """What a store holds after none, one, two... of the steps."""

    async def all_states() -> list[bytes]:
        fake = FakeStore()
        states = [await state_of(fake)]
        for step in steps:
            await step.do(fake)
            states.append(await state_of(fake))
        return states

    return asyncio.run(all_states())


class _Writing:
    """Draws steps: facts and entries that come, change and go."""

    def __init__(self, dice: Random, value_bytes_max: int) -> None:
        self._dice = dice
        self._value_bytes_max = value_bytes_max
        self._rows: list[EntryRow] = []
        self._count = 0
        self._last = Step("put_facts", (NAMESPACES[0], {"0": b""}), is_durable=False)

    def step(self) -> Step:
        draw = self._dice.choices(
            (
                self._put_facts,
                self._put_entries,
                self._remove,
                self._delete_facts,
                self._expire,
                self._say_again,
            ),
            (8, 6, 1, 1, 0.5, 1),
        )[0]
        self._last = draw()
        return self._last

    def _bytes(self) -> bytes:
        size = self._dice.randint(1, self._value_bytes_max)
        return self._dice.randbytes(size if self._dice.random() < 0.3 else min(size, 100))

    def _put_facts(self) -> Step:
        keys = [f"{self._dice.randrange(KEYS)}" for _ in range(self._dice.choice((1, 1, 2, 5)))]
        if self._rows and self._dice.random() < 0.5:
            about = cid_of_digest(self._dice.choice(self._rows).job)
            keys = [f"{about}/{key}" for key in keys]
        facts = {key: self._bytes() for key in keys}
        return Step("put_facts", (self._dice.choice(NAMESPACES), facts), self._dice.random() < 0.6)

    def _put_entries(self) -> Step:
        rows = [self._row() for _ in range(self._dice.choice((1, 1, 4)))]
        self._rows += rows
        jobs = [
            JobRow(row.job, row.id, row.author, self._dice.random() < 0.7, self._dice.randint(-3, 3))
            for row in rows
            if row.kind == 1
        ]
        return Step("apply", (StoreChange(puts=rows, jobs=jobs),), self._dice.random() < 0.4)

    def _row(self) -> EntryRow:
        self._count += 1
        digest = self._count.to_bytes(32, "big")
        about = self._dice.choice(self._rows) if self._rows and self._dice.random() < 0.4 else None
        entry_id = self._dice.randint(1, EXPIRES_MAX).to_bytes(8, "big") + digest
        author = self._dice.choice(AUTHORS)
        if about is None:
            return EntryRow(entry_id, digest, 1, author, self._bytes())
        return EntryRow(entry_id, about.job, 4, author, self._bytes())

    def _remove(self) -> Step:
        rows = self._dice.sample(self._rows, min(2, len(self._rows)))
        gone = [rows[0].job] if rows and self._dice.random() < 0.3 else []
        change = StoreChange(removes=[row.id for row in rows if row.kind != 1], gone_jobs=gone)
        return Step("apply", (change,), self._dice.random() < 0.4)

    def _say_again(self) -> Step:
        """The same as just now, and this time for good: the store finds nothing to change, and must flush all the same."""
        if self._last.is_durable is None:
            return self._put_facts()
        return replace(self._last, is_durable=True)

    def _delete_facts(self) -> Step:
        return Step("delete_facts", (self._dice.choice(NAMESPACES), f"{self._dice.randrange(KEYS)}"))

    def _expire(self) -> Step:
        below = self._dice.randint(0, EXPIRES_MAX // 8)
        return Step("expire", (below, self._dice.randint(0, below)))


def home_of(folder: Path) -> Path:
    """The folder that a store's file lies in: made by whoever writes."""
    return folder / "home"


def database_of(folder: Path) -> Path:
    """The store's file, in the home that lies in a watched folder."""
    return home_of(folder) / "sgnus.db"
