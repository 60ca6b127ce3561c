"""The job database of a node: what its own apps and its peers say about jobs; checked, kept, spread and compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sgnus.core.database import ENTRIES_MAX, expiry_floor
from sgnus.core.reconcile import Session
from sgnus.core.shelf import JobView
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.fields import Message
from sgnus.messages.ids import BlockId, NetworkId, PeerId
from sgnus.messages.v1.types import EntryKind, ReconcileStep
from sgnus.ports import Store
from sgnus.runtime.intakes import Comparisons
from sgnus.runtime.outbox import Outbox
from sgnus.runtime.reconciling import Exchange, Reconciled, Send
from sgnus.runtime.shelves import Admits, Shelves
from sgnus.runtime.submissions import Submissions
from sgnus.runtime.vetting import Vetting
from sgnus.wire.dagcbor import digest_of_cid
from sgnus.wire.entry import OpenedEntry

SWEEP_MS: Final = 60_000
VERIFY_BATCH: Final = 128
OPEN_JOBS_MAX: Final = 1_024
REASONS_TOLD_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of entries that a peer delivered. `refused` says why some were not kept, `blamed` which of these reasons who
    gossiped them may be blamed for.
    """

    accepted: int
    known: int
    orphans: int
    refused: tuple[str, ...]
    blamed: tuple[str, ...]


