"""Checkers that take their time: who is named after a silent one has as long as the first had."""

from __future__ import annotations

from sgnus.core import effects as fx
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import SignedKind, Suspicion
from sgnus.wire.codec import decode
from tests.core.round_table import STEP_MS, VERDICT_MS, Table
from tests.core.test_round import committed

RUN_MS = VERDICT_MS // 2


class SlowTable(Table):
    """Every run takes half of the time that a checker has. `late` are the runs that are under way."""

    late: list[tuple[int, PeerId, fx.Reexecute]]

    def sit_slowly(self, until_ms: int) -> bool:
        self.late = []
        while self.now_ms < until_ms and self.court.receipt is None:
            self.sit(self.now_ms + STEP_MS)
            done = [one for one in self.late if one[0] <= self.now_ms]
            self.late = [one for one in self.late if one[0] > self.now_ms]
            for _due_ms, peer, effect in done:
                super()._run(peer, effect)
        return self.court.receipt is not None

    def _run(self, peer: PeerId, effect: fx.Reexecute) -> None:
        self.late.append((self.now_ms + RUN_MS, peer, effect))


def test_who_is_named_after_a_silent_checker_has_as_long_as_the_first() -> None:
    verifier = Table(committed()).proven().draw.verifier
    assert verifier is not None
    table = SlowTable(committed())
    table.runs[verifier] = None
    assert table.sit_slowly(60_000), "no receipt"
    assert table.proven().draw.skipped == (verifier,)
    words = [envelope for _who, envelope in table.said if envelope.kind is SignedKind.SUSPICION]
    assert {decode(Suspicion, envelope.payload).silent for envelope in words} == {verifier}
