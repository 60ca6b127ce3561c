"""`sgnus node`: the node of this machine."""

from __future__ import annotations

import os
from typing import Any

import click

from sgnus.frontends.cli.options import common, node_arguments, node_options
from sgnus.frontends.cli.saying import answer_json, facts, remark
from sgnus.frontends.sdk import starting
from sgnus.frontends.sdk.home import Home


@click.group()
def node() -> None:
    """Start, run, look at and stop the node of a home.

    \b
    Examples:
      sgnus node start
      sgnus node status
      sgnus node run --workers 4 --listen 0.0.0.0 --discover
      sgnus node stop
    """


@node.command()
@common
@node_options
def start(home: str | None, as_json: bool, **chosen: Any) -> int:
    """Start the node in the background, and return once it answers.

    \b
    Examples:
      sgnus node start
      sgnus node start --workers 4 --listen 0.0.0.0 --discover
      sgnus node start --home ./second --json
    """
    place = Home.of(home)
    was_started = starting.start_node(place, node_arguments(_absolute(chosen)))
    if as_json:
        answer_json({"started": was_started, "home": str(place.path), "pid": place.pid(), **place.service()})
    elif was_started:
        click.echo(f"A node runs in the background on {place.path} (process {place.pid()}).")
        for notice in place.notices:
            remark(notice)
        click.echo(f"Its words go to {place.log_path}; stop it with: sgnus node stop{_home_option(home)}")
    else:
        click.echo(f"A node runs on {place.path} already (process {place.pid()}).")
        if node_arguments(chosen):
            remark("Its options stay as they are: stop it first to start it with others.")
    return 0


@node.command()
@common
@node_options
def run(home: str | None, as_json: bool, **chosen: Any) -> int:
    """Run the node in the foreground, until Ctrl-C or SIGTERM. It prints one line of JSON when it is ready.

    \b
    Examples:
      sgnus node run
      sgnus node run --home ./first --listen 0.0.0.0 --port 4001 --peer-port 4002
    """
    place = Home.of(home)
    place.prepare()
    if not as_json:
        remark(f"Starting a node in the foreground on {place.path}; Ctrl-C stops it.")
    arguments = [*starting.NODE_COMMAND, "--home", str(place.path), *node_arguments(chosen)]
    os.execv(arguments[0], arguments)


@node.command()
@common
def status(home: str | None, as_json: bool) -> int:
    """Say whether a node runs, and how it is. Exit status 1 when none runs.

    \b
    Examples:
      sgnus node status
      sgnus node status --json
    """
    import sgnus

    place = Home.of(home)
    if not place.is_answering():
        if as_json:
            answer_json({"running": False, "home": str(place.path)})
        else:
            click.echo(f"No node runs on {place.path}. Start one: sgnus node start{_home_option(home)}")
        return 1
    with sgnus.connect(place.path, start=False) as grid:
        state = grid.node()
    if as_json:
        from sgnus.frontends.cli.saying import plain

        service = {
            "pid": place.pid(),
            "http": place.service().get("http"),
            "grpc": place.service().get("grpc"),
        }
        answer_json({"running": True, "home": str(place.path), **service, **plain(state)})
        return 0
    facts(
        [
            ("home", place.path),
            ("process", place.pid()),
            ("peer id", state.peer),
            ("version", f"{state.version} (protocol {state.protocol})"),
            ("network", f"{state.network_name} ({state.network})"),
            ("addresses", ", ".join(state.multiaddrs) or "-"),
            ("local service", place.http_url or "-"),
            ("peers", state.peers),
            ("open jobs", state.jobs),
            ("workers", f"{state.workers} ({', '.join(state.hardening) or 'not hardened'})"),
            ("up for", f"{state.uptime_ms / 1000:.0f} s"),
            ("processors", ", ".join(card.name for card in state.processors) or "-"),
        ]
    )
    return 0


@node.command()
@common
def stop(home: str | None, as_json: bool) -> int:
    """Stop the node; its jobs and keys stay on disk.

    \b
    Examples:
      sgnus node stop
      sgnus node stop --home ./second
    """
    place = Home.of(home)
    was_stopped = starting.stop_node(place)
    if as_json:
        answer_json({"stopped": was_stopped, "home": str(place.path)})
    else:
        click.echo(
            f"The node on {place.path} is stopped." if was_stopped else f"No node runs on {place.path}."
        )
    return 0


def _absolute(chosen: dict[str, Any]) -> dict[str, Any]:
    """The node in the background works in its home: a file named on the command line is meant from here."""
    if chosen.get("network"):
        return {**chosen, "network": os.path.abspath(chosen["network"])}
    return chosen


def _home_option(home: str | None) -> str:
    return f" --home {home}" if home else ""
