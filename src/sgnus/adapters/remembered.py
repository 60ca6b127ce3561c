"""What is remembered of peers: made when it is first asked for, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """At most `most` values. Peers choose their names, so whatever is kept by name has a bound."""

    def __init__(self, most: int, make: Callable[[Key], Value]) -> None:
        self._most = most
        self._make = make
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def of(self, key: Key) -> Value:
        """The value of `key`, made now if there is none."""
        if key not in self._values:
            self._values[key] = self._make(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]
