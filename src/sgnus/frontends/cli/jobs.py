"""`sgnus job`: jobs of the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sgnus.frontends.cli.collecting import collect, until_broken_off
from sgnus.frontends.cli.options import common
from sgnus.frontends.cli.saying import answer_json, facts, remark, shape, short, size, table
from sgnus.messages.errors import Conflict, NotFound

if TYPE_CHECKING:
    from sgnus.frontends.sdk.sync import Grid
    from sgnus.frontends.sdk.views import JobStatus


@click.group()
def job() -> None:
    """List, show, collect and cancel jobs; read their stories; save receipts and proofs. ID is a BLOCKID, or the start of one.

    \b
    Examples:
      sgnus job list --open
      sgnus job results bafyrei... -o edges.png
      sgnus job story bafyrei...
      sgnus job receipts bafyrei... -o receipts
      sgnus job proofs bafyrei... -o proofs
    """


@job.command(name="list")
@click.option("--own", is_flag=True, help="Jobs of this node only.")
@click.option("--open", "is_open", is_flag=True, help="Jobs that have not ended only.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many."
)
@common
def list_(own: bool, is_open: bool, limit: int, home: str | None, as_json: bool) -> int:
    """List the jobs of the database, newest first.

    \b
    Examples:
      sgnus job list
      sgnus job list --own --open --json
    """
    with _running(home) as grid:
        found = grid.statuses(own, is_open, limit)
    if as_json:
        answer_json(found)
    elif not found:
        click.echo("There is no job.")
    else:
        head = ("ID", "NAME", "STATE", "DELIVERED", "PROCESSOR", "CREATED")
        rows = [
            (
                short(one.job),
                one.name[:32],
                one.state,
                f"{one.delivered}/{one.sub_blocks}",
                one.processor,
                _moment(one.created_ms),
            )
            for one in found
        ]
        table(head, rows)
    return 0


@job.command()
@click.argument("job_id", metavar="ID")
@common
def show(job_id: str, home: str | None, as_json: bool) -> int:
    """Show a job and how far it is.

    \b
    Examples:
      sgnus job show bafyrei...
      sgnus job show bafyrei... --json
    """
    with _running(home) as grid:
        status = grid.job(job_id).status()
    if as_json:
        answer_json(status)
    else:
        _tell(status)
    return 0


@job.command()
@click.argument("job_id", metavar="ID")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Where the result goes.")
@click.option("--provisional", is_flag=True, help="Take results that are not verified yet.")
@common
def results(job_id: str, output: Path, provisional: bool, home: str | None, as_json: bool) -> int:
    """Write a job's results to a file, waiting for those to come; takes up where an earlier call stopped.

    \b
    Examples:
      sgnus job results bafyrei... -o edges.png
      sgnus job results bafyrei... -o edges.npy --json
    """
    from sgnus.frontends.files.outputs import OutputFile, check_place

    check_place(output)
    with _running(home) as grid:
        found = grid.job(job_id)

        def work() -> int:
            status = found.status()
            if not status.own:
                raise Conflict("Results of a job are streamed by the node that published it.")
            spec = status.output
            begun = OutputFile(output, spec.shape, spec.dtype, resume=found.id)
            return collect(found, begun, as_json, provisional)

        return until_broken_off(found, output, home, as_json, work=work)


@job.command()
@click.argument("job_id", metavar="ID")
@click.option("--reason", default="", help="Why; others can read it.")
@common
def cancel(job_id: str, reason: str, home: str | None, as_json: bool) -> int:
    """Cancel a job of this node.

    \b
    Examples:
      sgnus job cancel bafyrei...
      sgnus job cancel bafyrei... --reason "wrong picture"
    """
    with _running(home) as grid:
        found = grid.job(job_id)
        state = found.cancel(reason)
    if as_json:
        answer_json({"job": found.id, "state": state})
    else:
        click.echo(f"Job {found.id} is {state}.")
    return 0


@job.command()
@click.argument("job_id", metavar="ID")
@common
def story(job_id: str, home: str | None, as_json: bool) -> int:
    """Tell what this node saw of a job.

    \b
    Examples:
      sgnus job story bafyrei...
      sgnus job story bafyrei... --json
    """
    with _running(home) as grid:
        found = grid.job(job_id)
        lines = found.story()
    if as_json:
        answer_json({"job": found.id, "lines": lines})
    else:
        for line in lines:
            click.echo(line)
    return 0


@job.command()
@click.argument("job_id", metavar="ID")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where they go."
)
@common
def receipts(job_id: str, output: Path, home: str | None, as_json: bool) -> int:
    """Save the receipts of a job of this node, one file a verified microjob; check them with: sgnus receipt verify

    \b
    Examples:
      sgnus job receipts bafyrei... -o receipts
      sgnus job receipts bafyrei... -o receipts --json
    """
    from sgnus.frontends.cli.receipts import save

    with _running(home) as grid:
        found = grid.job(job_id)
        status, data = found.status(), found.receipts()
    if not data:
        raise NotFound(_without_receipts(status))
    files = save(output, data)
    if as_json:
        answer_json({"job": found.id, "microjobs": status.microjobs, "files": [str(file) for file in files]})
    else:
        click.echo(f"{len(files)} of {status.microjobs} microjobs have a receipt; saved in {output}")
        for file in files:
            click.echo(str(file))
    return 0


def _without_receipts(status: JobStatus) -> str:
    if not status.own:
        return f"Job {status.job} was published by {status.author}: the receipts are kept there, not at this node."
    if status.has_ended:
        return (
            f"Job {status.job} is {status.state} and has no receipt: it asked for no proof (verify none), "
            "or no microjob of it was verified."
        )
    return (
        f"No microjob of job {status.job} is verified yet ({status.state}), or it asked for no proof "
        "(verify none). Ask again later."
    )


@job.command()
@click.argument("job_id", metavar="ID")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to save into.",
)
@common
def proofs(job_id: str, output: Path, home: str | None, as_json: bool) -> int:
    """Save the proofs of fraud in a job, one file each; check them with: sgnus proof verify

    The node that published the job has them complete. Another one has what the job database holds, without input and module.

    \b
    Examples:
      sgnus job proofs bafyrei... -o proofs
      sgnus job proofs bafyrei... -o proofs --json
    """
    from sgnus.frontends.cli.proofs import save

    with _running(home) as grid:
        found = grid.job(job_id)
        status, data = found.status(), found.proofs()
    if not data:
        raise NotFound(f"Nobody is accused in job {status.job}, as far as this node knows.")
    files = save(output, data)
    if as_json:
        answer_json({"job": found.id, "complete": status.own, "files": [str(file) for file in files]})
        return 0
    click.echo(f"{len(files)} proof{'s' if len(files) > 1 else ''} of fraud; saved in {output}")
    for file in files:
        click.echo(str(file))
    if not status.own:
        remark(
            f"They lack input and module: the complete ones are at {status.author}, which published the job."
        )
    return 0


def _running(home: str | None) -> Grid:
    import sgnus

    return sgnus.connect(home, start=False)


def _tell(status: JobStatus) -> None:
    facts(
        [
            ("job", status.job),
            ("name", status.name),
            ("state", status.state + (f" ({status.reason})" if status.reason else "")),
            (
                "delivered",
                f"{status.delivered} of {status.sub_blocks} sub-blocks ({status.progress.fraction:.0%})",
            ),
            ("taken", f"{status.taken} of {status.microjobs} microjobs"),
            ("processor", status.processor),
            ("input", f"{shape(status.array.shape)} {status.array.dtype}"),
            ("output", f"{shape(status.output.shape)} {status.output.dtype}, {size(status.output_bytes)}"),
            ("published by", f"{status.author}{' (this node)' if status.own else ''}"),
            ("created", _moment(status.created_ms)),
            ("expires", _moment(status.expires_ms)),
            ("rooms now", len(status.rooms)),
            ("take-overs", status.takeovers),
            ("removals", status.removals),
        ]
    )


def _moment(milliseconds: int) -> str:
    if not milliseconds:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
