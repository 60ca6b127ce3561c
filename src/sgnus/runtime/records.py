"""How many valid rooms each peer has been in, as receipts show: what SGNUS nodes settled, and what this node checked itself as
a publisher. The core admits by it (`core/admission.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from sgnus.core.inputs import Input, RecordsChanged
from sgnus.core.receipt import participants
from sgnus.core.shelf import JobView
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import RECORDED_JOBS_MAX, RECORDS_MAX
from sgnus.messages.v1.types import EntryKind
from sgnus.ports import Store
from sgnus.wire.dagcbor import cid_of_digest

if TYPE_CHECKING:
    from sgnus.runtime.database import Database
    from sgnus.runtime.jobs import Job

LOG: Final = logging.getLogger("sgnus.records")
TOLD_S: Final = 1.0
PAGE_JOBS: Final = 64


class Records:
    """Follows the jobs that this node looks at. `put` gives the core what it is to know."""

    def __init__(self, database: Database, store: Store, put: Callable[[Input], bool]) -> None:
        self._database = database
        self._store = store
        self._put = put
        self._rooms: OrderedDict[str, dict[int, tuple[PeerId, ...]]] = OrderedDict()
        self._own: dict[tuple[str, int], tuple[PeerId, ...]] = {}
        self._pending: dict[str, Job] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what the database has; go on with what changes."""
        self._task = asyncio.create_task(self._run(), name="records")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def look(self, job: Job) -> None:
        """The fold of a job changed."""
        if job.view.settlements or job.verified:
            self._pending[job.view.block_id] = job
            self._wake.set()

    async def _run(self) -> None:
        try:
            await self._read_all()
        except WorldFault as fault:
            LOG.warning("%s", fault)
        self._tell()
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, {}
            try:
                for job in pending.values():
                    self._note(job.view, await self._checked(job))
            except WorldFault as fault:
                LOG.warning("%s", fault)
            self._tell()
            await asyncio.sleep(TOLD_S)

    async def _read_all(self) -> None:
        last, seen = b"", 0
        while seen < RECORDED_JOBS_MAX:
            digests = await self._store.jobs_with(EntryKind.SETTLED, last, PAGE_JOBS)
            if not digests:
                return
            for digest in digests:
                view = await self._database.job(BlockId(cid_of_digest(digest)))
                if view is not None:
                    self._note(view, {})
            seen += len(digests)
            last = digests[-1]

    async def _checked(self, job: Job) -> dict[int, tuple[PeerId, ...]]:
        """Of a job of ours: who was in the rooms whose receipts we checked."""
        found: dict[int, tuple[PeerId, ...]] = {}
        for mark in job.verified:
            key = (job.view.block_id, mark.microjob)
            if key not in self._own:
                name = f"{BlockId(job.view.block_id)}/{mark.microjob}"
                data = (await self._store.facts("receipt", name)).get(name)
                try:
                    self._own[key] = participants(data) if data else ()
                except PeerFault as fault:
                    LOG.warning("the receipt %s on disk cannot be read: %s", name, fault)
                    self._own[key] = ()
            found[mark.microjob] = self._own[key]
        return found

    def _note(self, view: JobView, checked: dict[int, tuple[PeerId, ...]]) -> None:
        """Each microjob counts once, whoever shows it."""
        rooms = dict(checked)
        for microjob, settled in view.settlements.items():
            rooms[microjob] = tuple(PeerId(share.peer) for share in settled.body.shares)
        self._rooms.pop(view.block_id, None)
        self._rooms[view.block_id] = rooms
        while len(self._rooms) > RECORDED_JOBS_MAX:
            gone, _rooms = self._rooms.popitem(last=False)
            self._own = {key: peers for key, peers in self._own.items() if key[0] != gone}

    def _tell(self) -> None:
        self._put(RecordsChanged(sums(peers for rooms in self._rooms.values() for peers in rooms.values())))


def sums(rooms: Iterable[tuple[PeerId, ...]]) -> dict[PeerId, int]:
    """Rooms by peer, of the peers with the most of them."""
    counted = Counter(peer for peers in rooms for peer in dict.fromkeys(peers))
    return dict(counted.most_common(RECORDS_MAX))