def _below_cap(_: OpenedEntry, held: int) -> bool:
    return held < ENTRIES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Who we are, in which network, and whom we tell."""

    identity: Identity
    network: NetworkId
    clock_ms: Callable[[], int]
    on_change: Callable[[BlockId], None]


class Database:
    """See docs/protocol/database.md. All methods belong to one asyncio loop."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        network: NetworkId,
        *,
        settlement_peers: Collection[PeerId] = (),
        clock_ms: Callable[[], int],
        publish: Callable[[bytes], None],
        on_change: Callable[[BlockId], None],
        admits: Admits = _below_cap,
    ) -> None:
        """`publish` sends a gossip payload (an encoded `GossipMessage`); `on_change` hears of every job that changed,
        after the commit; `admits(entry, entries held)` may refuse what peers and we ourselves bring. `clock_ms` is Unix
        time: expiry alone looks at it.
        """
        self._store = store
        self._settings = _Settings(identity=identity, network=network, clock_ms=clock_ms, on_change=on_change)
        self._shelves = Shelves(store, network, frozenset(settlement_peers), admits)
        self._outbox = Outbox(publish, clock_ms)
        self._submissions = Submissions(identity, network, store, self._shelves, clock_ms)
        self._vetting = Vetting(network)
        self.comparisons = Comparisons()
        self._sweeper: asyncio.Task[None] | None = None
        self._counts = dict.fromkeys(
            ("accepted", "known", "orphans", "refused", "reconciled", "reconcile_faults", "failed_sweeps"), 0
        )

    async def start(self) -> Sequence[str]:
        """Open the store; returns sentences for the operator. WorldFault when the disk does not let us."""
        notices = await self._store.open()
        await self._shelves.load()
        await self.sweep()
        self._sweeper = asyncio.create_task(self._sweep_for_ever())
        return notices

    async def stop(self) -> None:
        """Finish what is under way, send what waits, close the store."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        await self._submissions.stop()
        self._outbox.close()
        self._vetting.stop()
        await self._store.close()

    # ---- what we say
    async def submit(
        self, kind: EntryKind, job: BlockId | None, body: Message, expires_ms: int | None = None
    ) -> BlockId:
        """Sign an entry, commit it durably, gossip it; returns its CID (a JOB's is its BLOCKID).

        Without `expires_ms` it expires with its job, a JOB after the longest life. What only the job's author may say
        always expires with the job. UserFault when it may not be said.
        """
        opened = await self._submissions.submit(kind, job, body, expires_ms)
        self._counts["accepted"] += 1
        self._outbox.add(kind, opened.raw)
        self._settings.on_change(opened.job)
        return opened.cid

    # ---- what others say
    def unseen(self, entries: Sequence[bytes]) -> list[bytes]:
        """Those of them that have to be looked at: a digest each says whether one was admitted lately."""
        found = self._vetting.unseen(entries)
        self._counts["known"] += len(entries) - len(found)
        return found

    async def receive(self, entries: Sequence[bytes], author: PeerId | None = None) -> Intake:
        """Check, admit and commit what peers delivered; what `author` gossips is all its own. Never raises for their faults."""
        fresh = self.unseen(entries)
        known = 0
        accepted = orphans = 0
        reasons, blamed = list[str](), list[str]()
        for start in range(0, len(fresh), VERIFY_BATCH):
            opened, faults = await self._vetting.vet(fresh[start : start + VERIFY_BATCH], author)
            admitted = await self._shelves.admit(opened, self._settings.clock_ms(), durable=False)
            self._vetting.remember(one.digest for one in opened if one.id in self._shelves.index)
            accepted += len(admitted.accepted) + len(admitted.outdone)
            known += admitted.known
            orphans += admitted.orphans
            reasons += [*faults, *(one.reason for one in admitted.refused)]
            blamed += [*faults, *(one.reason for one in admitted.refused if one.is_fault)]
            # An own job that gave way to newer ones keeps its files, for whoever still reads its results.
            gone = [job for job, who in admitted.displaced.items() if who != self._settings.identity.peer_id]
            for job in dict.fromkeys([*gone, *(one.job for one in admitted.accepted)]):
                self._settings.on_change(job)
        told = tuple(reasons[:REASONS_TOLD_MAX]), tuple(blamed[:REASONS_TOLD_MAX])
        result = Intake(accepted, known + len(entries) - len(fresh), orphans, *told)
        for name, count in (
            ("accepted", accepted),
            ("known", known),
            ("orphans", orphans),
            ("refused", len(reasons)),
        ):
            self._counts[name] += count
        return result

    # ---- what is known
    async def open_jobs(self, limit: int = OPEN_JOBS_MAX) -> list[JobView]:
        """Jobs for which rooms may be founded: highest priority first, then first to expire. Paused ones included."""
        now_ms = self._settings.clock_ms()
        views = await self._shelves.views(await self._store.open_jobs(min(limit, OPEN_JOBS_MAX)))
        return [view for view in views if view.expires_ms > now_ms]

    async def jobs(self, limit: int = OPEN_JOBS_MAX) -> list[JobView]:
        """Jobs of anybody, ended ones too, until they are forgotten: the last to expire, in no order that means anything."""
        return await self._shelves.views((await self._store.jobs_of(None))[-limit:])

    async def job(self, block_id: BlockId) -> JobView | None:
        """The view of one job; None when it is not known. PeerFault when that is no BLOCKID."""
        views = await self._shelves.views([digest_of_cid(block_id)])
        return views[0] if views else None

    async def own_jobs(self) -> list[JobView]:
        """The jobs that this node published, first to expire first."""
        return await self._shelves.views(await self._store.jobs_of(self._settings.identity.peer_id))

    async def entries(self, block_id: BlockId, kinds: Collection[EntryKind]) -> list[bytes]:
        """The raw entries of these kinds that are held about one job."""
        rows = await self._store.entries_of([digest_of_cid(block_id)])
        return [row.raw for row in rows if EntryKind(row.kind) in kinds]

    def counters(self) -> Mapping[str, int]:
        """Counts since the start, and sizes now, by name."""
        return {
            **self._counts,
            "entries": len(self._shelves.index),
            "orphans_waiting": len(self._shelves.orphans),
            "orphans_dropped": self._shelves.orphans.dropped,
            "gossip_messages": self._outbox.sent,
            "gossip_left_out": self._outbox.left_out,
        }

    # ---- comparing with a peer
    async def reconcile(
        self, incoming: AsyncIterator[ReconcileStep], send: Send, neighbour: PeerId, *, is_asked: bool = False
    ) -> Reconciled:
        """Compare with `neighbour`, as the side that asked to, or that `is_asked`. PeerFault when it breaks the rules."""

        async def admit(entries: Sequence[bytes]) -> None:
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            unseen = self.unseen(entries)
            await self.receive(unseen)
            spent_s = loop.time() - begun_s
            await asyncio.sleep(self.comparisons.rest_s(neighbour, len(unseen), spent_s))

        floor = expiry_floor(self._settings.clock_ms()).to_bytes(8, "big") + bytes(32)
        session = Session(self._shelves.index.snapshot(), floor)
        exchange = Exchange(session, send, self._store.bodies, admit)
        try:
            done = await exchange.run(incoming, is_initiator=not is_asked)
        except PeerFault:
            self._counts["reconcile_faults"] += 1
            raise
        self._counts["reconciled"] += 1
        return done

    # ---- expiry
    async def sweep(self) -> None:
        """Remove what has expired. Runs by itself once a minute."""
        for job in await self._shelves.expire(self._settings.clock_ms()):
            self._settings.on_change(job)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_MS / 1000)
            try:
                await self.sweep()
            except WorldFault:
                self._counts["failed_sweeps"] += 1  # the disk may be better in a minute
