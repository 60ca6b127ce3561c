"""What a node costs that has nothing to do: memory and CPU, outside a room and as one of eleven in a full one.

The full room belongs to an app's job: eleven members have seats, ten of them hold a sub-block that their apps take long
over, so that the nodes do what rooms need (heartbeats, streams, gossip) and nothing else.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np

import sgnus
from bench._figures import Target, is_quick, median, show, told_machine
from bench._nodes import MEET_S_MAX, Nodes, wait_until_met
from bench._proc import cpu_s, enter_own_network, family, pss_mb
from sgnus.messages.limits import ROOM_MEMBERS_MAX

SETTLE_S = 12.0
PROCESSOR = "app:patience"


def spent_percent(pids: list[int], seconds: float) -> list[float]:
    """CPU of each process with its children over a while, in percent of a core."""
    before = [cpu_s(family(pid)) for pid in pids]
    started = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - started
    return [100 * (cpu_s(family(pid)) - earlier) / took for pid, earlier in zip(pids, before, strict=True)]


def alone(seconds: float) -> None:
    with Nodes([1]) as nodes, sgnus.connect(home=nodes.home(0), start=False) as grid:
        grid.submit(np.zeros((256, 256), np.uint8), processor="invert", tile=(64, 64), verify="none").result()
        grid.close()
        time.sleep(min(SETTLE_S, seconds))
        # Before the long look at its CPU: a child that has nothing to do ends after 30 s.
        whole = family(nodes.processes[0].pid)
        if len(whole) < 2:
            raise SystemExit("bench: the child ended before its memory was measured")
        show("a node with its one child, alone: PSS", pss_mb(whole), "MB", Target(130, 110))
        show("  of that its sandboxed child", pss_mb(whole[1:]), "MB")
        (percent,) = spent_percent([nodes.processes[0].pid], seconds)
        show("a node outside a room: CPU", percent, "% of a core", Target(1, 0.7))


def in_full_room(seconds: float) -> None:
    with ExitStack() as stack:
        nodes = stack.enter_context(Nodes([1] * (ROOM_MEMBERS_MAX + 1)))
        grids = [
            stack.enter_context(sgnus.connect(home=nodes.home(number), start=False))
            for number in range(len(nodes.processes))
        ]
        for grid in grids:
            wait_until_met(grid, ROOM_MEMBERS_MAX)
        pids = [process.pid for process in nodes.processes]
        time.sleep(min(SETTLE_S, seconds))
        outside = spent_percent(pids[1:], seconds)
        publisher, *members = grids
        job = publisher.submit(
            np.zeros(10, np.uint8),
            processor=PROCESSOR,
            tile=(1,),
            chunks_per_sub_block=1,
            deadline_ms=600_000,
        )
        rooms = []
        for grid in members:
            if rooms:
                wait_for_room(grid, job.id)
            rooms.append(grid.join(job=job.id, processor=PROCESSOR, timeout=30))
        taken = [leased(room) for room in rooms]
        seats = count_seats(publisher, job.id)
        deadline = time.monotonic() + MEET_S_MAX
        while count_seats(publisher, job.id) < ROOM_MEMBERS_MAX and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(min(SETTLE_S, seconds))
        inside = spent_percent(pids[1:], seconds)
        show("seats in the room", seats, "members")
        show("  of them at work", sum(taken), "members")
        show("a node among 12 connected, outside a room: CPU", median(outside), "% of a core", Target(1, 0.7))
        show("a node in a full room: CPU", median(inside), "% of a core", Target(3, 2))
        show(
            "a node in a full room: PSS",
            median([pss_mb(family(pid)) for pid in pids[1:]]),
            "MB",
            Target(130, 110),
        )
        job.cancel()


def wait_for_room(grid: sgnus.Grid, job: str) -> None:
    """Until this node has heard of the room: else it would found another."""
    deadline = time.monotonic() + MEET_S_MAX
    while not any(room.hosted for room in grid.rooms(job)):
        if time.monotonic() > deadline:
            raise SystemExit("bench: a node does not hear of the room")
        time.sleep(0.05)


def count_seats(grid: sgnus.Grid, job: str) -> int:
    """Members of the job's largest room."""
    return max((room.members for room in grid.rooms(job)), default=0)


def leased(room: sgnus.Room) -> bool:
    """Whether the room had a sub-block for this app; one of eleven finds none."""
    try:
        return room.next_sub_block(timeout=2) is not None
    except (TimeoutError, sgnus.NoSeat):
        return False


def main() -> None:
    enter_own_network()
    seconds = 3.0 if is_quick() else 20.0
    print(f"  {told_machine()}")
    alone(seconds)
    in_full_room(seconds)


if __name__ == "__main__":
    main()
