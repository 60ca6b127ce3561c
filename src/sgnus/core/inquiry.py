"""What a host makes of accusations by others: whose proof is looked into next, who is refused here, and whose word is not heard.

An accused is innocent until its proof held here. A proof that cannot be decided has no effect; one that is false, or convicts
somebody else, costs whoever signed the accusation. Strangers decide what is looked into and never how much of this
node's time that takes: one proof at a time, and nine times as long a rest as the last one took. It never decides
whether a proof holds (`fraud.py` and a run of the chunk do). Durations are of the local monotonic clock (`now_ms`),
expiries of Unix time (`unix_ms`). docs/protocol/verification.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from sgnus.messages.ids import BlockId, PeerId
from sgnus.messages.limits import (
    ACCUSATIONS_MAX,
    ENTRY_LIFE_MS_MAX,
    FORGER_MS,
    INQUIRIES_WAITING_MAX,
    INQUIRY_AGAIN_MS,
    INQUIRY_REST_FACTOR,
    INQUIRY_REST_MS_MIN,
    REFUSED_MAX,
)


class Finding(Enum):
    """What came of a proof: it convicts the accused; it does not, and so convicts its author; nobody can say."""

    GUILTY = "guilty"
    FALSE = "false"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Accusation:
    """A FRAUD entry. `is_weighty`: its author is the job's own, or a SGNUS node of the network: they come first."""

    entry: BlockId
    author: PeerId
    accused: PeerId
    job: BlockId
    expires_ms: int
    is_weighty: bool


@dataclass(slots=True)
class Docks:
    """Who is refused a seat here, until when (Unix time): convicted by a proof, or author of a false one."""

    guilty: dict[PeerId, int] = field(default_factory=dict)
    forgers: dict[PeerId, int] = field(default_factory=dict)

    def peers(self, unix_ms: int) -> tuple[PeerId, ...]:
        """All of them, sorted; who has served its time is forgotten."""
        for docked in (self.guilty, self.forgers):
            for peer in [peer for peer, until_ms in docked.items() if until_ms <= unix_ms]:
                del docked[peer]
        return tuple(sorted({**self.guilty, **self.forgers}))


@dataclass(slots=True)
class Inquiry:
    """State of one node. `looked` says from when on an entry may be looked into again (None: never); `size` counts the
    accusations that are indexed: of too many, those of the job that was looked at longest ago are forgotten.
    """

    me: PeerId
    docks: Docks = field(default_factory=Docks)
    known: dict[PeerId, dict[BlockId, Accusation]] = field(default_factory=dict)
    of_job: dict[BlockId, tuple[Accusation, ...]] = field(default_factory=dict)
    looked: dict[BlockId, int | None] = field(default_factory=dict)
    waiting: list[Accusation] = field(default_factory=list)
    running: Accusation | None = None
    rest_until_ms: int = 0
    size: int = 0

    def note(self, job: BlockId, accusations: Sequence[Accusation]) -> list[Accusation]:
        """All that the database holds against anybody in this job now. Returns our own new ones, which hold: we ran the chunk
        before we accused.
        """
        for before in self.of_job.pop(job, ()):
            self.size -= 1
            against = self.known.get(before.accused, {})
            against.pop(before.entry, None)
            if not against:
                self.known.pop(before.accused, None)
        kept = tuple(one for one in accusations if one.accused != self.me)
        if kept:
            self.of_job[job] = kept
        self.size += len(kept)
        for one in kept:
            self.known.setdefault(one.accused, {})[one.entry] = one
        while self.size > ACCUSATIONS_MAX:
            self.note(next(iter(self.of_job)), ())
        return [one for one in kept if one.author == self.me and one.accused not in self.docks.guilty]

    def ask(self, peer: PeerId, now_ms: int, unix_ms: int) -> None:
        """`peer` wants a seat here: what accuses it is looked into, as far as it was not."""
        against = sorted(self.known.get(peer, {}).values(), key=lambda one: not one.is_weighty)
        for one in against:
            if len(self.waiting) >= INQUIRIES_WAITING_MAX:
                return
            if self._is_worth(one, now_ms, unix_ms) and one not in self.waiting and one != self.running:
                self.waiting.append(one)

    def next(self, now_ms: int, unix_ms: int) -> Accusation | None:
        """What to look into now; end it with `end`. None: nothing, or not yet."""
        if self.running is not None or now_ms < self.rest_until_ms:
            return None
        self.waiting.sort(key=lambda one: not one.is_weighty)
        while self.waiting:
            one = self.waiting.pop(0)
            if self._is_worth(one, now_ms, unix_ms):
                self.running = one
                return one
        return None

    def end(
        self, one: Accusation, finding: Finding, now_ms: int, unix_ms: int, *, cost_ms: int | None
    ) -> None:
        """What came of it. `cost_ms`: how long it took to read and run; None if it needed neither."""
        if self.running == one:
            self.running = None
        if cost_ms is not None:
            self.rest_until_ms = now_ms + max(INQUIRY_REST_MS_MIN, INQUIRY_REST_FACTOR * cost_ms)
        self.looked.pop(one.entry, None)
        self.looked[one.entry] = now_ms + INQUIRY_AGAIN_MS if finding is Finding.UNDECIDED else None
        if len(self.looked) > ACCUSATIONS_MAX:
            del self.looked[next(iter(self.looked))]
        if finding is Finding.GUILTY:
            _dock(self.docks.guilty, one.accused, min(one.expires_ms, unix_ms + ENTRY_LIFE_MS_MAX))
        elif finding is Finding.FALSE:
            _dock(self.docks.forgers, one.author, unix_ms + FORGER_MS)

    def _is_worth(self, one: Accusation, now_ms: int, unix_ms: int) -> bool:
        """It would change something, and its author is heard."""
        docks = self.docks
        if one.accused in docks.guilty or one.author in docks.forgers or one.expires_ms <= unix_ms:
            return False
        if one.entry not in self.looked:
            return True
        again_ms = self.looked[one.entry]
        return again_ms is not None and again_ms <= now_ms


def _dock(docked: dict[PeerId, int], peer: PeerId, until_ms: int) -> None:
    """For as long as the longest of its proofs; of too many peers the first to have served its time is forgotten."""
    docked[peer] = max(until_ms, docked.get(peer, 0))
    if len(docked) > REFUSED_MAX:
        del docked[min(docked, key=lambda one: (docked[one], one))]
