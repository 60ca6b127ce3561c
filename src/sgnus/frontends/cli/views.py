"""`sgnus rooms` and `sgnus peers`."""

from __future__ import annotations

import click

from sgnus.frontends.cli.options import common
from sgnus.frontends.cli.saying import answer_json, short, table


@click.command()
@click.option("--job", metavar="ID", help="Rooms of this job only.")
@click.option("--processor", metavar="NAME", help="Rooms for this app only.")
@common
def rooms(job: str | None, processor: str | None, home: str | None, as_json: bool) -> int:
    """List the rooms that can be joined, and microjobs that have none yet.

    \b
    Examples:
      sgnus rooms
      sgnus rooms --job bafyrei... --json
    """
    import sgnus

    with sgnus.connect(home, start=False) as grid:
        found = grid.rooms(grid.job(job).id if job else None, processor)
    if as_json:
        answer_json(found)
    elif not found:
        click.echo("There is no room now.")
    else:
        head = ("JOB", "MICROJOB", "HOST", "EPOCH", "MEMBERS", "FREE SEATS", "DELIVERED", "JOINED")
        table(
            head,
            [
                (
                    short(room.job),
                    room.microjob,
                    room.host[-8:] if room.hosted else "none yet",
                    room.epoch,
                    room.members,
                    room.seats,
                    f"{room.delivered}/{room.sub_blocks}",
                    "yes" if room.joined else "no",
                )
                for room in found
            ],
        )
    return 0


@click.command()
@common
def peers(home: str | None, as_json: bool) -> int:
    """List the peers that this node knows.

    \b
    Examples:
      sgnus peers
      sgnus peers --json
    """
    import sgnus

    with sgnus.connect(home, start=False) as grid:
        found = grid.peers()
    if as_json:
        answer_json(found)
    elif not found:
        click.echo("No peers yet.")
    else:
        rows = [
            (
                peer.peer,
                "yes" if peer.connected else "no",
                "yes" if peer.gossip else "no",
                ", ".join(f"{end.host}:{end.port}" for end in peer.endpoints) or "-",
            )
            for peer in found
        ]
        table(("PEER", "CONNECTED", "GOSSIP", "ADDRESSES"), rows)
    return 0
