"""A plan of faults, drawn from the seed: what happens to whom, and when. It ends with calm."""

from __future__ import annotations

import random

from sgnus.sim.grid import Grid
from sgnus.sim.peer import Peer
from sgnus.sim.stopping import stop

POISON_ALWAYS = 1_000


def plan(grid: Grid) -> None:
    """Put this seed's faults on the agenda, and the calm after them."""
    setting, dice = grid.setting, random.Random(grid.setting.seed ^ 0xFA17)
    wanted = [name for name in setting.faults if name != "stop" and dice.randrange(100) < 60]
    if "delay" in wanted:
        grid.weather.delay_ms_max = dice.choice((20, 80, 250))
        grid.weather.gossip_ms_max = dice.choice((100, 400, 1_500))
    if "loss" in wanted:
        grid.weather.loss_permille = dice.choice((20, 100, 300))
    if "duplicate" in wanted:
        grid.weather.duplicate_permille = dice.choice((50, 300))
    if "slow" in wanted:
        for peer in dice.sample(list(grid.peers.values()), max(1, len(grid.peers) // 4)):
            peer.slowness = dice.choice((3, 10, 40))
    if "abandon" in wanted:
        for _ in range(dice.randint(1, 3)):
            place = divmod(dice.randrange(setting.sub_blocks), 10)
            grid.steps.plane.poisoned[place] = dice.choice((1, 2, POISON_ALWAYS))
    _plan_blows(grid, wanted, dice)
    if "stop" in setting.faults:
        _plan_stops(grid)
    grid.agenda.after(setting.faults_ms, _calm, grid)


def _plan_stops(grid: Grid) -> None:
    """Of dice of their own, so that what else a seed does stays as it is."""
    dice = random.Random(grid.setting.seed ^ 0x5709)
    for _ in range(dice.choice((0, 1, 2, 4))):
        at_ms = min(grid.setting.faults_ms - 1_000, int(dice.expovariate(1 / 2_000)) + 50)
        peer = dice.choice(list(grid.peers.values()))
        grid.agenda.after(at_ms, stop, grid, peer, dice.choice((200, 3_000, 8_000)))


def _plan_blows(grid: Grid, wanted: list[str], dice: random.Random) -> None:
    # A job in fair weather ends in a few seconds, so most blows fall early.
    latest_ms = grid.setting.faults_ms - 1_000
    peers = list(grid.peers.values())
    for name in wanted:
        for _ in range(dice.randint(1, 4)):
            at_ms = min(latest_ms, int(dice.expovariate(1 / 3_000)) + 50)
            lasts_ms = dice.choice((200, 1_000, 3_000, 6_000, 11_000))
            if name == "crash":
                victims = peers[1:] if dice.randrange(8) else peers
                count = len(victims) if dice.randrange(10) == 0 else 1
                for peer in dice.sample(victims, count):
                    grid.agenda.after(at_ms, _crash, grid, peer, dice.randrange(4), lasts_ms)
            elif name == "publisher":
                grid.agenda.after(at_ms, _crash, grid, grid.publisher, dice.randrange(4), lasts_ms)
            elif name == "pause":
                grid.agenda.after(at_ms, _freeze, grid, dice.choice(peers), lasts_ms)
            elif name == "break":
                one, other = dice.sample(peers, 2)
                grid.agenda.after(at_ms, grid.steps.streams.shake, one.name, other.name)
            elif name == "part":
                side = dice.sample(peers, dice.randint(1, len(peers) - 1))
                grid.agenda.after(at_ms, _part, grid, side, lasts_ms)


def _crash(grid: Grid, peer: Peer, mode: int, lasts_ms: int) -> None:
    """Now, or (mode 0) in the middle of what a coming step has it do."""
    if peer.process is not None and mode == 0 and not peer.frozen:
        peer.process.dies_after = grid.dice.randrange(30)
    else:
        grid.crash(peer)
    grid.agenda.after(lasts_ms, _restart, grid, peer)


def _restart(grid: Grid, peer: Peer) -> None:
    if peer.process is not None:
        peer.process.dies_after = None
    grid.start(peer)


def _freeze(grid: Grid, peer: Peer, lasts_ms: int) -> None:
    grid.freeze(peer)
    grid.agenda.after(lasts_ms, grid.thaw, peer)


def _part(grid: Grid, side: list[Peer], lasts_ms: int) -> None:
    if not grid.weather.cut:
        grid.part(tuple(peer.name for peer in side))
        grid.agenda.after(lasts_ms, grid.heal)


def _calm(grid: Grid) -> None:
    grid.weather.calm()
    grid.steps.streams.heal()
    grid.steps.tell("grid", "is calm from now on")
    for peer in grid.peers.values():
        peer.slowness = 1
        grid.thaw(peer)
        _restart(grid, peer)
    grid.agenda.after(1, grid.tell_neighbours)
