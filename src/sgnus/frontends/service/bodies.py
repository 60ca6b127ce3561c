"""JSON of an app -> messages: parsed strictly, held against the served JSON Schema, then decoded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs

from sgnus.frontends.service.bounds import BODY_BYTES_IN_LOOP_MAX, HTTP_LINE_BYTES_MAX
from sgnus.frontends.service.faults import Refusal, malformed
from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Message
from sgnus.wire.codec import from_json, to_json


@cache
def definition_text() -> bytes:
    """The OpenAPI document that this node serves."""
    return resources.files("sgnus.frontends.pages").joinpath("openapi.json").read_bytes()


@cache
def schema_of(name: str) -> jsonschema_rs.Draft202012Validator:
    """The validator of the message type of that name."""
    components = json.loads(definition_text())["components"]
    reference = f"#/components/schemas/{name}"
    return jsonschema_rs.Draft202012Validator({"$ref": reference, "components": components})


def message_of(kind: type[Message], body: bytes, where: str = "The body") -> Message:
    """The message in one JSON text. Refusal 400 says what is wrong with it, and at which place in it."""
    tree = _parsed(body, where)
    try:
        error = next(schema_of(kind.__name__).iter_errors(tree), None)
    except ValueError as fault:
        raise malformed(f"{where} holds a value that JSON Schema cannot judge: {fault}") from None
    if error is not None:
        raise malformed(f"{where}, {_place(error)}: {error.message}")
    try:
        return from_json(kind, tree)
    except PeerFault as fault:
        raise malformed(f"{where}: {fault}") from None


async def read_message(kind: type[Message], body: bytes, where: str = "The body") -> Message:
    """`message_of`; a body that takes long to decode does so beside the node's loop, not in it."""
    if len(body) <= BODY_BYTES_IN_LOOP_MAX:
        return message_of(kind, body, where)
    return await asyncio.to_thread(message_of, kind, body, where)


def json_line(message: Message) -> bytes:
    """`message` as compact JSON without a line break."""
    return json.dumps(to_json(message), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


async def messages_in(kind: type[Message], pieces: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    """The messages of a JSON-lines body, each as soon as its line is there; empty lines are passed over."""
    number = 0
    async for line in _lines(pieces):
        number += 1
        if line.strip():
            yield await read_message(kind, line, f"Line {number}")


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest: list[bytes] = []
    held_bytes = 0
    async for piece in pieces:
        *ended, tail = piece.split(b"\n")
        for part in ended:
            _check_line(held_bytes + len(part))
            yield b"".join((*rest, part))
            rest, held_bytes = [], 0
        rest.append(tail)
        held_bytes += len(tail)
        _check_line(held_bytes)
    if held_bytes:
        yield b"".join(rest)


def _check_line(line_bytes: int) -> None:
    if line_bytes > HTTP_LINE_BYTES_MAX:
        raise Refusal(
            413,
            "RESOURCE_EXHAUSTED",
            f"A line of the body is longer than {HTTP_LINE_BYTES_MAX} bytes: send smaller pieces.",
        )


def _parsed(body: bytes, where: str) -> Any:
    try:
        text = body.decode("utf-8")
        # A lone surrogate is legal in JSON's grammar and in no UTF-8, so nothing behind could encode it again.
        tree = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
        if "\\u" in text:
            json.dumps(tree, ensure_ascii=False).encode()
    except RecursionError:
        raise malformed(f"{where} is nested too deeply.") from None
    except ValueError as error:
        raise malformed(f"{where} is no JSON: {error}.") from None
    return tree


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has one key twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _place(error: jsonschema_rs.ValidationError) -> str:
    return (
        "at " + "/".join(str(step) for step in error.instance_path) if error.instance_path else "at its top"
    )
