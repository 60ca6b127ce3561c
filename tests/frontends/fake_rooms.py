"""The loop of an app, as the fake node serves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from sgnus.messages.v1 import sgnus_pb2 as pb
from tests.frontends.fake_grid import PIECE, FakeJobs


class FakeService(FakeJobs):
    """All calls of the Processing service: those about jobs, and those about rooms."""

    def GetRoomList(self, request: Any, context: Any) -> Any:
        rooms = []
        for job in self.jobs.values():
            unfinished = job.state < pb.JOB_STATE_COMPLETED and job.request.processor.startswith("app:")
            wanted = request.processor in ("", job.request.processor) and request.job in ("", job.id)
            for microjob in range(-(-len(job.sub_blocks()) // 10)):
                if not (unfinished and wanted):
                    continue
                key = (job.id, microjob)
                rooms.append(
                    pb.RoomSummary(
                        job=job.id,
                        microjob=microjob,
                        hosted=key in self.hosted,
                        seats=5,
                        processor=job.request.processor,
                        joined=key in self.joined,
                    )
                )
        return pb.GetRoomListReply(rooms=rooms)

    def RoomJoin(self, request: Any, context: Any) -> Any:
        key = (request.job, request.microjob)
        self.calls.append(f"RoomJoin {request.microjob}")
        if key in self.full_rooms:
            return pb.RoomJoinReply(status=pb.ROOM_JOIN_STATUS_FULL, detail="eleven are there")
        if key not in self.hosted:
            return pb.RoomJoinReply(status=pb.ROOM_JOIN_STATUS_ROOM_DOES_NOT_EXIST)
        self.joined.add(key)
        return pb.RoomJoinReply(status=pb.ROOM_JOIN_STATUS_OK)

    def PublishDataToProcess(self, request: Any, context: Any) -> Any:
        job = self._job(request.job, context)
        self.calls.append("PublishDataToProcess")
        if request.HasField("microjob"):
            self.hosts_gone -= 1
            return pb.PublishDataToProcessReply(hosting=True, host="12D3KooWFake", microjob=request.microjob)
        for microjob in range(-(-len(job.sub_blocks()) // 10)):
            key = (job.id, microjob)
            if key not in self.hosted:
                self.hosted.add(key)
                self.joined.add(key)
                return pb.PublishDataToProcessReply(hosting=True, host="12D3KooWFake", microjob=microjob)
        return pb.PublishDataToProcessReply(hosting=False, detail="all microjobs have rooms")

    def RequestProcessingData(self, request: Any, context: Any) -> Iterator[Any]:
        job, key = self._job(request.job, context), (request.job, request.microjob)
        if key not in self.joined:
            yield pb.RequestProcessingDataReply(status=pb.DATA_STATUS_NOT_JOINED)
            return
        if self.hosts_gone:
            yield pb.RequestProcessingDataReply(status=pb.DATA_STATUS_HOST_GONE)
            return
        blocks = job.sub_blocks()
        if job.leased >= len(blocks):
            yield pb.RequestProcessingDataReply(status=pb.DATA_STATUS_NOTHING_LEFT)
            return
        number = job.leased
        job.leased += 1
        yield pb.RequestProcessingDataReply(
            status=pb.DATA_STATUS_DATA,
            sub_block=number,
            processor=pb.Processor(id=job.request.processor, parameters=job.request.parameters),
            array=job.request.array,
            output=pb.OutputSpec(dtype=job.request.array.dtype),
            cut=pb.Cut(
                tile=job.request.tile, halo=job.request.halo, edge=job.request.edge, chunks_per_sub_block=1
            ),
            tiles=blocks[number],
        )
        data = b"".join(job.input_of(tile).tobytes() for tile in blocks[number])
        for start in range(0, len(data), PIECE):
            yield pb.RequestProcessingDataReply(status=pb.DATA_STATUS_DATA, data=data[start : start + PIECE])

    def PublishProcessingResult(self, requests: Iterator[Any], context: Any) -> Any:
        first = next(requests)
        data = first.data + b"".join(item.data for item in requests)
        job = self._job(first.job, context)
        verdict = self.verdicts.get(first.sub_block)
        if verdict == "revoked":
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "This sub-block is not leased to this app now."
            )
        if verdict == "not held":
            return pb.PublishProcessingResultReply(held=False, detail="the publisher does not answer yet")
        with self.changed:
            job.delivered.append((first.sub_block, data))
            if len(job.delivered) == len(job.sub_blocks()):
                job.state = pb.JOB_STATE_COMPLETED
            self.changed.notify_all()
        return pb.PublishProcessingResultReply(held=True)

    def RoomLeave(self, request: Any, context: Any) -> Any:
        key = (request.job, request.microjob)
        was_there = key in self.joined
        self.joined.discard(key)
        return pb.RoomLeaveReply(left=was_there)
