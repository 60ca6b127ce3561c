"""`sgnus settlements`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from sgnus.frontends.cli.options import common
from sgnus.frontends.cli.saying import answer_json, short, table

if TYPE_CHECKING:
    from sgnus.frontends.sdk.views import Settlement, Share


@click.command()
@click.argument("job", required=False)
@click.option(
    "--credits", "as_credits", is_flag=True, help="How many settled chunks each peer made and checked."
)
@common
def settlements(job: str | None, as_credits: bool, home: str | None, as_json: bool) -> int:
    """List what the network's SGNUS nodes settled, of JOB or of all jobs, as far as this node has heard.

    \b
    Examples:
      sgnus settlements
      sgnus settlements bafyrei...
      sgnus settlements --credits --json
    """
    import sgnus

    with sgnus.connect(home, start=False) as grid:
        name = grid.job(job).id if job else None
        if as_credits:
            _tell(grid.credits(name), ("PEER", "MADE", "CHECKED"), _credit, as_json)
        else:
            head = ("JOB", "MICROJOB", "RECEIPT", "CHUNKS", "RUN AGAIN", "AUDIT", "BY")
            _tell(grid.settlements(name), head, _settlement, as_json)
    return 0


def _tell(found: list[Any], head: Sequence[str], row: Callable[[Any], Sequence[Any]], as_json: bool) -> None:
    if as_json:
        answer_json(found)
    elif not found:
        click.echo("Nothing is settled yet.")
    else:
        table(head, [row(one) for one in found])


def _credit(one: Share) -> Sequence[Any]:
    return one.peer, one.made, one.checked


def _settlement(one: Settlement) -> Sequence[Any]:
    chunks = sum(share.made for share in one.shares)
    return short(one.job), one.microjob, one.receipt[:16], chunks, one.rerun, one.audit, one.node[-8:]
