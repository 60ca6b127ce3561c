"""Networks of a thousand peers: the same cores as everywhere, counted while the laws look on.

A job of as many sub-blocks as there are peers fills a tenth as many rooms. What each peer hears, asks and keeps is counted, so
that it can be seen what grows with the network. The weather is fair and nobody fails.

Gossip is counted at its ends: a message is one at whoever publishes it, and one at each peer that listens on its topic. What a
peer passes on for others on the way is the mesh's affair; it is bounded by the number of neighbours, not by that of peers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sgnus.core import inputs as ins
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import Verify
from sgnus.sim.counting import CountingSteps
from sgnus.sim.grid import Grid
from sgnus.sim.setting import Setting

NEIGHBOURS = 16
"""As many as a node looks for (`runtime/acquaintance.py`); in smaller networks everybody is everybody's neighbour."""
COMPUTE_MS = (10_000, 20_000)
"""What is done at once needs no crowd: rooms fill while their first members work."""
EXCHANGE_MS = 45_000
"""As nodes do on average (`runtime/meeting.py`)."""
END_MS = 1_800_000
SUBMITTED_MS = 10
BOUNDS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "news_per_peer_s": 1.25,
        "births_per_room": 6.0,
        "founded_twice_per_room": 1.0,
        "requests_per_seat": 5.0,
        "rejected_per_seat": 4.0,
        "database_bytes_per_room": 2_048.0,
    }
)
"""What holds at any size, docs/performance.md: figures of `Figures` by name."""
BOUNDS_LARGER: Final[Mapping[str, float]] = MappingProxyType(
    {
        "news_per_peer_s": 1.5,
        "births_per_room": 15.0,
        "founded_twice_per_room": 8.0,
        "requests_per_seat": 40.0,
        "rejected_per_seat": 50.0,
        "database_bytes_per_room": 4_096.0,
    }
)
"""The same in a network of ten times as many peers as the job has sub-blocks: nine of ten look for a seat in vain."""
COST_RATIO_MAX: Final = 1.5
"""How much more a room joined may cost a peer in a crowd of hundreds than in one of 30."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run cost. Since the job was submitted: `founded_ms`, until each microjob had a room, `seated_ms`, until each peer
    had a seat. What is per peer is a mean, but for the database, of which the largest copy counts; what is per seat is a sum
    over all peers by the seats that were taken. `births` are words of other rooms that are founded or end, `news` all others.
    """

    peers: int
    rooms: int
    is_over: bool
    ended_ms: int
    founded_ms: int
    seated_ms: int
    founded_twice: int
    announcements: int
    announcement_bytes: int
    announcements_per_s: float
    lobby_per_peer: float
    lobby_bytes_per_peer: float
    births_per_peer: float
    news_per_peer: float
    news_per_peer_s: float
    requests_per_seat: float
    rejected_per_seat: float
    cost_per_seat: float
    """News of other rooms, words of strangers, requests and rejections."""
    seats_per_peer: float
    inputs_per_peer: float
    entries: int
    database_bytes: int
    cpu_s: float
    steps: int

    @property
    def is_larger(self) -> bool:
        """The network is, than its job: there is no seat for many."""
        return self.peers > 10 * self.rooms

    @property
    def bounds(self) -> Mapping[str, float]:
        """Those of its size."""
        return BOUNDS_LARGER if self.is_larger else BOUNDS

    @property
    def cost_per_peer(self) -> float:
        """What looking for seats costs, with or without one."""
        return self.cost_per_seat * self.seats_per_peer

    @property
    def births_per_room(self) -> float:
        """How often everybody hears that a room is founded or ends."""
        return self.births_per_peer / self.rooms

    @property
    def founded_twice_per_room(self) -> float:
        return self.founded_twice / self.rooms

    @property
    def database_bytes_per_room(self) -> float:
        return self.database_bytes / self.rooms


