"""What a generated message type says of itself: one `Field` per field, from which the codecs make their plans."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, ClassVar


class Kind(enum.Enum):
    """The shape of one value on the wire."""

    BOOL = "bool"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    ENUM = "enum"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message type, as the definition declares it.

    `type` is the enum or message class. Bounds count items for arrays (`items_max`), bytes for `Kind.BYTES` and
    characters for `Kind.STRING` (`size_min`, `size_max`), and values for integers (`minimum`, `maximum`).
    """

    name: str
    number: int
    kind: Kind
    type: type[Any] | None = None
    repeated: bool = False
    required: bool = False
    items_min: int = 0
    items_max: int | None = None
    size_min: int = 0
    size_max: int | None = None
    minimum: int | None = None
    maximum: int | None = None


class Message:
    """Base of the generated message types.

    With `ONEOF` set, the type has a single attribute of that name, which holds the value of exactly one of `FIELDS`;
    its Python type says which.
    """

    __slots__ = ()
    FIELDS: ClassVar[tuple[Field, ...]] = ()
    ONEOF: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a service: the gRPC method, its types, and its HTTP route."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    request_stream: bool
    response_stream: bool
    http_method: str
    http_path: str

    @property
    def grpc_path(self) -> str:
        """The full gRPC method path, `/package.Service/Method`."""
        return f"/sgnus.v1.{self.service}/{self.name}"
