"""Which messages were seen lately, in bounded memory: the oldest is forgotten first."""

from __future__ import annotations

from collections import OrderedDict

from sgnus.messages.limits import GOSSIP_SEEN_MAX, GOSSIP_SEEN_MS


class SeenMessages:
    """Message ids by time of first sight; time is given, not read."""

    def __init__(self, ids_max: int = GOSSIP_SEEN_MAX, life_ms: int = GOSSIP_SEEN_MS) -> None:
        self._ids_max = ids_max
        self._life_ms = life_ms
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def has(self, message_id: bytes) -> bool:
        return message_id in self._seen

    def add(self, message_id: bytes, now_ms: int) -> None:
        self._seen[message_id] = now_ms
        while self._seen:
            oldest, seen_ms = next(iter(self._seen.items()))
            if len(self._seen) <= self._ids_max and now_ms - seen_ms <= self._life_ms:
                return
            del self._seen[oldest]
