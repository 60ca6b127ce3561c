"""The switch as a process: `python -m tests.wires.switchboard PORTS`, with the machines' namespaces in its hands.

It prints a line of JSON when it is ready, with the files of the namespaces. Lines of JSON on its input tell it the weather
to come, `{"seed": N, "timetable": [[at_ms, weather], ...]}`, counted from their arrival. It prints a line as each weather begins,
with what it has counted so far. It ends with its input, and with it the wires.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import sys
import time
from collections import deque
from typing import Final

from tests.wires.namespaces import Machine, make_machine
from tests.wires.switch import Switch
from tests.wires.weather import Weather

FRAME_BYTES_MAX: Final = 2_048
BURST_FRAMES_MAX: Final = 64
IDLE_S: Final = 0.5
NICENESS: Final = -10
"""The machines' work must not make their wires slow."""
INPUT_BYTES_MAX: Final = 1024 * 1024


class Switchboard:
    """One loop: frames in, frames out when they are due, and the weather by its timetable."""

    def __init__(self, ports: int) -> None:
        self._switch = Switch(0, ports)
        self._machines = [make_machine(port) for port in range(ports)]
        self._eyes = selectors.EpollSelector()
        self._coming: deque[tuple[int, Weather]] = deque()
        self._typed = b""

    def run(self) -> None:
        """Until the input ends."""
        for machine in self._machines:
            self._eyes.register(machine.tap, selectors.EVENT_READ, machine)
        os.set_blocking(sys.stdin.fileno(), False)
        self._eyes.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
        say(ready=True, pid=os.getpid(), namespaces=[machine.namespace for machine in self._machines])
        while True:
            for key, _mask in self._eyes.select(self._rest_s()):
                if key.data is not None:
                    self._hear(key.data)
                elif not self._obey():
                    return
            self._turn()
            self._give()

    def _rest_s(self) -> float:
        """How long nothing is to be done."""
        times_us = [at_ms * 1000 for at_ms, _weather in list(self._coming)[:1]]
        next_us = self._switch.next_us()
        if next_us is not None:
            times_us.append(next_us)
        return max(0.0, (min(times_us) - now_us()) / 1e6) if times_us else IDLE_S

    def _hear(self, machine: Machine) -> None:
        for _ in range(BURST_FRAMES_MAX):
            try:
                frame = os.read(machine.tap, FRAME_BYTES_MAX)
            except BlockingIOError:
                return
            self._switch.take(machine.port, frame, now_us())

    def _give(self) -> None:
        for port, frame in self._switch.due(now_us()):
            try:
                os.write(self._machines[port].tap, frame)
            except OSError as error:
                # Its cable is pulled (EIO), or its kernel has no room for more: the frame is lost, as on any wire.
                if error.errno not in (errno.EIO, errno.ENOBUFS, errno.EAGAIN):
                    raise
                self._switch.counts["refused"] += 1

    def _obey(self) -> bool:
        """Take what was typed; False at the end of the input."""
        typed = os.read(sys.stdin.fileno(), INPUT_BYTES_MAX)
        if not typed:
            return False
        *lines, self._typed = (self._typed + typed).split(b"\n")
        for line in lines:
            begin_ms, told = now_us() // 1000, json.loads(line)
            self._switch.throw(told["seed"])
            self._coming = deque(
                (begin_ms + at_ms, Weather.from_json(said)) for at_ms, said in told["timetable"]
            )
        return True

    def _turn(self) -> None:
        """Let the weather change that is due."""
        while self._coming and self._coming[0][0] * 1000 <= now_us():
            _at_ms, weather = self._coming.popleft()
            before = self._switch.weather.unplugged
            self._switch.change(weather)
            for machine in self._machines:
                if (machine.port in before) != (machine.port in weather.unplugged):
                    machine.plug(is_in=machine.port in before)
            say(left=len(self._coming), unix_ms=time.time_ns() // 1_000_000, counts=dict(self._switch.counts))


def now_us() -> int:
    return time.monotonic_ns() // 1000


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    Switchboard(int(sys.argv[1])).run()
