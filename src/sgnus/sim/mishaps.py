"""What befalls machines and the network between them, one thing at a time: `faults.py` says when."""

from __future__ import annotations

from sgnus.messages.ids import PeerId
from sgnus.sim.grid import Grid
from sgnus.sim.peer import Peer

Ways = tuple[tuple[PeerId, PeerId], ...]
UNSEEN_MS = 2_000
"""How long gossip takes to notice who is out of reach."""


def part(grid: Grid, side: tuple[PeerId, ...]) -> None:
    """These no longer reach the others."""
    grid.weather.cut = dict.fromkeys(side)
    grid.steps.tell("grid", f"is parted: {', '.join(side)} are on their own")
    grid.steps.streams.part()
    grid.agenda.after(UNSEEN_MS, grid.tell_neighbours)


def heal(grid: Grid) -> None:
    """All reach all again."""
    if grid.weather.cut:
        grid.weather.cut = {}
        grid.steps.tell("grid", "is whole again")
        grid.steps.streams.heal()
        grid.tell_neighbours()


def deafen(grid: Grid, ways: Ways) -> None:
    """Nothing arrives on these ways (from, to)."""
    grid.weather.deaf |= dict.fromkeys(ways)
    grid.steps.tell("grid", f"is deaf on the ways {', '.join(f'{one}>{to}' for one, to in ways)}")
    grid.steps.streams.part()
    grid.agenda.after(UNSEEN_MS, grid.tell_neighbours)


def hear(grid: Grid, ways: Ways) -> None:
    """They carry again."""
    if any(way in grid.weather.deaf for way in ways):
        grid.weather.deaf = {way: None for way in grid.weather.deaf if way not in ways}
        grid.steps.tell("grid", f"hears again from {', '.join(dict.fromkeys(one for one, _ in ways))}")
        grid.steps.streams.heal()
        grid.tell_neighbours()


def lose(grid: Grid, peer: Peer, *, is_dead: bool) -> None:
    """It is gone for good: dead, or running where nobody reaches it."""
    grid.weather.lost[peer.name] = None
    grid.steps.tell("grid", f"loses {peer.name} for good, {'dead' if is_dead else 'cut off'}")
    if is_dead:
        grid.steps.crash(peer, by_power=True)
    grid.steps.streams.part()
    grid.agenda.after(UNSEEN_MS, grid.tell_neighbours)


def lose_power(grid: Grid, peer: Peer) -> None:
    """Its machine is off: nobody is told, and what was not durable is gone."""
    grid.steps.crash(peer, by_power=True)
    grid.agenda.after(2 * UNSEEN_MS, grid.tell_neighbours)


def leap(grid: Grid, peer: Peer, ahead_ms: int) -> None:
    """Its clock is suddenly later, and what it waited for is due."""
    peer.clock.leap(ahead_ms)
    grid.steps.tell(peer.name, f"has a clock that leaps {ahead_ms} ms ahead")
    grid.steps.tick(peer, peer.run, None)
