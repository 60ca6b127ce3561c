"""Who goes on asking for more than its budget, and is therefore shut out for a while.

A second in which a peer exceeded any budget of ours is an overrun, however far it went. With `OVERRUN_SECONDS_MAX` of them
within `OVERRUN_WINDOW_MS` it is shut out: disconnected, and refused until the time is over, twice as long each time. An
honest peer has few: it keeps below the budgets, and a burst after a pause ends by itself.

This node alone draws the conclusion, from what it saw itself; it tells nobody, and it is forgotten with the process. It
must never become evidence: floods are not signed.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sgnus.messages.ids import PeerId
from sgnus.messages.limits import (
    OVERRUN_PEERS_MAX,
    OVERRUN_SECONDS_MAX,
    OVERRUN_WINDOW_MS,
    SHUT_OUT_MS_MAX,
    SHUT_OUT_MS_MIN,
    SHUT_OUT_REMEMBERED_MS,
)

_MS_PER_S: Final = 1_000


def monotonic_ms() -> int:
    """The local monotonic clock, the same in every thread."""
    return time.monotonic_ns() // 1_000_000


@dataclass(slots=True)
class Conduct:
    """What is remembered of one peer."""

    seconds: deque[int] = field(default_factory=deque)
    shut_until_ms: int = 0
    shut_ms: int = 0


class Overruns:
    """Of all peers, the least recently noted forgotten first. Any thread may ask and note."""

    def __init__(self, clock_ms: Callable[[], int] = monotonic_ms) -> None:
        self.followers: list[Callable[[PeerId], None]] = []
        """They hear, in the thread that noted it, of each peer that is shut out from now on."""
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._peers: OrderedDict[PeerId, Conduct] = OrderedDict()

    def note(self, peer: PeerId) -> None:
        """`peer` asked for more than its budget just now."""
        with self._lock:
            is_shut_out = self._note(peer, self._clock_ms())
        if is_shut_out:
            for follower in self.followers:
                follower(peer)

    def is_shut_out(self, peer: PeerId) -> bool:
        """Whether nothing of `peer` is taken at the moment."""
        return self.shut_out_ms(peer) > 0

    def shut_out_ms(self, peer: PeerId) -> int:
        """For how long nothing of `peer` is taken."""
        with self._lock:
            conduct = self._peers.get(peer)
            return 0 if conduct is None else max(0, conduct.shut_until_ms - self._clock_ms())

    def _note(self, peer: PeerId, now_ms: int) -> bool:
        conduct = self._peers.setdefault(peer, Conduct())
        self._peers.move_to_end(peer)
        while len(self._peers) > OVERRUN_PEERS_MAX:
            self._peers.popitem(last=False)
        second, oldest = now_ms // _MS_PER_S, (now_ms - OVERRUN_WINDOW_MS) // _MS_PER_S
        if now_ms < conduct.shut_until_ms or (conduct.seconds and conduct.seconds[-1] == second):
            return False
        conduct.seconds.append(second)
        while conduct.seconds[0] <= oldest:
            conduct.seconds.popleft()
        if len(conduct.seconds) < OVERRUN_SECONDS_MAX:
            return False
        self._shut_out(conduct, now_ms)
        return True

    @staticmethod
    def _shut_out(conduct: Conduct, now_ms: int) -> None:
        is_again = conduct.shut_ms and now_ms - conduct.shut_until_ms < SHUT_OUT_REMEMBERED_MS
        conduct.shut_ms = min(SHUT_OUT_MS_MAX, 2 * conduct.shut_ms) if is_again else SHUT_OUT_MS_MIN
        conduct.shut_until_ms = now_ms + conduct.shut_ms
        conduct.seconds.clear()
