"""What an app may ask of its local node: one method per call of the service Processing.

The local service and the CLI and SDK that run a node in their own process stand on this; the runtime implements it.
A method takes and gives the messages of api/sgnus.yaml. It raises NotFound, Conflict or another UserFault for what the
app asked wrongly and WorldFault for what it may try again; whatever else it raises is told as our fault, without detail.
A client stream that breaks off, or holds what is malformed, raises where it is iterated: let that pass, and submit nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from sgnus.messages.v1.types import (
    CancelJobReply,
    CancelJobRequest,
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
    ListJobsReply,
    ListJobsRequest,
    ListPeersReply,
    ListPeersRequest,
    ListSettlementsReply,
    ListSettlementsRequest,
    PlanJobReply,
    PlanJobRequest,
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
    StreamEventsReply,
    StreamEventsRequest,
    StreamResultsReply,
    StreamResultsRequest,
    SubmitJobReply,
    SubmitJobRequest,
)


class RoomsApi(Protocol):
    """The loop of an app that processes: rooms, sub-blocks, results."""

    async def get_room_list(self, request: GetRoomListRequest) -> GetRoomListReply:
        """Rooms that can be joined, from the database and the lobby."""
        ...

    async def room_join(self, request: RoomJoinRequest) -> RoomJoinReply:
        """Ask for a seat; the app processes what this node is leased there."""
        ...

    def request_processing_data(
        self, request: RequestProcessingDataRequest
    ) -> AsyncIterator[RequestProcessingDataReply]:
        """Wait for a sub-block and stream its input chunks."""
        ...

    async def publish_processing_result(
        self, requests: AsyncIterator[PublishProcessingResultRequest]
    ) -> PublishProcessingResultReply:
        """Stream the outputs of a sub-block; answers when the publisher holds them."""
        ...

    async def publish_data_to_process(
        self, request: PublishDataToProcessRequest
    ) -> PublishDataToProcessReply:
        """Make this node host - that room after HOST_GONE, by its votes; else the next microjob without a room."""
        ...

    async def room_leave(self, request: RoomLeaveRequest) -> RoomLeaveReply:
        """Give the seat back."""
        ...


class JobsApi(Protocol):
    """Jobs: plan, submit, follow, collect, cancel."""

    async def plan_job(self, request: PlanJobRequest) -> PlanJobReply:
        """Say what a job would become - chunks, sub-blocks, rooms, bytes - without submitting it."""
        ...

    async def submit_job(self, requests: AsyncIterator[SubmitJobRequest]) -> SubmitJobReply:
        """Stream a description, a module if it is the app's own, and the input; answers with the BLOCKID."""
        ...

    async def get_job(self, request: GetJobRequest) -> GetJobReply:
        """A job and how far it is."""
        ...

    async def list_jobs(self, request: ListJobsRequest) -> ListJobsReply:
        """Jobs of the database, newest first."""
        ...

    async def cancel_job(self, request: CancelJobRequest) -> CancelJobReply:
        """Cancel a job of this node; no new rooms are founded for it."""
        ...

    def stream_results(self, request: StreamResultsRequest) -> AsyncIterator[StreamResultsReply]:
        """Outputs as they arrive, from a cursor on; ends with the job."""
        ...

    def stream_events(self, request: StreamEventsRequest) -> AsyncIterator[StreamEventsReply]:
        """What happens to a job, its rooms, hosts and peer lists."""
        ...

    async def get_story(self, request: GetStoryRequest) -> GetStoryReply:
        """What this node saw of a job, in words."""
        ...

    async def get_receipts(self, request: GetReceiptsRequest) -> GetReceiptsReply:
        """The evidence that microjobs of a job are complete and verified."""
        ...

    def get_proofs(self, request: GetProofsRequest) -> AsyncIterator[GetProofsReply]:
        """Proofs of fraud in a job, in pieces, one after the other."""
        ...


class NodeApi(Protocol):
    """The node itself and the peers that it knows."""

    async def get_node(self, request: GetNodeRequest) -> GetNodeReply:
        """This node."""
        ...

    async def list_peers(self, request: ListPeersRequest) -> ListPeersReply:
        """Peers that this node knows."""
        ...

    async def list_settlements(self, request: ListSettlementsRequest) -> ListSettlementsReply:
        """What SGNUS nodes settled, as far as this node has heard; a page at a time."""
        ...


class LocalApi(RoomsApi, JobsApi, NodeApi, Protocol):
    """All calls. A stream that its caller leaves early is closed (`aclose`), or cancelled where it waits."""
