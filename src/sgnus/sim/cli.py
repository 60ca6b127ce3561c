"""`sgnus sim`: run seeds, judge them by the laws, tell the story of one that fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sgnus.messages.errors import UserFault
from sgnus.messages.limits import PROVED_MEMBERS_MIN, ROOM_MEMBERS_MAX
from sgnus.messages.v1.types import Verify
from sgnus.sim.host_vices import VICES
from sgnus.sim.run import Verdict, judge, setting_of
from sgnus.sim.setting import FAULTS, FAULTS_MS, PEERS_MAX, PEERS_MIN, Setting
from sgnus.sim.shrinking import shrink, story_of

SUB_BLOCKS_MAX = 1_000
EXAMPLES = """\b
Examples:
  sgnus sim --seed 7 --peers 12
  sgnus sim --seed 0 --count 300
  sgnus sim --seed 7 --peers 5 --faults crash,part --trace
  sgnus sim --seed 7 --verify full --vices usurper,replayer
  sgnus sim --seed 0 --count 1000 --shrink

Exit status: 0 all laws held, 1 a law was broken (the story follows), 2 wrong use, 130 Ctrl-C."""


def faults_of(text: str) -> tuple[str, ...]:
    """`all`, `none`, or names separated by commas. UserFault names what there is."""
    if text == "all":
        return FAULTS
    names = () if text == "none" else tuple(text.split(","))
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise UserFault(
            f"unknown fault {unknown[0]!r} in --faults; there are: {', '.join(FAULTS)} (or all, or none, alone)"
        )
    return tuple(name for name in FAULTS if name in names)


def vices_of(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    names = tuple(text.split(",")) if text else ()
    unknown = [name for name in names if name not in VICES]
    if unknown:
        raise click.BadParameter(f"unknown vice {unknown[0]!r}; there are: {', '.join(sorted(VICES))}")
    return names


def numbers_of(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...]:
    """Numbers separated by commas."""
    try:
        return tuple(int(number) for number in text.split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 0,3,4") from error


def _setting(seed: int, chosen: dict[str, Any]) -> Setting:
    own, verify = setting_of(seed), Verify[chosen["verify"].upper()]
    # The publisher, and enough honest members to verify anything without the others.
    enough = 1 + chosen["min_members"] + max(chosen["liars"], len(chosen["vices"]))
    peers = chosen["peers"] or max(own.peers, enough if verify is not Verify.NONE else PEERS_MIN)
    for what, count in (("lie", chosen["liars"]), ("be hostile", len(chosen["vices"]))):
        if count >= peers:
            raise click.BadParameter(f"of {peers} peers {peers - 1} can {what}: one publishes the job")
    return Setting(
        seed,
        peers=peers,
        sub_blocks=chosen["sub_blocks"] or own.sub_blocks,
        faults=faults_of(chosen["faults"]),
        faults_ms=chosen["faults_ms"],
        skip=chosen["skip"],
        trace=chosen["trace"],
        verify=verify,
        liars=chosen["liars"],
        vices=chosen["vices"],
        other_beacon=chosen["other_beacon"],
        members_min=chosen["min_members"],
        recheck=chosen["recheck"],
    )


def _show(verdict: Verdict, *, trace: bool) -> None:
    if not verdict.is_right or trace:
        for line in verdict.story:
            click.echo(line)
    click.echo(verdict.summary())
    if not verdict.is_right:
        click.echo(f"repeat with: {verdict.setting.command()} --trace")


@click.command("sim", epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True, help="The first seed.")
@click.option(
    "--peers",
    type=click.IntRange(PEERS_MIN, PEERS_MAX),
    help="Nodes [default: 3 to 14, from the seed, or as many as can verify].",
)
@click.option(
    "--sub-blocks",
    type=click.IntRange(1, SUB_BLOCKS_MAX),
    help="Of the job [default: 1 to 45, from the seed].",
)
@click.option("--faults", default="all", show_default=True, help=f"all, none, or some of {','.join(FAULTS)}.")
@click.option(
    "--count", type=click.IntRange(1), default=1, show_default=True, help="How many seeds, one after another."
)
@click.option(
    "--verify",
    type=click.Choice(["none", "sample", "full"]),
    default="none",
    show_default=True,
    help="How the job is verified.",
)
@click.option(
    "--liars", type=click.IntRange(0, PEERS_MAX), default=0, show_default=True, help="Peers that lie."
)
@click.option("--other-beacon", is_flag=True, help="The second peer is the job's beacon, and has no seat.")
@click.option(
    "--min-members",
    type=click.IntRange(PROVED_MEMBERS_MIN, ROOM_MEMBERS_MAX),
    default=PROVED_MEMBERS_MIN,
    show_default=True,
    help="Members that a room must have to be verified.",
)
@click.option("--recheck", is_flag=True, help="The publisher runs all that it receives again.")
@click.option(
    "--vices",
    default="",
    callback=vices_of,
    help=f"Of hostile peers, the last peer's first, separated by commas: {', '.join(sorted(VICES))}. "
    "Some do nothing where nothing is verified.",
)
@click.option(
    "--faults-ms",
    type=click.IntRange(0, 600_000),
    default=FAULTS_MS,
    show_default=True,
    help="Until when faults happen.",
)
@click.option(
    "--skip", default="", callback=numbers_of, help="Numbers of blows that do not happen, as 0,3,4."
)
@click.option("--shrink", "is_shrunk", is_flag=True, help="Make a run that breaks a law as small as can be.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the story of each run that breaks a law.",
)
@click.option("--trace", is_flag=True, help="Tell every input and effect, also where no law is broken.")
@click.option("--json", "as_json", is_flag=True, help="One object a seed.")
@click.pass_context
def command(context: click.Context, /, **chosen: Any) -> None:
    """Run the very same core as a node does, in a simulated grid with seeded faults, and check the laws."""
    is_right = True
    for seed in range(chosen["seed"], chosen["seed"] + chosen["count"]):
        try:
            verdict = judge(_setting(seed, chosen))
            if chosen["is_shrunk"] and not verdict.is_right:
                verdict = shrink(verdict)
        except UserFault as fault:
            raise click.UsageError(str(fault)) from fault
        is_right = is_right and verdict.is_right
        if chosen["keep"] and not verdict.is_right:
            chosen["keep"].mkdir(parents=True, exist_ok=True)
            name = f"{verdict.law}-{seed}.txt"
            (chosen["keep"] / name).write_text(story_of(verdict), encoding="utf-8")
        if chosen["as_json"]:
            click.echo(json.dumps(_as_object(verdict, trace=chosen["trace"])))
        else:
            _show(verdict, trace=chosen["trace"])
    context.exit(0 if is_right else 1)


def _as_object(verdict: Verdict, *, trace: bool) -> dict[str, object]:
    setting = verdict.setting
    return {
        "seed": setting.seed,
        "peers": setting.peers,
        "sub_blocks": setting.sub_blocks,
        "right": verdict.is_right,
        "law": verdict.law,
        "words": verdict.words,
        "ended_ms": verdict.ended_ms,
        "computed": verdict.computed,
        "run_here": verdict.run_here,
        "wrong": verdict.wrong,
        "steps": verdict.steps,
        "trace": verdict.trace,
        "command": setting.command(),
        "story": list(verdict.story) if trace or not verdict.is_right else [],
    }


def main(arguments: Sequence[str]) -> int:
    """Run with these arguments; the exit status."""
    try:
        status = command.main(args=list(arguments), prog_name="sgnus sim", standalone_mode=False)
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except click.Abort:
        click.echo("sim: stopped", err=True)
        return 130
    return status if isinstance(status, int) else 0
