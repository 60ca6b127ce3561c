"""How often members in league get away with it: whole rooms of eleven, simulated, held against the exact arithmetic.

One room, no faults, ten sub-blocks of eleven chunks. Whoever is in league falsifies all of its own chunks and, drawn as a
checker, approves those of the others. What counts is the first round: who of them was convicted when it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sgnus.core.publication import Publication
from sgnus.messages.ids import PeerId
from sgnus.messages.limits import ROOM_MEMBERS_MAX, SUB_BLOCKS_PER_MICROJOB
from sgnus.messages.v1.types import Verify
from sgnus.sim.grid import Grid
from sgnus.sim.setting import Setting

CHUNKS: Final = 11
"""Of a sub-block; 110 of a room."""
END_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Cheats that made one sub-block in a first round, and how many of them nobody convicted."""

    rounds: int = 0
    cheats: int = 0
    undetected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.rounds + other.rounds, self.cheats + other.cheats, self.undetected + other.undetected
        )

    @property
    def share(self) -> float:
        return self.undetected / self.cheats if self.cheats else 0.0


def play(seed: int, colluders: int, verify: Verify, verifiers: int) -> Tally:
    """One room's first round. Nothing counts of a room that was not full when it was sealed."""
    setting = Setting(
        seed,
        peers=1 + ROOM_MEMBERS_MAX,
        sub_blocks=SUB_BLOCKS_PER_MICROJOB,
        faults=(),
        verify=verify,
        liars=colluders,
        league=True,
        chunks=CHUNKS,
        verifiers=verifiers,
        compute_ms=(1_000, 1_100),
    )
    grid = Grid(setting)
    grid.begin()
    drawn_from: list[PeerId] = []

    def is_over() -> bool:
        own = _publication(grid)
        if own is None:
            return False
        for arbitration in own.court.rounds.values():
            spoken = arbitration.docket.spoken
            if spoken is not None:
                drawn_from[:] = spoken.sealing.members
        return bool(own.court.banned) or any(shelf.taken for shelf in own.shelves.values())

    grid.run(END_MS, is_over)
    own, honesty = _publication(grid), grid.steps.plane.honesty
    if own is None or len(drawn_from) < ROOM_MEMBERS_MAX:
        return Tally()
    made = list(honesty.made.values())
    cheats = [peer for peer in grid.peers if honesty.is_liar(peer) and made.count(peer) == 1]
    return Tally(1, len(cheats), sum(peer not in own.court.banned for peer in cheats))


def measure(seeds: range, colluders: int, verify: Verify, verifiers: int) -> Tally:
    """The rooms of all these seeds."""
    tally = Tally()
    for seed in seeds:
        tally += play(seed, colluders, verify, verifiers)
    return tally


def _publication(grid: Grid) -> Publication | None:
    core = grid.publisher.core
    return core.publications.get(grid.steps.copies.job) if core is not None else None
