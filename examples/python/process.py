"""Process jobs of `app:invert` on the local node, room after room: `python process.py --home DIR`. Ctrl-C ends it.

`--job ID` ends with that job.
"""

import argparse
import sys

import numpy as np

import sgnus

WAIT_S = 2.0


def process(room: sgnus.Room) -> None:
    """Work in one room until nothing is left there; the seat goes back whatever happens."""
    print("in", room, flush=True)
    try:
        for sub_block in room:
            room.publish([255 - core(tile) for tile in sub_block.tiles])
            print("sub-block", sub_block.number, flush=True)
    finally:
        room.leave()


def core(tile: sgnus.InputTile) -> np.ndarray:
    """The tile without its halo."""
    begin = [a - b for a, b in zip(tile.output_start, tile.input_start, strict=True)]
    return tile.array[tuple(slice(b, b + n) for b, n in zip(begin, tile.output_shape, strict=True))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="folder of the local node (else SGNUS_HOME, else ~/.sgnus)")
    parser.add_argument("--job", help="this job alone (else any of app:invert)")
    options = parser.parse_args()
    with sgnus.connect(options.home, start=False) as grid:
        while True:
            try:
                process(grid.join(options.job, "app:invert", timeout=WAIT_S))
            except (sgnus.NoSeat, sgnus.Conflict) as fault:
                # Another member has the sub-block, or the room is over: on to the next one.
                print(fault, flush=True)
            except sgnus.NotFound:
                if options.job and is_over(grid, options.job):
                    return 0


def is_over(grid: sgnus.Grid, job: str) -> bool:
    """Whether the job has ended; a job that has not yet come to this node has not."""
    try:
        return grid.job(job).status().has_ended
    except sgnus.NotFound:
        return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
    except sgnus.UserFault as fault:
        sys.exit(f"process.py: {fault}")
