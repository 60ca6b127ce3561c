"""`make storm`: seeds that nobody has run yet, for as long as one likes, and a ledger of them.

python -m tools.storm --hours 1 [--ledger storm/ledger.jsonl] [--found tests/sim/found] [--json]

Runs go through six kinds in turn (faults, samples, full verification with a liar, proof where all come back, hostile peers,
usurpers), on every core.
Each block of 40 seeds is a line of the ledger, and is finished although the time is up; the next storm goes on behind it. A
run that breaks a law is made smaller and written to `--found`, where a test runs it from then on. Ctrl-C ends it with what
was done so far. A storm of four hours or more (or with --crowd) ends with crowds of 100, 1,000 and 10,000 peers and jobs of
1,000 sub-blocks at most, which takes 1.5 hours itself. `python -m bench crowd --plot` draws such a growth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sgnus.sim.crowd import measure
from sgnus.sim.run import KINDS, Verdict, judge
from sgnus.sim.shrinking import shrink, story_of

BLOCK: Final = 40
FIRST_SEED: Final = 1_000_000
"""Beyond all seeds that tests run."""
CROWD: Final = 10_000
CROWD_SUB_BLOCKS: Final = 1_000
CROWD_HOURS_MIN: Final = 4
CROWD_MIN: Final = 10
GROWN: Final = {
    "cost_per_seat": "messages a room joined",
    "lobby_per_peer": "announcements heard a peer",
    "inputs_per_peer": "inputs a peer",
    "database_bytes": "database bytes",
    "ended_ms": "ms until the job is done",
}
"""What a crowd's line tells, whether a bound holds or not."""


def main(arguments: list[str]) -> int:
    """0 if all laws held, 1 if one was broken, 2 for wrong use."""
    chosen = _parsed(arguments)
    until_s, tallies = time.monotonic() + chosen.hours * 3600, Tallies()
    blocks = _blocks(chosen.ledger)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        try:
            while time.monotonic() < until_s:
                kind, first = next(blocks)
                began_s = time.monotonic()
                verdicts = list(pool.map(judge, map(KINDS[kind], range(first, first + BLOCK)), chunksize=4))
                line = _line(kind, first, verdicts, time.monotonic() - began_s)
                _note(chosen.ledger, line)
                tallies.add(line)
                print(json.dumps(line) if chosen.json else _words(line), flush=True)
                for broken in [verdict for verdict in verdicts if not verdict.is_right]:
                    print(_kept(broken, chosen.found), flush=True)
            for peers in _crowds(chosen.crowd):
                line = _crowd_line(peers)
                _note(chosen.ledger, line)
                tallies.broken += len(line["broken"])
                print(json.dumps(line) if chosen.json else _crowd_words(line), flush=True)
        except KeyboardInterrupt:
            print("storm: stopped", file=sys.stderr)
    print(json.dumps(tallies.__dict__) if chosen.json else tallies.words())
    return 1 if tallies.broken else 0


