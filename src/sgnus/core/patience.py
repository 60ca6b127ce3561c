"""How long a room or a verification waits for those who are not there.

Whoever is given up has its work done again: the less that is, the sooner. A sub-block's deadline says how much it is.
docs/protocol/verification.md.
"""

from __future__ import annotations

from sgnus.messages.limits import ELECTION_MS_MAX, PATIENCE_MS_MAX, PATIENCE_MS_MIN


def patience_ms(deadline_ms: int) -> int:
    """For who has no stream with the publisher, and for a receipt from others: twice a deadline, within limits."""
    return max(PATIENCE_MS_MIN, min(PATIENCE_MS_MAX, 2 * deadline_ms))


def unsealed_ms(deadline_ms: int) -> int:
    """For the seals of a round: the work of those that are gone is done again before."""
    return 2 * patience_ms(deadline_ms)


def quorum_ms(deadline_ms: int) -> int:
    """For enough votes to elect a host."""
    return min(ELECTION_MS_MAX, patience_ms(deadline_ms))
