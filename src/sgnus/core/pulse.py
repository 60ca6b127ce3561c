"""Who is alive, by this peer's own ears and clock alone.

Decides who is suspect; never who is removed. A broken connection counts after `REOPEN_MS_MAX` without a new one, silence
after a limit. Suspicion ends with the first word heard: suspicions that never expire add up to false failovers. Who said
that it leaves is gone at once, and for as long as it is on the list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import HEARTBEAT_MS, REOPEN_MS_MAX, SILENCE_MS_MAX

WORD_MS: Final = 3 * HEARTBEAT_MS // 2


@dataclass(slots=True)
class Pulse:
    """When each peer was last heard, and since when its connection is broken."""

    heard_ms: dict[PeerId, int] = field(default_factory=dict)
    broken_ms: dict[PeerId, int] = field(default_factory=dict)
    left: list[PeerId] = field(default_factory=list)

    def watch(self, peers: tuple[PeerId, ...], now_ms: int) -> None:
        """Watch exactly these; newcomers count as heard now."""
        self.heard_ms = {peer: self.heard_ms.get(peer, now_ms) for peer in peers}
        self.broken_ms = {peer: at for peer, at in self.broken_ms.items() if peer in self.heard_ms}
        self.left = [peer for peer in self.left if peer in self.heard_ms]

    def note_heard(self, peer: PeerId, now_ms: int) -> None:
        if peer in self.heard_ms:
            self.heard_ms[peer] = now_ms
            self.broken_ms.pop(peer, None)

    def note_connected(self, peer: PeerId, now_ms: int) -> None:
        """Its stream stands, which says nothing of the room: a process that forgot its seat connects as well. Who was not
        silent for too long has `WORD_MS` to say something.
        """
        self.broken_ms.pop(peer, None)
        if not self.is_silent(peer, SILENCE_MS_MAX, now_ms) and peer in self.heard_ms:
            self.heard_ms[peer] = max(self.heard_ms[peer], now_ms - SILENCE_MS_MAX + WORD_MS)

    def note_broken(self, peer: PeerId, now_ms: int) -> None:
        if peer in self.heard_ms:
            self.broken_ms.setdefault(peer, now_ms)

    def note_left(self, peer: PeerId) -> None:
        """It said itself that it goes: whatever is heard of it from now on, it is gone."""
        if peer in self.heard_ms and peer not in self.left:
            self.left.append(peer)

    def has_left(self, peer: PeerId) -> bool:
        """It said that it goes."""
        return peer in self.left

    def is_broken(self, peer: PeerId, now_ms: int) -> bool:
        """Its connection broke and was not reopened in time."""
        at = self.broken_ms.get(peer)
        return at is not None and now_ms - at >= REOPEN_MS_MAX

    def is_silent(self, peer: PeerId, limit_ms: int, now_ms: int) -> bool:
        """It was not heard for `limit_ms`."""
        return now_ms - self.heard_ms.get(peer, now_ms) >= limit_ms

    def is_gone(self, peer: PeerId, limit_ms: int, now_ms: int) -> bool:
        """Left, broken or silent."""
        return self.has_left(peer) or self.is_broken(peer, now_ms) or self.is_silent(peer, limit_ms, now_ms)

    def gone_at_ms(self, peer: PeerId, limit_ms: int) -> int | None:
        """When `is_gone` turns true, if nothing is heard until then."""
        if peer not in self.heard_ms:
            return None
        if self.has_left(peer):
            return self.heard_ms[peer]
        silent = self.heard_ms[peer] + limit_ms
        broken = self.broken_ms.get(peer)
        return silent if broken is None else min(silent, broken + REOPEN_MS_MAX)
