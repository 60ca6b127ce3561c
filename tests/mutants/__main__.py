"""`python -m tests.mutants`: plant each bug of this folder in a copy of the tree, and see that seeds or laws catch it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable

import click

from tests.mutants.checking import SEEDS, Outcome, Unclear, judge, run_laws, simulate
from tests.mutants.planted import TREE, Mutant, copied_tree, mutants

PAGE = TREE / "docs" / "mutants.md"
HEAD = f"""# Planted bugs, and what catches them

Written by `python -m tests.mutants --jobs 2 --write`; what it does stands in [testing](testing.md#mutants). Each bug is a
patch in `tests/mutants/`, planted alone. It counts as caught if the simulator breaks a law within {SEEDS:,} seeds, or if
`tests/laws`, `tests/stories`, `tests/machines` or the tests that its patch names fail.

| bug | what it is | caught by |
|---|---|---|
"""


class Progress:
    """One line on a terminal that says what is under way; nothing where nobody looks."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._running: dict[str, str] = {}

    def teller(self, name: str) -> Callable[[str], None]:
        def tell(what: str) -> None:
            self._running[name] = what
            self._show()

        return tell

    def done(self, name: str, line: str) -> None:
        self._running.pop(name, None)
        self._clear()
        click.echo(line)
        self._show()

    def _show(self) -> None:
        self._clear()
        if self._is_seen and self._running:
            click.echo(
                "; ".join(f"{name}: {what}" for name, what in self._running.items())[:110], nl=False, err=True
            )

    def _clear(self) -> None:
        if self._is_seen:
            click.echo("\r\x1b[K", nl=False, err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
@click.option("--jobs", type=click.IntRange(1, 2), default=1, show_default=True, help="How many at once.")
@click.option(
    "--seeds", type=click.IntRange(1, SEEDS), default=SEEDS, show_default=True, help="At most so many."
)
@click.option("--write", is_flag=True, help="Write docs/mutants.md; for a run over all.")
def main(names: tuple[str, ...], as_json: bool, jobs: int, seeds: int, write: bool) -> None:
    """Plant the bugs NAMES (all, if none is named) one by one, and see that each is caught.

    \b
    Examples:
      python -m tests.mutants lease-never-expires claim-needs-no-votes
      python -m tests.mutants --jobs 2 --write

    Exit status: 0 all were caught, 1 one was missed or could not be planted, 2 wrong use.
    """
    if write and names:
        raise click.UsageError("--write is for a run over all: leave the names out")
    try:
        chosen = mutants(names)
    except KeyError as unknown:
        raise click.UsageError(f"there is no bug {unknown} in tests/mutants") from unknown
    try:
        outcomes, control = asyncio.run(_judge_all(chosen, seeds, jobs, quiet=as_json, is_whole=not names))
    except KeyboardInterrupt:
        click.echo("stopped; nothing is left running", err=True)
        raise SystemExit(130) from None
    caught = sum(bool(one.caught) for one in outcomes)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in outcomes], indent=1))
    else:
        click.echo(f"{control}\n{caught} of {len(outcomes)} caught".strip())
    if write:
        PAGE.write_text(page(outcomes, control), encoding="utf-8")
    if caught < len(outcomes) or not (names or control.startswith(HARMLESS)):
        raise SystemExit(1)


HARMLESS = "without any of them"


async def _judge_all(
    chosen: list[Mutant], seeds: int, jobs: int, *, quiet: bool, is_whole: bool
) -> tuple[list[Outcome], str]:
    """The outcomes in order, and (after all of them) what the same checkers say of the tree as it is."""
    progress, places = Progress(), asyncio.Semaphore(jobs)

    async def one(mutant: Mutant) -> Outcome:
        async with places:
            outcome = await judge(mutant, progress.teller(mutant.name), seeds)
            if not quiet:
                progress.done(mutant.name, line_of(outcome))
            return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(mutant)) for mutant in chosen]
    outcomes = [task.result() for task in tasks]
    if not is_whole:
        return outcomes, ""
    progress.teller("none")("the same seeds and laws on the tree as it is")
    return outcomes, await _control(max(one.seeds for one in outcomes))


async def _control(seeds: int) -> str:
    """The bugs are caught because they are bugs: the tree as it is passes what caught them."""
    with copied_tree() as copy:
        try:
            objection = await run_laws(copy) or (await simulate(copy, 0, seeds))[0]
        except Unclear as why:
            objection = str(why)
    if objection:
        return f"the tree as it is does not pass itself, so nothing was shown: {objection}"
    return f"{HARMLESS}: the same laws and the first {seeds} seeds, nothing is objected to"


def line_of(outcome: Outcome) -> str:
    """How it is told: name, by what it was caught, seconds."""
    what = outcome.fault or outcome.caught or f"MISSED by the laws and {outcome.seeds} seeds"
    return f"{outcome.name:<40} {what.replace('`', '').replace('**', '')}  {outcome.seconds:.0f} s"


def page(outcomes: list[Outcome], control: str) -> str:
    """docs/mutants.md."""
    rows = []
    for one in outcomes:
        caught = one.fault or one.caught or "**nothing**"
        rows.append(f"| {one.name} | {one.sentence} | {caught} |\n")
    caught = sum(bool(one.caught) for one in outcomes)
    return f"{HEAD}{''.join(rows)}\n{caught} of {len(outcomes)} were caught. {control[0].upper()}{control[1:]}.\n"


if __name__ == "__main__":
    main()
