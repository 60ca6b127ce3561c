"""The grid as an app sees it through the local node, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from sgnus.frontends.sdk.errors import NotFound
from sgnus.frontends.sdk.home import Home
from sgnus.frontends.sdk.job import Job
from sgnus.frontends.sdk.ledger import Ledger
from sgnus.frontends.sdk.request import JobWish, job_request, module_bytes, wish_of
from sgnus.frontends.sdk.room import Room, find_seat, list_rooms
from sgnus.frontends.sdk.transport import Transport
from sgnus.frontends.sdk.views import (
    JobStatus,
    NodeStatus,
    PeerSummary,
    Plan,
    RoomSummary,
    view,
)
from sgnus.messages.errors import UserFault
from sgnus.messages.v1 import sgnus_pb2

if TYPE_CHECKING:
    from sgnus.frontends.sdk.arrays import Array

JOBS_MAX: Final = 1000
BLOCKID_CHARACTERS: Final = 59
BLOCKID_HEAD: Final = "bafyrei"
Uploaded = Callable[[int, int], None]


class Grid(Ledger):
    """A connection to the local node. Made by `connect`; use it as a context manager, or `close` it."""

    def __init__(self, transport: Transport, patience_s: float, has_started_node: bool = False) -> None:
        self.has_started_node = has_started_node
        self._transport = transport
        self._patience_s = patience_s

    @property
    def home(self) -> Home:
        """The node's folder."""
        return self._transport.home

    async def __aenter__(self) -> Grid:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the node; it runs on, and so do the jobs."""
        await self._transport.close()

    async def submit(self, source: Any, *, on_upload: Uploaded | None = None, **wishes: Any) -> Job:
        """Stream an array, memmap or buffer to the node, and get the job back once it is on disk and signed.

        `wishes` are the fields of `JobWish`; `on_upload(sent, total)` hears of the bytes. UserFault says what cannot
        be, before anything is sent where possible. The input is never copied whole.
        """
        from sgnus.frontends.sdk.arrays import as_array, dtype_name

        wish = wish_of(wishes)
        array = as_array(source)
        request = job_request(wish, array.shape, dtype_name(array))
        module = module_bytes(wish)
        reply = await self._transport.upload(
            "SubmitJob", lambda: _submission(request, module, array, on_upload)
        )
        return Job(self._transport, reply.job, self._patience_s)

    async def plan(self, source: Any, **wishes: Any) -> Plan:
        """What a job would become, without submitting it. `source` as for `submit`."""
        from sgnus.frontends.sdk.arrays import as_array, dtype_name

        wish = wish_of(wishes)
        array = as_array(source)
        module_bytes(wish)
        return await self._plan(wish, array.shape, dtype_name(array))

    async def _plan(self, wish: JobWish, shape: tuple[int, ...], dtype: str) -> Plan:
        request = sgnus_pb2.PlanJobRequest(job=job_request(wish, shape, dtype))
        return view(Plan, await self._transport.call("PlanJob", request))

    async def job(self, job_id: str) -> Job:
        """The job of that BLOCKID, or of the only one that begins so; the head that all share may be left out."""
        if len(job_id) == BLOCKID_CHARACTERS:
            job = Job(self._transport, job_id, self._patience_s)
            await job.status()
            return job
        found = [status.job for status in await self.statuses() if _begins(status.job, job_id)]
        if not found:
            raise NotFound(f"No job begins with {job_id!r}; list those that there are with: sgnus job list")
        if len(found) > 1:
            raise UserFault(
                f"{len(found)} jobs begin with {job_id!r}: give more of its id ({_several(found)})."
            )
        return Job(self._transport, found[0], self._patience_s)

    async def jobs(self, own: bool = False, open: bool = False) -> list[Job]:
        """Jobs of the database, newest first, at most 1,000; `own` are this node's."""
        return [
            Job(self._transport, status.job, self._patience_s) for status in await self.statuses(own, open)
        ]

    async def statuses(self, own: bool = False, open: bool = False, limit: int = JOBS_MAX) -> list[JobStatus]:
        """Like `jobs`, with all that is known of each."""
        request = sgnus_pb2.ListJobsRequest(own=own, open=open, limit=limit)
        return [view(JobStatus, status) for status in (await self._transport.call("ListJobs", request)).jobs]

    async def peers(self) -> list[PeerSummary]:
        """Peers that the node knows."""
        reply = await self._transport.call("ListPeers", sgnus_pb2.ListPeersRequest())
        return [view(PeerSummary, peer) for peer in reply.peers]

    async def rooms(self, job: str | None = None, processor: str | None = None) -> list[RoomSummary]:
        """Rooms that can be joined, and microjobs that have none yet."""
        return await list_rooms(self._transport, job, processor)

    async def node(self) -> NodeStatus:
        """The local node."""
        return view(NodeStatus, await self._transport.call("GetNode", sgnus_pb2.GetNodeRequest()))

    async def join(self, job: str | None = None, processor: str | None = None, timeout: float = 0.0) -> Room:
        """Take a seat, to process with the app's own code: rooms are asked in turn; where none gives a seat, this
        node hosts the next microjob without a room. NotFound when there is nothing to do for `timeout` seconds.
        """
        return await find_seat(self._transport, job, processor, timeout, self._patience_s)


async def _submission(
    request: Any, module: bytes, array: Array, on_upload: Uploaded | None
) -> AsyncIterator[Any]:
    from sgnus.frontends.sdk.arrays import pieces

    yield sgnus_pb2.SubmitJobRequest(job=request)
    if module:
        yield sgnus_pb2.SubmitJobRequest(module=module)
    sent = 0
    for piece in pieces(array):
        yield sgnus_pb2.SubmitJobRequest(data=piece)
        sent += len(piece)
        if on_upload:
            on_upload(sent, array.nbytes)


def _begins(block_id: str, start: str) -> bool:
    return bool(start) and (
        block_id.startswith(start) or block_id.removeprefix(BLOCKID_HEAD).startswith(start)
    )


def _several(ids: list[str]) -> str:
    return ", ".join(f"{block_id[:20]}..." for block_id in ids[:4]) + (" and more" if len(ids) > 4 else "")
