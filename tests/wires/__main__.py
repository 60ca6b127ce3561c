"""Random plans of faults, one after another, for as long as one likes: `python -m tests.wires --seed N --minutes M`.

Each round has a seed of its own, the next one's is one more: what it does can be repeated by `--seed` of that round and
`--minutes 0`, as far as real processes repeat anything. Exit status 1 when a law is broken; what the nodes said is kept then.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random

from tests.wires.grid import WiredNetwork
from tests.wires.namespaces import what_is_missing, what_is_refused
from tests.wires.plan import draw
from tests.wires.scenario import Work, await_delivered, run, submit


def main() -> int:
    options = _options()
    if reason := what_is_missing() or what_is_refused():
        sys.stderr.write(f"wires: {reason}\n")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="wires-"))
    sys.stdout.write(f"wires: {options.nodes} nodes in namespaces; logs are in {folder}\n")
    end_s = time.monotonic() + 60 * options.minutes
    seed = options.seed
    try:
        with WiredNetwork(folder, options.nodes) as network:
            while seed == options.seed or time.monotonic() < end_s:
                _round(network, seed)
                seed += 1
    except Exception:  # noqa: BLE001 - whatever it was, the seed and the place of the logs are told
        traceback.print_exc()
        again = f"python -m tests.wires --seed {seed} --minutes 0 --nodes {options.nodes}"
        sys.stdout.write(
            f"wires: seed {seed} failed; logs and stories are in {folder}; repeat with: {again}\n"
        )
        return 1
    sys.stdout.write(f"wires: {seed - options.seed} seeds kept all laws\n")
    shutil.rmtree(folder)
    return 0


def _round(network: WiredNetwork, seed: int) -> None:
    """A job of the seed's choice, and its plan of faults."""
    dice = Random(seed)
    work = Work(dice.randint(12, 40), dice.choice((0.1, 0.3, 0.6)), dice.choice(("sample", "full", "none")))
    plan = draw(seed, len(network.nodes))
    publisher = dice.choice(network.nodes)
    begun_s = time.monotonic()
    job = submit(network, publisher, work)
    await_delivered(job, dice.choice((0, 1, 4)))
    after_s = run(network, job, plan)
    took_s = time.monotonic() - begun_s
    what = f"{work.sub_blocks} sub-blocks of {publisher.home.name}, verify {work.verify}; {plan.name}"
    sys.stdout.write(
        f"seed {seed}: ended {after_s:.1f} s after the last fault ({took_s:.0f} s in all): {what}\n"
    )
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.wires", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first round's")
    parser.add_argument("--minutes", type=float, default=10.0, help="no round begins later (0: one round)")
    parser.add_argument("--nodes", type=int, default=12, help="each in a namespace of its own")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
