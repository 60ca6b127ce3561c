"""Protobuf bytes -> message: what a stranger sent is refused unless the definition allows it.

Fields may come in any order, arrays of numbers packed or not, and unknown fields are passed over, as other
implementations do and later versions need. Refused, though protobuf would guess: a single field sent twice, a known
field with another wire type, an enum value without a name, a number that its type cannot hold, groups, and more unknown
fields than any version will have.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sgnus.messages.errors import PeerFault
from sgnus.messages.fields import Field, Kind, Message
from sgnus.wire.bounds import RANGES, absent_value, integer_range, value_check, wrong_count
from sgnus.wire.encoding import (
    MASK_64,
    PACKABLE,
    WIRE_FIXED32,
    WIRE_FIXED64,
    WIRE_LENGTH,
    WIRE_VARINT,
    wire_type,
)

MessageT = TypeVar("MessageT", bound=Message)
Read = Callable[[bytes, int, int], tuple[Any, int]]

TAG_MAX: Final = 2**32 - 1
VARINT_SHIFT_MAX: Final = 63
UNKNOWN_FIELDS_MAX: Final = 256
"""Of one message. A body of millions of them would take seconds to pass over."""
_DOUBLE: Final = struct.Struct("<d").unpack_from


@dataclass(frozen=True, slots=True)
class Plan:
    """What decodes one message type. `absent` holds what required fields are when they were left out."""

    kind: type[Message]
    single: dict[int, tuple[str, Read]]
    repeated: dict[int, tuple[Field, Read, bool]]
    numbers: frozenset[int]
    absent: dict[str, Any]
    counted: tuple[Field, ...]


_PLANS: Final[dict[type[Message], Plan]] = {}


def decode(kind: type[MessageT], data: bytes) -> MessageT:
    """The message of type `kind` in `data`. PeerFault says what is wrong with the bytes, and in which field."""
    message: MessageT = _decoded(plan_of(kind), data, 0, len(data))
    return message


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """An unsigned integer of 64 bits and the position behind it."""
    value = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value > MASK_64:
                raise PeerFault("a varint of more than 64 bits")
            return value, position
        shift += 7
        if shift > VARINT_SHIFT_MAX:
            raise PeerFault("a varint of more than 10 bytes")
    raise PeerFault("the message ends within a varint")


def _decoded(plan: Plan, data: bytes, position: int, end: int) -> Any:
    values: dict[str, Any] = {}
    single = plan.single
    unknown = 0
    while position < end:
        tag = data[position]
        if tag < 128:
            position += 1
        else:
            tag, position = read_varint(data, position, end)
        found = single.get(tag)
        if found is None:
            unknown += tag not in plan.repeated
            if unknown > UNKNOWN_FIELDS_MAX:
                raise PeerFault(f"{plan.kind.__name__} has more than {UNKNOWN_FIELDS_MAX} unknown fields")
            position = _read_other(plan, tag, values, (data, position, end))
            continue
        name, read = found
        if name in values:
            raise PeerFault(f"{plan.kind.__name__}.{name} is sent twice")
        values[name], position = read(data, position, end)
    return _built(plan, values)


def _built(plan: Plan, values: dict[str, Any]) -> Any:
    kind = plan.kind
    if kind.ONEOF:
        if len(values) != 1:
            raise PeerFault(f"{kind.__name__}.{kind.ONEOF} holds {len(values)} values instead of one")
        value = next(iter(values.values()))
        return kind(**{kind.ONEOF: value})
    for field in plan.counted:
        items = values.get(field.name, ())
        # Too many are refused while they are read.
        if len(items) < field.items_min:
            raise PeerFault(f"{kind.__name__}.{field.name}: {wrong_count(field, len(items))}")
        values[field.name] = tuple(items)
    try:
        return kind(**(plan.absent | values))
    except TypeError:
        missing = [one.name for one in kind.FIELDS if one.required and one.name not in plan.absent | values]
        raise PeerFault(f"{kind.__name__} lacks {', '.join(missing)}") from None


def _read_other(plan: Plan, tag: int, values: dict[str, Any], rest: tuple[bytes, int, int]) -> int:
    """An array's item or items, or a field that we do not know; returns the position behind it."""
    found = plan.repeated.get(tag)
    if found is None:
        if tag >> 3 in plan.numbers:
            raise PeerFault(f"{plan.kind.__name__}: field {tag >> 3} has the wrong wire type")
        return _skip(tag, *rest)
    field, read, packed = found
    items = values.setdefault(field.name, [])
    data, position, end = rest
    stop = end
    if packed:
        length, position = _read_length(data, position, end)
        stop = position + length
    more = True
    while (position < stop) if packed else more:
        # Counted before it is read, so that a hostile array costs no more than an honest one.
        if field.items_max is not None and len(items) >= field.items_max:
            raise PeerFault(f"{plan.kind.__name__}.{field.name}: more than {field.items_max} items")
        item, position = read(data, position, stop)
        items.append(item)
        more = False
    return position


