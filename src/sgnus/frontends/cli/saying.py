"""Words for people on stdout, JSON for programs on stdout, remarks on stderr."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import click

SHORT_CHARACTERS = 16


def remark(sentence: str) -> None:
    """Something to know beside the answer."""
    click.echo(sentence, err=True)


def answer_json(value: Any) -> None:
    """One JSON value on one line; dataclasses become objects."""
    click.echo(json.dumps(plain(value)))


def plain(value: Any) -> Any:
    """Dataclasses, and lists of them, as JSON's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as they need."""
    texts = [[str(cell) for cell in row] for row in [list(head), *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def facts(pairs: Sequence[tuple[str, Any]]) -> None:
    """A name and a value a line."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {value}")


def short(identity: str) -> str:
    """The start of an id that a person reads."""
    return identity[:SHORT_CHARACTERS] if identity else "-"


def size(count: int) -> str:
    """Bytes in the unit that reads best."""
    amount, units = float(count), ["bytes", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{count} bytes" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"


def count(number: int, noun: str) -> str:
    """1 room, 2 rooms."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shape(sizes: Sequence[int]) -> str:
    """1080x1920x3."""
    return "x".join(map(str, sizes)) or "-"
