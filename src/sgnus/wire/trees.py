"""Messages as trees of dicts and lists: maps for dag-cbor entries, and proto-JSON for the HTTP face.

Both are strict: an unknown key, a missing required field, null, or a value of another type is a PeerFault.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.fields import Field, Kind, Message
from sgnus.wire.bounds import python_type, value_check, wrong_count

MessageT = TypeVar("MessageT", bound=Message)
Tree = dict[str, Any]

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})")
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write scalars: for each kind what writes a value and what reads it (ValueError: not of its type).

    `has_empty_arrays`: an empty array is written, and may be left out all the same.
    """

    write: Callable[[Field], Callable[[Any], Any] | None]
    read: Callable[[Field], Callable[[Any], Any]]
    has_empty_arrays: bool
    steps: dict[type[Message], dict[str, Step]]


@dataclass(frozen=True, slots=True)
class Step:
    """One field of a message type in one form, made once. `write` is None for what is written as it is."""

    field: Field
    label: str
    type: type[Any]
    is_message: bool
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any]
    check: Callable[[Any], str] | None


def _steps(form: Form, kind: type[Message]) -> dict[str, Step]:
    steps = form.steps.get(kind)
    if steps is None:
        steps = form.steps[kind] = {field.name: _step(form, kind, field) for field in kind.FIELDS}
    return steps


def _step(form: Form, kind: type[Message], field: Field) -> Step:
    expected, is_message = python_type(field), field.kind is Kind.MESSAGE
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any]
    if is_message:
        write, read = partial(_to_tree, form), partial(_from_tree, form, expected)
    else:
        write, read = form.write(field), form.read(field)
    return Step(field, f"{kind.__name__}.{field.name}", expected, is_message, write, read, value_check(field))


def to_map(message: Message) -> Tree:
    """`message` as a map for dag-cbor: enums as integers, what is absent (and an empty array) left out."""
    return _to_tree(MAP, message)


def from_map(kind: type[MessageT], tree: object) -> MessageT:
    """The message in a map made by `to_map`. One message has one map: an empty array may not be written out."""
    return _from_tree(MAP, kind, tree)


def to_json(message: Message) -> Tree:
    """`message` by the conventions of proto-JSON, with the names of the definition: 64-bit integers as strings,
    bytes in base64, enums by their full names; required fields and arrays are always written."""
    return _to_tree(JSON, message)


def from_json(kind: type[MessageT], tree: object) -> MessageT:
    """The message in parsed JSON. PeerFault names the field and says what is wrong with it."""
    return _from_tree(JSON, kind, tree)


def _to_tree(form: Form, message: Message) -> Tree:
    kind = type(message)
    steps = _steps(form, kind)
    if kind.ONEOF:
        value = getattr(message, kind.ONEOF)
        chosen = next((step for step in steps.values() if step.type is type(value)), None)
        if chosen is None:
            raise OurFault(f"{kind.__name__}.{kind.ONEOF} cannot hold a {type(value).__name__}")
        return {chosen.field.name: _write(chosen, value)}
    tree: Tree = {}
    for name, step in steps.items():
        value = getattr(message, name)
        field = step.field
        if field.repeated:
            if value or field.required or form.has_empty_arrays:
                if reason := wrong_count(field, len(value)):
                    raise OurFault(f"{step.label}: {reason}")
                tree[name] = [_write(step, item) for item in value]
        elif value is not None or field.required:
            tree[name] = _write(step, value)
    return tree


def _write(step: Step, value: Any) -> Any:
    if type(value) is not step.type:
        raise OurFault(f"{step.label} cannot hold a {type(value).__name__}")
    if step.check is not None and (reason := step.check(value)):
        raise OurFault(f"{step.label}: {reason}")
    return value if step.write is None else step.write(value)


def _from_tree(form: Form, kind: type[MessageT], tree: object) -> MessageT:
    if type(tree) is not dict:
        raise PeerFault(f"{kind.__name__} is no map")
    steps = _steps(form, kind)
    if not tree.keys() <= steps.keys():
        strange = next(key for key in tree if key not in steps)
        raise PeerFault(f"{kind.__name__} has no field {str(strange)[:80]!r}")
    if kind.ONEOF:
        if len(tree) != 1:
            raise PeerFault(f"{kind.__name__} holds {len(tree)} values instead of one of {', '.join(steps)}")
        name, value = next(iter(tree.items()))
        return kind(**{kind.ONEOF: _read(steps[name], value)})
    values: Tree = {}
    for name, step in steps.items():
        field = step.field
        if name in tree:
            read = tree[name]
            values[name] = _read_array(form, step, read) if field.repeated else _read(step, read)
        elif field.required or field.items_min:
            raise PeerFault(f"{kind.__name__} lacks {name}")
    return kind(**values)


