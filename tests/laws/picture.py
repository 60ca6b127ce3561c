"""A picture of all that an object holds, deep enough that two of them differ wherever the object changed."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Mapping
from typing import Any

from sgnus.core.pulse import Pulse
from sgnus.messages.fields import Message
from sgnus.runtime.pens import EnvelopePen
from sgnus.sim.pens import CheapPen

# Messages are frozen and equal by value. Pens only remember what they opened.
LEAVES = (Message, str, bytes, int, enum.Enum, range, type(None))
PENS = (CheapPen, EnvelopePen)
# Whoever speaks is alive, also if what it says is refused.
HEARING = ("heard_ms", "broken_ms")


def picture(thing: Any) -> Any:
    """Nested lists, in the order in which the object holds things: the order matters where the oldest goes first."""
    if isinstance(thing, LEAVES):
        return thing
    if isinstance(thing, PENS):
        return None
    if isinstance(thing, Mapping):
        return [(picture(key), picture(value)) for key, value in thing.items()]
    if isinstance(thing, list | tuple | deque):
        return [picture(one) for one in thing]
    if isinstance(thing, frozenset | set):
        return sorted(thing)
    return [
        (name, picture(value))
        for name, value in attributes(thing)
        if not (isinstance(thing, Pulse) and name in HEARING)
    ]


def attributes(thing: Any) -> list[tuple[str, Any]]:
    """Names and values. What holds neither fields nor attributes must not be passed over in silence."""
    if dataclasses.is_dataclass(thing):
        return [(field.name, getattr(thing, field.name)) for field in dataclasses.fields(thing)]
    return sorted(vars(thing).items())


def difference(before: Any, after: Any, where: str = "") -> str:
    """The first place where two pictures differ, in words; empty if they do not."""
    if before == after:
        return ""
    if not (isinstance(before, list | tuple) and isinstance(after, list | tuple)):
        return f"{where}: {before!r} became {after!r}"
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        is_named = isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str)
        name = one[0] if is_named else str(number)
        found = difference(one, other, f"{where}.{name}")
        if found:
            return found
    return (
        f"{where}: {len(before)} things became {len(after)}: {after[len(before) :] or before[len(after) :]}"
    )
