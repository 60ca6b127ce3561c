"""How much one neighbour may send: a token bucket for bytes and one for messages. And how much one author may say.

The neighbour that delivered a message pays for it, never the claimed author: else one liar could spend the
budget of everybody. An author pays for what it is known to have signed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sgnus.adapters.tokens import TokenBucket
from sgnus.messages import limits


@dataclass(frozen=True, slots=True)
class NeighbourAllowance:
    """Sustained rates and the burst above them that an honest neighbour may use."""

    messages_per_s: int = limits.GOSSIP_MESSAGES_PER_S
    messages_burst: int = limits.GOSSIP_MESSAGES_BURST
    bytes_per_s: int = limits.GOSSIP_BYTES_PER_S
    bytes_burst: int = limits.GOSSIP_BYTES_BURST
    authored_per_s: int = limits.GOSSIP_AUTHORED_PER_S
    authored_burst: int = limits.GOSSIP_AUTHORED_BURST


class NeighbourBudget:
    """The two buckets of one neighbour."""

    def __init__(self, allowance: NeighbourAllowance, now_ms: int) -> None:
        self._messages = TokenBucket(allowance.messages_per_s, allowance.messages_burst, now_ms)
        self._bytes = TokenBucket(allowance.bytes_per_s, allowance.bytes_burst, now_ms)

    def allows_frame(self, frame_bytes: int, now_ms: int) -> bool:
        return self._bytes.take(frame_bytes, now_ms)

    def allows_message(self, now_ms: int) -> bool:
        return self._messages.take(1, now_ms)

    def charge(self, messages: int, now_ms: int) -> None:
        """So many more, whether there is room for them or not."""
        self._messages.owe(messages, now_ms)
