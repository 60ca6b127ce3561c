"""How often cheats in league slip through: simulated rooms of eleven beside the exact figures of `tools/collusion.py`."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

from bench._figures import is_quick, told_machine
from sgnus.messages.v1.types import Verify
from sgnus.sim.league import CHUNKS, Tally, measure
from tools.collusion import undetected_in_full, undetected_when_sampled

ROUNDS = 60
COLLUDERS = (1, 3, 5)


def main() -> None:
    rounds = 3 if is_quick() else ROUNDS
    print(f"  {told_machine()}; {rounds} rooms of eleven for each line")
    for colluders in COLLUDERS:
        sampled = undetected_when_sampled(colluders, CHUNKS)
        show("sample 10 %, k = 1", measure(range(rounds), colluders, Verify.SAMPLE, 1), colluders, sampled)
        for k in (1, 3):
            tally = measure(range(rounds), colluders, Verify.FULL, k)
            show(f"full, k = {k}", tally, colluders, undetected_in_full(colluders, k))


def show(policy: str, tally: Tally, colluders: int, exact: Fraction) -> None:
    """One line. The cheats of one room share its draw, so the error is that of the number of rooms."""
    error = sqrt(exact * (1 - exact) / max(1, tally.rounds))
    away = abs(tally.share - float(exact)) / error if error else float(tally.undetected)
    print(
        f"  {colluders} of 11, {policy}: {100 * tally.share:5.1f} % of {tally.cheats} cheats in "
        f"{tally.rounds} rooms; exact {100 * float(exact):5.1f} %; {away:.1f} standard errors apart"
    )


if __name__ == "__main__":
    main()
