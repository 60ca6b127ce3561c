"""What a soak does to its nodes, by seeded dice: when, what, to whom and for how long.

The same seed throws the same dice, but who hosts and what has ended by then is the processes' own affair: a run is not
repeated byte by byte.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

from tests.soak.asking import Asking
from tests.soak.fleet import Fleet, Node, rest

REST_S: Final = (5.0, 15.0)
DOWN_S: Final = (0.2, 6.0)
FROZEN_S: Final = (1.0, 15.0)
TWO_AT_ONCE_ONE_IN: Final = 5
CALM_ONE_IN: Final = 2
"""More than one node in so many is never in trouble at once: more than half of a room must be able to vote."""


class Fault(Enum):
    """One kind of trouble."""

    KILL = "kill -9 and restart"
    FREEZE = "SIGSTOP, later SIGCONT"
    STOP = "SIGTERM and restart"
    PUBLISHER = "kill -9 of the publisher"
    HOST = "kill -9 of the host"


KINDS: Final = (Fault.KILL, Fault.FREEZE, Fault.FREEZE, Fault.STOP, Fault.PUBLISHER, Fault.HOST)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault that is to be: `turn` chooses the victim, where the kind does not."""

    fault: Fault
    turn: int
    down_s: float
    frozen_s: float


class Faults:
    """Throws the dice, and does what they say to a fleet. `asking` tells the jobs that are on their way."""

    def __init__(
        self, seed: int, fleet: Fleet, asking: Callable[[], Sequence[Asking]], tell: Callable[[str], None]
    ) -> None:
        self.done: Counter[Fault] = Counter()
        self._dice = Random(f"{seed}/faults")
        self._fleet = fleet
        self._asking = asking
        self._tell = tell

    async def run(self, until_s: float) -> None:
        """Trouble until then (monotonic seconds); returns when all that was troubled is well again."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                rest_s = self._dice.uniform(*REST_S)
                troubles = [self._throw() for _ in range(1 + (self._dice.randrange(TWO_AT_ONCE_ONE_IN) == 0))]
                if time.monotonic() + rest_s >= until_s:
                    return
                await rest(rest_s)
                for trouble in troubles:
                    fault, node = await self._victim(trouble)
                    if node is not None:
                        node.calm.clear()
                        tasks.create_task(self._do(fault, node, trouble))

    def _throw(self) -> Trouble:
        return Trouble(
            self._dice.choice(KINDS),
            self._dice.randrange(1 << 16),
            self._dice.uniform(*DOWN_S),
            self._dice.uniform(*FROZEN_S),
        )

    async def _victim(self, trouble: Trouble) -> tuple[Fault, Node | None]:
        """Whom, and what is done to it: who is spared is frozen at most."""
        node, fault = None, trouble.fault
        if fault in (Fault.PUBLISHER, Fault.HOST):
            node = await self._named(trouble)
            fault = fault if node is not None else Fault.KILL
        calm = self._fleet.calm()
        if (len(calm) - 1) * CALM_ONE_IN < len(self._fleet.nodes):
            return fault, None
        if node is None or not node.is_calm:
            fault = Fault.KILL if fault in (Fault.PUBLISHER, Fault.HOST) else fault
            able = [one for one in calm if fault is Fault.FREEZE or not one.is_spared]
            node = able[trouble.turn % len(able)] if able else None
        elif node.is_spared:
            fault = Fault.FREEZE
        return fault, node

    async def _named(self, trouble: Trouble) -> Node | None:
        """The publisher or the host of a job on its way."""
        asking = [one for one in self._asking() if one.job]
        if not asking:
            return None
        one = asking[trouble.turn % len(asking)]
        return one.publisher if trouble.fault is Fault.PUBLISHER else await one.host()

    async def _do(self, fault: Fault, node: Node, trouble: Trouble) -> None:
        self.done[fault] += 1
        if fault is Fault.FREEZE:
            self._tell(f"{node.name} is frozen for {trouble.frozen_s:.1f} s")
            node.running.freeze()
            await rest(trouble.frozen_s)
            node.running.thaw()
            node.calm.set()
            return
        self._tell(f"{node.name}: {fault.value}, down for {trouble.down_s:.1f} s")
        if fault is Fault.STOP:
            await self._fleet.end(node)
        else:
            node.running.kill()
        await rest(trouble.down_s)
        await self._fleet.restart(node)
