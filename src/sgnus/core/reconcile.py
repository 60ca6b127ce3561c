"""Range-based set reconciliation: two databases find what each lacks with few bytes, and send it.

The two sides take turns with ranges of the sorted id space. A range is settled when fingerprints agree, or when one side
has listed its ids and the other answered with what is missing on both sides; else it is cut into finer ones. Bodies flow
meanwhile. The turn that leaves no range open is the last one, so both know then what they owe; a side's step with `end`
is its last, and the session is over when both were seen. Rules: docs/protocol/database.md.

States of a session: RANGES (turns go on), BODIES (only bodies are owed), ENDED. It must never trust a count that the
partner chose: rounds, ranges, ids, entries and bytes are bounded, and one id is sent at most once.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from sgnus.core.id_index import IdSnapshot, is_in, unpack_ids
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.v1.types import ReconcileStep, SetRange
from sgnus.wire.dagcbor import DIGEST_BYTES
from sgnus.wire.entry import ID_BYTES

# Measured at 100,000 ids: one difference costs 2.9, 3.6 and 4.9 kB of turns at 4, 8 and 16 ways, 200 scattered ones some
# 280 kB at each; fewer ways take more turns and more hashing.
BUCKETS: Final = 8
LISTED_IDS_MAX: Final = 32
RANGES_PER_STEP_MAX: Final = 4_000
STEP_IDS_BYTES_MAX: Final = 1024 * 1024
BATCH_ENTRIES_MAX: Final = 512
BATCH_BYTES_MAX: Final = 2 * 1024 * 1024
ROUNDS_MAX: Final = 64
SESSION_IDS_MAX: Final = 1_000_000
SESSION_ENTRIES_MAX: Final = 262_144
SESSION_BYTES_MAX: Final = 256 * 1024 * 1024
OWED_MAX: Final = SESSION_ENTRIES_MAX


class Phase(enum.Enum):
    """How far a session is."""

    RANGES = "ranges"
    BODIES = "bodies"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Received:
    """What a step of the partner brought: entries to admit, and our next turn, if it is ours."""

    entries: tuple[bytes, ...]
    answer: ReconcileStep | None


@dataclass(slots=True)
class _Spent:
    """What a session has cost so far, each with its bound."""

    rounds: int = 0
    ids: int = 0
    entries_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def count_round(self) -> None:
        self.rounds += 1
        if self.rounds > ROUNDS_MAX:
            raise PeerFault(f"a reconciliation of more than {ROUNDS_MAX} rounds")

    def count_ids(self, count: int) -> None:
        self.ids += count
        if self.ids > SESSION_IDS_MAX:
            raise PeerFault(f"more than {SESSION_IDS_MAX} ids in one reconciliation")

    def count_in(self, step: ReconcileStep) -> None:
        if not (step.ranges or step.wanted or step.entries or step.end):
            raise PeerFault("an empty step")
        self.entries_in += len(step.entries)
        self.bytes_in += sum(len(entry) for entry in step.entries)
        if self.entries_in > 2 * SESSION_ENTRIES_MAX or self.bytes_in > 2 * SESSION_BYTES_MAX:
            raise PeerFault("more entries than one reconciliation may carry")


class _Debts:
    """Ids of entries that the partner lacks. Each is sent at most once, however often it is asked for."""

    def __init__(self) -> None:
        self._owed: dict[bytes, None] = {}
        self._seen: dict[bytes, None] = {}

    def __bool__(self) -> bool:
        return bool(self._owed)

    def owe(self, entry_id: bytes) -> None:
        if entry_id not in self._seen and len(self._seen) < OWED_MAX:
            self._seen[entry_id] = self._owed[entry_id] = None

    def next(self) -> list[bytes]:
        batch = list(islice(self._owed, BATCH_ENTRIES_MAX))
        for entry_id in batch:
            del self._owed[entry_id]
        return batch

    def cancel(self) -> None:
        """No more in this session: the next one goes on."""
        self._owed.clear()


class Session:
    """One side of one reconciliation, over a snapshot of the ids. Ids below `floor` are left out (they expire now)."""

    def __init__(self, ids: IdSnapshot, floor: bytes = b"") -> None:
        self._ids = ids
        self._floor = floor
        self._debts = _Debts()
        self._spent = _Spent()
        self._ours = Phase.RANGES
        self._theirs = Phase.RANGES

    def begin(self) -> ReconcileStep:
        """The initiator's first turn: everything that is not about to expire, as one range."""
        ranges = []
        if self._floor:
            ranges.append(_skip(self._floor))
        start, stop = self._ids.span(self._floor, b"")
        ranges.append(self._describe(b"", start, stop))
        return _step(ranges)

    @property
    def has_heard_all(self) -> bool:
        """Whether the partner has said its last."""
        return self._theirs is Phase.ENDED

    @property
    def may_end(self) -> bool:
        """Whether all that we owe can be known, so that our last step can be sent once it is paid."""
        return self._ours is Phase.BODIES

    def receive(self, step: ReconcileStep) -> Received:
        """Take the partner's step in. PeerFault if it breaks the rules or its bounds."""
        if self._theirs is Phase.ENDED:
            raise PeerFault("a step after the last one")
        self._spent.count_in(step)
        answer = None
        if step.ranges:
            answer = self._answer(step)
        self._owe_wanted(step.wanted or b"")
        if step.end:
            if self._ours is Phase.RANGES:
                raise PeerFault("the reconciliation ended with ranges open")
            self._theirs = Phase.ENDED
        return Received(step.entries, answer)

    def next_owed(self) -> Sequence[bytes]:
        """Ids of the next batch of entries to send; empty when nothing is owed now."""
        return self._debts.next()

    def steps_of(self, bodies: Sequence[bytes]) -> list[ReconcileStep]:
        """Steps that carry these entries, each within the bounds of a message."""
        steps: list[ReconcileStep] = []
        batch: list[bytes] = []
        size = 0
        for body in bodies:
            if batch and size + len(body) > BATCH_BYTES_MAX:
                steps.append(_step((), entries=batch))
                batch, size = [], 0
            batch.append(body)
            size += len(body)
        if batch:
            steps.append(_step((), entries=batch))
        self._spent.bytes_out += sum(len(body) for body in bodies)
        if self._spent.bytes_out > SESSION_BYTES_MAX:
            self._debts.cancel()
        return steps

    def last(self) -> ReconcileStep:
        """Our last step, once all that we owe is sent."""
        if not self.may_end or self._debts:
            raise OurFault("a reconciliation ended with something owed")
        self._ours = Phase.ENDED
        return _step((), end=True)

    # ---- ranges
    def _answer(self, step: ReconcileStep) -> ReconcileStep | None:
        if self._ours is not Phase.RANGES:
            raise PeerFault("ranges after the last turn")
        self._spent.count_round()
        turn = _Turn()
        _check_bounds(step.ranges)
        lower = b""
        for one in step.ranges:
            if turn.is_full:
                # The rest is cut finer in a later turn; what was listed of it is listed again.
                turn.open(self._describe(b"", *self._span(lower, b"")))
                break
            self._settle(turn, lower, one)
            lower = one.upper
        if not _has_open(step.ranges):
            # The partner's last turn: nothing is left to answer, and all that we owe is known.
            self._ours = Phase.BODIES
            return None
        wanted = b"".join(turn.wanted)
        if not turn.is_open:
            self._ours = Phase.BODIES
            turn.ranges = [_skip(b"")]
        return _step(turn.ranges, wanted=wanted)

    def _settle(self, turn: _Turn, lower: bytes, one: SetRange) -> None:
        """Answer one range of the partner."""
        if one.skip:
            turn.skip(one.upper)
            return
        start, stop = self._span(lower, one.upper)
        if one.ids is not None:
            self._compare(turn, lower, one, self._ids.ids(start, stop))
            turn.skip(one.upper)
        elif one.fingerprint is None or len(one.fingerprint) != DIGEST_BYTES:
            raise PeerFault("a range without fingerprint or ids")
        elif one.fingerprint == self._ids.fingerprint(start, stop):
            turn.skip(one.upper)
        else:
            self._cut(turn, one.upper, start, stop)

    def _compare(self, turn: _Turn, lower: bytes, one: SetRange, packed: bytes) -> None:
        """The partner listed all it has in this range: owe it what it lacks, want what we lack."""
        theirs, ours = _checked_ids(one, lower), unpack_ids(packed)
        self._spent.count_ids(len(theirs))
        for entry_id in ours:
            if not is_in(theirs, entry_id):
                self._debts.owe(entry_id)
        turn.wanted += [
            entry_id for entry_id in theirs if entry_id >= self._floor and not is_in(ours, entry_id)
        ]

    def _cut(self, turn: _Turn, upper: bytes, start: int, stop: int) -> None:
        """Say more about a range that differs: all its ids when they are few, else finer ranges."""
        if stop - start <= LISTED_IDS_MAX:
            turn.open(self._describe(upper, start, stop))
            return
        edges = [start + (stop - start) * part // BUCKETS for part in range(BUCKETS + 1)]
        for first, last in pairwise(edges):
            # A fingerprint first, even of few ids: most of the finer ranges agree.
            turn.open(
                self._describe(upper if last == stop else self._ids.at(last), first, last, listed_max=1)
            )

    def _span(self, lower: bytes, upper: bytes) -> tuple[int, int]:
        start, stop = self._ids.span(max(lower, self._floor), upper)
        return start, max(start, stop)

    def _describe(self, upper: bytes, start: int, stop: int, *, listed_max: int = LISTED_IDS_MAX) -> SetRange:
        if stop - start <= listed_max:
            return SetRange(upper=upper, ids=self._ids.ids(start, stop), skip=False)
        return SetRange(upper=upper, fingerprint=self._ids.fingerprint(start, stop), skip=False)

    def _owe_wanted(self, wanted: bytes) -> None:
        if len(wanted) % ID_BYTES:
            raise PeerFault("wanted ids that are not whole")
        self._spent.count_ids(len(wanted) // ID_BYTES)
        for entry_id in unpack_ids(wanted):
            if entry_id in self._ids:
                self._debts.owe(entry_id)


class _Turn:
    """Our next turn while it is made: neighbouring settled ranges become one."""

    def __init__(self) -> None:
        self.ranges: list[SetRange] = []
        self.wanted: list[bytes] = []
        self.is_open = False
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether finer ranges must wait for the next turn."""
        return len(self.ranges) + BUCKETS > RANGES_PER_STEP_MAX or self._bytes > STEP_IDS_BYTES_MAX

    def skip(self, upper: bytes) -> None:
        if self.ranges and self.ranges[-1].skip:
            self.ranges.pop()
        self.ranges.append(_skip(upper))

    def open(self, one: SetRange) -> None:
        self.ranges.append(one)
        self._bytes += len(one.ids or b"")
        self.is_open = True


def _check_bounds(ranges: Sequence[SetRange]) -> None:
    """PeerFault unless upper bounds ascend and the last range reaches the end."""
    lower = b""
    for one in ranges[:-1]:
        if len(one.upper) != ID_BYTES or one.upper <= lower:
            raise PeerFault("ranges that do not ascend")
        lower = one.upper
    if ranges[-1].upper:
        raise PeerFault("ranges that do not reach the end")


def _checked_ids(one: SetRange, lower: bytes) -> list[bytes]:
    packed = one.ids or b""
    if len(packed) % ID_BYTES:
        raise PeerFault("ids that are not whole")
    ids = unpack_ids(packed)
    if any(first >= second for first, second in pairwise(ids)):
        raise PeerFault("ids that do not ascend")
    if ids and (ids[0] < lower or (one.upper and ids[-1] >= one.upper)):
        raise PeerFault("ids outside their range")
    return ids


def _has_open(ranges: Sequence[SetRange]) -> bool:
    return any(not one.skip for one in ranges)


def _skip(upper: bytes) -> SetRange:
    return SetRange(upper=upper, skip=True)


def _step(
    ranges: Sequence[SetRange], *, wanted: bytes = b"", entries: Sequence[bytes] = (), end: bool = False
) -> ReconcileStep:
    return ReconcileStep(ranges=tuple(ranges), wanted=wanted or None, entries=tuple(entries), end=end)
