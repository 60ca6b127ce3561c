"""A plan of faults: which weather begins when, ending with fair weather. The same seed is the same plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.wires.weather import FAIR, Weather

ROUGH: Final = Weather(
    delay_ms=(30, 80), jitter_ms=20, loss_permille=20, duplicate_permille=10, late_permille=10
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`timetable`: ms since its begin, rising, and the weather from then on."""

    name: str
    timetable: tuple[tuple[int, Weather], ...]

    @property
    def heals_ms(self) -> int:
        """When the last weather begins."""
        return self.timetable[-1][0]


def for_a_while(name: str, weather: Weather, lasts_ms: int) -> Plan:
    """`weather`, then calm."""
    return Plan(name, ((0, weather), (lasts_ms, FAIR)))


def partition(dice: Random, ports: int, near: int, lasts_ms: int) -> Plan:
    """`near` ports, port 0 among them, and the others."""
    side = (0, *sorted(dice.sample(range(1, ports), near - 1)))
    return for_a_while(f"parted {side}", FAIR.parted(side, ports), lasts_ms)


def flapping(dice: Random, port: int, times: int) -> Plan:
    """The cable of `port` is pulled and plugged in again, `times` times."""
    at_ms, timetable = 0, list[tuple[int, Weather]]()
    for _ in range(times):
        timetable.append((at_ms, FAIR.without(port)))
        at_ms += dice.choice((200, 1_000, 3_000, 6_500))
        timetable.append((at_ms, FAIR))
        at_ms += dice.choice((300, 1_500, 4_000))
    return Plan(f"port {port} flaps", tuple(timetable))
