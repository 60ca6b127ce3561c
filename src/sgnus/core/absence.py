"""Who did the work and is not there to have it verified: since when, and whether its rounds can do without.

Decides whose work has to be done again, and never voids it itself: `judging.py` does. docs/protocol/verification.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sgnus.core import findings
from sgnus.core.patience import patience_ms
from sgnus.core.sealing import majority
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ROUND_STALLED_MS, SUB_BLOCKS_PER_MICROJOB
from sgnus.messages.v1.types import SignedEnvelope

if TYPE_CHECKING:
    from sgnus.core.arbiter import Arbitration


@dataclass(slots=True)
class Absence:
    """Of one microjob: since when each of those that its rounds concern has no stream with the publisher; `held_up_ms`, since
    when work that should be done again is not, because a round goes on without those that did it; `makers`, whose each HELD is.
    """

    away_ms: dict[PeerId, int] = field(default_factory=dict)
    held_up_ms: int | None = None
    makers: dict[SignedEnvelope, PeerId] = field(default_factory=dict)

    def look(
        self,
        rounds: Collection[Arbitration],
        members: Mapping[int, PeerId],
        connected: Collection[PeerId],
        deadline_ms: int,
        now_ms: int,
        *,
        is_in_touch: bool,
    ) -> list[int]:
        """Sub-blocks (keys of `members`) that have to be done again. `is_in_touch`: somebody is there who worked for the job.

        Whoever committed is drawn from, in every room over these results, and waited for in every one. None, as long as a round
        goes on without the absent, within bounds: a crowd of strangers shall neither undo the work of those that verify it
        elsewhere, nor keep it from being done again. None while nobody is there: it is the publisher that is cut off.
        """
        concerned = dict.fromkeys([*members.values(), *(peer for one in rounds for peer in one.audience())])
        if not any(peer in connected for peer in concerned):
            self.away_ms.clear()
            return []
        away = [peer for peer in concerned if peer not in connected]
        self.away_ms = {peer: self.away_ms.get(peer, now_ms) for peer in away}
        wait_ms = patience_ms(deadline_ms) * (1 if is_in_touch else 2)
        gone = self._gone(members, wait_ms, now_ms)
        if all(peer in connected for peer in members.values()):
            self.held_up_ms = None
        if gone and any(self._goes_on(one, deadline_ms, now_ms) for one in rounds):
            self.held_up_ms = now_ms if self.held_up_ms is None else self.held_up_ms
            if now_ms - self.held_up_ms < _held_up_ms_max(deadline_ms):
                return []
        if gone:
            self.held_up_ms = None
        return gone

    def _gone(self, members: Mapping[int, PeerId], wait_ms: int, now_ms: int) -> list[int]:
        """What those did who have been away for the patience; for twice as long, if nobody that ever worked for the job is there:
        then the publisher may be the one that is cut off, but for a stranger beside it.
        """
        return [
            number for number, peer in members.items() if now_ms - self.away_ms.get(peer, now_ms) >= wait_ms
        ]

    def _goes_on(self, one: Arbitration, deadline_ms: int, now_ms: int) -> bool:
        """It is sealed, enough of its members are there to pass over the others, and there was news of it lately."""
        wait_ms = patience_ms(deadline_ms)
        news_ms = max(wait_ms, ROUND_STALLED_MS) + findings.longest_ms(one.docket, deadline_ms)
        if now_ms - one.since.moved_ms >= news_ms:
            return False
        return any(
            majority(
                sum(now_ms - self.away_ms.get(peer, now_ms) < wait_ms for peer in sealed.members),
                len(sealed.members) - 1,
            )
            for sealed in one.docket.sealed()
        )


def _held_up_ms_max(deadline_ms: int) -> int:
    """As long as an honest round may take: to seal and reveal, to run all that there is, to prove."""
    return 2 * ROUND_STALLED_MS + SUB_BLOCKS_PER_MICROJOB * deadline_ms
