"""The bounds of a field, as the definition and the wire set them, and the check of one value against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sgnus.messages.fields import Field, Kind

RANGES: Final = {
    Kind.INT32: (-(2**31), 2**31 - 1),
    Kind.UINT32: (0, 2**32 - 1),
    Kind.INT64: (-(2**63), 2**63 - 1),
    Kind.UINT64: (0, 2**64 - 1),
}
PYTHON_TYPES: Final[dict[Kind, type]] = {
    Kind.BOOL: bool,
    Kind.INT32: int,
    Kind.UINT32: int,
    Kind.INT64: int,
    Kind.UINT64: int,
    Kind.DOUBLE: float,
    Kind.STRING: str,
    Kind.BYTES: bytes,
}
ZEROS: Final[dict[Kind, Any]] = {
    Kind.BOOL: False,
    Kind.INT32: 0,
    Kind.UINT32: 0,
    Kind.INT64: 0,
    Kind.UINT64: 0,
    Kind.DOUBLE: 0.0,
    Kind.STRING: "",
    Kind.BYTES: b"",
}


def python_type(field: Field) -> type[Any]:
    """The exact type of one value: True is no integer here, nor is a member of an enum."""
    return PYTHON_TYPES[field.kind] if field.type is None else field.type


def integer_range(field: Field) -> tuple[int, int]:
    """Lowest and highest value of an integer field: what its width holds and the definition allows."""
    lowest, highest = RANGES[field.kind]
    if field.minimum is not None:
        lowest = max(lowest, field.minimum)
    if field.maximum is not None:
        highest = min(highest, field.maximum)
    return lowest, highest


def value_check(field: Field) -> Callable[[Any], str] | None:
    """What says why one value (one item, of an array) of the right type is out of bounds, or nothing (an empty text).

    None where every value of the type is within bounds.
    """
    if field.kind in RANGES:
        lowest, highest = integer_range(field)

        def check_range(value: int) -> str:
            return "" if lowest <= value <= highest else f"{value} is not within {lowest}..{highest}"

        return check_range
    least, most = field.size_min, field.size_max
    if least == 0 and most is None:
        return None
    unit = "characters" if field.kind is Kind.STRING else "bytes"

    def check_size(value: str | bytes) -> str:
        size = len(value)
        if size < least:
            return f"{size} {unit} are fewer than {least}"
        return f"{size} {unit} are more than {most}" if most is not None and size > most else ""

    return check_size


def wrong_count(field: Field, count: int) -> str:
    """Why an array of `count` items is out of bounds; empty when it is not."""
    if count < field.items_min:
        return f"{count} items are fewer than {field.items_min}"
    if field.items_max is not None and count > field.items_max:
        return f"{count} items are more than {field.items_max}"
    return ""


def absent_value(field: Field) -> Any:
    """What a required field holds when protobuf leaves it out (its zero); None when it may not be left out."""
    if field.repeated:
        return None if wrong_count(field, 0) else ()
    if field.kind is Kind.MESSAGE:
        return None
    if field.kind is Kind.ENUM and field.type is not None:
        return field.type(0)
    zero, check = ZEROS[field.kind], value_check(field)
    return None if check is not None and check(zero) else zero
