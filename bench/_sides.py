"""The sides of a comparison, run in turn: rounds interleave, so that other load on the machine meets all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from bench._proc import PeakMemory, cpu_s, family, loopback_bytes

END_S_MAX = 60.0
FUTURES = ("futures",)
DASK = ("dask",)
SERIAL = ("serial",)
WITHOUT_DASK = (
    "(Dask is not installed, so it is left out: pip install --require-hashes -r requirements-bench.lock)"
)


def has_dask() -> bool:
    from importlib.util import find_spec

    return find_spec("distributed") is not None


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one side: all its processes together, the app included."""

    wall_s: float
    cpu_s: float
    wire_bytes: int
    answer: Mapping[str, Any]


class Player:
    """A side's process. `ask` runs one piece of work there and measures the whole family."""

    def __init__(self, command: Sequence[str]) -> None:
        arguments = [sys.executable, "-m", "bench._player", *command]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.is_alone = bool(self._read()["alone"])

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def ask(self, work: str, **given: Any) -> Measured:
        pid = self._process.pid
        cpu, wire = cpu_s(family(pid)), loopback_bytes(pid)
        answer = self._ask(work, given)
        return Measured(
            wall_s=answer["wall_s"],
            cpu_s=cpu_s(family(pid)) - cpu,
            wire_bytes=loopback_bytes(pid) - wire,
            answer=answer,
        )

    def peak_mb(self, work: str, **given: Any) -> float:
        """Run once more, slower, and sample its memory."""
        with PeakMemory(self._process.pid) as peak:
            self._ask(work, given)
        return peak.mb

    def _ask(self, work: str, given: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"work": work, **given}) + "\n")
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: a side ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def in_turn(players: Mapping[str, Player], rounds: int, work: str, **given: Any) -> dict[str, list[Measured]]:
    """One round that does not count, then `rounds` of each, interleaved."""
    for player in players.values():
        player.ask(work, **given)
    measured: dict[str, list[Measured]] = {name: [] for name in players}
    for _ in range(rounds):
        for name, player in players.items():
            measured[name].append(player.ask(work, **given))
    return measured
