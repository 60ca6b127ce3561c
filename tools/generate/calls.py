"""Reads the operations of the definition: which message goes in, which comes out, and which of the two streams."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tools.generate.definition import CallShape, DefinitionFault

SCHEMA_PREFIX = "#/components/schemas/"
UNARY = "application/json"
STREAMS = ("application/jsonl", "text/event-stream")
METHODS = ("get", "put", "post", "delete", "patch", "query")


def read_calls(document: dict[str, Any], messages: Collection[str]) -> Iterator[CallShape]:
    """Every operation, in the order of the file."""
    services = [tag["name"] for tag in document.get("tags", ())]
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                call = _call(path, method, item[method], messages)
                if call.service not in services:
                    raise DefinitionFault(
                        f"{call.name}: its first tag {call.service!r} is not among the tags"
                    )
                yield call


def _call(path: str, method: str, operation: dict[str, Any], messages: Collection[str]) -> CallShape:
    name = operation.get("operationId", "")
    if not name or not operation.get("tags"):
        raise DefinitionFault(f"{method} {path}: an operation has an operationId and a tag, its service")
    request, request_stream = _side(name, "Request", operation.get("requestBody", {}), messages)
    response, response_stream = _side(name, "Response", _success(name, operation), messages)
    return CallShape(
        service=operation["tags"][0],
        name=name,
        description=(operation.get("description") or operation.get("summary") or "").strip(),
        request=request,
        response=response,
        request_stream=request_stream,
        response_stream=response_stream,
        http_method=method.upper(),
        http_path=path,
    )


def _success(name: str, operation: dict[str, Any]) -> dict[str, Any]:
    for status, response in operation.get("responses", {}).items():
        if str(status).startswith("2"):
            found: dict[str, Any] = response
            return found
    raise DefinitionFault(f"{name}: an operation has a response of success")


def _side(call: str, side: str, body: dict[str, Any], messages: Collection[str]) -> tuple[str, bool]:
    """The message of one side and whether it streams; without a body it is the schema named after the call."""
    content = body.get("content", {})
    stream = next((content[media] for media in STREAMS if media in content), None)
    if stream is not None:
        # A stream that has begun can end in a Problem only by an item of its own: the message, or else a Problem.
        item = stream.get("itemSchema", {})
        reference, streams = item.get("anyOf", [item])[0].get("$ref", ""), True
    elif UNARY in content:
        reference, streams = content[UNARY].get("schema", {}).get("$ref", ""), False
    else:
        reference, streams = f"{SCHEMA_PREFIX}{call}{side}", False
    name = reference.removeprefix(SCHEMA_PREFIX)
    if name not in messages:
        raise DefinitionFault(
            f"{call}: its {side.lower()} refers to an object schema ({reference or 'none'} is not one)"
        )
    return name, streams
