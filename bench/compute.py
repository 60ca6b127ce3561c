"""W3: compute-bound tiles (non-local means in the same WebAssembly everywhere): CPU beyond what one process needs."""

from __future__ import annotations

from contextlib import ExitStack

from bench._figures import Target, is_quick, median, show, told_machine
from bench._sides import DASK, FUTURES, SERIAL, WITHOUT_DASK, Player, has_dask, in_turn

NAMES = {
    "futures": "concurrent.futures, 2 processes",
    "dask": "Dask distributed, 2 workers",
    "sgnus": "sgnus, publisher and 2 workers",
}
SERIAL_S_LEAST = 5.0


def main() -> None:
    side, rounds = (256, 1) if is_quick() else (1536, 3)
    print(f"  {told_machine()}")
    with ExitStack() as stack:
        kinds = {"serial": SERIAL, "futures": FUTURES, "dask": DASK, "sgnus": ("sgnus", "0", "1", "1")}
        if not has_dask():
            print(f"  {WITHOUT_DASK}")
            del kinds["dask"]
        players = {name: stack.enter_context(Player(kind)) for name, kind in kinds.items()}
        measured = in_turn(players, rounds, "compute", side=side)
    if len({many[0].answer["digest"] for many in measured.values()}) != 1:
        raise SystemExit("bench: the sides made different pictures")
    cpu = {name: [one.cpu_s for one in many] for name, many in measured.items()}
    show("one process: CPU", median(cpu["serial"]), "s")
    if median(cpu["serial"]) < SERIAL_S_LEAST:
        print(f"  (less than {SERIAL_S_LEAST:g} s: too little to judge by)")
    for name in measured:
        if name == "serial":
            continue
        over = [100 * (ours / alone - 1) for ours, alone in zip(cpu[name], cpu["serial"], strict=True)]
        show(f"{NAMES[name]}: CPU overhead", median(over), "%", Target(20, 15) if name == "sgnus" else None)
        show(f"{NAMES[name]}: wall", median([one.wall_s for one in measured[name]]), "s")


if __name__ == "__main__":
    main()
