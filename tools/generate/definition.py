"""The definition as the writers need it: messages, enums and services with every reference resolved."""

from __future__ import annotations

from dataclasses import dataclass


class DefinitionFault(Exception):
    """The definition breaks a rule of api/README.md: says where and which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """One property of an object schema. `kind` is a `sgnus.messages.fields.Kind` value."""

    name: str
    number: int
    kind: str
    type_name: str = ""
    python_type: str
    repeated: bool
    required: bool
    bounds: tuple[tuple[str, int], ...]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageShape:
    """One object schema, or with `oneof` the choice of one among its fields."""

    name: str
    description: str
    fields: tuple[FieldShape, ...]
    oneof: str
    reserved: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumShape:
    """One enum schema: full value names with their numbers, zero first."""

    name: str
    description: str
    values: tuple[tuple[str, int], ...]
    descriptions: tuple[tuple[str, str], ...]
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallShape:
    """One operation: a remote procedure call and its HTTP route."""

    service: str
    name: str
    description: str
    request: str
    response: str
    request_stream: bool
    response_stream: bool
    http_method: str
    http_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """All of api/sgnus.yaml. Messages stand after those they contain; calls in the order of the file."""

    description: str
    services: tuple[tuple[str, str], ...]
    messages: tuple[MessageShape, ...]
    enums: tuple[EnumShape, ...]
    calls: tuple[CallShape, ...]
