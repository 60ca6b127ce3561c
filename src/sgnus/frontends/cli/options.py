"""What several commands take, and how people write sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sgnus.frontends.logs import FORMATS
from sgnus.frontends.shares import share

Command = TypeVar("Command", bound=Callable[..., Any])
INTEGER = re.compile(r"[+-]?\d{1,18}")


class Sizes(click.ParamType[tuple[int, ...]]):
    """256x256, or one number."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = re.split(r"[x,]", str(value).strip().lower())
        if not all(INTEGER.fullmatch(part.strip()) for part in parts):
            self.fail(f"{value!r} is no size; write whole numbers such as 256x256", param, ctx)
        return tuple(int(part) for part in parts)


class NamedValue(click.ParamType[tuple[str, str]]):
    """name=value."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value[0], value[1]
        name, equals, content = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is no parameter; write name=value", param, ctx)
        return name, content


class Share(click.ParamType[float]):
    """10% or 0.1."""

    name = "share"

    def __init__(self, *, has_none: bool = False) -> None:
        self._has_none = has_none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            part = share(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not part and not self._has_none:
            self.fail(f"{value!r} is no share of the whole; write 10% or 0.1", param, ctx)
        return part


SIZES = Sizes()
NAMED_VALUE = NamedValue()
SHARE = Share()


def common(command: Command) -> Command:
    """--home and --json."""
    with_home = click.option(
        "--home", metavar="DIR", help="The node's folder. [default: $SGNUS_HOME, else ~/.sgnus]"
    )
    with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    return with_home(with_json(command))


def node_options(command: Command) -> Command:
    """What a node is started with."""
    port = click.IntRange(0, 65535)
    for option in (
        click.option(
            "--settle", is_flag=True, help="Be a SGNUS node of the network: check, audit and settle receipts."
        ),
        click.option("--discover", is_flag=True, help="Look for peers on the local network (mDNS)."),
        click.option(
            "--peer-port",
            type=port,
            help="Port for peers' gRPC. [default: as last time, or one of 20000 to 32000]",
        ),
        click.option(
            "--http-port", type=port, help="Port of the local HTTP service, and of /health. [default: any]"
        ),
        click.option(
            "--port", type=port, help="Port for gossip. [default: as last time, or one of 20000 to 32000]"
        ),
        click.option("--announce", metavar="HOST", help="Host to tell peers. [default: all of --listen]"),
        click.option("--listen", metavar="HOST", help="Address to listen on. [default: 127.0.0.1]"),
        click.option(
            "--workers", type=click.IntRange(0, 1024), help="Processes that run processors. [default: 1]"
        ),
        click.option(
            "--recheck",
            type=Share(has_none=True),
            metavar="SHARE",
            help="Run so much of what others deliver for this node's jobs again, in secret; 0 turns it off. [default: 1%]",
        ),
        click.option("--verbose", is_flag=True, help="Log all that happens, not warnings alone."),
        click.option(
            "--log-format",
            type=click.Choice(FORMATS),
            help="Log sentences, or one JSON object a line. [default: text]",
        ),
        click.option("--network", metavar="FILE", help="Network file. [default: the home's own]"),
    ):
        command = option(command)
    return command


def node_arguments(chosen: dict[str, Any]) -> list[str]:
    """The chosen node options as the node's own arguments."""
    arguments = []
    for name, value in chosen.items():
        if value is None or value is False:
            continue
        arguments.append("--" + name.replace("_", "-"))
        if value is not True:
            arguments.append(str(value))
    return arguments
