"""The `LocalApi` of a running node: what apps ask, answered from its parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final

import sgnus
from sgnus.core.processors import PROCESSORS
from sgnus.messages.errors import Conflict, NotFound
from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import PROTOCOL_VERSION
from sgnus.messages.v1.types import (
    AddressRecord,
    CancelBody,
    CancelJobReply,
    CancelJobRequest,
    Counter,
    EntryKind,
    GetJobReply,
    GetJobRequest,
    GetNodeReply,
    GetNodeRequest,
    GetProofsReply,
    GetProofsRequest,
    GetReceiptsReply,
    GetReceiptsRequest,
    GetRoomListReply,
    GetRoomListRequest,
    GetStoryReply,
    GetStoryRequest,
    JobState,
    JobStatus,
    ListJobsReply,
    ListJobsRequest,
    ListPeersReply,
    ListPeersRequest,
    ListSettlementsReply,
    ListSettlementsRequest,
    ParameterCard,
    PeerSummary,
    PlanJobReply,
    PlanJobRequest,
    ProcessorCard,
    PublishDataToProcessReply,
    PublishDataToProcessRequest,
    PublishProcessingResultReply,
    PublishProcessingResultRequest,
    RequestProcessingDataReply,
    RequestProcessingDataRequest,
    RoomJoinReply,
    RoomJoinRequest,
    RoomLeaveReply,
    RoomLeaveRequest,
    SignedKind,
    StreamEventsReply,
    StreamEventsRequest,
    StreamResultsReply,
    StreamResultsRequest,
    SubmitJobReply,
    SubmitJobRequest,
)
from sgnus.runtime import evidence, results, settlements
from sgnus.runtime.jobs import Job
from sgnus.runtime.node import NodeParts
from sgnus.runtime.status import OVER, StatusView
from sgnus.runtime.submitting import Publisher, plan_request, spool

LIST_LIMIT: Final = 100
VISIBLE: Final = "every member of a room sees the plaintext of the chunks that it processes"


class RoomsCalls:
    """The loop of an app that processes."""

    def __init__(self, parts: NodeParts, status: StatusView) -> None:
        self._apps = parts.apps
        self._status = status

    async def get_room_list(self, request: GetRoomListRequest) -> GetRoomListReply:
        """See `LocalApi`."""
        return GetRoomListReply(rooms=self._status.rooms(request))

    async def room_join(self, request: RoomJoinRequest) -> RoomJoinReply:
        """See `LocalApi`."""
        return await self._apps.join(request)

    def request_processing_data(
        self, request: RequestProcessingDataRequest
    ) -> AsyncIterator[RequestProcessingDataReply]:
        """See `LocalApi`."""
        return self._apps.data(request)

    async def publish_processing_result(
        self, requests: AsyncIterator[PublishProcessingResultRequest]
    ) -> PublishProcessingResultReply:
        """See `LocalApi`."""
        return await self._apps.result(requests)

    async def publish_data_to_process(
        self, request: PublishDataToProcessRequest
    ) -> PublishDataToProcessReply:
        """See `LocalApi`."""
        return await self._apps.host(request)

    async def room_leave(self, request: RoomLeaveRequest) -> RoomLeaveReply:
        """See `LocalApi`."""
        return await self._apps.leave(request)


class NodeCalls:
    """The node itself."""

    def __init__(self, parts: NodeParts) -> None:
        self._parts = parts
        self._started = time.monotonic()

    async def get_node(self, request: GetNodeRequest) -> GetNodeReply:
        """See `LocalApi`."""
        del request
        parts = self._parts
        hardening = await parts.drivers.pool.hardening() if parts.drivers.pool is not None else {}
        record = self._own_record()
        return GetNodeReply(
            peer=parts.core.pen.peer,
            version=sgnus.__version__,
            protocol=PROTOCOL_VERSION,
            network=parts.network.id,
            network_name=parts.network.name,
            multiaddrs=record.multiaddrs,
            endpoints=record.endpoints,
            peers=len(parts.core.neighbours) - 1,
            jobs=len(parts.core.jobs),
            workers=parts.options.workers,
            hardening=tuple(f"{name}: {what}" for name, what in sorted(hardening.items())),
            uptime_ms=int((time.monotonic() - self._started) * 1000),
            counters=self._counters(),
            processors=tuple(_cards()),
        )

    async def list_peers(self, request: ListPeersRequest) -> ListPeersReply:
        """See `LocalApi`."""
        del request
        parts = self._parts
        neighbours = parts.drivers.gossip.neighbours()
        connected = parts.core.links.connected
        summaries = [
            PeerSummary(
                peer=record.peer,
                connected=PeerId(record.peer) in connected,
                endpoints=record.endpoints,
                gossip=record.peer in neighbours,
            )
            for record in parts.addresses.all()
        ]
        return ListPeersReply(peers=tuple(sorted(summaries, key=lambda one: one.peer)))

    async def list_settlements(self, request: ListSettlementsRequest) -> ListSettlementsReply:
        """See `LocalApi`."""
        drivers, listed = self._parts.drivers, self._parts.network.sgnus_nodes
        keys = {PeerId(node.peer): bytes.fromhex(node.vrf_key) for node in listed}
        return await settlements.page(settlements.Books(drivers.store, drivers.database, keys), request)

    def _own_record(self) -> AddressRecord:
        parts = self._parts
        return parts.core.pen.open(parts.core.address, SignedKind.ADDRESS, AddressRecord)

    def _counters(self) -> tuple[Counter, ...]:
        parts = self._parts
        counts = {f"database {name}": value for name, value in parts.drivers.database.counters().items()}
        counts["inbox dropped"] = parts.engine.dropped
        counts |= parts.hearing.faults
        counts |= parts.background.clearing.counters()
        return tuple(Counter(name=name, value=counts[name]) for name in sorted(counts))


class JobsCalls:
    """Jobs: plan, submit, follow, collect, cancel."""

    def __init__(self, parts: NodeParts, status: StatusView) -> None:
        self._parts = parts
        self._status = status

    async def plan_job(self, request: PlanJobRequest) -> PlanJobReply:
        """See `LocalApi`."""
        planned = plan_request(request.job, self._members())
        beacon = self._publisher().beacon(
            request.job, planned.policy
        )  # What it refuses is not planned either.
        waits_for = self._status.lacks(planned.policy, beacon[0] if beacon is not None else None)
        return planned.plan.reply(VISIBLE, waits_for)

    async def submit_job(self, requests: AsyncIterator[SubmitJobRequest]) -> SubmitJobReply:
        """See `LocalApi`."""
        parts = self._parts
        spooled = await spool(
            parts.jobs.folder, requests, parts.drivers.pool, self._publisher(), self._members()
        )
        block_id = await parts.drivers.database.submit(EntryKind.JOB, None, spooled.body, spooled.expires_ms)
        # It is published, whatever becomes of this: an app that heard of a fault would submit it once more.
        await parts.background.watch.look_safely(block_id)
        waits_for = self._status.lacks(spooled.body.policy, spooled.body.beacon)
        return SubmitJobReply(job=block_id, plan=spooled.plan.reply(VISIBLE, waits_for))

    async def get_job(self, request: GetJobRequest) -> GetJobReply:
        """See `LocalApi`."""
        return GetJobReply(status=self._status.job(await self._job(request.job)))

    async def list_jobs(self, request: ListJobsRequest) -> ListJobsReply:
        """See `LocalApi`."""
        database = self._parts.drivers.database
        views = {view.block_id: view for view in await database.own_jobs()}
        if not request.own:
            views |= {view.block_id: view for view in await database.open_jobs()}
        if not (request.own or request.open):
            views |= {view.block_id: view for view in await database.jobs()}
        found: list[JobStatus] = []
        for view in sorted(views.values(), key=lambda view: (-view.body.created_ms, view.block_id)):
            job = await self._status.listed(view)
            if job is not None and not (request.open and self._status.is_over(job)):
                found.append(self._status.job(job))
            if len(found) >= (request.limit or LIST_LIMIT):
                break
        return ListJobsReply(jobs=tuple(found))

    async def cancel_job(self, request: CancelJobRequest) -> CancelJobReply:
        """See `LocalApi`."""
        job = await self._job(request.job)
        if job.files is None:
            raise Conflict("Only the node that published a job can cancel it.")
        if self._status.is_over(job):
            raise Conflict(f"The job is {self._status.state(job).name.lower()} already.")
        block_id = BlockId(job.view.block_id)
        await self._parts.drivers.database.submit(
            EntryKind.CANCEL, block_id, CancelBody(reason=request.reason)
        )
        await self._parts.background.watch.look(block_id)
        return CancelJobReply(state=JobState.CANCELLED)

    async def stream_results(self, request: StreamResultsRequest) -> AsyncIterator[StreamResultsReply]:
        """See `LocalApi`."""
        job = await self._job(request.job)
        if job.files is None:
            raise Conflict("Results of a job are streamed by the node that published it.")
        hub = self._parts.hub
        pieces = results.stream(
            job, hub, request.after, lambda: self._status.is_over(job), provisional=request.provisional
        )
        async for piece in pieces:
            yield piece

    async def stream_events(self, request: StreamEventsRequest) -> AsyncIterator[StreamEventsReply]:
        """See `LocalApi`."""
        if not request.job:
            raise NotFound("Name the job whose events you want.")
        job = await self._job(request.job)
        status = self._status
        state, delivered = None, -1
        async for event in self._parts.hub.follow(BlockId(job.view.block_id)):
            if event is not None:
                yield event
                continue
            now = status.job(job)
            if (now.state, now.delivered) != (state, delivered):
                state, delivered = now.state, now.delivered
                yield StreamEventsReply(body=now)
            if not request.follow or now.state in OVER:
                return

    async def get_story(self, request: GetStoryRequest) -> GetStoryReply:
        """See `LocalApi`."""
        job = await self._job(request.job)
        return GetStoryReply(lines=tuple(self._parts.hub.log(BlockId(job.view.block_id)).lines))

    async def get_receipts(self, request: GetReceiptsRequest) -> GetReceiptsReply:
        """See `LocalApi`."""
        job = await self._job(request.job)
        store, prefix = self._parts.drivers.store, f"{job.view.block_id}/"
        receipts = await store.facts("receipt", prefix)
        by_microjob = sorted(receipts, key=lambda key: int(key.split("/")[1]))
        return GetReceiptsReply(receipts=tuple(receipts[key] for key in by_microjob))

    async def get_proofs(self, request: GetProofsRequest) -> AsyncIterator[GetProofsReply]:
        """See `LocalApi`."""
        job, drivers = await self._job(request.job), self._parts.drivers
        for proof in await evidence.proofs_of(job, drivers.store, drivers.database):
            for piece in evidence.pieces(proof):
                yield piece

    async def _job(self, block_id: str) -> Job:
        job = await self._status.look(block_id)
        if job is None:
            raise NotFound(f"No job {block_id} is known to this node.")
        return job

    def _publisher(self) -> Publisher:
        pen, network = self._parts.core.pen, self._parts.network
        settler = next(iter(network.sgnus_nodes), None)
        return Publisher(pen.peer, pen.vrf_key, self._parts.core.address, settler)

    def _members(self) -> int:
        """Peers that may help, ourselves included."""
        return len(self._parts.core.neighbours)


class NodeApi(RoomsCalls, JobsCalls, NodeCalls):
    """All calls of Processing."""

    def __init__(self, parts: NodeParts) -> None:
        status = StatusView(parts)
        RoomsCalls.__init__(self, parts, status)
        JobsCalls.__init__(self, parts, status)
        NodeCalls.__init__(self, parts)


def _cards() -> list[ProcessorCard]:
    return [
        ProcessorCard(
            name=one.name,
            summary=f"{one.summary}; output: {one.output_rule}",
            dtypes=one.dtypes,
            parameters=tuple(
                ParameterCard(name=p.name, standard=str(p.default), summary=p.description)
                for p in one.parameters
            ),
        )
        for one in PROCESSORS.values()
    ]
