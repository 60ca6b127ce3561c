"""Keeps api/fields.lock: every number that a field or enum value ever had. Lines are added, never changed.

A line outlives its field, so that a retired number is not given to another one: old nodes would misread it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.generate.definition import Definition, DefinitionFault


def write_lock(definition: Definition, lock: str) -> str:
    """`lock` with the new numbers of `definition`. DefinitionFault when one was changed, or is another's."""
    numbers = {place: int(number) for place, number in (line.split(" = ") for line in lock.splitlines())}
    holders = {(place.partition(".")[0], number): place for place, number in numbers.items()}
    for place, number in _numbered(definition):
        if numbers.setdefault(place, number) != number:
            raise DefinitionFault(f"{place}: {number} was {numbers[place]}; a number never changes")
        holder = holders.setdefault((place.partition(".")[0], number), place)
        if holder != place:
            raise DefinitionFault(f"{place}: {number} is the number of {holder} for ever; take a new one")
    return "".join(sorted(f"{place} = {number}\n" for place, number in numbers.items()))


def _numbered(definition: Definition) -> Iterator[tuple[str, int]]:
    """`Message.field` and `Enum.VALUE`, with their numbers."""
    for message in definition.messages:
        for field in message.fields:
            yield f"{message.name}.{field.name}", field.number
    for enum in definition.enums:
        for value, number in enum.values:
            yield f"{enum.name}.{value}", number
