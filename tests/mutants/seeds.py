"""Seeds of the simulator until the first broken law: every kind of run of `tests/sim/test_seeds.py`, in turn.

Run as a process of its own in the copy of the tree that holds the planted bug: `python -m tests.mutants.seeds FIRST STOP`
prints one line of JSON with what was found.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import sgnus
from sgnus.messages.v1.types import Verify
from sgnus.sim.run import hostile_setting_of, judge, returning_setting_of, setting_of, usurped_setting_of
from sgnus.sim.setting import FAULTS, Setting
from tests.sim.test_seeds import of_three, proved

CPU_SECONDS_MAX: Final = 60.0
"""Of one run. The longest of an unharmed core takes some seconds."""


class _Hung(BaseException):
    """Not an Exception: the simulator turns those of the core into a broken law."""


def _fair(seed: int) -> Setting:
    return dataclasses.replace(setting_of(seed), faults=())


def _with_other_beacon(seed: int) -> Setting:
    own = proved(seed, Verify.SAMPLE, liars=1)
    return dataclasses.replace(own, peers=max(own.peers, 6), other_beacon=True)


def _rechecked(seed: int) -> Setting:
    faults = tuple(name for name in FAULTS if name not in ("publisher", "power", "slow", "crash", "stop"))
    return dataclasses.replace(proved(seed, Verify.SAMPLE, liars=2), recheck=True, faults=faults)


KINDS: Final[tuple[tuple[int, Callable[[int], Setting]], ...]] = (
    (0, setting_of),
    (10_000, hostile_setting_of),
    (2_000, lambda seed: proved(seed, Verify.SAMPLE)),
    (3_000, lambda seed: proved(seed, Verify.FULL, liars=1)),
    (1_000, _fair),
    (6_000, _with_other_beacon),
    (4_000, lambda seed: proved(seed, Verify.FULL, liars=2)),
    (6_000, of_three),
    (6_000, _rechecked),
    (9_000, usurped_setting_of),
    (20_000, returning_setting_of),
)
"""Each with its first seed, as `tests/sim/test_seeds.py` uses them."""


def setting(number: int) -> Setting:
    """The run of this number: the kinds take turns."""
    turn, kind = divmod(number, len(KINDS))
    first, make = KINDS[kind]
    return make(first + turn)


def complaint(number: int) -> str:
    """What is wrong with this run; empty if nothing is."""
    one = setting(number)
    signal.signal(signal.SIGVTALRM, _hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS_MAX)
    try:
        law = judge(one).law
    except _Hung:
        return f"a run that did not end in {CPU_SECONDS_MAX:.0f} s of CPU time: {one.command()}"
    except Exception as error:  # noqa: BLE001 - whatever a bug makes of the simulator's own code
        return f"a run that raised {type(error).__name__}: {one.command()}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return f"law **{law}**: {one.command()}" if law else ""


def search(first: int, stop: int) -> dict[str, object]:
    """The first run of these that is wrong, or none."""
    for number in range(first, stop):
        found = complaint(number)
        if found:
            return {"number": number, "caught": found}
    return {"number": stop, "caught": ""}


def _hang(_signal: int, _frame: FrameType | None) -> None:
    raise _Hung


def _main() -> None:
    if not Path(sgnus.__file__).is_relative_to(Path.cwd()):
        sys.exit(f"not the copy in {Path.cwd()} was imported, but {sgnus.__file__}")
    first, stop = map(int, sys.argv[1:3])
    sys.stdout.write(json.dumps(search(first, stop)) + "\n")


if __name__ == "__main__":
    _main()
