"""Copies of the job database for its state machine: the real admission over a store in memory, and no event loop."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from random import Random
from typing import Any, Final, TypeVar

from sgnus.adapters.store import FakeStore
from sgnus.core.id_index import unpack_ids
from sgnus.core.reconcile import Session
from sgnus.messages.errors import PeerFault
from sgnus.messages.v1.types import ReconcileStep
from sgnus.runtime.shelves import Admitted, Shelves
from sgnus.wire.entry import OpenedEntry, check_signature, open_entry
from tests.database_support import NETWORK, SETTLER
from tests.laws import naive_database as naive

T = TypeVar("T")
SETTLERS: Final = frozenset([SETTLER.peer_id])
TURNS_MAX: Final = 400


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    raise AssertionError("a store in memory made somebody wait")


class Copy:
    """One node's database. `offered` is all that it took in or keeps waiting, for the naive model."""

    def __init__(self, jobs_max: int) -> None:
        self.store = FakeStore()
        self.offered: dict[bytes, OpenedEntry] = {}
        self._jobs_max = jobs_max
        self.start()

    def start(self) -> None:
        """The process starts (again): what waited for its job is forgotten."""
        self.shelves = Shelves(self.store, NETWORK, SETTLERS, lambda _entry, _held: True)
        at_once(self.shelves.load())
        ids = unpack_ids(self.packed)
        self.offered = {name: one for name, one in self.offered.items() if name in ids}

    @property
    def packed(self) -> bytes:
        """The ids of all that is held."""
        return at_once(self.store.ids())

    def bytes(self) -> Sequence[bytes]:
        """All that is held."""
        return at_once(self.store.bodies(unpack_ids(self.packed)))

    def views(self) -> list[str]:
        """What is said of each job, in words."""
        return [repr(one) + repr(one.taken) for one in at_once(self.shelves.views(self._jobs()))]

    def admit(self, batch: Sequence[OpenedEntry], now_ms: int) -> Admitted:
        """Offer these."""
        admitted = at_once(self.shelves.admit(batch, now_ms, durable=False))
        self.offered |= {one.id: one for one in batch if naive.may_live(one, now_ms)}
        return admitted

    def receive(self, raws: Iterable[bytes], now_ms: int) -> None:
        """What a partner sent: whatever it is, only what is rightly signed is looked at."""
        self.admit([one for one in map(vetted, raws) if one is not None], now_ms)

    def expire(self, now_ms: int) -> None:
        at_once(self.shelves.expire(now_ms))

    def check(self, now_ms: int) -> None:
        """It is what the naive model says of the same bag, in ids, bytes and views."""
        expected = naive.kept(self.offered.values(), now_ms, self._jobs_max, SETTLERS)
        ids = sorted(one.id for one in expected)
        assert unpack_ids(self.packed) == ids
        assert self.shelves.index.snapshot().packed == b"".join(ids)
        assert sorted(self.bytes()) == sorted(one.raw for one in expected)
        for found in at_once(self.shelves.views(self._jobs())):
            assert found.job is not None
            said = [one for one in expected if one.entry.job == found.block_id]
            told = {
                "state": found.state,
                "priority": found.priority,
                "paused": found.paused,
                "cancelled": found.cancelled,
                "taken": dict(found.taken),
                "settled": dict(found.settled),
                "rooms": [(room.microjob, room.host) for room in found.rooms],
                "banned": list(found.banned),
            }
            assert told == naive.view(found.job, said)

    def _jobs(self) -> list[bytes]:
        return [one.digest for one in self.offered.values() if not one.entry.job]


def vetted(raw: bytes) -> OpenedEntry | None:
    """The entry, if its form and signature are right."""
    try:
        opened = open_entry(raw, NETWORK)
    except PeerFault:
        return None
    return opened if check_signature(opened) else None


class Side:
    """One side of a reconciliation. `spoil` may change a step on its way out: then the partner is a liar."""

    def __init__(self, copy: Copy, floor: bytes) -> None:
        self.copy = copy
        self.session = Session(copy.shelves.index.snapshot(), floor)
        self.received: list[bytes] = []
        self.served: list[bytes] = []
        self._has_ended = False

    def take(self, step: ReconcileStep) -> list[ReconcileStep]:
        """What is to be sent for it. Faults: PeerFault."""
        got = self.session.receive(step)
        self.received += got.entries
        steps = [got.answer] if got.answer is not None else []
        while owed := self.session.next_owed():
            self.served += owed
            steps += self.session.steps_of(at_once(self.copy.store.bodies(owed)))
        if self.session.may_end and not self._has_ended:
            self._has_ended = True
            steps.append(self.session.last())
        return steps


def exchange(sides: tuple[Side, Side], dice: Random, spoil: Spoil | None = None) -> bool:
    """Two sessions against each other, each way in its order, turns by the dice. True if both heard all; PeerFault if the
    second side, whose steps `spoil` changes, is found out.
    """
    ways: tuple[list[ReconcileStep], list[ReconcileStep]] = ([], [sides[0].session.begin()])
    for _ in range(TURNS_MAX):
        ready = [to for to in (0, 1) if ways[to]]
        if not ready:
            return all(side.session.has_heard_all for side in sides)
        to = dice.choice(ready)
        answers = sides[to].take(ways[to].pop(0))
        if to == 1 and spoil is not None:
            answers = [one for answer in answers for one in spoil(answer)]
        ways[1 - to].extend(answers)
    raise AssertionError("a reconciliation goes on and on")


class Spoil:
    """What a hostile side makes of a step that it should send."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def __call__(self, step: ReconcileStep) -> list[ReconcileStep]:
        """The step, or something else."""
        ranges, ids = list(step.ranges), [one.ids for one in step.ranges if one.ids]
        wanted = step.wanted or b""
        match self._dice.randrange(9):
            case 0:
                return []
            case 1:
                return [step, step]
            case 2 if ranges:
                del ranges[self._dice.randrange(len(ranges))]
            case 3:
                self._dice.shuffle(ranges)
            case 4 if ids:
                wanted += self._dice.choice(ids)
            case 5:
                return [step, ReconcileStep(ranges=(), entries=(b"no entry", *step.entries), end=False)]
            case 6:
                return [ReconcileStep(ranges=step.ranges, entries=(), end=True)]
            case _:
                return [step]
        return [
            ReconcileStep(ranges=tuple(ranges), wanted=wanted or None, entries=step.entries, end=step.end)
        ]