def _read_array(form: Form, step: Step, value: object) -> tuple[Any, ...]:
    if type(value) is not list:
        raise PeerFault(f"{step.label} is no array")
    if reason := wrong_count(step.field, len(value)):
        raise PeerFault(f"{step.label}: {reason}")
    if not value and not step.field.required and not form.has_empty_arrays:
        raise PeerFault(f"{step.label} is empty and not left out")
    return tuple([_read(step, item) for item in value])


def _read(step: Step, value: object) -> Any:
    try:
        result = step.read(value)
    except ValueError as error:
        raise PeerFault(f"{step.label}: {error}") from None
    if step.check is not None and (reason := step.check(result)):
        raise PeerFault(f"{step.label}: {reason}")
    return result


def _refuse(field: Field, value: object) -> NoReturn:
    raise ValueError(f"{str(value)[:80]!r} is not of its type ({field.kind.value})")


def _read_exactly(field: Field) -> Callable[[Any], Any]:
    expected = python_type(field)

    def read(value: object) -> Any:
        return value if type(value) is expected else _refuse(field, value)

    return read


# ---- dag-cbor maps
def _map_writer(field: Field) -> Callable[[Any], Any] | None:
    if field.kind is Kind.DOUBLE:
        # An entry has one encoding, and floats have many.
        return partial(_refuse_float, field)
    return int if field.kind is Kind.ENUM else None


def _refuse_float(field: Field, _value: Any) -> NoReturn:
    raise OurFault(f"{field.name}: an entry of the database holds no floats")


def _map_reader(field: Field) -> Callable[[Any], Any]:
    if field.kind is Kind.DOUBLE:
        return partial(_refuse, field)
    if field.kind is not Kind.ENUM:
        return _read_exactly(field)
    named = {int(member): member for member in field.type or ()}

    def read_member(number: object) -> Any:
        return named[number] if type(number) is int and number in named else _refuse(field, number)

    return read_member


# ---- proto-JSON
def _json_writer(field: Field) -> Callable[[Any], Any] | None:
    match field.kind:
        case Kind.ENUM:
            return _json_names(field).__getitem__
        case Kind.INT64 | Kind.UINT64:
            return str
        case Kind.BYTES:
            return lambda value: base64.b64encode(value).decode()
        case Kind.DOUBLE:
            return _write_double
    return None


def _json_names(field: Field) -> dict[Any, str]:
    """The full names of an enum's members, as in the definition."""
    members: Any = python_type(field)
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", python_type(field).__name__).upper()
    return {member: f"{prefix}_{member.name}" for member in members}


def _write_double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _json_reader(field: Field) -> Callable[[Any], Any]:
    match field.kind:
        case Kind.ENUM:
            return partial(_read_name, field, {name: member for member, name in _json_names(field).items()})
        case Kind.INT64 | Kind.UINT64:
            return partial(_read_digits, field)
        case Kind.INT32 | Kind.UINT32:
            return partial(_read_integer, field)
        case Kind.BYTES:
            return partial(_read_base64, field)
        case Kind.DOUBLE:
            return partial(_read_double, field)
    return _read_exactly(field)


def _read_name(field: Field, named: dict[str, Any], value: object) -> Any:
    return named[value] if type(value) is str and value in named else _refuse(field, value)


def _read_digits(field: Field, value: object) -> int:
    return int(value) if type(value) is str and _INTEGER.fullmatch(value) else _refuse(field, value)


def _read_integer(field: Field, value: object) -> int:
    if type(value) is int:
        return value
    # JSON knows one kind of number: 5.0 is an integer.
    return int(value) if type(value) is float and value.is_integer() else _refuse(field, value)


def _read_base64(field: Field, value: object) -> bytes:
    return base64.b64decode(value, validate=True) if type(value) is str else _refuse(field, value)


def _read_double(field: Field, value: object) -> float:
    if type(value) is float or (type(value) is str and value in _NOT_FINITE):
        return float(value)
    return float(value) if type(value) is int and abs(value) < 2**1000 else _refuse(field, value)


MAP: Final = Form(write=_map_writer, read=_map_reader, has_empty_arrays=False, steps={})
JSON: Final = Form(write=_json_writer, read=_json_reader, has_empty_arrays=True, steps={})
