"""Tells the core of every job whose fold changed, with its plan; at start, of all open and own ones.

Changes of one job that come close together are looked at once. A job whose explicit chunks are out of reach is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from sgnus.core.inputs import HeldLoaded, JobChanged, JobForgotten, RoomHeard
from sgnus.core.node import NodeCore
from sgnus.core.receipt import digest_of
from sgnus.core.shelf import JobView, RoomClaim
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.v1.types import Opening, RoomAnnouncement, SignedEnvelope
from sgnus.ports import FACTS_OF_OWN_JOBS, Store
from sgnus.runtime.drivers import Drivers
from sgnus.runtime.engine import Engine
from sgnus.runtime.events import EventHub
from sgnus.runtime.inquiries import Inquiries
from sgnus.runtime.jobs import Job, JobBook, marks_of, places_of, unix_ms
from sgnus.runtime.listings import RETRY_S, Listings
from sgnus.runtime.lobbies import LOBBIES_MAX, Lobbies
from sgnus.runtime.newcomers import Looks, Newcomers
from sgnus.runtime.restoring import keep_entries, settle_held
from sgnus.wire.codec import decode

LOG: Final = logging.getLogger("sgnus.jobs")


class JobWatch:
    """Between the database and the core."""

    def __init__(
        self, drivers: Drivers, jobs: JobBook, engine: Engine, hub: EventHub, inquiries: Inquiries
    ) -> None:
        self._inquiries = inquiries
        self._drivers = drivers
        self._jobs = jobs
        self._engine = engine
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        core, near = engine.core, drivers.is_near
        self._lobbies = Lobbies(core.pen.peer, near, partial(is_needed, core))
        jobs.is_needed = self._lobbies.__contains__
        self._looks = Looks(Newcomers(near, partial(is_busy, core)))
        self._listings = Listings(jobs, self.changed)
        self.followers: list[Callable[[Job], None]] = []
        """They hear of every job that was looked at."""

    async def prepare(self) -> None:
        """Tell of our own open jobs before any peer can speak: a room that meets us again says once who is in it."""
        for view in await self._drivers.database.own_jobs():
            if view.is_open:
                await self.look_safely(view.block_id)

    async def start(self) -> None:
        """Tell of what the database holds already, then of changes."""
        for view in await self._drivers.database.own_jobs():
            self.changed(view.block_id)
        self._looks.search()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look at nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._listings.stop()

    def changed(self, job: BlockId) -> None:
        """Look at this job soon."""
        self._looks.add(job)

    async def look_safely(self, job: BlockId) -> None:
        """One job's trouble (its files were taken away, say) must not make us deaf to all others: it is tried again."""
        try:
            if not await self._is_put_off(job):
                await self.look(job)
        except PeerFault as fault:
            LOG.info("job %s cannot be: %s", job, fault, extra={"job": job})
        except WorldFault as fault:
            LOG.info("job %s: %s", job, fault, extra={"job": job})
            asyncio.get_running_loop().call_later(RETRY_S, self.changed, job)
        except Exception:
            LOG.exception("job %s could not be looked at", job, extra={"job": job})

    async def _run(self) -> None:
        while True:
            for job in await self._looks.next():
                await self.look_safely(job)
            if self._looks.has_to_search():
                # Once for all that ended meanwhile: it reads as many jobs as there are lobbies.
                await self._refill_safely()

    async def _is_put_off(self, block_id: BlockId) -> bool:
        """Whether this job is new to us, and its publisher brings so many that we look at it later, or once its list is here."""
        if block_id in self._lobbies or self._jobs.get(block_id) is not None:
            self._looks.newcomers.forget(block_id)
            return False
        view = await self._drivers.database.job(block_id)
        if view is None or view.author == self._engine.core.pen.peer:
            self._looks.newcomers.forget(block_id)
            return False
        if self._looks.put_off(block_id, view.author):
            return True
        if view.body.explicit_digest is None:
            return False
        self._listings.fetch(view)
        return True

    async def look(self, block_id: BlockId) -> Job | None:
        """Read the fold of a job and tell the core, if it is one that we take part in. Faults: PeerFault, WorldFault."""
        view = await self._drivers.database.job(block_id)
        self._inquiries.note(block_id, view)
        if view is None:
            await self._expired(block_id)
            return None
        job = await self._jobs.update(view)
        # Read before the core hears of the job: a delivery must not come between the two, and be held again.
        loaded = await self._load_held(job)
        facts = job.facts(_address_of(view), unix_ms())
        known = block_id in self._lobbies or block_id in self._engine.core.publications
        is_whole = job.files is not None or view.author != self._engine.core.pen.peer
        if known or (facts.open and is_whole and self._enters(view)):
            if not facts.open and self._lobbies.leave(block_id):
                self._looks.search()
            self._engine.put(JobChanged(facts))
            if loaded is not None and (loaded.held or loaded.turns):
                self._engine.put(loaded)
            for claim in view.rooms:
                is_new = (claim.instance, claim.host) not in job.claims
                if is_new and claim.expires_ms > unix_ms() and claim.host != self._engine.core.pen.peer:
                    job.claims[claim.instance, claim.host] = None
                    self._hear_claim(job, claim)
        await self._keep_entries(job)
        if not facts.open:
            job.rest()
        self._hub.touch(block_id)
        for follow in self.followers:
            follow(job)
        return job

    async def _expired(self, block_id: BlockId) -> None:
        """The database forgot the job: so does the core, and so do we. With our files goes what is known of them."""
        job = self._jobs.get(block_id)
        was_in = self._lobbies.leave(block_id)
        if was_in:
            self._looks.search()
        if was_in or (job is not None and job.files is not None):
            self._engine.put(JobForgotten(block_id))
        for namespace in FACTS_OF_OWN_JOBS if job is not None and job.files is not None else ():
            await self._drivers.store.delete_facts(namespace, f"{block_id}/")
        self._jobs.forget(block_id)
        self._hub.forget(block_id)

    def _enters(self, view: JobView) -> bool:
        """Enter the lobby of this job if it is worth a place, and leave the one that gives way."""
        is_in, left = self._lobbies.enter(view.block_id, view.author, [claim.host for claim in view.rooms])
        job = self._jobs.get(left) if left is not None else None
        if left is not None and job is None:
            self._engine.put(JobForgotten(left))
        elif job is not None:
            facts = job.facts(_address_of(job.view), unix_ms())
            self._engine.put(JobChanged(replace(facts, open=False)))
        return is_in

    async def _refill_safely(self) -> None:
        """Look at the most urgent open jobs soon, as far as there is room."""
        try:
            views = await self._drivers.database.open_jobs(LOBBIES_MAX) if not self._lobbies.is_full else []
        except WorldFault as fault:
            LOG.info("no open jobs can be read: %s", fault)
            asyncio.get_running_loop().call_later(RETRY_S, self._looks.search)
            return
        except Exception:
            LOG.exception("open jobs could not be looked for")
            return
        for view in views:
            if view.block_id not in self._lobbies:
                self.changed(view.block_id)

    async def _load_held(self, job: Job) -> HeldLoaded | None:
        """Once a start, for jobs of ours: what we hold already, and where its outputs lie."""
        block_id = BlockId(job.view.block_id)
        async with job.folder.lock:
            if job.files is None or job.folder.is_loaded:
                return None
            store, prefix = self._drivers.store, f"{block_id}/"
            held = await settle_held(block_id, job.files, store, self._engine.core.pen)
            job.places = places_of({key: record.place for key, record in held.items()})
            job.verified = marks_of(await store.facts("verified", prefix))
            known = [f"{prefix}{place.microjob}/{place.sub_block}" for place in job.places]
            envelopes = tuple(decode(SignedEnvelope, held[key].held) for key in known)
            loaded = await _with_proofs(store, job, HeldLoaded(block_id, envelopes))
            job.folder.is_loaded = (
                True  # Not before all of it is read: a disk that refuses now is asked again.
            )
            return loaded

    async def _keep_entries(self, job: Job) -> None:
        """A disk that refuses now is tried again: the database has them meanwhile."""
        if job.files is not None:
            try:
                async with job.folder.lock:
                    await keep_entries(job, job.files, self._drivers.database)
            except WorldFault as fault:
                LOG.warning("%s", fault)
                asyncio.get_running_loop().call_later(RETRY_S, self.changed, BlockId(job.view.block_id))

    def _hear_claim(self, job: Job, claim: RoomClaim) -> None:
        """A ROOM entry lets newcomers ask before the lobby answers; any announcement replaces it."""
        try:
            address = decode(SignedEnvelope, claim.address)
        except PeerFault:
            return
        if address.author != claim.host or not 0 <= claim.microjob < job.plan.microjobs:
            return
        sub_blocks = job.plan.sub_blocks_of(claim.microjob)
        said = RoomAnnouncement(
            job=job.view.block_id,
            microjob=claim.microjob,
            instance=claim.instance,
            epoch=claim.epoch,
            members=1,
            seats=1,
            sub_blocks=sub_blocks,
            unleased=1,
            delivered=0,
            address=address,
            waiting=False,
            sequence=0,
            closing=False,
        )
        self._engine.put(RoomHeard(claim.host, said))


