"""Writes proto/sgnus/v1/sgnus.proto."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tools.generate.definition import CallShape, Definition, EnumShape, FieldShape, MessageShape

WIDTH = 110


def write_proto(definition: Definition) -> str:
    """The text of the .proto file."""
    lines = [
        "// Generated from api/sgnus.yaml by `make generate`. Do not edit.",
        *_comment(definition.description, ""),
        'syntax = "proto3";',
        "",
        "package sgnus.v1;",
    ]
    for service, description in definition.services:
        lines += ["", *_service(service, description, definition.calls)]
    for enum in definition.enums:
        lines += ["", *_enum(enum)]
    for message in definition.messages:
        lines += ["", *_message(message)]
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        for line in textwrap.wrap(" ".join(paragraph.split()), WIDTH - len(indent) - 3):
            yield f"{indent}// {line}"


def _service(name: str, description: str, calls: tuple[CallShape, ...]) -> Iterator[str]:
    yield from _comment(description, "")
    yield f"service {name} {{"
    for call in calls:
        if call.service != name:
            continue
        yield from _comment(call.description, "  ")
        request = ("stream " if call.request_stream else "") + call.request
        response = ("stream " if call.response_stream else "") + call.response
        yield f"  rpc {call.name}({request}) returns ({response});"
    yield "}"


def _enum(enum: EnumShape) -> Iterator[str]:
    descriptions = dict(enum.descriptions)
    yield from _comment(enum.description, "")
    yield f"enum {enum.name} {{"
    for value, number in enum.values:
        yield from _comment(descriptions.get(value, ""), "  ")
        yield f"  {value} = {number};"
    yield "}"


def _message(message: MessageShape) -> Iterator[str]:
    yield from _comment(message.description, "")
    yield f"message {message.name} {{"
    if message.reserved:
        yield f"  reserved {', '.join(map(str, message.reserved))};"
    if message.oneof:
        yield f"  oneof {message.oneof} {{"
    indent = "    " if message.oneof else "  "
    for field in message.fields:
        yield from _comment(field.description, indent)
        yield f"{indent}{_label(message, field)}{field.type_name or field.kind} {field.name} = {field.number};"
    if message.oneof:
        yield "  }"
    yield "}"


def _label(message: MessageShape, field: FieldShape) -> str:
    if field.repeated:
        return "repeated "
    return "" if field.required or message.oneof else "optional "
