"""What the fake node keeps and computes; its jobs survive a restart of the server around them."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import numpy as np

from sgnus.messages.v1 import sgnus_pb2 as pb
from sgnus.messages.v1 import sgnus_pb2_grpc

PROCESSORS = ("invert", "slow", "fail", "digest", "wasm")
WAIT_S = 20.0
PIECE = 1000  # small and odd, so that pieces never meet the tiles' borders


@dataclass
class FakeJob:
    """One job with all its tiles; `delivered` holds (sub-block, bytes) in the order of arrival."""

    id: str
    request: Any
    array: np.ndarray
    tiles: list[Any]
    per: int
    module: bytes = b""
    state: int = pb.JOB_STATE_RUNNING
    reason: str = ""
    delivered: list[tuple[int, bytes]] = field(default_factory=list)
    leased: int = 0

    def sub_blocks(self) -> list[list[Any]]:
        return [self.tiles[start : start + self.per] for start in range(0, len(self.tiles), self.per)]

    def input_of(self, tile: Any) -> np.ndarray:
        region = tuple(slice(s, s + n) for s, n in zip(tile.input_start, tile.input_shape, strict=True))
        return np.ascontiguousarray(self.array[region])

    def output_of(self, tile: Any) -> bytes:
        region = tuple(slice(s, s + n) for s, n in zip(tile.output_start, tile.output_shape, strict=True))
        if self.request.processor == "digest":
            return hashlib.sha256(self.input_of(tile).tobytes()).digest()
        return np.ascontiguousarray(~self.array[region]).tobytes()

    def output_shape(self) -> list[int]:
        if self.request.processor == "digest":
            return [len(self.tiles), 32]
        return list(self.array.shape)

    def status(self) -> Any:
        out = pb.ArraySpec(shape=self.output_shape(), dtype=self.request.array.dtype)
        blocks = len(self.sub_blocks())
        return pb.JobStatus(
            job=self.id,
            name=self.request.name,
            author="12D3KooWFake",
            processor=self.request.processor,
            state=self.state,
            reason=self.reason,
            chunks=len(self.tiles),
            sub_blocks=blocks,
            microjobs=-(-blocks // 10),
            delivered=len(self.delivered),
            output_bytes=_bytes(out),
            array=self.request.array,
            output=out,
            own=self.request.name != "foreign",
        )


def cut(request: Any) -> list[Any]:
    """Tiles with their halo clipped at the border."""
    shape = list(request.array.shape)
    size = np.dtype(request.array.dtype).itemsize
    tile = list(request.tile) or [min(256, length) for length in shape]
    halo = list(request.halo) or [0] * len(shape)
    tiles = []
    starts = itertools.product(*(range(0, length, step) for length, step in zip(shape, tile, strict=True)))
    for index, start in enumerate(starts):
        stop = [min(s + t, n) for s, t, n in zip(start, tile, shape, strict=True)]
        low = [max(0, s - h) for s, h in zip(start, halo, strict=True)]
        high = [min(n, s + h) for s, h, n in zip(stop, halo, shape, strict=True)]
        input_shape = [b - a for a, b in zip(low, high, strict=True)]
        output_shape = [b - a for a, b in zip(start, stop, strict=True)]
        output_start, bytes_ = list(start), int(np.prod(output_shape)) * size
        if request.processor == "digest":
            output_start, output_shape, bytes_ = [index, 0], [1, 32], 32
        tiles.append(
            pb.Tile(
                index=index,
                input_start=low,
                input_shape=input_shape,
                output_start=output_start,
                output_shape=output_shape,
                input_bytes=int(np.prod(input_shape)) * size,
                output_bytes=bytes_,
            )
        )
    return tiles


class FakeBoard(sgnus_pb2_grpc.ProcessingServicer):
    """The state that all calls share."""

    def __init__(self) -> None:
        self.jobs: dict[str, FakeJob] = {}
        self.changed = threading.Condition()
        self.hosts_gone = 0
        self.full_rooms: set[tuple[str, int]] = set()
        self.joined: set[tuple[str, int]] = set()
        self.hosted: set[tuple[str, int]] = set()
        self.calls: list[str] = []
        self.verdicts: dict[int, str] = {}  # sub-block -> "revoked" or "not held"
        self.stopping = False
        self.uploaded_pieces: list[int] = []

    def _checked(self, request: Any, context: Any) -> list[Any]:
        if request.processor not in PROCESSORS and not request.processor.startswith("app:"):
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"There is no processor {request.processor!r}; there are {', '.join(PROCESSORS)}.",
            )
        return cut(request)

    def _job(self, job_id: str, context: Any) -> FakeJob:
        if job_id not in self.jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"There is no job {job_id}.")
        return self.jobs[job_id]


class FakeEvidence(FakeBoard):
    """Calls about what was proven."""

    def __init__(self) -> None:
        super().__init__()
        self.receipts: dict[str, list[bytes]] = {}
        self.proofs: dict[str, list[bytes]] = {}

    def GetReceipts(self, request: Any, context: Any) -> Any:
        return pb.GetReceiptsReply(receipts=self.receipts.get(self._job(request.job, context).id, []))

    def GetProofs(self, request: Any, context: Any) -> Iterator[Any]:
        for proof in self.proofs.get(self._job(request.job, context).id, []):
            half = len(proof) // 2
            yield pb.GetProofsReply(data=proof[:half], last=False)
            yield pb.GetProofsReply(data=proof[half:], last=True)

    def ListSettlements(self, request: Any, context: Any) -> Any:
        """Two pages of one settlement each; of a job that is named, nothing."""
        if request.job:
            return pb.ListSettlementsReply()
        number = 1 if request.after else 0
        share = pb.Share(peer="12D3KooWWorker", made=11, checked=number)
        one = pb.SettledMicrojob(
            job="bafyreisettled",
            microjob=number,
            receipt=bytes([number]) * 32,
            node="12D3KooWSgnusNode",
            audited=number == 1,
            rerun=11 * number,
            shares=[share],
            audit=pb.AUDIT_STATE_DONE if number else pb.AUDIT_STATE_OWED,
        )
        return pb.ListSettlementsReply(
            settlements=[one], credits=[share], next=None if request.after else "bafyreisettled/0"
        )


class FakeJobs(FakeEvidence):
    """Calls about jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_for = ""

    def PlanJob(self, request: Any, context: Any) -> Any:
        tiles = self._checked(request.job, context)
        per = request.job.chunks_per_sub_block or 1
        blocks = -(-len(tiles) // per)
        return pb.PlanJobReply(
            chunks=len(tiles),
            sub_blocks=blocks,
            microjobs=-(-blocks // 10),
            input_bytes=_bytes(request.job.array),
            upload_bytes=sum(tile.input_bytes for tile in tiles),
            output_bytes=sum(tile.output_bytes for tile in tiles),
            tile=list(request.job.tile) or [256, 256],
            halo=request.job.halo,
            visible_to="the members of its rooms",
            waits_for=self.waits_for,
        )

    def SubmitJob(self, requests: Iterator[Any], context: Any) -> Any:
        request = next(requests).job
        tiles = self._checked(request, context)
        data, module = bytearray(), b""
        for item in requests:
            module += item.module
            data += item.data
            if item.data:
                self.uploaded_pieces.append(len(item.data))
        if len(data) != _bytes(request.array):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The input is shorter than its shape.")
        array = np.frombuffer(bytes(data), request.array.dtype).reshape(tuple(request.array.shape))
        job_id = "bafyrei" + hashlib.sha256(os.urandom(16)).hexdigest()[:52]
        job = FakeJob(job_id, request, array, tiles, request.chunks_per_sub_block or 1, module)
        self.jobs[job_id] = job
        if request.processor in ("invert", "digest", "wasm"):
            self.deliver(job, len(job.sub_blocks()))
        if request.processor == "fail":
            job.state, job.reason = pb.JOB_STATE_FAILED, "the module trapped: unreachable"
        if self.waits_for:
            job.state, job.reason = pb.JOB_STATE_PENDING, self.waits_for
        return pb.SubmitJobReply(job=job_id, plan=self.PlanJob(pb.PlanJobRequest(job=request), context))

    def deliver(self, job: FakeJob, count: int) -> None:
        """Compute the next `count` sub-blocks, the last first: results come in any order."""
        blocks = job.sub_blocks()
        with self.changed:
            for _ in range(count):
                number = len(blocks) - 1 - len(job.delivered)
                if number < 0:
                    break
                data = b"".join(job.output_of(tile) for tile in blocks[number])
                job.delivered.append((number, data))
            if len(job.delivered) == len(blocks):
                job.state = pb.JOB_STATE_COMPLETED
            self.changed.notify_all()

    def GetJob(self, request: Any, context: Any) -> Any:
        return pb.GetJobReply(status=self._job(request.job, context).status())

    def ListJobs(self, request: Any, context: Any) -> Any:
        return pb.ListJobsReply(jobs=[job.status() for job in reversed(self.jobs.values())])

    def CancelJob(self, request: Any, context: Any) -> Any:
        job = self._job(request.job, context)
        if job.state >= pb.JOB_STATE_COMPLETED:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"The job {job.id} has ended already.")
        with self.changed:
            job.state, job.reason = pb.JOB_STATE_CANCELLED, request.reason
            self.changed.notify_all()
        return pb.CancelJobReply(state=job.state)

    def StreamResults(self, request: Any, context: Any) -> Iterator[Any]:
        job, cursor = self._job(request.job, context), request.after
        while True:
            with self.changed:
                more = partial(self._has_more, job, cursor)
                self.changed.wait_for(more, WAIT_S)
            if self.stopping:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            if cursor >= len(job.delivered):
                return
            number, data = job.delivered[cursor]
            cursor += 1
            yield from _answer(job, cursor, number, data)

    def _has_more(self, job: FakeJob, cursor: int) -> bool:
        return self.stopping or len(job.delivered) > cursor or job.state >= pb.JOB_STATE_COMPLETED

    def StreamEvents(self, request: Any, context: Any) -> Iterator[Any]:
        job = self._job(request.job, context)
        yield pb.StreamEventsReply(job=job.status())
        yield pb.StreamEventsReply(
            host_changed=pb.HostEvent(job=job.id, instance="aa", epoch=1, host="12D3KooWHost")
        )
        removal = pb.Removal(
            peer="12D3KooWGone", reason=pb.REMOVAL_REASON_SILENT, sub_blocks=[3], silent_ms=5000
        )
        listed = pb.PeerListEvent(job=job.id, instance="aa", members=["12D3KooWHost"], removals=[removal])
        yield pb.StreamEventsReply(peer_list_changed=listed)
        yield pb.StreamEventsReply(started=pb.StartedEvent(job=job.id, sub_block=1, elapsed_ms=7))
        yield pb.StreamEventsReply(processed=pb.ProcessedEvent(job=job.id, sub_block=1, held=True))
        with self.changed:
            self.changed.wait_for(lambda: self.stopping or job.state >= pb.JOB_STATE_COMPLETED, WAIT_S)
        if self.stopping:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        yield pb.StreamEventsReply(job=job.status())

    def GetStory(self, request: Any, context: Any) -> Any:
        job = self._job(request.job, context)
        return pb.GetStoryReply(lines=["the job was submitted", f"it has {len(job.tiles)} chunks"])

    def GetNode(self, request: Any, context: Any) -> Any:
        card = pb.ProcessorCard(name="invert", summary="turns light into dark", dtypes=["uint8"])
        return pb.GetNodeReply(
            peer="12D3KooWFake",
            version="0.1.0",
            protocol=1,
            network="00" * 16,
            network_name="loopback",
            multiaddrs=[
                "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWFake",
                "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWFake",
            ],
            workers=2,
            hardening=["rlimits"],
            counters=[pb.Counter(name="dropped", value=0)],
            processors=[card],
        )

    def ListPeers(self, request: Any, context: Any) -> Any:
        peer = pb.PeerSummary(
            peer="12D3KooWHost",
            connected=True,
            endpoints=[pb.Endpoint(host="127.0.0.1", port=4002)],
            gossip=True,
        )
        return pb.ListPeersReply(peers=[peer])


def _bytes(array: Any) -> int:
    return int(np.prod(list(array.shape))) * np.dtype(array.dtype).itemsize


def _answer(job: FakeJob, cursor: int, number: int, data: bytes) -> Iterator[Any]:
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)] or [b""]
    for index, piece in enumerate(pieces):
        yield pb.StreamResultsReply(
            cursor=cursor,
            sub_block=number,
            tiles=job.sub_blocks()[number] if index == 0 else [],
            data=piece,
            last=index == len(pieces) - 1,
            state=pb.RESULT_STATE_UNVERIFIED,
        )
