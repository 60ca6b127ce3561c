"""What both doors to other nodes have in common."""

from __future__ import annotations

from typing import Protocol


class Listening(Protocol):
    """Something that others can reach."""

    @property
    def is_listening(self) -> bool:
        """Whether it was started and has not ended since, by `stop` or by a failure."""
        ...
