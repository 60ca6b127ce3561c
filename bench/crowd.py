"""What a peer costs in a crowd: simulated networks of 10 to 1,000 peers, a job of as many sub-blocks, a tenth as many rooms.

    python -m bench crowd [--peers 10,30,100,300,1000] [--sub-blocks N] [--verify none|sample] [--seed 1] [--plot docs/crowd.svg]
    python -m bench crowd --peers 1000,3000,10000 --sub-blocks 1000

With `--sub-blocks` a job has so many at most: a network may be larger than its job. Exit status 1 if a bound of
`sgnus.sim.crowd` does not hold. 10,000 peers take an hour and a half and 3 GB for a job of 1,000, many hours for one of 10,000.
BENCH_QUICK=1 takes 10 and 30.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from bench._figures import is_quick, told_machine
from bench._plot import Panel, write
from sgnus.messages.v1.types import Verify
from sgnus.sim.crowd import COST_RATIO_MAX, Figures, measure

SIZES: Final = "10,30,100,300,1000"
SIZES_QUICK: Final = "10,30"
COMPARED: Final = 30
"""The cost of a room joined is compared with that in a network of so many."""
ROWS: Final = {
    "rooms": "rooms",
    "founded_ms": "ms until each microjob has a room",
    "seated_ms": "ms until each peer had a seat",
    "founded_twice_per_room": "rooms founded twice, a room",
    "announcements": "announcements published, all",
    "announcement_bytes": "bytes of them, all",
    "lobby_per_peer": "announcements heard, a peer",
    "lobby_bytes_per_peer": "bytes of them, a peer",
    "births_per_room": "births and ends heard, a peer and room",
    "news_per_peer_s": "other news heard, a peer and second",
    "requests_per_seat": "join requests, a room joined",
    "rejected_per_seat": "rejections, a room joined",
    "cost_per_seat": "cost of a room joined",
    "cost_per_peer": "cost of seats, a peer",
    "seats_per_peer": "rooms joined, a peer",
    "entries": "entries in a database",
    "database_bytes": "bytes in a database",
    "database_bytes_per_room": "bytes in a database, a room",
    "inputs_per_peer": "inputs handled, a peer",
    "ended_ms": "ms until the job is done",
    "cpu_s": "CPU seconds of the simulation",
    "wall_s": "wall seconds of the simulation",
}


def main() -> None:
    chosen = _chosen()
    sizes = sorted({int(size) for size in chosen.peers.split(",")})
    print(f"  {told_machine()}; verify {chosen.verify}, seed {chosen.seed}")
    measured: list[tuple[Figures, float]] = []
    for size in sizes:
        begun_s = time.perf_counter()
        sub_blocks = min(size, chosen.sub_blocks or size)
        verify = Verify[chosen.verify.upper()]
        figures = measure(size, sub_blocks=sub_blocks, seed=chosen.seed, verify=verify)
        measured.append((figures, time.perf_counter() - begun_s))
        print(f"  {size} peers are done after {measured[-1][1]:.0f} s", flush=True)
    _print_table(measured)
    broken = _broken([figures for figures, _wall in measured])
    for line in broken:
        print(f"  MISSED: {line}")
    if chosen.plot is not None:
        write(chosen.plot, sizes, _panels([figures for figures, _wall in measured]))
        print(f"  drawn into {chosen.plot}")
    if broken:
        sys.exit(1)


def _chosen() -> argparse.Namespace:
    reader = argparse.ArgumentParser(
        prog="python -m bench crowd",
        description="What a peer costs in simulated networks.",
        epilog="example: python -m bench crowd --peers 30,100 --plot /tmp/crowd.svg",
    )
    sizes = SIZES_QUICK if is_quick() else SIZES
    reader.add_argument("--peers", default=sizes, help="sizes, separated by commas (default %(default)s)")
    reader.add_argument("--sub-blocks", type=int, help="of a job, at most (default: as many as peers)")
    reader.add_argument("--verify", choices=("none", "sample"), default="none")
    reader.add_argument("--seed", type=int, default=1, help="of weather and work (default 1)")
    reader.add_argument("--plot", type=Path, help="an SVG to draw into")
    return reader.parse_args()


def _print_table(measured: list[tuple[Figures, float]]) -> None:
    """A Markdown table, as docs/performance.md shows it; the bounds are those of the largest."""
    print("| | " + " | ".join(f"{figures.peers:,}" for figures, _wall in measured) + " | bound |")
    print("|---|" + "---|" * (len(measured) + 1))
    bounds = measured[-1][0].bounds
    for name, words in ROWS.items():
        values = [wall if name == "wall_s" else getattr(figures, name) for figures, wall in measured]
        bound = f"{bounds[name]:,g}" if name in bounds else ""
        print(f"| {words} | " + " | ".join(map(_told, values)) + f" | {bound} |")


def _told(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _broken(measured: list[Figures]) -> list[str]:
    """Which bounds do not hold, in words."""
    found = [
        f"{figures.peers} peers: {name} is {getattr(figures, name):.2f}, not {bound:g}"
        for figures in measured
        for name, bound in figures.bounds.items()
        if getattr(figures, name) > bound
    ]
    found += [f"{figures.peers} peers: the job did not end" for figures in measured if not figures.is_over]
    small = next((figures.cost_per_seat for figures in measured if figures.peers == COMPARED), None)
    for figures in measured:
        if small is not None and not figures.is_larger and figures.cost_per_seat > COST_RATIO_MAX * small:
            times = figures.cost_per_seat / small
            found.append(
                f"{figures.peers} peers: a room joined costs {times:.2f} times that among {COMPARED}"
            )
    return found


def _panels(measured: list[Figures]) -> list[Panel]:
    def line(name: str) -> list[float]:
        return [float(getattr(figures, name)) for figures in measured]

    return [
        Panel("Cost of a room joined", {"messages a peer": line("cost_per_seat")}),
        Panel(
            "Of a room joined",
            {"requests": line("requests_per_seat"), "rejections": line("rejected_per_seat")},
        ),
        Panel("News of other rooms", {"a peer and second": line("news_per_peer_s")}),
        Panel(
            "Heard in the lobby by a peer",
            {
                "all": line("lobby_per_peer"),
                "births and ends": line("births_per_peer"),
                "news": line("news_per_peer"),
            },
        ),
        Panel("Bytes in a database", {"a node": line("database_bytes")}),
        Panel("Milliseconds", {"each peer had a seat": line("seated_ms"), "each room": line("founded_ms")}),
    ]


if __name__ == "__main__":
    main()
