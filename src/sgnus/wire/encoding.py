"""Message -> protobuf bytes: canonical, so that one message has one encoding.

Fields in the order of their numbers, zeros of required scalars left out, arrays of numbers packed, varints minimal.
Each type's plan of closures is made once, at its first use.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from sgnus.messages.errors import OurFault
from sgnus.messages.fields import Field, Kind, Message
from sgnus.wire.bounds import RANGES, integer_range, python_type, value_check, wrong_count

WIRE_VARINT: Final = 0
WIRE_FIXED64: Final = 1
WIRE_LENGTH: Final = 2
WIRE_FIXED32: Final = 5

MASK_64: Final = 2**64 - 1
PACKABLE: Final = frozenset(Kind) - {Kind.STRING, Kind.BYTES, Kind.MESSAGE}

Parts = list[bytes]
Pack = Callable[[Any], bytes]
Write = Callable[[Any, Parts], None]
Plan = tuple[tuple[Callable[[Any], Any], Write], ...]

_ONE_BYTE: Final = tuple(bytes([value]) for value in range(128))
_DOUBLE: Final = struct.Struct("<d").pack
_PLANS: Final[dict[type[Message], Plan]] = {}


def encode(message: Message) -> bytes:
    """The canonical protobuf bytes of `message`. OurFault when it breaks the definition (a bound, a type)."""
    try:
        return _encoded(plan_of(type(message)), message)
    except (TypeError, AttributeError, ValueError, KeyError, struct.error) as error:
        raise OurFault(f"{type(message).__name__} does not hold what its type says: {error}") from error


def varint(value: int) -> bytes:
    """The minimal base-128 form of an unsigned integer of 64 bits."""
    if value < 128:
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def wire_type(kind: Kind) -> int:
    """The protobuf wire type of a single value."""
    if kind is Kind.DOUBLE:
        return WIRE_FIXED64
    return WIRE_VARINT if kind in PACKABLE else WIRE_LENGTH


def _encoded(plan: Plan, message: Message) -> bytes:
    parts: Parts = []
    for get, write in plan:
        value = get(message)
        if value is not None:
            write(value, parts)
    return b"".join(parts)


def plan_of(kind: type[Message]) -> Plan:
    """The steps that encode one message type."""
    plan = _PLANS.get(kind)
    if plan is None:
        plan = _PLANS[kind] = _make_plan(kind)
    return plan


def _make_plan(kind: type[Message]) -> Plan:
    if kind.ONEOF:
        options = {python_type(field): _write_single(kind, field, omit_zero=False) for field in kind.FIELDS}

        def write_option(value: Any, parts: Parts) -> None:
            options[type(value)](value, parts)

        return ((_required_getter(kind, kind.ONEOF), write_option),)
    return tuple((_getter(kind, field), _writer(kind, field)) for field in kind.FIELDS)


def _getter(kind: type[Message], field: Field) -> Callable[[Any], Any]:
    return _required_getter(kind, field.name) if field.required else attrgetter(field.name)


def _required_getter(kind: type[Message], name: str) -> Callable[[Any], Any]:
    get = attrgetter(name)

    def get_required(message: Any) -> Any:
        value = get(message)
        if value is None:
            raise OurFault(f"{kind.__name__}.{name} is None, and required")
        return value

    return get_required


def _writer(kind: type[Message], field: Field) -> Write:
    if not field.repeated:
        return _write_single(kind, field, omit_zero=field.required)
    return _write_packed(kind, field) if field.kind in PACKABLE else _write_repeated(kind, field)


def _write_single(kind: type[Message], field: Field, *, omit_zero: bool) -> Write:
    if field.kind in (Kind.BYTES, Kind.STRING):
        return _write_text_or_bytes(kind, field, omit_zero=omit_zero)
    tag, pack = varint(field.number << 3 | wire_type(field.kind)), _packer(kind, field)
    zero = b"" if field.kind is Kind.MESSAGE or not omit_zero else pack_zero(field.kind)

    def write(value: Any, parts: Parts) -> None:
        packed = pack(value)
        if packed != zero:
            parts.append(tag + packed)

    return write


def pack_zero(kind: Kind) -> bytes:
    """The bytes of a zero, which a required scalar leaves out. (Minus zero has other bytes, and is sent.)"""
    return bytes(8) if kind is Kind.DOUBLE else b"\0"


def _write_text_or_bytes(kind: type[Message], field: Field, *, omit_zero: bool) -> Write:
    tag, is_text = varint(field.number << 3 | WIRE_LENGTH), field.kind is Kind.STRING
    check, label = value_check(field), _label(kind, field)

    def write(value: Any, parts: Parts) -> None:
        if check is not None and (reason := check(value)):
            raise OurFault(f"{label}: {reason}")
        content = value.encode() if is_text else value
        if content or not omit_zero:
            # The content is a part of its own: half a mebibyte is copied once, by the join.
            parts.append(tag + varint(len(content)))
            parts.append(content)

    return write


def _write_packed(kind: type[Message], field: Field) -> Write:
    tag, pack, label = varint(field.number << 3 | WIRE_LENGTH), _packer(kind, field), _label(kind, field)

    def write(values: Any, parts: Parts) -> None:
        if reason := wrong_count(field, len(values)):
            raise OurFault(f"{label}: {reason}")
        if values:
            content = b"".join(map(pack, values))
            parts.append(tag + varint(len(content)))
            parts.append(content)

    return write


def _write_repeated(kind: type[Message], field: Field) -> Write:
    write_one, label = _write_single(kind, field, omit_zero=False), _label(kind, field)

    def write(values: Any, parts: Parts) -> None:
        if reason := wrong_count(field, len(values)):
            raise OurFault(f"{label}: {reason}")
        for value in values:
            write_one(value, parts)

    return write


def _packer(kind: type[Message], field: Field) -> Pack:
    if field.kind in RANGES:
        return _pack_integer(kind, field)
    if field.kind is Kind.BOOL:
        return lambda value: b"\1" if value else b"\0"
    if field.kind is Kind.DOUBLE:
        return _DOUBLE
    if field.kind is Kind.ENUM:
        numbers = {member: varint(member & MASK_64) for member in field.type or ()}
        return lambda value: numbers[value]
    return _pack_message(field)


def _pack_integer(kind: type[Message], field: Field) -> Pack:
    (lowest, highest), label = integer_range(field), _label(kind, field)

    def pack(value: int) -> bytes:
        if not lowest <= value <= highest:
            raise OurFault(f"{label}: {value} is not within {lowest}..{highest}")
        return varint(value & MASK_64)

    return pack


def _pack_message(field: Field) -> Pack:
    inner = field.type
    assert inner is not None
    plan = plan_of(inner)

    def pack(value: Any) -> bytes:
        if type(value) is not inner:
            raise TypeError(f"{field.name} is a {type(value).__name__}")
        content = _encoded(plan, value)
        return varint(len(content)) + content

    return pack


def _label(kind: type[Message], field: Field) -> str:
    return f"{kind.__name__}.{field.name}"
