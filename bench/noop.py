"""W1: chunks without work: how many a second, and what each costs, over three nodes with one worker each."""

from __future__ import annotations

from contextlib import ExitStack

from bench._figures import Target, is_quick, median, ratio, show, told_machine
from bench._sides import DASK, FUTURES, WITHOUT_DASK, Measured, Player, has_dask

PER_SUB_BLOCK = 64
CHUNKS = 12_800
CHUNKS_OTHERS = 2_000


def main() -> None:
    quick = is_quick()
    chunks, others = (640, 200) if quick else (CHUNKS, CHUNKS_OTHERS)
    rounds = 1 if quick else 5
    print(f"  {told_machine()}")
    with ExitStack() as stack:
        grid = stack.enter_context(Player(("sgnus", "1", "1", "1")))
        sides = {"futures": stack.enter_context(Player(FUTURES))}
        if not has_dask():
            print(f"  {WITHOUT_DASK}")
        else:
            sides["dask"] = stack.enter_context(Player(DASK))
        measured: dict[str, list[Measured]] = {name: [] for name in ("default", "cut 64", *sides)}
        for number in range(rounds + 1):
            done = {
                "default": grid.ask("noop", chunks=chunks, per_sub_block=0),
                "cut 64": grid.ask("noop", chunks=chunks, per_sub_block=PER_SUB_BLOCK),
                **{
                    name: player.ask("noop", chunks=others, per_sub_block=0) for name, player in sides.items()
                },
            }
            for name, one in done.items() if number else ():
                measured[name].append(one)
    report(measured)


def report(measured: dict[str, list[Measured]]) -> None:
    rates = {name: [one.answer["count"] / one.wall_s for one in many] for name, many in measured.items()}
    costs = {name: [one.cpu_s / one.answer["count"] * 1e6 for one in many] for name, many in measured.items()}
    for name, told in (
        ("futures", "concurrent.futures, 2 processes"),
        ("dask", "Dask distributed, 2 workers"),
    ):
        if name in rates:
            show(f"{told}: tasks", median(rates[name]), "/s")
            show(f"{told}: CPU", median(costs[name]), "us a task")
    show(
        "sgnus, 3 nodes, default cut",
        median(rates["default"]),
        "chunks/s",
        Target(towards=3_000, higher=True),
    )
    show(
        "sgnus, 3 nodes, 64 chunks a sub-block",
        median(rates["cut 64"]),
        "chunks/s",
        Target(towards=5_000, higher=True),
    )
    for name, told in (("default", "default cut"), ("cut 64", "64 chunks a sub-block")):
        show(f"sgnus, 3 nodes, {told}: CPU", median(costs[name]), "us a chunk", Target(towards=400))
    if "dask" in rates:
        show("sgnus, default cut / Dask", ratio(rates["default"], rates["dask"]), "x", Target(4, higher=True))


if __name__ == "__main__":
    main()
