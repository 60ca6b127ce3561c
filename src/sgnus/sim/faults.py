"""A plan of faults, drawn from the seed: what happens to whom, and when. It ends with calm.

Each kind of fault has dice of its own, and each blow a number: a plan without one of them is otherwise the same plan,
so that a run that breaks a law can be made smaller (`shrinking.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sgnus.sim.clock import RATE
from sgnus.sim.grid import Grid
from sgnus.sim.mishaps import deafen, heal, hear, leap, lose, lose_power, part
from sgnus.sim.peer import Death, Peer
from sgnus.sim.stopping import stop

POISON_ALWAYS: Final = 1_000
LASTS_MS: Final = (200, 1_000, 3_000, 6_000, 11_000)
LEAPS_MS: Final = (500, 2_500, 6_000, 60_000)


@dataclass(frozen=True, slots=True)
class Blow:
    """Something that happens at `at_ms`."""

    at_ms: int
    strike: Callable[[], None]


Plan = list[Blow]


def plan(grid: Grid) -> None:
    """Put this seed's faults on the agenda, and the calm after them."""
    setting, blows = grid.setting, Plan()
    for name in setting.faults:
        dice = random.Random(f"{setting.seed}/{name}")
        if dice.randrange(100) < 60:
            blows += KINDS[name](grid, dice)
    for number, blow in enumerate(blows):
        if number not in setting.skip:
            grid.agenda.after(blow.at_ms, blow.strike)
    grid.blows = len(blows)
    grid.agenda.after(setting.faults_ms, _calm, grid)


# ---- what the world is like until the calm
def _delay(grid: Grid, dice: random.Random) -> Plan:
    stream_ms, gossip_ms = dice.choice((20, 80, 250)), dice.choice((100, 400, 1_500))

    def strike() -> None:
        grid.weather.delay_ms_max, grid.weather.gossip_ms_max = stream_ms, gossip_ms

    return [Blow(0, strike)]


def _loss(grid: Grid, dice: random.Random) -> Plan:
    def strike() -> None:
        grid.weather.loss_permille = permille

    permille = dice.choice((20, 100, dice.randint(0, 500)))
    return [Blow(0, strike)]


def _duplicate(grid: Grid, dice: random.Random) -> Plan:
    def strike() -> None:
        grid.weather.duplicate_permille = permille

    permille = dice.randint(0, 500)
    return [Blow(0, strike)]


