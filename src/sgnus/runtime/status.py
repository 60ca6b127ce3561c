"""Jobs and rooms as apps see them: read from the database's fold, the core, and the files of our own jobs."""

from __future__ import annotations

import logging
from typing import Final

from sgnus.core.shelf import JobView
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import ROOM_MEMBERS_MAX
from sgnus.messages.v1.types import (
    ArraySpec,
    DoneStatus,
    GetRoomListRequest,
    JobState,
    JobStatus,
    Policy,
    RoomAnnouncement,
    RoomSummary,
    Verify,
)
from sgnus.runtime.jobs import Job, unix_ms
from sgnus.runtime.node import NodeParts

LOG: Final = logging.getLogger("sgnus.jobs")
WAITING = (JobState.PENDING, JobState.VERIFYING)
OVER = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)
ROOMS_TOLD_MAX = 10_000
UNHOSTED_TOLD_MAX = 1_000


class StatusView:
    """Reads only."""

    def __init__(self, parts: NodeParts) -> None:
        self._parts = parts

    def job(self, job: Job) -> JobStatus:
        """A job and how far it is."""
        view, plan = job.view, job.plan
        publication = self._parts.core.publications.get(BlockId(view.block_id))
        own = job.files is not None
        delivered = len(job.places) if own else self._seen_delivered(job)
        return JobStatus(
            job=view.block_id,
            name=view.body.name,
            author=view.author,
            processor=view.body.processor.id,
            state=self.state(job),
            reason=self._reason(job),
            chunks=plan.chunks,
            sub_blocks=plan.sub_blocks,
            microjobs=plan.microjobs,
            delivered=delivered,
            taken=len(view.taken),
            output_bytes=plan.output_bytes,
            array=view.body.array,
            output=ArraySpec(shape=plan.output_array.shape, dtype=plan.output_array.dtype),
            created_ms=view.body.created_ms,
            expires_ms=view.expires_ms,
            own=own,
            rooms=tuple(self.rooms_of(BlockId(view.block_id), hosted_only=True)),
            takeovers=publication.takeovers if publication is not None else 0,
            removals=publication.removals if publication is not None else 0,
        )

    def state(self, job: Job) -> JobState:
        """One word for it. An own job is complete once all its outputs are held here, before its entries say so."""
        view = job.view
        if view.cancelled is not None:
            return JobState.CANCELLED
        if view.done is not None:
            failed = view.done.status is DoneStatus.FAILED
            return JobState.FAILED if failed else JobState.COMPLETED
        if job.files is not None and len(job.places) == job.plan.sub_blocks:
            is_proven = len(job.verified) == job.plan.microjobs
            return JobState.COMPLETED if is_proven or not job.wants_proof else JobState.VERIFYING
        if view.expires_ms <= unix_ms():
            return JobState.FAILED
        if job.places or view.taken:
            return JobState.RUNNING
        block_id = BlockId(view.block_id)
        hosted = any(True for _ in self.rooms_of(block_id, hosted_only=True))
        if hosted:
            return JobState.RUNNING
        return JobState.PENDING if self._waits_for_help(job) else JobState.QUEUED

    def is_over(self, job: Job) -> bool:
        return self.state(job) in OVER

    def rooms_of(self, job: BlockId, *, hosted_only: bool) -> list[RoomSummary]:
        """Living rooms of a job; without `hosted_only`, open microjobs without one as well."""
        lobby = self._parts.core.jobs.get(job)
        known = self._parts.jobs.get(job)
        if lobby is None or known is None:
            return []
        now_ms = self._parts.engine.now_ms()
        processor = known.body.processor.id
        here = self._own_room(job, processor)
        summaries = [here] if here is not None else []
        mine = here.instance if here is not None else ""
        summaries += [
            _summary(room.host, room.announcement, processor)
            for room in lobby.living(now_ms)
            if room.announcement.instance != mine
        ]
        if not hosted_only:
            taken = {summary.microjob for summary in summaries}
            summaries += [
                _unhosted(known, microjob)
                for microjob in lobby.without_room(now_ms)[:UNHOSTED_TOLD_MAX]
                if microjob not in taken
            ]
        return sorted(summaries, key=lambda room: (room.microjob, room.instance))

    def rooms(self, request: GetRoomListRequest) -> tuple[RoomSummary, ...]:
        """Rooms of all open jobs, or of those that the request names."""
        found: list[RoomSummary] = []
        for job in list(self._parts.core.jobs):
            known = self._parts.jobs.get(job)
            if known is None or (request.job and job != request.job):
                continue
            if request.processor and known.body.processor.id != request.processor:
                continue
            found += self.rooms_of(job, hosted_only=False)
        return tuple(found[:ROOMS_TOLD_MAX])

    async def look(self, block_id: str) -> Job | None:
        """A job that the node may not have looked at yet. None when there is no such job."""
        known = self._parts.jobs.get(BlockId(block_id))
        if known is not None and (known.files is None or known.folder.is_loaded):
            return known
        try:
            return await self._parts.background.watch.look(BlockId(block_id))
        except PeerFault:
            return None

    async def listed(self, view: JobView) -> Job | None:
        """As `look`, for a list, which waits for nobody: None also of a job whose chunks cannot be had, or are not here yet."""
        is_ours = view.author == self._parts.core.pen.peer
        if (
            view.body.explicit_digest is not None
            and not is_ours
            and self._parts.jobs.get(view.block_id) is None
        ):
            return None
        try:
            return await self.look(view.block_id)
        except WorldFault as fault:
            LOG.info("job %s cannot be listed: %s", view.block_id, fault, extra={"job": view.block_id})
            return None

    def _own_room(self, job: BlockId, processor: str) -> RoomSummary | None:
        room = self._parts.core.room
        if room is None or room.seat.job != job:
            return None
        return RoomSummary(
            job=job,
            microjob=room.seat.microjob,
            hosted=True,
            instance=room.seat.instance,
            epoch=room.roster.epoch,
            host=room.host,
            members=len(room.roster.peers),
            seats=ROOM_MEMBERS_MAX - len(room.roster.peers),
            sub_blocks=room.seat.sub_blocks,
            delivered=room.book.delivered(),
            processor=processor,
            joined=True,
        )

    def _seen_delivered(self, job: Job) -> int:
        """Of another's job: all of its taken microjobs, and what the living rooms announced."""
        taken = sum(job.plan.sub_blocks_of(n) for n in job.view.taken if n < job.plan.microjobs)
        rooms = self.rooms_of(BlockId(job.view.block_id), hosted_only=True)
        return taken + sum(room.delivered for room in rooms)

    def _reason(self, job: Job) -> str:
        view: JobView = job.view
        if view.cancelled is not None:
            return view.cancelled
        if view.done is not None:
            return view.done.reason
        if view.expires_ms <= unix_ms():
            return "the job expired"
        state = self.state(job)
        if job.terms is not None and state in WAITING and self._is_short_handed(job):
            return self.lacks(job.terms.policy, job.terms.beacon)
        return "it waits for a node that can process it" if state is JobState.PENDING else ""

    def _waits_for_help(self, job: Job) -> bool:
        """Nobody that we know of could work on it: no workers here, no peers."""
        is_app = job.body.processor.id.startswith("app:")
        is_alone = len(self._parts.core.neighbours) <= 1
        return self._is_short_handed(job) or is_app or (is_alone and not self._parts.options.workers)

    def _is_short_handed(self, job: Job) -> bool:
        """Fewer others than the proof of an own job needs."""
        if job.terms is None or job.files is None:
            return False
        return bool(self.lacks(job.terms.policy, job.terms.beacon))

    def lacks(self, policy: Policy, beacon: str | None) -> str:
        """Whom a job of ours waits for, by the peers that we know now; empty if for nobody. Its beacon gets no seat."""
        me = self._parts.core.pen.peer
        others = [peer for peer in self._parts.core.neighbours if peer not in (me, beacon)]
        if policy.verify is Verify.NONE or len(others) >= policy.min_members:
            return ""
        beside = "" if beacon == me else ", beside the SGNUS node that is its beacon,"
        return (
            f"it waits until {policy.min_members} other nodes{beside} are there to process and verify it "
            "(--verify none needs none)"
        )


def _summary(host: PeerId, said: RoomAnnouncement, processor: str) -> RoomSummary:
    return RoomSummary(
        job=said.job,
        microjob=said.microjob,
        hosted=True,
        instance=said.instance,
        epoch=said.epoch,
        host=host,
        members=said.members,
        seats=said.seats,
        sub_blocks=said.sub_blocks,
        delivered=said.delivered,
        processor=processor,
        joined=False,
    )


def _unhosted(job: Job, microjob: int) -> RoomSummary:
    return RoomSummary(
        job=job.view.block_id,
        microjob=microjob,
        hosted=False,
        instance="",
        epoch=0,
        host="",
        members=0,
        seats=ROOM_MEMBERS_MAX,
        sub_blocks=job.plan.sub_blocks_of(microjob),
        delivered=0,
        processor=job.body.processor.id,
        joined=False,
    )
