"""Results of a job into an output file, resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sgnus.frontends.cli.meter import Meter
from sgnus.frontends.cli.saying import answer_json, remark, shape, size
from sgnus.frontends.sdk.errors import JobCancelled, JobFailed, NodeUnreachable
from sgnus.messages.errors import OurFault, SgnusError

if TYPE_CHECKING:
    from sgnus.frontends.files.outputs import OutputFile
    from sgnus.frontends.sdk.sync import Job

KEEP_S: Final = 1.0
BROKEN_OFF: Final = 130


def until_broken_off(
    job: Job, path: Path, home: str | None, as_json: bool, *, work: Callable[[], int]
) -> int:
    """Do `work` for a job that is submitted; Ctrl-C at any moment of it detaches, and leaves the job running."""
    try:
        return work()
    except NodeUnreachable as fault:
        command = how_to_collect(job.id, path, home)
        raise NodeUnreachable(f"{fault} The job {job.id} is kept; once its node runs: {command}") from fault
    except KeyboardInterrupt:
        command = how_to_collect(job.id, path, home)
        remark(f"\nDetached; the job {job.id} goes on. Get its results with:\n  {command}")
        if as_json:
            answer_json({"job": job.id, "state": "detached", "reattach": command})
        return BROKEN_OFF


def collect(job: Job, output: OutputFile, as_json: bool, provisional: bool = False) -> int:
    """Write the job's results into `output` as they come; the exit status. What was received is kept, however it ends."""
    begun = time.monotonic()
    try:
        with Meter(not as_json) as meter:
            _receive(job, output, meter, provisional)
            written = output.finish()
    except (JobFailed, JobCancelled):
        output.discard()
        raise
    except (KeyboardInterrupt, SgnusError):
        output.keep(job.id)
        raise
    _say_done(job, output, written, time.monotonic() - begun, as_json)
    return 0


def how_to_collect(job_id: str, path: Path | str, home: str | None) -> str:
    """The command that gets the results of a job."""
    return f"sgnus job results {job_id} -o {path}" + (f" --home {home}" if home else "")


def _receive(job: Job, output: OutputFile, meter: Meter, provisional: bool) -> None:
    total = job.status().sub_blocks
    meter.delivered(output.done, total)
    kept = time.monotonic()
    for delivery in job.deliveries(after=output.cursor, provisional=provisional):
        for tile in delivery.tiles:
            tile.place(output.array)
        output.cursor = delivery.cursor
        output.done += 1
        meter.delivered(output.done, total)
        if time.monotonic() - kept >= KEEP_S:
            output.keep(job.id)
            kept = time.monotonic()
    if output.done != total:
        raise OurFault(f"Job {job.id} completed with {output.done} of {total} sub-blocks.")


def _say_done(job: Job, output: OutputFile, written: int, seconds: float, as_json: bool) -> None:
    if as_json:
        done: dict[str, Any] = {
            "job": job.id,
            "state": "completed",
            "output": str(output.path),
            "shape": list(output.shape),
            "dtype": output.dtype,
            "bytes": written,
            "seconds": round(seconds, 3),
        }
        answer_json(done)
    else:
        click.echo(f"{output.path}  {shape(output.shape)} {output.dtype}, {size(written)}, {seconds:.1f} s")
