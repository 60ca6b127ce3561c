"""One reconciliation of two databases, by the sessions that nodes use, over a stream that neither waits nor breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from sgnus.core.id_index import IdSnapshot
from sgnus.core.reconcile import Session
from sgnus.messages.errors import OurFault
from sgnus.messages.v1.types import ReconcileStep


def exchanged(one: Mapping[bytes, bytes], other: Mapping[bytes, bytes]) -> tuple[list[bytes], list[bytes]]:
    """The entries that each side gets from the other; both sides are given by id. Faults: those of honest sessions."""
    sides = (_Side(one), _Side(other))
    steps = deque([(1, sides[0].session.begin())])
    while steps:
        to, step = steps.popleft()
        steps.extend((1 - to, answer) for answer in sides[to].take(step))
    if not all(side.session.has_heard_all for side in sides):
        raise OurFault("a reconciliation stopped before its end")
    return sides[0].received, sides[1].received


class _Side:
    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        self._entries = entries
        self._has_ended = False
        self.session = Session(IdSnapshot(b"".join(sorted(entries))))
        self.received: list[bytes] = []

    def take(self, step: ReconcileStep) -> Sequence[ReconcileStep]:
        """What is to be sent now: the answer first, then what is owed, then the last step once nothing can be owed."""
        got = self.session.receive(step)
        self.received += got.entries
        steps = [got.answer] if got.answer is not None else []
        while owed := self.session.next_owed():
            steps += self.session.steps_of([self._entries[entry_id] for entry_id in owed])
        if self.session.may_end and not self._has_ended:
            self._has_ended = True
            steps.append(self.session.last())
        return steps
