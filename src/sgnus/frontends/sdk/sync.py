"""The synchronous SDK: the asynchronous one, waited for. Each class names the one that it stands for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sgnus.frontends.sdk import connecting, grid, job, room
from sgnus.frontends.sdk.home import Home
from sgnus.frontends.sdk.job import PATIENCE_S
from sgnus.frontends.sdk.loop import LOOP
from sgnus.frontends.sdk.views import (
    Event,
    JobStatus,
    NodeStatus,
    PeerSummary,
    Plan,
    Progress,
    RoomSummary,
    Settlement,
    Share,
)

if TYPE_CHECKING:
    from sgnus.frontends.sdk.arrays import Array
    from sgnus.frontends.sdk.tiles import Delivery, SubBlock, Tile


def connect(
    home: str | os.PathLike[str] | None = None,
    *,
    start: bool = True,
    options: Sequence[str] = (),
    address: str | None = None,
    token: str | None = None,
    patience_s: float = PATIENCE_S,
) -> Grid:
    """The grid through the local node; starts a node in the background when none runs on `home`.

    `home`: the node's folder (else SGNUS_HOME, else ~/.sgnus). `start=False` raises NodeUnreachable instead of
    starting one; `options` are those of `sgnus node run`. `address` and `token` call a node over loopback.
    `patience_s`: how long results, events and rooms wait for a node that restarts.
    """
    opened = connecting.open_grid(
        home, start=start, options=options, address=address, token=token, patience_s=patience_s
    )
    return Grid(LOOP.run(opened))


class Ledger:
    """What is settled. See `sgnus.aio.Grid`."""

    _inner: grid.Grid

    def settlements(self, job: str | None = None) -> list[Settlement]:
        """What SGNUS nodes settled, of one job or of all, as far as the local node has heard."""
        return LOOP.run(self._inner.settlements(job))

    def credits(self, job: str | None = None) -> list[Share]:
        """How many settled chunks each peer made and checked, by peer."""
        return LOOP.run(self._inner.credits(job))


class Grid(Ledger):
    """A connection to the local node; a context manager. See `sgnus.aio.Grid`."""

    def __init__(self, inner: grid.Grid) -> None:
        self._inner = inner

    def __enter__(self) -> Grid:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def home(self) -> Home:
        """The node's folder."""
        return self._inner.home

    @property
    def has_started_node(self) -> bool:
        """Whether connecting started the node."""
        return self._inner.has_started_node

    def close(self) -> None:
        """Let go of the node; it runs on, and so do the jobs."""
        LOOP.run(self._inner.close())

    def submit(
        self, source: Any, *, on_upload: Callable[[int, int], None] | None = None, **wishes: Any
    ) -> Job:
        """Submit an array, memmap or buffer: `submit(array, processor="sobel", tile=(256, 256), halo=1)`.

        `wishes` are the fields of `JobWish`: processor, tile, halo, edge, name, parameters, verify, samples, verifiers,
        min_members, outside_beacon, module, output_dtype, output_chunk_bytes, chunks_per_sub_block, deadline_ms, lifetime_ms,
        expected_members, explicit, explicit_output_bytes. Returns once the job is on disk and signed;
        UserFault says what cannot be.
        """
        return Job(LOOP.run(self._inner.submit(source, on_upload=on_upload, **wishes)))

    def plan(self, source: Any, **wishes: Any) -> Plan:
        """What a job would become, without submitting it."""
        return LOOP.run(self._inner.plan(source, **wishes))

    def job(self, job_id: str) -> Job:
        """The job of that BLOCKID, or of the only one that begins so."""
        return Job(LOOP.run(self._inner.job(job_id)))

    def jobs(self, own: bool = False, open: bool = False) -> list[Job]:
        """Jobs of the database, newest first."""
        return [Job(one) for one in LOOP.run(self._inner.jobs(own, open))]

    def statuses(self, own: bool = False, open: bool = False, limit: int = grid.JOBS_MAX) -> list[JobStatus]:
        """Like `jobs`, with all that is known of each."""
        return LOOP.run(self._inner.statuses(own, open, limit))

    def peers(self) -> list[PeerSummary]:
        """Peers that the node knows."""
        return LOOP.run(self._inner.peers())

    def rooms(self, job: str | None = None, processor: str | None = None) -> list[RoomSummary]:
        """Rooms that can be joined, and microjobs that have none yet."""
        return LOOP.run(self._inner.rooms(job, processor))

    def node(self) -> NodeStatus:
        """The local node."""
        return LOOP.run(self._inner.node())

    def join(self, job: str | None = None, processor: str | None = None, timeout: float = 0.0) -> Room:
        """Take a seat in a room, or host one, to process with the app's own code."""
        return Room(LOOP.run(self._inner.join(job, processor, timeout)))


