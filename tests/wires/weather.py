"""What wires and a switch do to Ethernet frames: a value, so that a plan can be printed, sent and compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

Wire = tuple[int, int]
"""One direction between two ports of the switch: from, to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """For all wires: the least and the greatest constant delay (each wire draws its own), jitter on top, and how many frames
    of a thousand are lost, doubled, or late (so that later ones overtake them). `cut` wires carry nothing; an `unplugged`
    port has no carrier, which its machine sees.
    """

    delay_ms: tuple[int, int] = (0, 0)
    jitter_ms: int = 0
    loss_permille: int = 0
    duplicate_permille: int = 0
    late_permille: int = 0
    cut: tuple[Wire, ...] = ()
    unplugged: tuple[int, ...] = ()

    @property
    def has_dice(self) -> bool:
        """Whether a frame's way depends on chance."""
        return bool(self.jitter_ms or self.loss_permille or self.duplicate_permille or self.late_permille)

    def parted(self, side: Iterable[int], ports: int) -> Weather:
        """The ports of `side`, and all others, hear nothing of each other."""
        near = frozenset(side)
        across = [
            (one, other) for one in range(ports) for other in range(ports) if (one in near) != (other in near)
        ]
        return self._with_cut(across)

    def muted(self, port: int, ports: int) -> Weather:
        """Nobody hears `port`, which hears everybody."""
        return self._with_cut([(port, other) for other in range(ports) if other != port])

    def deafened(self, port: int, ports: int) -> Weather:
        """Everybody hears `port`, which hears nobody."""
        return self._with_cut([(other, port) for other in range(ports) if other != port])

    def without(self, port: int) -> Weather:
        """The cable of `port` is pulled."""
        return replace(self, unplugged=tuple(sorted({*self.unplugged, port})))

    def _with_cut(self, wires: Iterable[Wire]) -> Weather:
        return replace(self, cut=tuple(sorted({*self.cut, *wires})))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Weather:
        return cls(
            **{
                **said,
                "delay_ms": tuple(said["delay_ms"]),
                "cut": tuple((one, other) for one, other in said["cut"]),
                "unplugged": tuple(said["unplugged"]),
            }
        )


FAIR = Weather()