class Tallies:
    """What a storm did."""

    def __init__(self) -> None:
        self.runs = 0
        self.broken = 0
        self.false_verified = 0
        self.seconds = 0.0

    def add(self, line: dict[str, Any]) -> None:
        """A block is done."""
        self.runs += line["count"]
        self.broken += len(line["broken"])
        self.false_verified += line["false_verified"]
        self.seconds += line["seconds"]

    def words(self) -> str:
        """One line."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        return (
            f"storm: {self.runs} runs, {rate:.1f} a second, {self.broken} broke a law; "
            f"{self.false_verified} false sub-blocks slipped through samples or leagues of liars"
        )


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.storm",
        description=__doc__.split("\n")[0],
        epilog="example: python -m tools.storm --hours 0.1 --crowd 300",
    )
    parser.add_argument("--hours", type=float, default=1.0, help="how long (default 1)")
    parser.add_argument(
        "--ledger", type=Path, default=Path("storm/ledger.jsonl"), help="what was run, a line a block"
    )
    parser.add_argument(
        "--found", type=Path, default=Path("tests/sim/found"), help="where broken runs are kept"
    )
    parser.add_argument("--json", action="store_true", help="one object a block")
    parser.add_argument(
        "--crowd",
        type=int,
        help="end with crowds of up to so many peers (0 for none; default: 10,000 from 4 hours on)",
    )
    chosen = parser.parse_args(arguments)
    if chosen.crowd is None:
        chosen.crowd = CROWD if chosen.hours >= CROWD_HOURS_MIN else 0
    return chosen


def _blocks(ledger: Path) -> Iterator[tuple[str, int]]:
    """Kinds in turn, and the first seed of each block: behind the last one of the ledger."""
    last = dict.fromkeys(KINDS, FIRST_SEED - BLOCK)
    if ledger.exists():
        for line in map(json.loads, ledger.read_text(encoding="utf-8").splitlines()):
            if line["kind"] in KINDS:
                last[line["kind"]] = max(last.get(line["kind"], 0), line["first"])
    while True:
        for kind in KINDS:
            last[kind] += BLOCK
            yield kind, last[kind]


def _line(kind: str, first: int, verdicts: list[Verdict], seconds: float) -> dict[str, Any]:
    return {
        "kind": kind,
        "first": first,
        "count": len(verdicts),
        "code": _code(),
        "broken": {verdict.setting.seed: verdict.law for verdict in verdicts if not verdict.is_right},
        "false_verified": sum(verdict.wrong for verdict in verdicts),
        "latest_ms": max(verdict.ended_ms for verdict in verdicts),
        "seconds": round(seconds, 1),
    }


def _crowds(largest: int) -> list[int]:
    """A hundredth, a tenth, and all of so many peers: what grows with the network is told beside what it grew from."""
    return [peers for peers in (largest // 100, largest // 10, largest) if peers >= CROWD_MIN]


def _crowd_line(peers: int) -> dict[str, Any]:
    """What one crowd cost, and which bounds of `sgnus.sim.crowd` it broke."""
    began_s = time.monotonic()
    figures = measure(peers, sub_blocks=min(peers, CROWD_SUB_BLOCKS))
    broken = {
        name: getattr(figures, name)
        for name, bound in figures.bounds.items()
        if getattr(figures, name) > bound
    }
    if not figures.is_over:
        broken["is_over"] = 0.0
    return {
        "kind": "crowd",
        "peers": peers,
        "code": _code(),
        "broken": broken,
        "figures": asdict(figures),
        "seconds": round(time.monotonic() - began_s, 1),
    }


def _crowd_words(line: dict[str, Any]) -> str:
    broken = ", ".join(f"{name} is {value:.2f}" for name, value in line["broken"].items())
    grown = ", ".join(f"{words} {line['figures'][name]:.4g}" for name, words in GROWN.items())
    return f"crowd    {line['peers']} peers: {broken or 'all bounds hold'}; {grown}; {line['seconds']} s"


def _code() -> str:
    """Which code ran, if git can say so."""
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def _note(ledger: Path, line: dict[str, Any]) -> None:
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _words(line: dict[str, Any]) -> str:
    seeds = f"{line['first']} to {line['first'] + line['count'] - 1}"
    broken = ", ".join(f"{seed} breaks {law!r}" for seed, law in line["broken"].items()) or "all laws hold"
    return f"{line['kind']:<8} {seeds}: {broken}; the latest ended after {line['latest_ms'] / 1000:.0f} s; {line['seconds']} s"


def _kept(broken: Verdict, found: Path) -> str:
    smallest = shrink(broken)
    found.mkdir(parents=True, exist_ok=True)
    path = found / f"{smallest.law}-{smallest.setting.seed}.txt"
    path.write_text(story_of(smallest), encoding="utf-8")
    return f"  {path}: {smallest.setting.command()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
