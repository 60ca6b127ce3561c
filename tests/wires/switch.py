"""An Ethernet switch as a value that is told the time: frames in, and which frames come out where and when.

Each direction between two ports has dice of its own, seeded by the switch's seed and the two ports: what becomes of the
hundredth frame on a wire does not depend on what other wires carry. No clock and no file here: `switchboard.py` has those.
"""

from __future__ import annotations

import heapq
from collections import Counter
from random import Random
from typing import Final

from tests.wires.weather import FAIR, Weather, Wire

MAC_HEAD: Final = bytes((0x02, 0x53, 0x47, 0x4E, 0x55))
"""Locally administered; the last byte is the port."""
MAC_BYTES: Final = 6
HEADER_BYTES: Final = 14
PORTS_MAX: Final = 64
QUEUED_FRAMES_MAX: Final = 2_000
"""On one wire; a real switch, too, drops what its buffer does not hold."""
LATE_US: Final = 10_000
"""How much later a late frame comes than it would have."""
CALM: Final = (1.0, 1.0, 1.0, 0.0)
"""The throws that do nothing to a frame."""

Outgoing = tuple[int, int, Wire, bytes]
"""When (in microseconds), a number that keeps the order, the wire that it travels, the frame."""


class Switch:
    """Ports are numbered from 0; the machine at a port has the address `mac_of(port)`."""

    def __init__(self, seed: int, ports: int) -> None:
        assert 2 <= ports <= PORTS_MAX
        self.ports = ports
        self.weather = FAIR
        self.counts: Counter[str] = Counter()
        self._cut: frozenset[Wire] = frozenset()
        self._lanes = {
            (one, other): _Lane() for one in range(ports) for other in range(ports) if one != other
        }
        self._queue: list[Outgoing] = []
        self._numbered = 0
        self.throw(seed)

    def throw(self, seed: int) -> None:
        """Other dice from now on."""
        for (one, other), lane in self._lanes.items():
            lane.throw(Random(f"{seed} {one} {other}"))

    def change(self, weather: Weather) -> None:
        """Other weather from now on. What is on its way on a wire that is cut now is lost with it, as in a cable."""
        self.weather = weather
        self._cut = frozenset(weather.cut) | {
            wire for wire in self._lanes if wire[0] in weather.unplugged or wire[1] in weather.unplugged
        }

    def take(self, port: int, frame: bytes, now_us: int) -> None:
        """A frame from the machine at `port`."""
        self.counts["taken"] += 1
        for other in self._targets(port, frame):
            self._send((port, other), frame, now_us)

    def due(self, now_us: int) -> list[tuple[int, bytes]]:
        """What leaves now, in order: port and frame."""
        leaving = []
        while self._queue and self._queue[0][0] <= now_us:
            _at_us, _number, wire, frame = heapq.heappop(self._queue)
            self._lanes[wire].queued -= 1
            if wire in self._cut:
                self.counts["cut"] += 1
                continue
            self.counts["given"] += 1
            leaving.append((wire[1], frame))
        return leaving

    def next_us(self) -> int | None:
        """When something leaves next."""
        return self._queue[0][0] if self._queue else None

    def _targets(self, port: int, frame: bytes) -> list[int]:
        if len(frame) < HEADER_BYTES or port_of(frame[MAC_BYTES : 2 * MAC_BYTES]) != port:
            self.counts["malformed"] += 1
            return []
        if frame[0] & 1:  # To a group: everybody hears it, as without IGMP snooping.
            return [other for other in range(self.ports) if other != port]
        other = port_of(frame[:MAC_BYTES])
        if other is None or other == port or other >= self.ports:
            self.counts["unknown"] += 1
            return []
        return [other]

    def _send(self, wire: Wire, frame: bytes, now_us: int) -> None:
        if wire in self._cut:
            self.counts["cut"] += 1
            return
        lane = self._lanes[wire]
        arrivals = lane.arrivals(self.weather, now_us)
        if not arrivals:
            self.counts["lost"] += 1
        for at_us in arrivals:
            if lane.queued >= QUEUED_FRAMES_MAX:
                self.counts["overflowed"] += 1
                continue
            lane.queued += 1
            self._numbered += 1
            heapq.heappush(self._queue, (at_us, self._numbered, wire, frame))
        self.counts["doubled"] += len(arrivals) > 1


class _Lane:
    """One direction between two ports."""

    def __init__(self) -> None:
        self.queued = 0
        self._last_us = 0

    def throw(self, dice: Random) -> None:
        """Take other dice; the first throw says where in the range of delays this wire lies."""
        self._dice = dice
        self._share = dice.random()

    def arrivals(self, weather: Weather, now_us: int) -> list[int]:
        """When the copies of one frame come out; none if it is lost. Frames keep their order, but for those that are late."""
        low_ms, high_ms = weather.delay_ms
        at_us = now_us + int(1000 * (low_ms + self._share * (high_ms - low_ms)))
        # As many throws for each frame, whatever becomes of it: the next one's fate must not hang on this one's.
        lost, doubled, late, jitter = (self._dice.random() for _ in range(4)) if weather.has_dice else CALM
        if 1000 * lost < weather.loss_permille:
            return []
        at_us = max(self._last_us, at_us + int(1000 * jitter * weather.jitter_ms))
        if 1000 * late < weather.late_permille:
            at_us += LATE_US
        else:
            self._last_us = at_us
        return [at_us, at_us] if 1000 * doubled < weather.duplicate_permille else [at_us]


def mac_of(port: int) -> bytes:
    return MAC_HEAD + bytes((port,))


def port_of(mac: bytes) -> int | None:
    """Whose address it is; None if it is none of ours."""
    return mac[5] if mac[:5] == MAC_HEAD else None
