"""The one event loop around the core: inputs go in one at a time, effects are performed in order.

All inputs that are pending form a batch; what its effects must make durable is committed at once, before anything of the
batch is sent. So "persist before send" holds and one disk flush serves many results.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sgnus.core import effects as fx
from sgnus.core.inputs import (
    Input,
    NeighboursChanged,
    OutputsStored,
    PeerConnected,
    PeerLost,
    PeerSaid,
    RoomHeard,
    SeatAsked,
    Tick,
)
from sgnus.core.node import NodeCore
from sgnus.messages.errors import WorldFault
from sgnus.messages.limits import INBOX_ITEMS_MAX
from sgnus.runtime.tally import Tally

LOG: Final = logging.getLogger("sgnus.engine")
BATCH_INPUTS_MAX: Final = 256
DISK_RETRY_MS: Final = 1_000

FROM_OTHERS: Final = (
    PeerSaid,
    PeerConnected,
    PeerLost,
    RoomHeard,
    SeatAsked,
    OutputsStored,
    NeighboursChanged,
)

Persist = Callable[[Sequence[fx.Persist]], Awaitable[None]]
Perform = Callable[[fx.Effect], None]


class Engine:
    """Drives one `NodeCore`. `perform` must not block; `persist` returns once its facts are durable."""

    def __init__(self, core: NodeCore, persist: Persist, perform: Perform) -> None:
        self.core = core
        self.dropped = 0
        self.tally = Tally()
        self._persist = persist
        self._perform = perform
        self._inbox: deque[Input] = deque()
        self._wake = asyncio.Event()
        self.stepped = asyncio.Event()
        """Set when the next batch has been handled and its effects performed; another one stands here then."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def now_ms(self) -> int:
        """The local monotonic clock."""
        return int(asyncio.get_running_loop().time() * 1000)

    def put(self, given: Input) -> bool:
        """One way in. False: the inbox is full, and this was dropped (peers repeat what matters). What our own parts say
        is bounded by the work that they have, is never repeated, and so never dropped.
        """
        if len(self._inbox) >= INBOX_ITEMS_MAX and isinstance(given, FROM_OTHERS):
            self.dropped += 1
            return False
        self._inbox.append(given)
        self._wake.set()
        return True

    @property
    def is_running(self) -> bool:
        """Whether inputs that are put are also taken."""
        return self._task is not None and not self._task.done()

    def waiting(self) -> tuple[Input, ...]:
        """What the core has not been given yet, the oldest first."""
        return tuple(self._inbox)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="engine")

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._step()
            except Exception:
                # A bug or a full disk: the node goes on without this batch, and its log keeps the story.
                LOG.exception("a batch of inputs failed")
            self.stepped.set()
            self.stepped = asyncio.Event()

    async def _step(self) -> None:
        effects: list[fx.Effect] = []
        for _ in range(min(len(self._inbox), BATCH_INPUTS_MAX)):
            effects += self._handle(self._inbox.popleft())
        if self._inbox:
            self._wake.set()
        for effect in effects:
            self.tally.gave(effect)
        durable = [effect for effect in effects if isinstance(effect, fx.Persist)]
        if durable:
            await self._commit(durable)
        for effect in effects:
            if not isinstance(effect, fx.Persist):
                self._try(effect)
        self._set_timer()

    def _try(self, effect: fx.Effect) -> None:
        """A bug in what performs an effect costs that one alone: others of this step are for other rooms and jobs."""
        try:
            self._perform(effect)
        except Exception:
            LOG.exception("a %s of the core failed", type(effect).__name__)

    def _handle(self, given: Input) -> list[fx.Effect]:
        """A bug in the core ends our seat in the room, not the node; the log keeps the story."""
        self.tally.took(given)
        try:
            return self.core.handle(given, self.now_ms())
        except Exception:
            # Not the input itself: it may hold what is secret, such as the salts of our outputs.
            LOG.exception("the core failed on %s; this node leaves its room", type(given).__name__)
            return self.core.abandon_room()

    async def _commit(self, durable: Sequence[fx.Persist]) -> None:
        """Nothing goes out before this is on disk: with a full disk the node waits for room, and loses nothing."""
        while True:
            try:
                return await self._persist(durable)
            except WorldFault as fault:
                LOG.error("%s; trying again in %s ms", fault, DISK_RETRY_MS)
                await asyncio.sleep(DISK_RETRY_MS / 1000)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_ms = self.core.wake_ms(self.now_ms())
        if wake_ms is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(wake_ms / 1000, self.put, Tick())
