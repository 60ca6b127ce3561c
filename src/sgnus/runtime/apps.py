"""Apps that process on this node: the seat that they hold through the local service, sub-block by sub-block."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.inputs import AppHosts, AppJoins, AppLeaves, Input, SubBlockComputed, SubBlockFailed
from sgnus.core.room import Phase
from sgnus.messages.errors import Conflict, NotFound, UserFault
from sgnus.messages.ids import BlockId, InstanceId
from sgnus.messages.limits import DATA_BYTES_TYPICAL, SUSPICION_MS
from sgnus.messages.v1.types import (
    DataStatus,
    PublishDataToProcessReply,
    PublishDataToProcessRequest,
    PublishProcessingResultReply,
    PublishProcessingResultRequest,
    RequestProcessingDataReply,
    RequestProcessingDataRequest,
    ReturnReason,
    RoomJoinReply,
    RoomJoinRequest,
    RoomJoinStatus,
    RoomLeaveReply,
    RoomLeaveRequest,
)
from sgnus.runtime.engine import Engine
from sgnus.runtime.inputs import InputMissing, Inputs
from sgnus.runtime.jobs import Job, JobBook
from sgnus.runtime.work import Hands

POLL_S: Final = 0.1
HELD_S_MAX: Final = 60.0


@dataclass(slots=True)
class AppRoom:
    """One seat of an app: leases that wait for it, and those that it works on."""

    job: BlockId
    microjob: int
    waiting: dict[tuple[InstanceId, int], fx.Process] = field(default_factory=dict)
    working: dict[int, fx.Process] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def touch(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Asked:
    """What an app asked the core. `gets_seat`: whether an answer that is OK means a seat."""

    job: BlockId
    gets_seat: Callable[[fx.AnswerApp], bool]
    done: asyncio.Future[fx.AnswerApp]


class AppRooms:
    """The seats of apps: the core fills them, apps empty them."""

    def __init__(self) -> None:
        self._rooms: dict[tuple[BlockId, int], AppRoom] = {}

    def seat(self, job: BlockId, microjob: int) -> AppRoom:
        """The seat in this room, begun at need."""
        return self._rooms.setdefault((job, microjob), AppRoom(job, microjob))

    def get(self, job: BlockId, microjob: int) -> AppRoom | None:
        return self._rooms.get((job, microjob))

    def drop(self, job: BlockId, microjob: int) -> None:
        self._rooms.pop((job, microjob), None)

    def lease(self, asked: fx.Process) -> None:
        """A sub-block is ours: the app's next request gets it."""
        room = self.seat(asked.job, asked.microjob)
        room.waiting[asked.instance, asked.sub_block] = asked
        room.touch()

    def revoke(self, asked: fx.StopProcessing) -> None:
        """Somebody else delivered it."""
        for room in self._rooms.values():
            room.waiting.pop((asked.instance, asked.sub_block), None)
            working = room.working.get(asked.sub_block)
            if working is not None and working.instance == asked.instance:
                del room.working[asked.sub_block]
            room.touch()

    def room_left(self, left: fx.RoomLeft) -> None:
        """The seat is gone."""
        room = self._rooms.pop((left.job, left.microjob), None)
        if room is not None:
            room.touch()


