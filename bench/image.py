"""W2: an 8192x8192 uint8 image through Sobel in 256-pixel tiles with a halo of 1: wall, CPU, bytes on the wire, memory.

A publisher without workers and two nodes with one worker each, so that every input and output crosses TCP, as with Dask.
Each side has a network namespace of its own; bytes are those that `lo` sent there, headers included. Between the app and
its node runs a unix socket, which is not counted as wire.
"""

from __future__ import annotations

from contextlib import ExitStack

from bench._figures import Target, is_quick, median, ratio, show, told_machine
from bench._kernels import TILE
from bench._sides import DASK, FUTURES, SERIAL, WITHOUT_DASK, Measured, Player, has_dask, in_turn

NAMES = {
    "serial": "numpy in one process",
    "futures": "concurrent.futures, 2 processes",
    "dask": "Dask distributed, 2 workers",
    "sgnus": "sgnus, publisher and 2 workers",
}


def payload_bytes(side: int) -> int:
    """Input tiles with their halo, clipped at the edges, and output tiles."""
    tiles = side // TILE
    with_halo = side + 2 * (tiles - 1)
    return with_halo * with_halo + side * side


def main() -> None:
    side, rounds = (1024, 1) if is_quick() else (8192, 3)
    print(f"  {told_machine()}")
    with ExitStack() as stack:
        kinds = {"serial": SERIAL, "futures": FUTURES, "dask": DASK, "sgnus": ("sgnus", "0", "1", "1")}
        if not has_dask():
            print(f"  {WITHOUT_DASK}")
            del kinds["dask"]
        players = {name: stack.enter_context(Player(kind)) for name, kind in kinds.items()}
        measured = in_turn(players, rounds, "image", side=side)
        memory = {
            name: player.peak_mb("image", side=side) for name, player in players.items() if name != "serial"
        }
        is_alone = all(player.is_alone for player in players.values())
    if len({many[0].answer["digest"] for many in measured.values()}) != 1:
        raise SystemExit("bench: the sides made different pictures")
    report(measured, memory, payload_bytes(side))
    if not is_alone:
        print("  (no network namespaces here: bytes include whatever else used loopback)")


def report(measured: dict[str, list[Measured]], memory: dict[str, float], payload: int) -> None:
    wall = {name: [one.wall_s for one in many] for name, many in measured.items()}
    for name in measured:
        show(f"{NAMES[name]}: wall", median(wall[name]), "s")
    for name, many in measured.items():
        target = Target(towards=2.2) if name == "sgnus" else None
        show(f"{NAMES[name]}: CPU of all processes", median([one.cpu_s for one in many]), "s", target)
    for name in ("dask", "sgnus"):
        if name in measured:
            target = Target(1.10, 1.05) if name == "sgnus" else None
            wire = median([one.wire_bytes / payload for one in measured[name]])
            show(f"{NAMES[name]}: bytes on the wire / payload", wire, "", target)
    for name, peak in memory.items():
        show(f"{NAMES[name]}: peak PSS", peak, "MB", Target(650, 550) if name == "sgnus" else None)
    if "dask" in wall:
        show("sgnus wall / Dask's wall", ratio(wall["sgnus"], wall["dask"]), "x", Target(1.0, 0.75))


if __name__ == "__main__":
    main()
