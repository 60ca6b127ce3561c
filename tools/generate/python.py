"""Writes the frozen Python types and the table of calls."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

from tools.generate.definition import Definition, EnumShape, FieldShape, MessageShape
from tools.generate.read import TYPED_IDS

WIDTH = 110
HEAD = (
    '"""{} Generated from api/sgnus.yaml by `make generate`. Do not edit."""\n\n'
    "from __future__ import annotations\n"
)


def write_types(definition: Definition) -> str:
    """The text of types.py: enums, then messages, each after those that it contains."""
    ids = [name for name in TYPED_IDS if any(_uses(message, name) for message in definition.messages)]
    lines = [
        HEAD.format("Every enum and message of the protocol."),
        "from dataclasses import dataclass",
        "from enum import IntEnum",
        "from typing import ClassVar, Final",
        "",
        "from sgnus.messages.fields import Field, Kind, Message",
    ]
    if ids:
        lines.append(_import("sgnus.messages.ids", sorted(ids)))
    for enum in definition.enums:
        lines += ["", "", *_enum(enum)]
    for message in definition.messages:
        lines += ["", "", *_message(message)]
    names = ", ".join(message.name for message in definition.messages)
    lines += ["", "", f"MESSAGES: Final[tuple[type[Message], ...]] = ({names},)"]
    return _formatted("\n".join(lines) + "\n")


def write_services(definition: Definition) -> str:
    """The text of services.py: one `Call` per operation."""
    names = sorted({name for call in definition.calls for name in (call.request, call.response)})
    lines = [
        HEAD.format("Every call of the protocol."),
        "from typing import Final",
        "",
        "from sgnus.messages.fields import Call",
        _import("sgnus.messages.v1.types", names),
        "",
        "CALLS: Final[tuple[Call, ...]] = (",
    ]
    for call in definition.calls:
        arguments = (
            f"service={call.service!r}, name={call.name!r}, request={call.request}, response={call.response},"
            f" request_stream={call.request_stream}, response_stream={call.response_stream},"
            f" http_method={call.http_method!r}, http_path={call.http_path!r}"
        )
        lines.append(f"    Call({arguments}),")
    return _formatted("\n".join([*lines, ")"]) + "\n")


def _uses(message: MessageShape, python_type: str) -> bool:
    return any(field.python_type == python_type for field in message.fields)


def _enum(enum: EnumShape) -> Iterator[str]:
    descriptions = dict(enum.descriptions)
    yield f"class {enum.name}(IntEnum):"
    yield from _docstring(enum.description, "    ")
    yield ""
    for value, number in enum.values:
        yield f"    {value.removeprefix(enum.prefix)} = {number}"
        if value in descriptions:
            yield from _docstring(descriptions[value], "    ")


def _message(message: MessageShape) -> Iterator[str]:
    yield "@dataclass(frozen=True, slots=True, kw_only=True)"
    yield f"class {message.name}(Message):"
    yield from _docstring(message.description, "    ")
    yield ""
    if message.oneof:
        yield f"    {message.oneof}: {' | '.join(field.python_type for field in message.fields)}"
    else:
        for field in message.fields:
            yield f"    {field.name}: {_annotation(field)}"
            yield from _docstring(field.description, "    ")
    yield ""
    yield "    FIELDS: ClassVar[tuple[Field, ...]] = ("
    for field in message.fields:
        yield f"        {_row(field)},"
    yield "    )"
    if message.oneof:
        yield f"    ONEOF: ClassVar[str] = {message.oneof!r}"


def _annotation(field: FieldShape) -> str:
    if field.repeated:
        return f"tuple[{field.python_type}, ...] = ()"
    return field.python_type if field.required else f"{field.python_type} | None = None"


def _row(field: FieldShape) -> str:
    parts = [f"name={field.name!r}", f"number={field.number}", f"kind=Kind.{field.kind.upper()}"]
    if field.type_name:
        parts.append(f"type={field.type_name}")
    parts += [f"{flag}=True" for flag in ("repeated", "required") if getattr(field, flag)]
    parts += [f"{key}={value}" for key, value in field.bounds]
    return f"Field({', '.join(parts)})"


def _docstring(text: str, indent: str) -> Iterator[str]:
    """A docstring: a short first line stands alone, the rest is wrapped below it."""
    paragraphs = [" ".join(part.split()) for part in text.replace("\\", "\\\\").split("\n\n") if part.strip()]
    if not paragraphs:
        return
    whole = "\n\n".join(paragraphs)
    if len(paragraphs) == 1 and len(indent + whole) + 6 <= WIDTH:
        yield f'{indent}"""{whole}"""'
        return
    lines = [line for part in paragraphs for line in [*textwrap.wrap(part, WIDTH - len(indent) - 3), ""]]
    yield f'{indent}"""{lines[0]}'
    yield from (f"{indent}{line}".rstrip() for line in lines[1:-1])
    yield f'{indent}"""'


def _import(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _formatted(text: str) -> str:
    """The same text in the house's format, so that the linters need no exception for it."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={WIDTH}", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
