"""A node without a grid behind it: plausible answers to every call, from memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator

from sgnus.messages.errors import Conflict, NotFound, UserFault, WorldFault
from sgnus.messages.v1 import types as t

PEER = "12D3KooWFake"
ABSENT = "absent"
OVER = "over"
BROKEN_DISK = "broken-disk"
BUG = "bug"
LATE = "late"
ENDLESS = "endless"
SECRET = "a detail that no app may see"


class FakeJobs:
    """The calls of JobsApi. Job names of this module are answered as they say."""

    def __init__(self) -> None:
        self.submitted: list[tuple[t.JobRequest | None, bytes]] = []
        self.items_seen = 0
        self.open_streams = 0
        self.streams_closed = asyncio.Event()
        self.submit_ended = asyncio.Event()

    async def plan_job(self, request: t.PlanJobRequest) -> t.PlanJobReply:
        return plan(request.job.tile)

    async def submit_job(self, requests: AsyncIterator[t.SubmitJobRequest]) -> t.SubmitJobReply:
        job, data = None, bytearray()
        try:
            async for request in requests:
                self.items_seen += 1
                job = request.job or job
                data += request.data or b""
        finally:
            self.submit_ended.set()
        self.submitted.append((job, bytes(data)))
        return t.SubmitJobReply(job=block_id(bytes(data)), plan=plan(()))

    async def get_job(self, request: t.GetJobRequest) -> t.GetJobReply:
        return t.GetJobReply(status=status(known(request.job)))

    async def list_jobs(self, request: t.ListJobsRequest) -> t.ListJobsReply:
        return t.ListJobsReply(jobs=tuple(status(f"job-{number}") for number in range(min(request.limit, 3))))

    async def cancel_job(self, request: t.CancelJobRequest) -> t.CancelJobReply:
        known(request.job)
        return t.CancelJobReply(state=t.JobState.CANCELLED)

    def stream_results(self, request: t.StreamResultsRequest) -> AsyncIterator[t.StreamResultsReply]:
        return NotedStream(self._pieces(request), self)

    async def _pieces(self, request: t.StreamResultsRequest) -> AsyncGenerator[t.StreamResultsReply, None]:
        self.open_streams += 1
        try:
            known(request.job)
            number = 0
            while request.job == ENDLESS or number < 3:
                yield piece(number)
                number += 1
                if request.job == ENDLESS:
                    await asyncio.sleep(0.005)
            if request.job == LATE:
                raise WorldFault("the disk went away under the stream")
        finally:
            self.open_streams -= 1

    async def stream_events(self, request: t.StreamEventsRequest) -> AsyncIterator[t.StreamEventsReply]:
        job = known(request.job or "any")
        yield t.StreamEventsReply(body=status(job))
        yield t.StreamEventsReply(body=t.HostEvent(job=job, microjob=0, instance="i", epoch=1, host=PEER))

    async def get_story(self, request: t.GetStoryRequest) -> t.GetStoryReply:
        return t.GetStoryReply(lines=(f"job {known(request.job)} was submitted", "über alles: ✓"))

    async def get_receipts(self, request: t.GetReceiptsRequest) -> t.GetReceiptsReply:
        known(request.job)
        return t.GetReceiptsReply(receipts=(b"receipt",))

    async def get_proofs(self, request: t.GetProofsRequest) -> AsyncIterator[t.GetProofsReply]:
        known(request.job)
        yield t.GetProofsReply(data=b"pro", last=False)
        yield t.GetProofsReply(data=b"of", last=True)


class NotedStream:
    """A stream that notes being closed, which a bare generator would also be when it is collected as garbage."""

    def __init__(self, items: AsyncGenerator[t.StreamResultsReply, None], jobs: FakeJobs) -> None:
        self._items = items
        self._jobs = jobs

    def __aiter__(self) -> NotedStream:
        return self

    async def __anext__(self) -> t.StreamResultsReply:
        return await anext(self._items)

    async def aclose(self) -> None:
        await self._items.aclose()
        self._jobs.streams_closed.set()


class FakeRooms:
    """The calls of RoomsApi."""

    async def get_room_list(self, request: t.GetRoomListRequest) -> t.GetRoomListReply:
        return t.GetRoomListReply(rooms=(room(request.job or "job"),))

    async def room_join(self, request: t.RoomJoinRequest) -> t.RoomJoinReply:
        known(request.job)
        return t.RoomJoinReply(status=t.RoomJoinStatus.OK, detail="")

    async def request_processing_data(
        self, request: t.RequestProcessingDataRequest
    ) -> AsyncIterator[t.RequestProcessingDataReply]:
        known(request.job)
        yield t.RequestProcessingDataReply(
            status=t.DataStatus.DATA,
            sub_block=3,
            processor=t.Processor(id="app:x", parameters=(), profile=0),
            array=t.ArraySpec(shape=(4, 4), dtype="uint8"),
            output=t.OutputSpec(dtype="uint8"),
            cut=t.Cut(tile=(4, 4), halo=(0, 0), edge=t.Edge.REFLECT, chunks_per_sub_block=1),
            tiles=(tile(0),),
        )
        yield t.RequestProcessingDataReply(status=t.DataStatus.DATA, tiles=(), data=bytes(range(16)))

    async def publish_processing_result(
        self, requests: AsyncIterator[t.PublishProcessingResultRequest]
    ) -> t.PublishProcessingResultReply:
        job = ""
        try:
            async for request in requests:
                job = request.job
        except Exception as error:
            # As a runtime might, which knows nothing of the stream's other end.
            raise RuntimeError("the upload broke off") from error
        known(job)
        return t.PublishProcessingResultReply(held=bool(job), detail="")

    async def publish_data_to_process(
        self, request: t.PublishDataToProcessRequest
    ) -> t.PublishDataToProcessReply:
        known(request.job)
        return t.PublishDataToProcessReply(hosting=True, host=PEER, microjob=request.microjob or 0, detail="")

    async def room_leave(self, request: t.RoomLeaveRequest) -> t.RoomLeaveReply:
        known(request.job)
        return t.RoomLeaveReply(left=True)


class FakeLocalApi(FakeJobs, FakeRooms):
    """All calls."""

    async def get_node(self, request: t.GetNodeRequest) -> t.GetNodeReply:
        return t.GetNodeReply(
            peer=PEER,
            version="0.1.0",
            protocol=1,
            network="n",
            network_name="private",
            multiaddrs=("/ip4/127.0.0.1/tcp/4001",),
            endpoints=(t.Endpoint(host="127.0.0.1", port=4002),),
            peers=11,
            jobs=2**53 + 1,
            workers=1,
            hardening=("rlimits",),
            uptime_ms=12,
            counters=(t.Counter(name="dropped", value=0),),
            processors=(t.ProcessorCard(name="invert", summary="", dtypes=("uint8",), parameters=()),),
        )

    async def list_peers(self, request: t.ListPeersRequest) -> t.ListPeersReply:
        peer = t.PeerSummary(peer=PEER, connected=True, endpoints=(), gossip=False)
        return t.ListPeersReply(peers=(peer,))

    async def list_settlements(self, request: t.ListSettlementsRequest) -> t.ListSettlementsReply:
        job = known(request.job or "job")
        share = t.Share(peer=PEER, made=3, checked=1)
        one = t.SettledMicrojob(
            job=job,
            microjob=0,
            receipt=bytes(32),
            node=PEER,
            audited=True,
            rerun=3,
            shares=(share,),
            audit=t.AuditState.DONE,
        )
        return t.ListSettlementsReply(
            settlements=(one,), credits=(share,), next=None if request.after else f"{job}/0"
        )


def known(job: str) -> str:
    match job:
        case "absent":
            raise NotFound("no job has the id absent: see `sgnus job list`")
        case "over":
            raise Conflict("the job is over")
        case "broken-disk":
            raise WorldFault("the disk is full")
        case "bug":
            raise RuntimeError(SECRET)
        case "bad":
            raise UserFault("the tile is larger than the image: give a smaller one")
    return job


def block_id(data: bytes) -> str:
    return "b" + base64.b32encode(hashlib.sha256(data).digest()).decode().lower().rstrip("=")


def tile(index: int) -> t.Tile:
    return t.Tile(
        index=index,
        input_start=(0, 0),
        input_shape=(4, 4),
        output_start=(0, 0),
        output_shape=(4, 4),
        input_bytes=16,
        output_bytes=16,
    )


def piece(number: int) -> t.StreamResultsReply:
    return t.StreamResultsReply(
        cursor=number + 1,
        sub_block=number,
        tiles=(tile(number),),
        data=bytes([number % 256]) * 16,
        last=True,
        state=t.ResultState.UNVERIFIED,
    )


def plan(tile_shape: tuple[int, ...]) -> t.PlanJobReply:
    return t.PlanJobReply(
        chunks=4,
        sub_blocks=1,
        microjobs=1,
        input_bytes=64,
        upload_bytes=64,
        output_bytes=64,
        tile=tile_shape or (256, 256),
        halo=(0, 0),
        visible_to="nodes of this network",
    )


def room(job: str) -> t.RoomSummary:
    return t.RoomSummary(
        job=job,
        microjob=0,
        hosted=True,
        instance="i",
        epoch=1,
        host=PEER,
        members=2,
        seats=9,
        sub_blocks=10,
        delivered=4,
        processor="app:x",
        joined=False,
    )


def status(job: str) -> t.JobStatus:
    array = t.ArraySpec(shape=(16, 16), dtype="uint8")
    return t.JobStatus(
        job=job,
        name="a job",
        author=PEER,
        processor="invert",
        state=t.JobState.RUNNING,
        reason="",
        chunks=4,
        sub_blocks=1,
        microjobs=1,
        delivered=0,
        taken=0,
        output_bytes=256,
        array=array,
        output=array,
        created_ms=1_790_000_000_000,
        expires_ms=1_790_000_600_000,
        own=True,
        rooms=(room(job),),
        takeovers=0,
        removals=0,
    )
