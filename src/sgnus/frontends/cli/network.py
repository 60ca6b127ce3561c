"""`sgnus network`: which network the node of a home belongs to."""

from __future__ import annotations

import contextlib
import re

import click

from sgnus.frontends.cli.options import common
from sgnus.frontends.cli.saying import answer_json, facts, remark
from sgnus.frontends.sdk.home import Home
from sgnus.messages.errors import UserFault
from sgnus.runtime.network_file import (
    PRIVATE_NAME,
    NetworkFile,
    SgnusNode,
    from_invitation,
    invitation,
    is_private,
    new_network,
    read_network,
    with_bootstrap,
    write_network,
)

_ONLY_HERE = re.compile(r"/ip4/127\.|/ip6/::1/|/ip4/0\.0\.0\.0/|/ip6/::/")


@click.group()
def network() -> None:
    """Create a network, join one by its invitation, or show it.

    Without a network, a node is in a private one on loopback.

    \b
    Examples:
      sgnus network create lab
      sgnus network join sgnus1...
      sgnus network show
    """


@network.command()
@click.argument("name")
@click.option("--psk", is_flag=True, help="With a pre-shared key: only who has the invitation can connect.")
@click.option(
    "--bootstrap",
    multiple=True,
    metavar="MULTIADDR",
    help="Address of a node to begin with; may be repeated.",
)
@click.option("--settle", is_flag=True, help="Name this home's own node as the network's SGNUS node.")
@click.option("--force", is_flag=True, help="Replace the network that the home has.")
@common
def create(
    *,
    name: str,
    psk: bool,
    bootstrap: tuple[str, ...],
    settle: bool,
    force: bool,
    home: str | None,
    as_json: bool,
) -> int:
    """Create a network for this home, and print the invitation to pass on.

    \b
    Examples:
      sgnus network create lab
      sgnus network create lab --psk --bootstrap /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...
      sgnus network create lab --settle && sgnus node start --settle
    """
    new_network(name, has_psk=psk, bootstrap=bootstrap)  # What it refuses leaves no home behind.
    if name == PRIVATE_NAME:
        raise UserFault(f"{name!r} is the network of a home that has none; choose another name.")
    place = _writable(home)
    made = new_network(
        name, has_psk=psk, bootstrap=bootstrap, sgnus_nodes=[_own_node(place)] if settle else []
    )
    if _has_network(place) and not force and not _leaves_unused(place):
        raise UserFault(
            f"The home {place.path} has a network already ({_name_of(place)}); use another --home, or --force to replace it."
        )
    write_network(place.network_path, made)
    return _tell(place, made, f"The network {name!r} is created; its file is {place.network_path}.", as_json)


@network.command()
@click.argument("invitation_line", metavar="INVITATION")
@click.option("--force", is_flag=True, help="Leave the network that the home has.")
@common
def join(invitation_line: str, force: bool, home: str | None, as_json: bool) -> int:
    """Join the network that an invitation names.

    \b
    Examples:
      sgnus network join sgnus1...
      sgnus network join sgnus1... --home ./second
    """
    invited = from_invitation(invitation_line)
    place = _writable(home)
    if _has_network(place) and not force:
        known = read_network(place.network_path)
        if known.id == invited.id:
            invited = with_bootstrap(invited, known.bootstrap)
        elif not _leaves_unused(place):
            raise UserFault(
                f"The home {place.path} is in the network {known.name!r}; use another --home, or --force to leave it."
            )
    write_network(place.network_path, invited)
    return _tell(place, invited, f"This home joins the network {invited.name!r}.", as_json)


@network.command()
@common
def show(home: str | None, as_json: bool) -> int:
    """Show the home's network and its invitation; a node that runs adds its own addresses to it.

    \b
    Examples:
      sgnus network show
      sgnus network show --json
    """
    place = Home.of(home)
    if not _has_network(place):
        if as_json:
            answer_json({"network": None, "home": str(place.path)})
        else:
            click.echo(
                f"The home {place.path} has no network file: its node is in a private network on loopback."
            )
        return 0
    return _tell(place, with_bootstrap(read_network(place.network_path), _own_addresses(place)), "", as_json)


def _tell(place: Home, chosen: NetworkFile, sentence: str, as_json: bool) -> int:
    line = invitation(chosen)
    with contextlib.suppress(OSError), place.invited_path.open("a") as file:
        file.write(f"{chosen.id}\n")
    if as_json:
        answer_json(
            {
                "network": chosen.id,
                "name": chosen.name,
                "psk": chosen.psk is not None,
                "bootstrap": list(chosen.bootstrap),
                "sgnus_nodes": [{"peer": one.peer, "vrf_key": one.vrf_key} for one in chosen.sgnus_nodes],
                "file": str(place.network_path),
                "invitation": line,
            }
        )
        return 0
    if sentence:
        click.echo(sentence)
    else:
        facts(
            [
                ("name", chosen.name),
                ("id", chosen.id),
                ("pre-shared key", "yes" if chosen.psk else "no"),
                ("bootstrap", ", ".join(chosen.bootstrap) or "-"),
                ("SGNUS nodes", ", ".join(one.peer for one in chosen.sgnus_nodes) or "-"),
            ]
        )
    if sentence and place.is_answering():
        remark("A node runs on this home; it takes the network when it is started again.")
    click.echo(f"Invitation{' (it holds the key: pass it on in private)' if chosen.psk else ''}:")
    click.echo(line)
    if not chosen.bootstrap:
        remark(
            "It holds no address, so nobody finds a node by it. Start this node with --listen 0.0.0.0 (without, it listens on "
            "127.0.0.1 alone), and pass on what sgnus network show prints then."
        )
    return 0


def _own_node(place: Home) -> SgnusNode:
    """What others must know of this home's node, to believe its settlements."""
    from sgnus.runtime.sgnus_nodes import sgnus_node_of

    return sgnus_node_of(place.path)


def _own_addresses(place: Home) -> list[str]:
    """Where others reach the node that runs here: its addresses that mean something elsewhere."""
    if not place.is_answering():
        return []
    import sgnus

    with sgnus.connect(place.path, start=False) as grid:
        return [address for address in grid.node().multiaddrs if not _ONLY_HERE.match(address)]


def _writable(home: str | None) -> Home:
    place = Home.of(home)
    place.prepare()
    return place


def _has_network(place: Home) -> bool:
    """Whether the home has a network file. UserFault when the home cannot be looked into."""
    try:
        place.network_path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserFault(
            f"The home {place.path} cannot be read ({error.strerror}); choose another with --home or SGNUS_HOME, "
            "or mend its permissions."
        ) from error
    return True


def _leaves_unused(place: Home) -> bool:
    """Whether the home's network is one that its node made for itself, with nobody else in it; then says so.

    UserFault while the node runs: it would go on in the old one.
    """
    try:
        known = read_network(place.network_path)
        invited = place.invited_path.read_text().split() if place.invited_path.exists() else []
    except (UserFault, OSError, ValueError):
        return False
    if not is_private(known) or known.id in invited:
        return False
    if place.is_answering():
        raise UserFault(
            f"A node runs on the home {place.path}, in a private network of its own; end it first: "
            f"sgnus node stop --home {place.path}"
        )
    remark("The private network that its node had made for itself is left.")
    return True


def _name_of(place: Home) -> str:
    try:
        return repr(read_network(place.network_path).name)
    except UserFault:
        return "a damaged file"