class Crowd(Grid):
    """A grid in which nobody sees everybody."""

    steps: CountingSteps

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, steps=CountingSteps)
        self.steps.begin_counting()
        self._neighbours = _neighbours_of(list(self.peers), random.Random(setting.seed ^ 0x1CEB))
        self._has_begun = False

    def begin(self) -> None:
        """All are there when the job comes, and each knows its neighbours."""
        self._has_begun = False
        super().begin()
        self._has_begun = True
        self.tell_neighbours()

    def tell_neighbours(self) -> None:
        """Gossip tells each peer who its neighbours are; once, since nobody comes or goes."""
        for peer in self.peers.values() if self._has_begun else ():
            seen = (peer.name, *self._neighbours[peer.name])
            self.steps.give(peer, ins.NeighboursChanged(tuple(sorted(seen))))


def measure(
    peers: int, *, sub_blocks: int | None = None, seed: int = 1, verify: Verify = Verify.NONE
) -> Figures:
    """A network of `peers` does a job of as many sub-blocks, or of `sub_blocks`; what that costs everybody."""
    crowd = Crowd(
        Setting(
            seed,
            peers=peers,
            sub_blocks=peers if sub_blocks is None else sub_blocks,
            faults=(),
            faults_ms=0,
            compute_ms=COMPUTE_MS,
            deadline_ms=10 * COMPUTE_MS[1],
            verify=verify,
            exchange_ms=EXCHANGE_MS,
        )
    )
    begun_s = time.process_time()
    crowd.begin()
    is_over = crowd.run(END_MS, crowd.is_over)
    return _figures_of(crowd, is_over=is_over, cpu_s=time.process_time() - begun_s)


def _figures_of(crowd: Crowd, *, is_over: bool, cpu_s: float) -> Figures:
    steps, peers, ended_ms = crowd.steps, len(crowd.peers), crowd.agenda.now_ms
    total = steps.total()
    seats = max(1, sum(steps.seats.values()))
    lobby = total["own"] + total["birth"] + total["news"] + total["end"]
    announcements, announced = steps.published["announcement"], steps.bytes["announcement"]
    wasted = total["news"] + total["stranger"] + total["rejected"] + steps.published["request"]
    return Figures(
        peers=peers,
        rooms=(crowd.setting.sub_blocks + 9) // 10,
        is_over=is_over,
        ended_ms=ended_ms - SUBMITTED_MS,
        founded_ms=max(steps.founded_ms.values()) - SUBMITTED_MS,
        seated_ms=max(steps.seated_ms.values()) - SUBMITTED_MS,
        founded_twice=sum(steps.founded.values()) - len(steps.founded),
        announcements=announcements,
        announcement_bytes=announced,
        announcements_per_s=1000 * announcements / ended_ms,
        lobby_per_peer=lobby / peers,
        lobby_bytes_per_peer=lobby / peers * announced / max(1, announcements),
        births_per_peer=(total["birth"] + total["end"]) / peers,
        news_per_peer=total["news"] / peers,
        news_per_peer_s=1000 * total["news"] / peers / ended_ms,
        requests_per_seat=steps.published["request"] / seats,
        rejected_per_seat=total["rejected"] / seats,
        cost_per_seat=wasted / seats,
        seats_per_peer=seats / peers,
        inputs_per_peer=total["inputs"] / peers,
        entries=max(len(peer.disk.entries) for peer in crowd.peers.values()),
        database_bytes=max(sum(map(len, peer.disk.entries)) for peer in crowd.peers.values()),
        cpu_s=cpu_s,
        steps=steps.story.steps,
    )


def _neighbours_of(names: list[PeerId], dice: random.Random) -> dict[PeerId, dict[PeerId, None]]:
    """A ring, so that all hang together, and half of its neighbours chosen by each; neighbours are so of each other."""
    near: dict[PeerId, dict[PeerId, None]] = {name: {} for name in names}
    for number, name in enumerate(names):
        others = names if len(names) <= NEIGHBOURS else dice.sample(names, NEIGHBOURS // 2)
        for other in (names[(number + 1) % len(names)], *others):
            if other != name:
                near[name][other] = near[other][name] = None
    return near
