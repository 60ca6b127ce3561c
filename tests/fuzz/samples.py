"""Well-formed messages of every type, made from a seed: what the corpora begin with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from sgnus.messages.fields import Field, Kind, Message
from sgnus.wire.bounds import RANGES, integer_range

WORDS: Final = (
    "",
    "x",
    "sobel",
    "uint8",
    "é",
    "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
    "ab" * 32,
)
NUMBERS: Final = (0, 1, 2, 9, 64, 127, 128, 300, 2**31, 2**62)
DEPTH_MAX: Final = 6


def sample(kind: type[Message], dice: random.Random, depth: int = 0) -> Any:
    """A message of type `kind` within its bounds."""
    if kind.ONEOF:
        return kind(**{kind.ONEOF: _one(dice.choice(kind.FIELDS), dice, depth)})
    return kind(**{field.name: _value(field, dice, depth) for field in kind.FIELDS})


def samples(kind: type[Message], number: int, seed: int = 1) -> Iterator[Any]:
    """So many of them, the same in every run."""
    return (sample(kind, random.Random(f"{kind.__name__} {seed} {each}")) for each in range(number))


def _value(field: Field, dice: random.Random, depth: int) -> Any:
    if field.repeated:
        most = max(field.items_min, min(field.items_max or 2, 2) if depth < DEPTH_MAX else 0)
        return tuple(_one(field, dice, depth) for _ in range(dice.randint(field.items_min, most)))
    if not field.required and (depth >= DEPTH_MAX or dice.randrange(2)):
        return None
    return _one(field, dice, depth)


def _one(field: Field, dice: random.Random, depth: int) -> Any:
    if field.kind in RANGES:
        lowest, highest = integer_range(field)
        return min(highest, max(lowest, dice.choice(NUMBERS)))
    most = 32 if field.size_max is None else min(field.size_max, 64)
    match field.kind:
        case Kind.BOOL:
            return bool(dice.randrange(2))
        case Kind.DOUBLE:
            return dice.choice((0.0, 1.5, -3.0))
        case Kind.STRING:
            return dice.choice(WORDS).ljust(field.size_min, "a")[: max(most, field.size_min)]
        case Kind.BYTES:
            return dice.randbytes(dice.randint(field.size_min, max(most, field.size_min)))
    assert field.type is not None
    return dice.choice(list(field.type)) if field.kind is Kind.ENUM else sample(field.type, dice, depth + 1)
