"""What lies on a simulated machine's disk, and what of it a loss of power takes away."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sgnus.core.database import Orphans
from sgnus.core.shelf import Shelf

Key = tuple[str, str]


@dataclass(slots=True)
class Disk:
    """Facts of Persist by (namespace, key), and the entries of the job database.

    A fact is durable once anything that follows it was done (`sync`): only then does the runtime go on. Entries that came
    from others are written without waiting (others have them): those of the last moments may be gone.
    """

    facts: dict[Key, bytes] = field(default_factory=dict)
    entries: dict[bytes, None] = field(default_factory=dict)
    orphans: Orphans = field(default_factory=Orphans)
    shelf: Shelf | None = None
    poison: dict[bytes, None] = field(default_factory=dict)
    """What a hostile peer wrote last; it offers it to whoever compares copies with it."""
    _before: list[tuple[Key, bytes | None]] = field(default_factory=list)
    """Of each write that is not durable yet, what stood there."""
    _fresh: list[bytes] = field(default_factory=list)
    """Entries of others that were written last and may not be durable."""

    def write(self, key: Key, value: bytes) -> None:
        """Not durable before `sync`."""
        self._before.append((key, self.facts.get(key)))
        self.facts[key] = value

    def sync(self) -> None:
        """All that was written is durable, entries as well: one log holds both."""
        if self._before:
            self._before.clear()
            self._fresh.clear()

    def keep(self, raw: bytes, *, is_own: bool) -> None:
        """An entry of the job database. What is our own is durable at once."""
        self.entries[raw] = None
        if is_own:
            self._fresh.clear()
        else:
            self._fresh.append(raw)

    def lose_power(self, dice: random.Random) -> tuple[list[Key], list[bytes]]:
        """The end of what was not durable is gone, from a moment of the dice's choice: keys of facts, and entries."""
        keys: list[Key] = []
        for _ in range(dice.randint(0, len(self._before))):
            key, value = self._before.pop()
            keys.append(key)
            if value is None:
                del self.facts[key]
            else:
                self.facts[key] = value
        lost = self._fresh[len(self._fresh) - dice.randint(0, len(self._fresh)) :]
        self._before.clear()
        self._fresh.clear()
        for raw in lost:
            self.entries.pop(raw, None)
        return keys, lost