def _skip(tag: int, data: bytes, position: int, end: int) -> int:
    if tag > TAG_MAX or tag >> 3 == 0:
        raise PeerFault(f"{tag} is no field")
    wire = tag & 7
    if wire == WIRE_VARINT:
        return read_varint(data, position, end)[1]
    if wire == WIRE_LENGTH:
        length, position = read_varint(data, position, end)
    elif wire in (WIRE_FIXED64, WIRE_FIXED32):
        length = 8 if wire == WIRE_FIXED64 else 4
    else:
        raise PeerFault(f"field {tag >> 3} has wire type {wire}, which is not in use")
    return _stop(position, length, end)


def _read_length(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A length that the rest holds, and the position behind it."""
    length = data[position] if position < end else 128
    if length < 128:
        position += 1
    else:
        length, position = read_varint(data, position, end)
    _stop(position, length, end)
    return length, position


def _stop(position: int, length: int, end: int) -> int:
    if length > end - position:
        raise PeerFault(f"the message ends {length - (end - position)} bytes early")
    return position + length


def plan_of(kind: type[Message]) -> Plan:
    """The steps that decode one message type."""
    plan = _PLANS.get(kind)
    if plan is None:
        plan = _PLANS[kind] = _make_plan(kind)
    return plan


def _make_plan(kind: type[Message]) -> Plan:
    single: dict[int, tuple[str, Read]] = {}
    repeated: dict[int, tuple[Field, Read, bool]] = {}
    for field in kind.FIELDS:
        read, tag = _reader(kind, field), field.number << 3 | wire_type(field.kind)
        if not field.repeated:
            single[tag] = (field.name, read)
            continue
        repeated[tag] = (field, read, False)
        if field.kind in PACKABLE:
            repeated[field.number << 3 | WIRE_LENGTH] = (field, read, True)
    values = {field.name: absent_value(field) for field in kind.FIELDS if field.required}
    return Plan(
        kind=kind,
        single=single,
        repeated=repeated,
        numbers=frozenset(field.number for field in kind.FIELDS),
        absent={name: value for name, value in values.items() if value is not None},
        counted=tuple(field for field in kind.FIELDS if field.repeated),
    )


def _reader(kind: type[Message], field: Field) -> Read:
    label = f"{kind.__name__}.{field.name}"
    if field.kind in RANGES:
        return _read_integer(label, field)
    if field.kind is Kind.DOUBLE:
        return _read_double
    if field.kind in (Kind.BOOL, Kind.ENUM):
        return _read_named(label, field)
    if field.kind is Kind.MESSAGE:
        return _read_message(field)
    return _read_text_or_bytes(label, field)


def _read_integer(label: str, field: Field) -> Read:
    lowest, highest = integer_range(field)
    signed = field.kind in (Kind.INT32, Kind.INT64)

    def read(data: bytes, position: int, end: int) -> tuple[int, int]:
        value, position = read_varint(data, position, end)
        if signed and value >> 63:
            value -= 2**64
        if not lowest <= value <= highest:
            raise PeerFault(f"{label}: {value} is not within {lowest}..{highest}")
        return value, position

    return read


def _read_double(data: bytes, position: int, end: int) -> tuple[float, int]:
    stop = _stop(position, 8, end)
    return _DOUBLE(data, position)[0], stop


def _read_named(label: str, field: Field) -> Read:
    named: dict[int, Any] = {0: False, 1: True}
    if field.kind is Kind.ENUM:
        named = {member & MASK_64: member for member in field.type or ()}

    def read(data: bytes, position: int, end: int) -> tuple[Any, int]:
        number, position = read_varint(data, position, end)
        value = named.get(number)
        if value is None:
            raise PeerFault(f"{label}: {number} is no value of its type")
        return value, position

    return read


def _read_message(field: Field) -> Read:
    assert field.type is not None
    plan = plan_of(field.type)

    def read(data: bytes, position: int, end: int) -> tuple[Any, int]:
        length, position = _read_length(data, position, end)
        stop = position + length
        return _decoded(plan, data, position, stop), stop

    return read


def _read_text_or_bytes(label: str, field: Field) -> Read:
    is_text, check = field.kind is Kind.STRING, value_check(field)

    def read(data: bytes, position: int, end: int) -> tuple[Any, int]:
        length, position = _read_length(data, position, end)
        stop = position + length
        value: str | bytes = data[position:stop]
        if is_text:
            try:
                value = str(value, "utf-8")  # type: ignore[arg-type]
            except UnicodeDecodeError:
                raise PeerFault(f"{label}: no UTF-8") from None
        if check is not None and (reason := check(value)):
            raise PeerFault(f"{label}: {reason}")
        return value, stop

    return read
