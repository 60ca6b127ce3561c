"""The command `sgnus`. Commands load when they are called: `--help` costs an import of click and no more."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from sgnus.frontends.cli.lazy import LazyGroup
from sgnus.messages.errors import SgnusError, UserFault, WorldFault

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
BROKEN_OFF: Final = 130

_COMMANDS: Final = {
    "demo": (
        "sgnus.frontends.cli.passing:demo",
        "Twelve nodes, a photograph and two crashes, on this machine.",
    ),
    "node": ("sgnus.frontends.cli.node:node", "Start, run, look at and stop this machine's node."),
    "network": ("sgnus.frontends.cli.network:network", "Create a network, join one, show its invitation."),
    "submit": ("sgnus.frontends.cli.submit:submit", "Process a picture or an array on the grid."),
    "job": (
        "sgnus.frontends.cli.jobs:job",
        "List, show, collect and cancel jobs; read their stories; save their receipts and proofs.",
    ),
    "receipt": ("sgnus.frontends.cli.receipts:receipt", "Check receipts, offline."),
    "proof": ("sgnus.frontends.cli.proofs:proof", "Check proofs of fraud, offline."),
    "settlements": (
        "sgnus.frontends.cli.settlements:settlements",
        "What SGNUS nodes settled, and the credit of each peer.",
    ),
    "rooms": ("sgnus.frontends.cli.views:rooms", "Rooms that can be joined."),
    "peers": ("sgnus.frontends.cli.views:peers", "Peers that this node knows."),
    "sim": ("sgnus.frontends.cli.passing:sim", "Run the protocol in a seeded simulation."),
}


@click.command(
    cls=LazyGroup,
    places=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done, 1 the job or a check failed, or machine or network refused, 2 wrong use, 130 broken off.",
)
@click.version_option(package_name=None, version="0.1.0", prog_name="sgnus")
def cli() -> None:
    """A peer-to-peer processing grid: no coordinator to lose, sandboxed code, jobs that survive any crash.

    \b
    Examples:
      sgnus submit photo.png --processor sobel --tile 256x256 --verify none -o edges.png
      sgnus network create lab
      sgnus node start
      sgnus job list
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = cli.main(given, prog_name="sgnus", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        if "--json" in given:
            _tell_json(error.format_message(), UserFault, error.exit_code)
        return error.exit_code
    except click.Abort:
        click.echo("Broken off.", err=True)
        return BROKEN_OFF
    except BrokenPipeError:
        # Whoever read our output has gone: end without a word.
        _drop_stdout()
        return FAILED
    except OSError as error:
        return _told(_world_fault(error), _is_stdout_usable() and "--json" in given)
    except SgnusError as error:
        return _told(error, "--json" in given)
    return status if isinstance(status, int) else DONE


def _told(error: SgnusError, as_json: bool) -> int:
    status = WRONG_USE if isinstance(error, UserFault) else FAILED
    click.echo(f"sgnus: {error}", err=True)
    if as_json:
        _tell_json(str(error), type(error), status)
    return status


def _tell_json(sentence: str, kind: type[SgnusError], status: int) -> None:
    try:
        click.echo(json.dumps({"error": sentence, "kind": kind.__name__, "status": status}))
    except OSError:
        _drop_stdout()


def _world_fault(error: OSError) -> WorldFault:
    """What no command foresaw: a disk that is full, a folder whose rights changed."""
    what = f"{error.filename} cannot be read or written" if error.filename else "Reading or writing failed"
    return WorldFault(f"{what}: {error.strerror or error}; try again once it is mended.")


def _is_stdout_usable() -> bool:
    """Whether what was printed can be written; if not, it is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
        return False
    return True


def _drop_stdout() -> None:
    """Send what is left to nowhere, so that Python does not complain of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
