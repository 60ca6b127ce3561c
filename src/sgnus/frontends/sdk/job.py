"""A job seen from its app, for asyncio. It outlives the connection: a restart of the node is waited out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from sgnus.frontends.sdk.errors import JobCancelled, JobFailed, NodeUnreachable
from sgnus.frontends.sdk.patience import Patience
from sgnus.frontends.sdk.transport import Transport
from sgnus.frontends.sdk.views import EVENTS, STATES, Event, JobStatus, Progress, view, word
from sgnus.messages.errors import OurFault, WorldFault
from sgnus.messages.v1 import sgnus_pb2

if TYPE_CHECKING:
    from sgnus.frontends.sdk.arrays import Array
    from sgnus.frontends.sdk.tiles import Delivery, Tile

PATIENCE_S: Final = 60.0
LOG: Final = logging.getLogger("sgnus.job")


class Job:
    """One job of the database, by its BLOCKID (`id`). Made by `Grid.submit`, `Grid.job` and `Grid.jobs`."""

    def __init__(self, transport: Transport, job_id: str, patience_s: float = PATIENCE_S) -> None:
        self.id = job_id
        self._transport = transport
        self._patience_s = patience_s

    def __repr__(self) -> str:
        return f"<sgnus job {self.id}>"

    async def status(self) -> JobStatus:
        """All that the node knows of the job now."""
        reply = await self._transport.call("GetJob", sgnus_pb2.GetJobRequest(job=self.id))
        return view(JobStatus, reply.status)

    async def state(self) -> str:
        """pending, queued, running, verifying, completed, failed or cancelled."""
        return (await self.status()).state

    async def progress(self) -> Progress:
        """Delivered sub-blocks of all, and the fraction."""
        return (await self.status()).progress

    async def cancel(self, reason: str = "") -> str:
        """Cancel it; the state after that. Conflict when another node published it, or it has ended."""
        reply = await self._transport.call(
            "CancelJob", sgnus_pb2.CancelJobRequest(job=self.id, reason=reason or "cancelled by its app")
        )
        return word(STATES, reply.state)

    async def story(self) -> list[str]:
        """What this node saw of the job, in words, oldest first."""
        return list((await self._transport.call("GetStory", sgnus_pb2.GetStoryRequest(job=self.id))).lines)

    async def receipts(self) -> list[bytes]:
        """The receipts of its verified microjobs, by microjob. The node that published the job keeps them."""
        reply = await self._transport.call("GetReceipts", sgnus_pb2.GetReceiptsRequest(job=self.id))
        return list(reply.receipts)

    async def proofs(self) -> list[bytes]:
        """The proofs of fraud in it. Those of the node that published the job are complete; another node has them without
        input and module.
        """
        found, data = list[bytes](), bytearray()
        request = sgnus_pb2.GetProofsRequest(job=self.id)
        async with aclosing(self._transport.stream("GetProofs", request)) as replies:
            async for reply in replies:
                data += reply.data
                if reply.last:
                    found.append(bytes(data))
                    data.clear()
        return found

    async def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until the job has ended, however it ends. TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            patience = Patience(self._patience_s)
            _warn_of_waiting(await self._patient_status(patience))
            while not (status := await self._patient_status(patience)).has_ended:
                async with aclosing(self.events(follow=True)) as events:
                    async for event in events:
                        patience.renew()
                        if isinstance(event, JobStatus) and event.has_ended:
                            break
                await asyncio.sleep(0)
        return status

    async def events(self, follow: bool = True) -> AsyncGenerator[Event, None]:
        """What happens to the job, its rooms, hosts and peer lists; with `follow` until the job ends.

        After a restart of the node the events go on with those that come then.
        """
        patience = Patience(self._patience_s)
        while True:
            try:
                request = sgnus_pb2.StreamEventsRequest(job=self.id, follow=follow)
                async with aclosing(self._transport.stream("StreamEvents", request)) as replies:
                    async for reply in replies:
                        patience.renew()
                        body = reply.WhichOneof("body")
                        if body in EVENTS:
                            yield view(EVENTS[body], getattr(reply, body))
            except NodeUnreachable as fault:
                await patience.wait(fault)
                continue
            if not follow or (await self._patient_status(patience)).has_ended:
                return
            await patience.wait(NodeUnreachable("The node ends the stream of events again and again."))

    async def results(self, provisional: bool = False) -> AsyncGenerator[Tile, None]:
        """The tiles as they arrive, in any order; ends with the job. JobFailed or JobCancelled when it does not complete."""
        async with aclosing(self.deliveries(provisional=provisional)) as deliveries:
            async for delivery in deliveries:
                for tile in delivery.tiles:
                    yield tile

    async def deliveries(self, after: int = 0, provisional: bool = False) -> AsyncGenerator[Delivery, None]:
        """Like `results`, a sub-block at a time, from the cursor `after` on: what an app keeps to resume later."""
        patience = Patience(self._patience_s)
        status = await self._patient_status(patience)
        _warn_of_waiting(status)
        dtype = status.output.dtype
        while True:
            request = sgnus_pb2.StreamResultsRequest(job=self.id, after=after, provisional=provisional)
            try:
                async with aclosing(_read(self._transport, request, dtype)) as deliveries:
                    async for delivery in deliveries:
                        patience.renew()
                        after = delivery.cursor
                        yield delivery
            except WorldFault as fault:
                await patience.wait(fault)
                continue
            if _is_complete(await self._patient_status(patience)):
                return
            await patience.wait(
                WorldFault(f"The node ends the results of {self.id} before the job has ended.")
            )

    async def result(self, out: Array | None = None, provisional: bool = False) -> Array:
        """The whole result, in a new array or in `out` (which may be a memmap)."""
        from sgnus.frontends.sdk.arrays import checked_out

        status = await self._patient_status(Patience(self._patience_s))
        whole = checked_out(out, status.output.shape, status.output.dtype)
        arrived: set[int] = set()
        async with aclosing(self.results(provisional)) as tiles:
            async for tile in tiles:
                tile.place(whole)
                arrived.add(tile.index)
        if len(arrived) != status.chunks:
            raise OurFault(f"Job {self.id} completed with {len(arrived)} of {status.chunks} chunks.")
        return whole

    async def _patient_status(self, patience: Patience) -> JobStatus:
        while True:
            try:
                return await self.status()
            except WorldFault as fault:
                await patience.wait(fault)


def _warn_of_waiting(status: JobStatus) -> None:
    """Whoever begins to wait is told what for: nothing may come for as long as the job lives. Without logging set up,
    Python writes it to standard error.
    """
    if status.state in ("pending", "verifying") and status.reason:
        LOG.warning("Job %s is %s: %s.", status.job, status.state, status.reason)


async def _read(transport: Transport, request: Any, dtype: str) -> AsyncGenerator[Delivery, None]:
    """One stream of results, its pieces put together."""
    from sgnus.frontends.sdk.tiles import delivery

    first, data = None, bytearray()
    async with aclosing(transport.stream("StreamResults", request)) as replies:
        async for reply in replies:
            first = first or reply
            data += reply.data
            if reply.last:
                yield delivery(first, reply.cursor, data, dtype, reply.state)
                first, data = None, bytearray()


def _is_complete(status: JobStatus) -> bool:
    """Whether all results have come; raises when no more will."""
    if status.state == "failed":
        raise JobFailed(f"Job {status.job} failed: {status.reason or 'no reason was given'}")
    if status.state == "cancelled":
        raise JobCancelled(
            f"Job {status.job} was cancelled" + (f": {status.reason}" if status.reason else ".")
        )
    return status.state == "completed"
