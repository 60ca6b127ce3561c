"""Submit an array to the grid and put the tiles together as they arrive: `python submit.py --home DIR [OUT.npy]`.

The grid's own processors do the work; with `--processor app:invert` an app does, such as process.py beside this file.
"""

import argparse
import sys

import numpy as np

import sgnus


def waves(side: int) -> np.ndarray:
    """A picture without a file: rings around the middle."""
    y, x = np.mgrid[:side, :side] - side / 2
    return (127.5 + 127.5 * np.cos(np.hypot(x, y) / 8)).astype(np.uint8)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="folder of the local node (else SGNUS_HOME, else ~/.sgnus)")
    parser.add_argument("--processor", default="invert")
    parser.add_argument("--side", type=int, default=512, help="of the square picture, in pixels")
    parser.add_argument("--tile", type=int, default=128, help="of the square tiles, in pixels")
    parser.add_argument("--verify", choices=["none", "sample", "full"], help="(else sample; none for app:)")
    parser.add_argument("output", nargs="?", help="a .npy file for the result")
    options = parser.parse_args()
    picture = waves(options.side)
    with sgnus.connect(options.home, start=False) as grid:
        tile = (options.tile, options.tile)
        job = grid.submit(picture, processor=options.processor, tile=tile, verify=options.verify)
        print("job", job.id, flush=True)
        result = np.zeros_like(picture)
        for tile in job.results():
            result[tile.region] = tile.array
            print(f"tile {tile.index} at {tile.start}", flush=True)
    if options.output:
        np.save(options.output, result)
        print("wrote", options.output)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sgnus.UserFault as fault:
        sys.exit(f"submit.py: {fault}")
