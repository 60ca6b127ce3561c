"""Teaches schemathesis JSON lines: how a client stream is written and how a server stream is read."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from schemathesis.transport.requests import REQUESTS_TRANSPORT

JSON_LINES = "application/jsonl"


@REQUESTS_TRANSPORT.serializer(JSON_LINES)
def write_lines(context: Any, value: Any) -> dict[str, Any]:
    """One line per item. A body that is no array cannot be written so: it becomes a line that is no message."""
    items = value if isinstance(value, list) else [[str(value)]]
    return {"data": "".join(json.dumps(item) + "\n" for item in items).encode()}


@schemathesis.deserializer(JSON_LINES)
def read_lines(context: Any, response: Any) -> list[Any]:
    return [json.loads(line) for line in response.content.splitlines()]
