"""In which jobs' lobbies this node is: a bounded number, whatever strangers publish.

Our own jobs are always in. Else, once all places are taken, a newcomer whose publisher (or the host of one of its rooms) is
in touch with us takes the place of a job of which that is not true, or of one of the publisher that has the most; jobs that
this node takes part in, or of which it knows a room, stay. A peer that publishes jobs in any number of names, which nobody
could work on, would else keep all others' out until they expire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from sgnus.messages.ids import BlockId, PeerId

LOBBIES_MAX: Final = 64


class Lobbies:
    """Decides only. `is_near` says who is in touch with us, `is_needed` which jobs stay in any case."""

    def __init__(
        self,
        me: PeerId,
        is_near: Callable[[PeerId], bool],
        is_needed: Callable[[BlockId], bool],
        places: int = LOBBIES_MAX,
    ) -> None:
        self._me = me
        self._is_near = is_near
        self._is_needed = is_needed
        self._places = places
        self._authors: dict[BlockId, PeerId] = {}

    def __contains__(self, job: BlockId) -> bool:
        return job in self._authors

    @property
    def is_full(self) -> bool:
        return len(self._authors) >= self._places

    def enter(self, job: BlockId, author: PeerId, hosts: Iterable[PeerId]) -> tuple[bool, BlockId | None]:
        """Whether this node enters the lobby of a job that it was not in, and which other one it leaves for it."""
        leaves = None
        if self.is_full and author != self._me:
            if not any(self._is_near(peer) for peer in (author, *hosts)):
                return False, None
            leaves = self._least(author)
            if leaves is None:
                return False, None
            del self._authors[leaves]
        self._authors[job] = author
        return True, leaves

    def leave(self, job: BlockId) -> bool:
        """The job is over; whether we were in its lobby."""
        return self._authors.pop(job, None) is not None

    def _least(self, newcomer: PeerId) -> BlockId | None:
        """Who gives way: the oldest job out of reach; else the newest one of the publisher with the most, if that has more than
        the newcomer would have.
        """
        others = {job: author for job, author in self._authors.items() if not self._stays(job, author)}
        for job, author in others.items():
            if not self._is_near(author):
                return job
        counts = Counter(self._authors.values())
        most = max(others.values(), key=lambda author: counts[author], default=newcomer)
        if counts[most] <= counts[newcomer] + 1:
            return None
        return [job for job, author in others.items() if author == most][-1]

    def _stays(self, job: BlockId, author: PeerId) -> bool:
        return author == self._me or self._is_needed(job)