def _slow(grid: Grid, dice: random.Random) -> Plan:
    def strike(peer: Peer, times: int) -> None:
        peer.slowness = times

    some = dice.sample(list(grid.peers.values()), max(1, len(grid.peers) // 4))
    return [Blow(0, partial(strike, peer, dice.choice((3, 10, 40)))) for peer in some]


def _abandon(grid: Grid, dice: random.Random) -> Plan:
    def strike(number: int, failures: int) -> None:
        grid.steps.plane.poisoned[divmod(number, 10)] = failures

    return [
        Blow(0, partial(strike, dice.randrange(grid.setting.sub_blocks), dice.choice((1, 2, POISON_ALWAYS))))
        for _ in range(dice.randint(1, 3))
    ]


def _clock(grid: Grid, dice: random.Random) -> Plan:
    """Every clock runs up to a tenth too fast or too slow, before and after the calm; some leap ahead."""

    def run(peer: Peer, rate: int) -> None:
        peer.clock.run_at(rate, grid.agenda.now_ms)

    blows = [Blow(0, partial(run, x, RATE + dice.randint(-100, 100))) for x in grid.peers.values()]
    for _ in range(dice.randint(0, 3)):
        peer = dice.choice(list(grid.peers.values()))
        blows.append(Blow(_moment(grid, dice), partial(leap, grid, peer, dice.choice(LEAPS_MS))))
    return blows


# ---- blows
def _moment(grid: Grid, dice: random.Random) -> int:
    """A job in fair weather ends in a few seconds, so most blows fall early."""
    return min(grid.setting.faults_ms - 1_000, int(dice.expovariate(1 / 3_000)) + 50)


def _crash(grid: Grid, dice: random.Random) -> Plan:
    blows, peers = Plan(), list(grid.peers.values())
    for _ in range(dice.randint(1, 4)):
        at_ms, lasts_ms = _moment(grid, dice), dice.choice(LASTS_MS)
        victims = peers[1:] if dice.randrange(8) else peers
        count = len(victims) if dice.randrange(10) == 0 else 1
        for peer in dice.sample(victims, count):
            blows.append(Blow(at_ms, partial(_kill, grid, peer, dice.randrange(4), lasts_ms)))
    return blows


def _publisher(grid: Grid, dice: random.Random) -> Plan:
    return [
        Blow(
            _moment(grid, dice),
            partial(_kill, grid, grid.publisher, dice.randrange(4), dice.choice(LASTS_MS)),
        )
        for _ in range(dice.randint(1, 4))
    ]


def _power(grid: Grid, dice: random.Random) -> Plan:
    """Machines lose their power: no stream is reset, and what was not durable is gone."""
    blows, peers = Plan(), list(grid.peers.values())
    for _ in range(dice.randint(1, 4)):
        at_ms, lasts_ms = _moment(grid, dice), dice.choice(LASTS_MS)
        count = len(peers) if dice.randrange(6) == 0 else 1
        for peer in dice.sample(peers, count):
            blows.append(Blow(at_ms, partial(_cut_power, grid, peer, dice.randrange(4), lasts_ms)))
    return blows


def _pause(grid: Grid, dice: random.Random) -> Plan:
    def strike(peer: Peer, lasts_ms: int) -> None:
        grid.freeze(peer)
        grid.agenda.after(lasts_ms, grid.thaw, peer)

    peers = list(grid.peers.values())
    return [
        Blow(_moment(grid, dice), partial(strike, dice.choice(peers), dice.choice(LASTS_MS)))
        for _ in range(dice.randint(1, 4))
    ]


def _break(grid: Grid, dice: random.Random) -> Plan:
    blows = Plan()
    for _ in range(dice.randint(1, 4)):
        one, other = dice.sample(list(grid.peers), 2)
        blows.append(Blow(_moment(grid, dice), partial(grid.steps.streams.shake, one, other)))
    return blows


def _part(grid: Grid, dice: random.Random) -> Plan:
    def strike(side: list[Peer], lasts_ms: int) -> None:
        if not grid.weather.cut:
            part(grid, tuple(peer.name for peer in side))
            grid.agenda.after(lasts_ms, heal, grid)

    blows, peers = Plan(), list(grid.peers.values())
    for _ in range(dice.randint(1, 4)):
        side = dice.sample(peers, dice.randint(1, len(peers) - 1))
        blows.append(Blow(_moment(grid, dice), partial(strike, side, dice.choice(LASTS_MS))))
    return blows


def _one_way(grid: Grid, dice: random.Random) -> Plan:
    """One peer is heard by some no more, but hears them; or the other way round."""

    def strike(ways: tuple[tuple[Peer, Peer], ...], lasts_ms: int) -> None:
        names = tuple((one.name, other.name) for one, other in ways)
        deafen(grid, names)
        grid.agenda.after(lasts_ms, hear, grid, names)

    blows, peers = Plan(), list(grid.peers.values())
    for _ in range(dice.randint(1, 4)):
        one, *others = dice.sample(peers, dice.randint(2, len(peers)))
        ways = tuple((one, other) if dice.randrange(2) else (other, one) for other in others)
        if dice.randrange(2):
            ways = tuple((one, other) for other in others)
        blows.append(Blow(_moment(grid, dice), partial(strike, ways, dice.choice(LASTS_MS))))
    return blows


def _stop(grid: Grid, dice: random.Random) -> Plan:
    peers = list(grid.peers.values())
    return [
        Blow(_moment(grid, dice), partial(stop, grid, dice.choice(peers), dice.choice((200, 3_000, 8_000))))
        for _ in range(dice.randint(1, 4))
    ]


def _gone(grid: Grid, dice: random.Random) -> Plan:
    """Some never come back: they are dead, or cut off for good. The others are the core that must go on without them, with honest
    members enough to verify what it does.
    """
    setting = grid.setting
    hostile = max(setting.liars, len(setting.vices))
    needed = 1 + max(setting.members_min, 1) + setting.other_beacon + hostile
    victims = list(grid.peers.values())[1 + grid.setting.other_beacon :]
    most = min(len(grid.peers) - needed, len(grid.peers) // 2)
    if most < 1:
        return []
    some = dice.sample(victims, dice.randint(1, most))
    return [
        Blow(
            grid.setting.faults_ms - dice.randint(1, 3_000),
            partial(lose, grid, peer, is_dead=dice.random() < 0.5),
        )
        for peer in some
    ]


KINDS: Final[Mapping[str, Callable[[Grid, random.Random], Plan]]] = {
    "delay": _delay,
    "loss": _loss,
    "duplicate": _duplicate,
    "slow": _slow,
    "abandon": _abandon,
    "clock": _clock,
    "break": _break,
    "crash": _crash,
    "publisher": _publisher,
    "power": _power,
    "part": _part,
    "oneway": _one_way,
    "pause": _pause,
    "stop": _stop,
    "gone": _gone,
}


def _kill(grid: Grid, peer: Peer, mode: int, lasts_ms: int) -> None:
    """Now, or (mode 0) in the middle of what a coming step has it do."""
    if peer.process is not None and mode == 0 and not peer.frozen:
        peer.process.death = Death(grid.dice.randrange(30))
    else:
        grid.crash(peer)
    grid.agenda.after(lasts_ms, _restart, grid, peer)


def _cut_power(grid: Grid, peer: Peer, mode: int, lasts_ms: int) -> None:
    if peer.process is not None and mode and not peer.frozen:
        peer.process.death = Death(grid.dice.randrange(30), by_power=True)
    else:
        lose_power(grid, peer)
    grid.agenda.after(lasts_ms, _restart, grid, peer)


def _restart(grid: Grid, peer: Peer) -> None:
    if peer.process is not None:
        peer.process.death = None
    grid.start(peer)


def _calm(grid: Grid) -> None:
    grid.weather.calm()
    grid.steps.streams.heal()
    grid.steps.tell("grid", "is calm from now on")
    for peer in grid.core:
        peer.slowness = 1
        grid.thaw(peer)
        _restart(grid, peer)
    grid.agenda.after(1, grid.tell_neighbours)