class Job:
    """A job, by its BLOCKID (`id`). See `sgnus.aio.Job`."""

    def __init__(self, inner: job.Job) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def id(self) -> str:
        """The BLOCKID."""
        return self._inner.id

    @property
    def state(self) -> str:
        """pending, queued, running, verifying, completed, failed or cancelled."""
        return LOOP.run(self._inner.state())

    @property
    def progress(self) -> Progress:
        """`fraction`, and `delivered` of `sub_blocks`."""
        return LOOP.run(self._inner.progress())

    def status(self) -> JobStatus:
        """All that the node knows of the job now."""
        return LOOP.run(self._inner.status())

    def cancel(self, reason: str = "") -> str:
        """Cancel it; the state after that."""
        return LOOP.run(self._inner.cancel(reason))

    def story(self) -> list[str]:
        """What this node saw of the job, in words, oldest first."""
        return LOOP.run(self._inner.story())

    def receipts(self) -> list[bytes]:
        """The receipts of its verified microjobs, by microjob. The node that published the job keeps them."""
        return LOOP.run(self._inner.receipts())

    def proofs(self) -> list[bytes]:
        """The proofs of fraud in it. Those of the node that published the job are complete; another node has them without
        input and module.
        """
        return LOOP.run(self._inner.proofs())

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until the job has ended, however it ends. TimeoutError after `timeout` seconds."""
        return LOOP.run(self._inner.wait(timeout))

    def events(self, follow: bool = True) -> Iterator[Event]:
        """What happens to the job, its rooms, hosts and peer lists; with `follow` until the job ends."""
        return LOOP.iterate(self._inner.events(follow))

    def results(self, provisional: bool = False) -> Iterator[Tile]:
        """The tiles as they arrive; ends with the job. JobFailed or JobCancelled when it does not complete."""
        for delivery in LOOP.iterate(self._inner.deliveries(provisional=provisional)):
            yield from delivery.tiles

    def deliveries(self, after: int = 0, provisional: bool = False) -> Iterator[Delivery]:
        """Like `results`, a sub-block at a time, from the cursor `after` on."""
        return LOOP.iterate(self._inner.deliveries(after, provisional))

    def result(self, out: Array | None = None, provisional: bool = False) -> Array:
        """The whole result, in a new array or in `out` (which may be a memmap)."""
        return LOOP.run(self._inner.result(out, provisional))


class Room:
    """A seat in the room of one microjob; iterate over it for its sub-blocks. See `sgnus.aio.Room`."""

    def __init__(self, inner: room.Room) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return repr(self._inner)

    def __iter__(self) -> Iterator[SubBlock]:
        while (sub_block := self.next_sub_block()) is not None:
            yield sub_block

    @property
    def job(self) -> str:
        """The job's BLOCKID."""
        return self._inner.job

    @property
    def microjob(self) -> int:
        """The microjob's number within the job."""
        return self._inner.microjob

    def next_sub_block(self, timeout: float | None = None) -> SubBlock | None:
        """Wait for a sub-block; None when the room has none left. TimeoutError after `timeout` seconds."""
        return LOOP.run(self._inner.next_sub_block(timeout))

    def publish(self, results: Any, sub_block: SubBlock | None = None) -> bool:
        """Send the outputs, one array a tile; True once the publisher holds them."""
        return LOOP.run(self._inner.publish(results, sub_block))

    def leave(self) -> bool:
        """Give the seat back; False when there was none."""
        return LOOP.run(self._inner.leave())
