"""One simulated process and its machine: a core that dies with the process, and a disk that does not."""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnus.core.effects import Deliver
from sgnus.core.inputs import Input, JobFacts
from sgnus.core.node import NodeCore
from sgnus.core.shelf import Shelf
from sgnus.crypto.identity import Identity
from sgnus.messages.ids import InstanceId, PeerId
from sgnus.sim.pens import CheapPen


@dataclass(slots=True)
class Disk:
    """What survives a crash: facts of Persist by (namespace, key), and the entries of the job database."""

    facts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    entries: dict[bytes, None] = field(default_factory=dict)
    orphans: list[bytes] = field(default_factory=list)
    shelf: Shelf | None = None


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
    dies_after: int | None = None
    """Effects that are still performed before it dies in the middle of a step."""


@dataclass(slots=True)
class Peer:
    """A machine. Its clock is `skew_ms` off everybody else's; `run` counts the starts of its process."""

    name: PeerId
    pen: CheapPen
    identity: Identity
    skew_ms: int
    slowness: int = 1
    disk: Disk = field(default_factory=Disk)
    process: Process | None = None
    run: int = 0
    frozen: bool = False

    @property
    def is_up(self) -> bool:
        """It runs and answers."""
        return self.process is not None and not self.frozen

    @property
    def core(self) -> NodeCore | None:
        return self.process.core if self.process is not None else None