class Apps:
    """The app's loop of `LocalApi`, on the core's inputs and effects."""

    def __init__(self, engine: Engine, jobs: JobBook, inputs: Inputs, hands: Hands) -> None:
        self._engine = engine
        self._jobs = jobs
        self._inputs = inputs
        self._hands = hands
        self._tokens = itertools.count(1)
        self._asked: dict[int, Asked] = {}
        self.rooms = AppRooms()

    # ---- what the core does
    def answer(self, answer: fx.AnswerApp) -> None:
        """The seat is there from now on: the core may tell of leases in it, or of its end, before whoever asked is awake."""
        asked = self._asked.pop(answer.token, None)
        if asked is None or asked.done.done():
            return
        if answer.status is RoomJoinStatus.OK and asked.gets_seat(answer):
            self.rooms.seat(asked.job, answer.microjob)
        asked.done.set_result(answer)

    # ---- what the app asks
    async def join(self, request: RoomJoinRequest) -> RoomJoinReply:
        """RoomJoin."""
        job = self._known(request.job)
        answer = await self._ask(
            job, lambda token: AppJoins(token, job, request.microjob), gets_seat=lambda _answer: True
        )
        return RoomJoinReply(status=answer.status, detail=answer.detail)

    async def host(self, request: PublishDataToProcessRequest) -> PublishDataToProcessReply:
        """PublishDataToProcess."""
        block = self._known(request.job)
        job = self._jobs.get(block)
        if job is not None and request.microjob is not None:
            _check_sub_blocks(job, request)
        answer = await self._ask(
            block, lambda token: AppHosts(token, block, request.microjob), gets_seat=self._is_host
        )
        hosting = answer.status is RoomJoinStatus.OK and self._is_host(answer)
        return PublishDataToProcessReply(
            hosting=hosting, host=answer.host, microjob=answer.microjob, detail=answer.detail
        )

    async def leave(self, request: RoomLeaveRequest) -> RoomLeaveReply:
        """RoomLeave; what the app worked on goes back."""
        job = self._known(request.job)
        answer = await self._ask(
            job, lambda token: AppLeaves(token, job, request.microjob), gets_seat=lambda _answer: False
        )
        self.rooms.drop(job, request.microjob)
        return RoomLeaveReply(left=answer.status is RoomJoinStatus.OK)

    async def data(self, request: RequestProcessingDataRequest) -> AsyncIterator[RequestProcessingDataReply]:
        """RequestProcessingData: the next sub-block, its tiles, then its bytes."""
        block = self._known(request.job)
        status, asked = await self._next(block, request.microjob, request.wait_ms)
        job = self._jobs.get(block)
        if asked is None or job is None:
            yield RequestProcessingDataReply(status=status, tiles=())
            return
        try:
            chunks = await self._inputs.sub_block(job, asked.microjob, asked.instance, asked.sub_block)
        except InputMissing as missing:
            self._give_back(asked, ReturnReason.INPUT_MISSING, str(missing))
            yield RequestProcessingDataReply(status=DataStatus.WAIT, tiles=())
            return
        body = job.body
        indexes = job.plan.chunks_of(asked.microjob, asked.sub_block)
        yield RequestProcessingDataReply(
            status=DataStatus.DATA,
            sub_block=asked.sub_block,
            processor=body.processor,
            array=body.array,
            output=body.output,
            cut=body.cut,
            tiles=tuple(job.plan.chunk(index).tile for index in indexes),
        )
        for chunk in chunks:
            for start in range(0, len(chunk), DATA_BYTES_TYPICAL):
                piece = bytes(chunk[start : start + DATA_BYTES_TYPICAL])
                yield RequestProcessingDataReply(status=DataStatus.DATA, tiles=(), data=piece)

    async def result(
        self, requests: AsyncIterator[PublishProcessingResultRequest]
    ) -> PublishProcessingResultReply:
        """PublishProcessingResult: answers when the publisher holds it."""
        asked, job, outputs = await self._outputs(requests)
        room = self.rooms.get(asked.job, asked.microjob)
        if room is not None:
            room.working.pop(asked.sub_block, None)
        root, opening = self._hands.keep(job, asked.microjob, asked.instance, asked.sub_block, outputs)
        hidden = opening if job.wants_proof else None
        done = SubBlockComputed(asked.instance, asked.sub_block, len(outputs), root, 0, hidden)
        self._engine.put(done)
        key = (asked.instance, asked.sub_block)
        deadline = asyncio.get_running_loop().time() + HELD_S_MAX
        while key in self._hands.kept:
            if asyncio.get_running_loop().time() > deadline:
                return PublishProcessingResultReply(held=False, detail="the publisher does not answer yet")
            await asyncio.sleep(POLL_S / 10)
        return PublishProcessingResultReply(held=True, detail="")

    async def _outputs(
        self, requests: AsyncIterator[PublishProcessingResultRequest]
    ) -> tuple[fx.Process, Job, Sequence[bytes]]:
        asked: fx.Process | None = None
        job: Job | None = None
        sizes: list[int] = []
        data = bytearray()
        async for request in requests:
            if asked is None:
                block = self._known(request.job)
                room = self.rooms.get(block, request.microjob)
                asked = room.working.get(request.sub_block) if room is not None else None
                job = self._jobs.get(block)
                if asked is None or job is None:
                    raise Conflict("This sub-block is not leased to this app now; request data first.")
                chunks = job.plan.chunks_of(asked.microjob, asked.sub_block)
                sizes = job.plan.output_sizes_of(chunks)
            data += request.data or b""
            if len(data) > sum(sizes):
                break
        if asked is None or job is None:
            raise UserFault("The result is empty: name job, microjob and sub-block in the first message.")
        if len(data) != sum(sizes):
            raise UserFault(
                f"The result must have {sum(sizes)} bytes: those of its tiles' outputs, end to end."
            )
        outputs, start = [], 0
        for size in sizes:
            outputs.append(bytes(data[start : start + size]))
            start += size
        return asked, job, outputs

    async def _next(self, job: BlockId, microjob: int, wait_ms: int) -> tuple[DataStatus, fx.Process | None]:
        deadline = asyncio.get_running_loop().time() + wait_ms / 1000
        while True:
            room = self.rooms.get(job, microjob)
            if room is None:
                return self._without_seat(job, microjob), None
            if room.waiting:
                asked = room.waiting.pop(next(iter(room.waiting)))
                room.working[asked.sub_block] = asked
                return DataStatus.DATA, asked
            if self._is_host_gone(job, microjob):
                return DataStatus.HOST_GONE, None
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                return DataStatus.WAIT, None
            changed = room.changed
            try:
                await asyncio.wait_for(changed.wait(), min(left_s, POLL_S))
            except TimeoutError:
                continue

    def _without_seat(self, job: BlockId, microjob: int) -> DataStatus:
        lobby = self._engine.core.jobs.get(job)
        if lobby is None or not lobby.is_open(microjob):
            return DataStatus.NOTHING_LEFT
        return DataStatus.NOT_JOINED

    def _is_host_gone(self, job: BlockId, microjob: int) -> bool:
        room = self._engine.core.room
        if room is None or (room.seat.job, room.seat.microjob) != (job, microjob):
            return False
        if room.phase is Phase.HOST:
            return False
        return room.pulse.is_gone(room.host, SUSPICION_MS, self._engine.now_ms())

    def _give_back(self, asked: fx.Process, reason: ReturnReason, detail: str) -> None:
        self._engine.put(SubBlockFailed(asked.instance, asked.sub_block, reason, detail))

    def _is_host(self, answer: fx.AnswerApp) -> bool:
        return answer.host == self._engine.core.pen.peer

    async def _ask(
        self, job: BlockId, make: Callable[[int], Input], *, gets_seat: Callable[[fx.AnswerApp], bool]
    ) -> fx.AnswerApp:
        token = next(self._tokens)
        asked = self._asked[token] = Asked(job, gets_seat, asyncio.get_running_loop().create_future())
        self._engine.put(make(token))
        try:
            return await asyncio.wait_for(asked.done, HELD_S_MAX)
        finally:
            self._asked.pop(token, None)

    def _known(self, job: str) -> BlockId:
        block = BlockId(job)
        if self._jobs.get(block) is None:
            raise NotFound(f"No job {job} is known to this node.")
        return block


def _check_sub_blocks(job: Job, request: PublishDataToProcessRequest) -> None:
    """The sub-blocks that the app names must be those of the job's manifest."""
    microjob = request.microjob or 0
    if not 0 <= microjob < job.plan.microjobs:
        raise UserFault(f"The job has {job.plan.microjobs} microjobs; there is no {microjob}.")
    count = job.plan.sub_blocks_of(microjob)
    if request.sub_blocks and sorted(request.sub_blocks) != list(range(count)):
        raise UserFault(f"Microjob {microjob} has the sub-blocks 0 to {count - 1}; name them all, or none.")