def _address_of(view: JobView) -> SignedEnvelope | None:
    if view.body.address is None:
        return None
    try:
        return decode(SignedEnvelope, view.body.address)
    except PeerFault:
        return None


def is_busy(core: NodeCore) -> bool:
    """We have a seat, or a job of ours is under way."""
    return core.room is not None or any(
        own.facts.open and not own.is_done for own in core.publications.values()
    )


def works_for(core: NodeCore, publisher: PeerId) -> bool:
    """We have a seat in a room of a job of this one."""
    return core.room is not None and core.room.seat.publisher == publisher


def is_needed(core: NodeCore, job: BlockId) -> bool:
    """Whether this node takes part in that job, or knows a room of it."""
    lobby, pending = core.jobs.get(job), core.search.pending
    return (
        (core.room is not None and core.room.seat.job == job)
        or (pending is not None and pending.job == job)
        or (lobby is not None and bool(lobby.rooms))
        or any(parcel.deliver.job == job for parcel in core.outbox.parcels.values())
        or any(round_.docket.terms.job == job for round_ in core.rounds.running.values())
    )


async def _with_proofs(store: Store, job: Job, loaded: HeldLoaded) -> HeldLoaded:
    """What the commits hide, and what we said and checked in rounds before, where results are verified."""
    if not job.wants_proof:
        return loaded
    prefix = f"{loaded.job}/"
    openings = await store.facts("opening", prefix)
    receipts = await store.facts("receipt", prefix)
    turns = await store.facts("turn", prefix)
    spoken = await store.facts("beacon", prefix)
    return replace(
        loaded,
        openings=tuple((_microjob_in(key), decode(Opening, value)) for key, value in openings.items()),
        receipts=tuple((_microjob_in(key), digest_of(value)) for key, value in receipts.items()),
        turns=tuple(
            (_microjob_in(key), int(key.rpartition("/")[2]), int.from_bytes(value, "big"))
            for key, value in turns.items()
        ),
        spoken=tuple((key.split("/")[1], decode(SignedEnvelope, value)) for key, value in spoken.items()),
    )


def _microjob_in(key: str) -> int:
    """Of a key `<job>/<microjob>...`."""
    return int(key.split("/")[1])
