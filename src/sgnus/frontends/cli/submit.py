"""`sgnus submit`: a file to the grid, its result back into a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sgnus.frontends.cli.collecting import collect, how_to_collect, until_broken_off
from sgnus.frontends.cli.meter import Meter
from sgnus.frontends.cli.options import NAMED_VALUE, SHARE, SIZES, Command, common
from sgnus.frontends.cli.saying import answer_json, count, facts, plain, remark, shape, size
from sgnus.messages.errors import UserFault

if TYPE_CHECKING:
    from sgnus.frontends.files.inputs import InputFile
    from sgnus.frontends.files.outputs import OutputFile
    from sgnus.frontends.sdk.sync import Grid, Job
    from sgnus.frontends.sdk.views import Plan

JOB_OPTIONS = (
    click.option("--processor", required=True, metavar="NAME", help="A shipped one, wasm:FILE, or app:NAME."),
    click.option("--tile", type=SIZES, metavar="HxW", help="Size of a tile. [default: 256x256 or what fits]"),
    click.option(
        "--halo",
        type=SIZES,
        metavar="N",
        help="Margin around a tile. [default: what a shipped processor needs, 0 for wasm: and app:]",
    ),
    click.option(
        "--edge",
        default="reflect",
        show_default=True,
        help="Halo at the border: reflect, nearest, wrap, constant.",
    ),
    click.option(
        "--param",
        "parameters",
        type=NAMED_VALUE,
        multiple=True,
        help="A parameter of the processor; may be repeated.",
    ),
    click.option(
        "--output-dtype", metavar="DTYPE", help="For a module or app whose results have another dtype."
    ),
    click.option(
        "--output-chunk-bytes", type=int, metavar="N", help="For a module whose results are N bytes a tile."
    ),
    click.option(
        "--chunks-per-sub-block",
        type=int,
        default=0,
        metavar="N",
        help="Tiles handed out together. [default: the planner chooses]",
    ),
    click.option(
        "--deadline",
        "deadline_s",
        type=click.FloatRange(0, 86400),
        default=0,
        metavar="S",
        help="Seconds that a member may take for a sub-block; a chunk is abandoned after 3 times that (at least 2 s, at"
        " most 60 s). [default: 60]",
    ),
    click.option("--name", default="", help="A name for the job. [default: the file's]"),
    click.option(
        "--verify",
        type=click.Choice(["none", "sample", "full"]),
        help="Proof by other members: sample runs a tenth of the chunks again, full all. Both need two nodes beside this one:"
        " alone, say none. [default: sample; none for app:]",
    ),
    click.option(
        "--samples",
        type=SHARE,
        metavar="SHARE",
        help="How much sample runs again, as 20% or 0.2. [default: 10%]",
    ),
    click.option(
        "--verifiers",
        type=click.IntRange(1, 11),
        metavar="K",
        help="Members that the samples are dealt to. [default: 1]",
    ),
    click.option(
        "--min-members",
        type=click.IntRange(2, 11),
        metavar="N",
        help="Members that a room must have to be verified. [default: 2, or K]",
    ),
    click.option(
        "--outside-beacon",
        is_flag=True,
        help="The network's SGNUS node, not this node, has the last word in the draws; results wait for it.",
    ),
)
INPUT_OPTIONS = (
    click.option("--shape", type=SIZES, metavar="HxWxC", help="Shape of raw bytes."),
    click.option("--dtype", metavar="DTYPE", help="Type of raw bytes, such as uint8."),
    click.option(
        "--pixels-max",
        type=click.IntRange(1),
        default=500_000_000,
        show_default=True,
        help="Refuse pictures that claim more pixels.",
    ),
)


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where the result goes: .png .jpg .tif .npy .raw"
)
@_with(*JOB_OPTIONS)
@_with(*INPUT_OPTIONS)
@click.option("--dry-run", is_flag=True, help="Say what the job would become; submit nothing.")
@click.option("--detach", is_flag=True, help="Return once the job is submitted; get the results later.")
@common
def submit(
    *,
    file: Path,
    output: Path | None,
    dry_run: bool,
    detach: bool,
    home: str | None,
    as_json: bool,
    **chosen: Any,
) -> int:
    """Process FILE on the grid: PNG, JPEG, TIFF, .npy, or raw bytes with --shape and --dtype.

    Uses the node that runs, or starts one in the background. Ctrl-C detaches: the job goes on, and
    `sgnus job results ID -o OUT` takes up where it stopped (exit status 130).

    \b
    Examples:
      sgnus submit photo.png --processor sobel --tile 256x256 --verify none -o edges.png
      sgnus submit photo.jpg --processor gaussian-blur --param sigma=3 -o soft.tif
      sgnus submit scan.raw --shape 4096x4096 --dtype uint16 --processor invert -o out.npy
      sgnus submit photo.png --processor sobel --samples 20% --verifiers 3 -o proved.png
      sgnus submit photo.png --processor wasm:mine.wasm -o out.png --dry-run
    """
    from sgnus.frontends.files.inputs import open_input

    source = open_input(
        file, shape=chosen.pop("shape"), dtype=chosen.pop("dtype"), pixels_max=chosen.pop("pixels_max")
    )
    for note in source.notes:
        remark(note)
    _check_output(output, file, needed=not (dry_run or detach))
    wishes = _wishes(file, chosen)
    _check_wishes(source, wishes, home)
    with _connected(home) as grid:
        plan = grid.plan(source.array, **wishes)
        if dry_run:
            _tell_plan(plan, as_json)
            return 0
        if detach or output is None:
            return _detach(grid, source, wishes, home=home, as_json=as_json)
        return _submit_and_collect(grid, source, wishes, output=output, plan=plan, home=home, as_json=as_json)


def _wishes(file: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    wishes = dict(chosen)
    wishes["name"] = chosen["name"] or file.name[:128]
    wishes["parameters"] = dict(chosen["parameters"])
    wishes["deadline_ms"] = int(wishes.pop("deadline_s") * 1000)
    for name in ("tile", "halo"):
        if chosen[name] is not None and len(chosen[name]) == 1:
            wishes[name] = chosen[name][0]
    return wishes


def _check_wishes(source: InputFile, wishes: dict[str, Any], home: str | None) -> None:
    """What cannot be is said before a node is started; one that runs judges processors itself, by its own version."""
    from sgnus.frontends.sdk.arrays import as_array, dtype_name
    from sgnus.frontends.sdk.home import Home
    from sgnus.frontends.sdk.request import job_request, module_bytes, wish_of

    wish, array = wish_of(wishes), as_array(source.array)
    request = job_request(wish, array.shape, dtype_name(array))
    module_bytes(wish)
    if not Home.of(home).is_answering():
        from sgnus.runtime.shipped import resolve

        given = {one.name: one.value for one in request.parameters}
        resolve(request.processor, given, request.array.dtype, array.shape, request.halo)


def _check_output(output: Path | None, source: Path, needed: bool) -> None:
    from sgnus.frontends.files.outputs import check_place

    if output is not None:
        check_place(output, source)
    elif needed:
        raise UserFault("Say where the result goes with -o OUT.png; or --detach, to get it later.")


def _connected(home: str | None) -> Grid:
    import sgnus

    grid = sgnus.connect(home)
    if grid.has_started_node:
        remark(
            f"No node was running: one was started in the background on {grid.home.path} (sgnus node stop ends it)."
        )
        for notice in grid.home.notices:
            remark(notice)
    return grid


def _submit_and_collect(
    grid: Grid,
    source: InputFile,
    wishes: dict[str, Any],
    *,
    output: Path,
    plan: Plan,
    home: str | None,
    as_json: bool,
) -> int:
    from sgnus.frontends.files.outputs import OutputFile

    begun = OutputFile(output, *_expected(source, wishes, plan))
    try:
        job = _upload(grid, source, wishes, as_json)
    except BaseException:
        begun.discard()
        raise
    work = partial(_collect, job, begun, plan, as_json)
    return until_broken_off(job, output, home, as_json, work=work)


def _collect(job: Job, begun: OutputFile, plan: Plan, as_json: bool) -> int:
    spec = job.status().output
    if (begun.shape, begun.dtype) != (spec.shape, spec.dtype):
        begun.discard()
        begun = type(begun)(begun.path, spec.shape, spec.dtype)
    begun.keep(job.id)
    parts = f"{count(plan.chunks, 'chunk')} in {count(plan.sub_blocks, 'sub-block')}"
    remark(f"Job {job.id}: {parts}, for {count(plan.microjobs, 'room')}.")
    return collect(job, begun, as_json)


def _detach(grid: Grid, source: InputFile, wishes: dict[str, Any], *, home: str | None, as_json: bool) -> int:
    job = _upload(grid, source, wishes, as_json)
    command = how_to_collect(job.id, "OUT", home)
    status = job.status()
    if status.state == "pending":
        remark(f"The job is pending: {status.reason}.")
    if as_json:
        answer_json({"job": job.id, "state": status.state, "reattach": command})
    else:
        click.echo(job.id)
        remark(f"The job is on its way. Get its results with:\n  {command}")
    return 0


def _upload(grid: Grid, source: InputFile, wishes: dict[str, Any], as_json: bool) -> Job:
    with Meter(not as_json) as meter:
        return grid.submit(source.array, on_upload=meter.uploaded, **wishes)


def _expected(source: InputFile, wishes: dict[str, Any], plan: Plan) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of the result, as far as the plan's byte count tells."""
    import numpy as np

    array = source.array
    dtype = np.dtype(wishes["output_dtype"] or array.dtype)
    if plan.output_bytes == array.size * dtype.itemsize:
        return array.shape, dtype.name
    return (plan.chunks, plan.output_bytes // max(1, plan.chunks)), "uint8"


def _tell_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        answer_json({"dry_run": True, **plain(plan)})
        return
    facts(
        [
            ("chunks", plan.chunks),
            ("sub-blocks", plan.sub_blocks),
            ("rooms", plan.microjobs),
            ("tile", shape(plan.tile)),
            ("halo", shape(plan.halo)),
            ("input", size(plan.input_bytes)),
            ("to upload to members", size(plan.upload_bytes)),
            ("output", size(plan.output_bytes)),
            ("who will see the data", plan.visible_to),
        ]
    )
    remark(f"Nothing was submitted.{f' As things are, {plan.waits_for}.' if plan.waits_for else ''}")
