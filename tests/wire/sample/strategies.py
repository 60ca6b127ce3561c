"""Hypothesis strategies for any generated message type, and the same message as protobuf's own object."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sgnus.messages.fields import Field, Kind, Message
from sgnus.wire.bounds import RANGES, integer_range

ITEMS_MAX = 3
SIZE_MAX = 40


def messages(kind: type[Message]) -> st.SearchStrategy[Any]:
    """Any message of type `kind` within its bounds."""
    if kind.ONEOF:
        options = st.one_of([_values(field) for field in kind.FIELDS])
        return options.map(lambda value: kind(**{kind.ONEOF: value}))
    return st.builds(kind, **{field.name: _field(field) for field in kind.FIELDS})


def _field(field: Field) -> st.SearchStrategy[Any]:
    if field.repeated:
        most = max(field.items_min, min(field.items_max or 0, ITEMS_MAX))
        return st.lists(_values(field), min_size=field.items_min, max_size=most).map(tuple)
    values = _values(field)
    return values if field.required else st.none() | values


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field.kind in RANGES:
        return st.integers(*integer_range(field))
    most = max(field.size_min, SIZE_MAX if field.size_max is None else min(field.size_max, SIZE_MAX))
    match field.kind:
        case Kind.BOOL:
            return st.booleans()
        case Kind.DOUBLE:
            return st.floats(allow_nan=False)
        case Kind.STRING:
            alphabet = st.characters(exclude_categories=("Cs",))
            return st.text(alphabet, min_size=field.size_min, max_size=most)
        case Kind.BYTES:
            return st.binary(min_size=field.size_min, max_size=most)
    assert field.type is not None
    return st.sampled_from(list(field.type)) if field.kind is Kind.ENUM else messages(field.type)


def as_protobuf(message: Message, classes: Any) -> Any:
    """`message` built through the public interface of the protobuf library."""
    kind = type(message)
    theirs = classes[kind.__name__]()
    for field in kind.FIELDS:
        value = _chosen(field, message) if kind.ONEOF else getattr(message, field.name)
        if value is None:
            continue
        if field.repeated and field.kind is Kind.MESSAGE:
            getattr(theirs, field.name).extend([as_protobuf(item, classes) for item in value])
        elif field.repeated:
            getattr(theirs, field.name).extend(value)
        elif field.kind is Kind.MESSAGE:
            getattr(theirs, field.name).CopyFrom(as_protobuf(value, classes))
        else:
            setattr(theirs, field.name, value)
    return theirs


def _chosen(field: Field, message: Message) -> Any:
    value = getattr(message, message.ONEOF)
    expected = field.type or {Kind.BOOL: bool, Kind.STRING: str, Kind.BYTES: bytes}.get(field.kind, int)
    return value if type(value) is expected else None
