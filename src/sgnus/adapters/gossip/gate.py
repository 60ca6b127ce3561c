"""What a message must pass before anybody here sees it, in order of cost: size, form, budget, topic, seen
before, signature, budget of the author.

Who exceeds its budget has that noted as an overrun: honest neighbours send on less than they may
(`GOSSIP_RELAYED_PER_S`), so that a flood that they pass on does not make it theirs.
"""

from __future__ import annotations

import time
from collections.abc import Container
from typing import Any, Final

from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from sgnus.adapters.gossip.budget import NeighbourAllowance, NeighbourBudget
from sgnus.adapters.gossip.seen import SeenMessages
from sgnus.adapters.overruns import Overruns
from sgnus.adapters.remembered import Remembered
from sgnus.adapters.tokens import TokenBucket
from sgnus.crypto.identity import key_of_multihash, verify_key
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    GOSSIP_AUTHORED_BUDGETS_MAX,
    GOSSIP_BUDGETS_MAX,
    GOSSIP_BYTES_MAX,
    GOSSIP_FORGERY_MESSAGES,
)

SIGNING_PREFIX: Final = b"libp2p-pubsub:"
OVER_BUDGET: Final = "dropped_over_budget"
OVER_AUTHORED: Final = "dropped_over_authored"
_SEQUENCE_BYTES: Final = 8


class MessageGate:
    """The checks of messages, with the budgets of neighbours and the ids that were seen lately.

    A budget outlives its neighbour's connection: else a reconnect would buy a new one.
    """

    def __init__(
        self, own_id: ID, topics: Container[str], allowance: NeighbourAllowance, overruns: Overruns
    ) -> None:
        self.seen = SeenMessages()
        self._overruns = overruns
        self._own_id = own_id.to_bytes()
        self._topics = topics
        self._budgets = Remembered[ID, NeighbourBudget](
            GOSSIP_BUDGETS_MAX, lambda _: NeighbourBudget(allowance, _now_ms())
        )
        self._authored = Remembered[tuple[ID, bytes], TokenBucket](
            GOSSIP_AUTHORED_BUDGETS_MAX,
            lambda _: TokenBucket(allowance.authored_per_s, allowance.authored_burst, _now_ms()),
        )
        """Of each author by each way: who brings again what it said long ago spends nothing of what others bring."""

    def allows_frame(self, neighbour: ID, frame_bytes: int) -> bool:
        """Charge a frame to the neighbour that sent it."""
        return self._noted(neighbour, self._budgets.of(neighbour).allows_frame(frame_bytes, _now_ms()))

    def note(self, message: Any) -> None:
        """From now on this message is a duplicate."""
        self.seen.add(message_id(message), _now_ms())

    def refusal(self, neighbour: ID, message: Any) -> str | None:
        """The counter of the first check that the message fails; None when it passes."""
        if len(message.data) > GOSSIP_BYTES_MAX:
            return "dropped_oversize"
        if len(message.topicIDs) != 1 or len(message.seqno) != _SEQUENCE_BYTES:
            return "dropped_malformed"
        if not self._noted(neighbour, self._budgets.of(neighbour).allows_message(_now_ms())):
            return OVER_BUDGET
        if message.topicIDs[0] not in self._topics:
            return "dropped_unsubscribed"
        if message.from_id == self._own_id:
            return "own_echoes"
        if self.seen.has(message_id(message)):
            return "duplicates"
        if not has_valid_signature(message):
            self._budgets.of(neighbour).charge(GOSSIP_FORGERY_MESSAGES, _now_ms())
            return "dropped_bad_signature"
        is_own, now_ms = message.from_id == neighbour.to_bytes(), _now_ms()
        if self._authored.of((neighbour, message.from_id)).take(1, now_ms):
            return None
        self.note(message)  # Others bring it, too; its signature need not be checked again.
        return OVER_AUTHORED if self._noted(neighbour, not is_own) else OVER_BUDGET

    def _noted(self, neighbour: ID, is_allowed: bool) -> bool:
        if not is_allowed:
            self._overruns.note(PeerId(neighbour.to_base58()))
        return is_allowed


def message_id(message: Any) -> bytes:
    """The default id of the gossipsub specification, as raw bytes."""
    return bytes(message.from_id + message.seqno)


def has_valid_signature(message: Any) -> bool:
    """Whether the author that the message names signed it; the key is the one inside its peer id."""
    public_key = key_of_multihash(message.from_id)
    if public_key is None:
        return False
    signed = rpc_pb2.Message(
        data=message.data, topicIDs=message.topicIDs, from_id=message.from_id, seqno=message.seqno
    )
    return verify_key(public_key, SIGNING_PREFIX + signed.SerializeToString(), message.signature)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
