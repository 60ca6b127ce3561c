"""Commands that live elsewhere: `sgnus demo` and `sgnus sim` hand all their arguments on."""

from __future__ import annotations

import importlib

import click

_ALL = {"ignore_unknown_options": True, "help_option_names": []}


def _pass_on(module: str, arguments: tuple[str, ...]) -> int:
    status = importlib.import_module(module).main(list(arguments))
    return status if isinstance(status, int) else 0


@click.command(context_settings=_ALL)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> int:
    """A private network of twelve nodes, a photograph and two crashes, on this machine."""
    return _pass_on("sgnus.frontends.demo", arguments)


@click.command(context_settings=_ALL)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sim(arguments: tuple[str, ...]) -> int:
    """Run the protocol in a seeded simulation."""
    return _pass_on("sgnus.sim.cli", arguments)
