"""A plan of faults: which weather begins when, ending with fair weather. The same seed is the same plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from tests.wires.weather import FAIR, Weather

ROUGH: Final = Weather(
    delay_ms=(30, 80), jitter_ms=20, loss_permille=20, duplicate_permille=10, late_permille=10
)
FAULTS: Final = ("part", "unplug", "flap", "mute", "deafen")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong for a while, on top of other weather."""

    name: str
    begin_ms: int
    end_ms: int
    befalls: Callable[[Weather], Weather]


@dataclass(frozen=True, slots=True)
class Plan:
    """`seed` is that of the frames' dice. `timetable`: ms since its begin, rising, and the weather from then on."""

    seed: int
    name: str
    timetable: tuple[tuple[int, Weather], ...]

    @property
    def heals_ms(self) -> int:
        """When the last weather begins, which is fair."""
        return self.timetable[-1][0]


def compose(seed: int, lasts_ms: int, faults: Iterable[Fault] = (), beneath: Weather = FAIR) -> Plan:
    """`faults`, which may overlap, on top of the weather `beneath` them; after `lasts_ms` all is fair."""
    listed = [fault for fault in faults if fault.begin_ms < lasts_ms]
    moments = {0, *(at_ms for fault in listed for at_ms in (fault.begin_ms, fault.end_ms))}
    timetable = []
    for at_ms in sorted(moment for moment in moments if moment < lasts_ms):
        weather = beneath
        for fault in listed:
            if fault.begin_ms <= at_ms < fault.end_ms:
                weather = fault.befalls(weather)
        timetable.append((at_ms, weather))
    names = ["fair" if beneath == FAIR else "rough"]
    names += [
        f"{fault.name} at {fault.begin_ms} ms for {fault.end_ms - fault.begin_ms} ms" for fault in listed
    ]
    return Plan(seed, ", ".join(names), (*timetable, (lasts_ms, FAIR)))


def partition(dice: Random, ports: int, near: int, begin_ms: int, lasts_ms: int) -> Fault:
    """Of `near` ports, port 0 among them, and the others."""
    side = (0, *sorted(dice.sample(range(1, ports), near - 1)))
    befalls = partial(Weather.parted, side=side, ports=ports)
    return Fault(f"ports {side} are parted from the others", begin_ms, begin_ms + lasts_ms, befalls)


def flapping(dice: Random, port: int, begin_ms: int, times: int) -> list[Fault]:
    """The cable of `port` is pulled and plugged in again, `times` times."""
    faults, at_ms = list[Fault](), begin_ms
    for _ in range(times):
        lasts_ms = dice.choice((200, 1_000, 3_000, 6_500))
        faults.append(unplugged(port, at_ms, lasts_ms))
        at_ms += lasts_ms + dice.choice((300, 1_500, 4_000))
    return faults


def unplugged(port: int, begin_ms: int, lasts_ms: int) -> Fault:
    return Fault(
        f"port {port} is unplugged", begin_ms, begin_ms + lasts_ms, partial(Weather.without, port=port)
    )


def muted(port: int, ports: int, begin_ms: int, lasts_ms: int) -> Fault:
    befalls = partial(Weather.muted, port=port, ports=ports)
    return Fault(f"nobody hears port {port}", begin_ms, begin_ms + lasts_ms, befalls)


def deafened(port: int, ports: int, begin_ms: int, lasts_ms: int) -> Fault:
    befalls = partial(Weather.deafened, port=port, ports=ports)
    return Fault(f"port {port} hears nobody", begin_ms, begin_ms + lasts_ms, befalls)


def draw(seed: int, ports: int) -> Plan:
    """Whatever may be wrong with wires, by the seed: in half of the plans all of them are rough besides."""
    dice = Random(seed ^ 0x31AE5)
    beneath = dice.choice((FAIR, ROUGH))
    faults: list[Fault] = []
    for _ in range(dice.randint(1, 4)):
        faults += _drawn(dice, ports)
    ends_ms = max(fault.end_ms for fault in faults)
    return compose(seed, ends_ms + dice.choice((0, 2_000)), faults, beneath)


def _drawn(dice: Random, ports: int) -> list[Fault]:
    begin_ms, lasts_ms = dice.randrange(12_000), dice.choice((300, 2_000, 5_500, 12_000, 20_000))
    name, port = dice.choice(FAULTS), dice.randrange(ports)
    if name == "part":
        return [partition(dice, ports, dice.randint(1, ports - 1), begin_ms, lasts_ms)]
    if name == "unplug":
        return [unplugged(port, begin_ms, lasts_ms)]
    if name == "flap":
        return flapping(dice, port, begin_ms, dice.randint(2, 6))
    return [(muted if name == "mute" else deafened)(port, ports, begin_ms, lasts_ms)]
