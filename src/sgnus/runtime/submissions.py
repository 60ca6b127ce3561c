"""Our own entries: numbered, signed, and admitted together, so that many submissions share one fsync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sgnus.core.shelf import AUTHOR_ONLY
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import OurFault, UserFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId
from sgnus.messages.limits import ENTRY_LIFE_MS_MAX
from sgnus.messages.v1.types import EntryKind
from sgnus.ports import Store
from sgnus.runtime.shelves import Admitted, Shelves
from sgnus.wire.dagcbor import digest_of_cid
from sgnus.wire.entry import OpenedEntry, open_entry, seal_entry

NAMESPACE: Final = "database"
SEQ_KEY: Final = "seq"
SEQ_RESERVED: Final = 1_000_000
SEQ_PER_MS: Final = 1_000


@dataclass(slots=True)
class _Pending:
    opened: OpenedEntry
    answer: asyncio.Future[Admitted]


class Submissions:
    """Signs what this node has to say and gets it into the database, durably."""

    def __init__(
        self,
        identity: Identity,
        network: NetworkId,
        store: Store,
        shelves: Shelves,
        clock_ms: Callable[[], int],
    ) -> None:
        self._identity = identity
        self._network = network
        self._store = store
        self._shelves = shelves
        self._clock_ms = clock_ms
        self._pending: list[_Pending] = []
        self._drain: asyncio.Task[None] | None = None
        self._seq = _Sequence(store, clock_ms)

    async def submit(
        self, kind: EntryKind, job: BlockId | None, body: Message, expires_ms: int | None
    ) -> OpenedEntry:
        """Sign, admit, commit. UserFault when the entry may not be in the database; the sentence says why."""
        expires = await self._expiry(kind, job, expires_ms)
        raw = seal_entry(
            self._identity, self._network, kind, job, body, seq=await self._seq.next(), expires=expires
        )
        opened = open_entry(raw, self._network)
        answer: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(opened, answer))
        if self._drain is None:
            self._drain = asyncio.create_task(self._admit_all())
        _check(opened, await answer)
        return opened

    async def stop(self) -> None:
        """Wait for what is under way."""
        while self._drain is not None:
            await asyncio.wait([self._drain])

    async def _expiry(self, kind: EntryKind, job: BlockId | None, expires_ms: int | None) -> int:
        if job is None:
            return expires_ms if expires_ms is not None else self._clock_ms() + ENTRY_LIFE_MS_MAX
        views = await self._shelves.views([digest_of_cid(job)])
        if not views:
            raise UserFault(
                f"This node knows no job {job}: check the id, or wait until the job has reached it."
            )
        view = views[0]
        if kind in AUTHOR_ONLY and view.author != self._identity.peer_id:
            raise UserFault(
                f"Only the node that published the job {job} may do that: it is {view.author}, and this node is"
                f" {self._identity.peer_id}."
            )
        if kind in AUTHOR_ONLY or expires_ms is None:
            return view.expires_ms
        return min(expires_ms, view.expires_ms)

    async def _admit_all(self) -> None:
        try:
            while self._pending:
                pending, self._pending = self._pending, []
                await self._admit_some(pending)
        finally:
            self._drain = None

    async def _admit_some(self, pending: list[_Pending]) -> None:
        batch = [one.opened for one in pending]
        try:
            admitted = await self._shelves.admit(batch, self._clock_ms(), durable=True)
        except BaseException as error:
            for one in pending:
                if not one.answer.done():
                    one.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for one in pending:
            if not one.answer.done():
                one.answer.set_result(admitted)


class _Sequence:
    """Numbers that only rise, whatever becomes of the clock or of the file: it is ahead of the last run's by either."""

    def __init__(self, store: Store, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._last = -1
        self._reserved = -1
        self._lock = asyncio.Lock()

    async def next(self) -> int:
        """The next number, its range reserved on disk before it is used."""
        async with self._lock:
            if self._last < 0:
                held = (await self._store.facts(NAMESPACE, SEQ_KEY)).get(SEQ_KEY, b"")
                self._last = max(int.from_bytes(held, "big"), self._clock_ms() * SEQ_PER_MS)
            if self._last >= self._reserved:
                self._reserved = self._last + SEQ_RESERVED
                await self._store.put_facts(NAMESPACE, {SEQ_KEY: self._reserved.to_bytes(8, "big")})
            self._last += 1
            return self._last


def _check(opened: OpenedEntry, admitted: Admitted) -> None:
    if any(one.id == opened.id for one in (*admitted.accepted, *admitted.outdone)):
        return
    for refused in admitted.refused:
        if refused.cid == opened.cid:
            raise UserFault(f"The job database refused the entry: {refused.reason}.")
    raise OurFault("an entry of our own was neither admitted nor refused")
