"""One simulated process and its machine: a core that dies with the process, and a disk that does not."""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core.effects import Deliver
from sgnus.core.inputs import Input, JobFacts
from sgnus.core.node import NodeCore
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.sim.clock import Clock
from sgnus.sim.disk import Disk
from sgnus.sim.pens import CheapPen
from sgnus.sim.vice import Villain


@dataclass(slots=True)
class Death:
    """In the middle of a step: `after` more effects are performed before it. Its machine may lose its power then."""

    after: int
    by_power: bool = False


@dataclass(slots=True)
class Process:
    """What dies in a crash. `told` is what the core was last told of the job."""

    core: NodeCore
    topics: dict[str, None] = field(default_factory=dict)
    told: JobFacts | None = None
    working: dict[tuple[InstanceId, int], int] = field(default_factory=dict)
    writes: dict[int, tuple[PeerId, int, Deliver]] = field(default_factory=dict)
    ends_ms: dict[int, tuple[int, int]] = field(default_factory=dict)
    busy_ms: int = 0
    """When its one worker is free."""
    wake_ms: int | None = None
    inbox: list[Input] = field(default_factory=list)
    death: Death | None = None


@dataclass(slots=True)
class Peer:
    """A machine with a clock and a disk of its own; `run` counts the starts of its process."""

    name: PeerId
    pen: CheapPen
    identity: Identity
    clock: Clock
    slowness: int = 1
    disk: Disk = field(default_factory=Disk)
    process: Process | None = None
    run: int = 0
    frozen: bool = False
    villain: Villain | None = None
    """Set where it is hostile: honest peers must hold against it."""

    @property
    def is_up(self) -> bool:
        """It runs and answers."""
        return self.process is not None and not self.frozen

    @property
    def core(self) -> NodeCore | None:
        return self.process.core if self.process is not None else None
