"""One run from its beginning to its end, judged by the laws."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sgnus.core.publication import Publication
from sgnus.messages.v1.types import Verify
from sgnus.sim import faults
from sgnus.sim.grid import Grid
from sgnus.sim.host_vices import VICES
from sgnus.sim.laws import Broken
from sgnus.sim.setting import FAULTS, Setting

LAST_WORDS_MS = 8_000
LEAVING = ("gone", "stop")
"""Faults after which fewer honest peers than are needed may be left."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run. `law` is the noun of the law that was broken, or empty."""

    setting: Setting
    law: str
    words: str
    ended_ms: int
    steps: int
    computed: int
    run_here: int
    wrong: int
    trace: str
    blows: int
    story: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        return not self.law

    def summary(self) -> str:
        """One line."""
        how = f"ended after {self.ended_ms / 1000:.1f} s" if self.is_right else f"BROKEN {self.words}"
        size = f"{self.setting.peers} peers, {self.setting.sub_blocks} sub-blocks"
        slipped = f"{self.wrong} false sub-blocks verified, " if self.setting.liars else ""
        here = f", {self.run_here} by their publisher" if self.run_here else ""
        work = f"{self.computed} computed by members{here}, {slipped}{self.steps} steps"
        return f"seed {self.setting.seed}: {size}: {how}; {work}, {self.trace}"


def judge(setting: Setting) -> Verdict:
    """Run this setting to its end."""
    grid = Grid(setting)
    law, words, ended_ms = "", "", 0
    try:
        grid.begin()
        faults.plan(grid)
        if not grid.run(setting.end_ms, grid.is_over):
            raise Broken("end", _state_of(grid))
        ended_ms = grid.agenda.now_ms
        grid.run(max(ended_ms, setting.faults_ms) + LAST_WORDS_MS)
        for peer in grid.peers.values():
            if peer.villain is not None:  # What it wrote last must come to all before copies can be the same.
                grid.freeze(peer)
        for peer in grid.core * 2:  # Reconciliation repairs in time; this is that time.
            grid.steps.copies.exchange(grid.publisher, peer)
        grid.run(grid.agenda.now_ms + LAST_WORDS_MS)
        starts = grid.steps.plane.tallies.started
        grid.steps.laws.ended(
            {peer.name: peer for peer in grid.honest}, grid.publisher, grid.steps.copies.job, starts
        )
    except Broken as broken:
        law, words = broken.law, str(broken)
        grid.steps.story.tell(grid.agenda.now_ms, "law", words)
    return Verdict(
        setting=setting,
        law=law,
        words=words,
        ended_ms=ended_ms,
        steps=grid.steps.story.steps,
        computed=grid.steps.plane.tallies.computed,
        run_here=grid.steps.plane.tallies.run_here,
        wrong=grid.steps.laws.wrong,
        trace=grid.steps.story.state.hex(),
        blows=grid.blows,
        story=tuple(grid.steps.story.lines),
    )


def setting_of(seed: int) -> Setting:
    """A seed's own size, as the tests use it."""
    dice = random.Random(seed)
    return Setting(seed, peers=dice.randint(3, 14), sub_blocks=dice.randint(1, 45))


def proved_setting_of(seed: int, verify: Verify, liars: int = 0) -> Setting:
    """A seed's own size, but with two honest members at least."""
    own = setting_of(seed)
    return dataclasses.replace(own, peers=max(own.peers, 3 + liars), verify=verify, liars=liars)


def returning_setting_of(seed: int) -> Setting:
    """Proof of every kind, a liar in every other run, and nobody is gone for good: all of the network is healed in the end."""
    verify = Verify.SAMPLE if seed % 3 else Verify.FULL
    own = proved_setting_of(seed, verify, liars=seed % 2)
    faults = tuple(name for name in FAULTS if name != "gone")
    peers = max(own.peers, 6) if seed % 4 == 0 else own.peers
    return dataclasses.replace(own, peers=peers, faults=faults, other_beacon=seed % 4 == 0)


def hostile_setting_of(seed: int) -> Setting:
    """A seed's own hostile peers, fewer than half of the members of any room, alone or in league, and its own faults."""
    dice = random.Random(f"{seed}/hostile")
    peers = dice.randint(5, 12)
    count = dice.randint(1, max(1, (peers - 2) // 3))
    verify = dice.choice((Verify.NONE, Verify.SAMPLE, Verify.FULL))
    vices = tuple(name for name in VICES if verify is not Verify.NONE or not name.startswith("no-"))
    return Setting(
        seed,
        peers=peers,
        sub_blocks=dice.randint(1, 25),
        faults=tuple(name for name in FAULTS if name not in LEAVING and dice.randrange(4) == 0),
        verify=verify,
        liars=0 if verify is Verify.NONE else dice.randint(0, count),
        vices=tuple(dice.choice(vices) for _ in range(count)),
    )


def usurped_setting_of(seed: int) -> Setting:
    """A seed's own hostile peers, all of whom would host, in rooms whose hosts crash."""
    own = hostile_setting_of(seed)
    faults = tuple(dict.fromkeys((*own.faults, "crash")))
    return dataclasses.replace(
        own, peers=max(own.peers, 6), vices=("usurper",) * len(own.vices), faults=faults
    )


KINDS: Final[Mapping[str, Callable[[int], Setting]]] = {
    "faults": setting_of,
    "sample": partial(proved_setting_of, verify=Verify.SAMPLE),
    "full": partial(proved_setting_of, verify=Verify.FULL, liars=1),
    "returning": returning_setting_of,
    "hostile": hostile_setting_of,
    "usurped": usurped_setting_of,
}
"""The kinds of runs that a storm goes through."""


def _state_of(grid: Grid) -> str:
    publication: Publication | None = None
    if grid.publisher.core is not None:
        publication = grid.publisher.core.publications.get(grid.steps.copies.job)
    held = publication.delivered() if publication else 0
    rooms = [
        f"{peer.name}:{peer.core.room.phase.value} {peer.core.room.seat.microjob}/{peer.core.room.seat.instance[:8]}"
        for peer in grid.peers.values()
        if peer.core is not None and peer.core.room is not None
    ]
    return f"{held} of {grid.setting.sub_blocks} are held; seats: {rooms}"
