"""What the demo is asked for, and what in it cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from sgnus.frontends.cli.options import NAMED_VALUE, SHARE, SIZES
from sgnus.messages.errors import UserFault

PHOTOGRAPH: Final = Path(__file__).with_name("winter_street.jpg")
PROCESSOR: Final = "non-local-means"
STANDARD_PARAMETERS: Final = {PROCESSOR: {"search": "7"}}
SUB_BLOCKS_MIN: Final = 40
TILE_MAX: Final = 256
NODES: Final = 12
VERIFY: Final = "sample"
SAMPLES: Final = 1.0
PROVED_NODES_MIN: Final = 3
CHAOS_NODES_MIN: Final = 5
NODES_MAX: Final = 32
OUTPUT_FOLDER: Final = "demo-output"
LOSSLESS: Final = (".png", ".tif", ".tiff", ".npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """A checked wish for a demo."""

    input: Path = PHOTOGRAPH
    output: Path
    nodes: int = NODES
    tile: tuple[int, ...] | None = None
    processor: str = PROCESSOR
    parameters: Mapping[str, str]
    verify: str = VERIFY
    samples: float = SAMPLES
    has_chaos: bool = True
    has_liar: bool = True
    keep: bool = False
    as_json: bool = False

    @property
    def promises(self) -> bool:
        """Whether no lie may slip through."""
        return self.verify == "full" or (self.verify == "sample" and self.samples == 1)


@click.command(name="demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--input", "source", type=click.Path(path_type=Path), help="A picture or .npy of your own.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the result goes: .png .tif .npy. [default: beside your input, else demo-output/]",
)
@click.option("--nodes", type=click.IntRange(1, NODES_MAX), default=NODES, show_default=True)
@click.option(
    "--tile", type=SIZES, metavar="HxW", help="One sub-block is one tile. [default: even, 40 or more of them]"
)
@click.option("--processor", default=PROCESSOR, show_default=True, help="One that ships.")
@click.option("--param", "parameters", type=NAMED_VALUE, multiple=True, help="Of the processor; repeatable.")
@click.option(
    "--verify",
    type=click.Choice(["none", "sample", "full"]),
    default=VERIFY,
    show_default=True,
    help="none believes it all.",
)
@click.option(
    "--samples",
    type=SHARE,
    default=f"{SAMPLES:.0%}",
    show_default=True,
    help="How much sample runs again. Jobs take 10% unless they say otherwise; of a room's ten chunks that is one, so that who"
    " makes three of them slips through in 7 of 10 rooms, and the liar would spoil the picture.",
)
@click.option("--no-chaos", is_flag=True, help="Kill nobody.")
@click.option("--no-liar", is_flag=True, help="Let nobody lie.")
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the nodes' homes with their logs, and say where; done by itself when nodes fail.",
)
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def command(source: Path | None, no_chaos: bool, no_liar: bool, **chosen: Any) -> DemoOptions:
    """A private network of real nodes on this machine denoises a photograph while one of them lies and two are killed.

    The liar returns false bytes. Others run its chunks again, its own signature convicts it, and all that it delivered is done
    again. The receipts that prove the result are checked at the end, offline.

    Exit status: 0 all well; 1 the result differs from a single process's, nobody took over, a liar that delivered was not
    caught, or the receipts do not cover the job; 2 wrong use.

    \b
    Examples:
      sgnus demo
      sgnus demo --input photo.jpg --output clean.png
      sgnus demo --no-chaos --nodes 4 --json
      sgnus demo --no-liar --verify none
      sgnus demo --samples 10%            (the liar may slip through: exit status 1 then)
    """
    chosen["parameters"] = {**STANDARD_PARAMETERS.get(chosen["processor"], {}), **dict(chosen["parameters"])}
    chosen["output"] = chosen["output"] or _beside(source, chosen["processor"])
    options = DemoOptions(input=source or PHOTOGRAPH, has_chaos=not no_chaos, has_liar=not no_liar, **chosen)
    _check_nodes(options)
    if options.output.suffix.lower() not in LOSSLESS:
        raise UserFault(f"{options.output} must be lossless to be compared: name a .png, .tif or .npy.")
    return options


def _check_nodes(options: DemoOptions) -> None:
    """UserFault for fewer nodes than a publisher, the liar, two to be killed and a room that is left."""
    least = CHAOS_NODES_MIN if options.has_chaos else 1 if options.verify == "none" else PROVED_NODES_MIN
    least += options.has_liar
    if options.nodes < least:
        ways = [
            "--no-chaos" if options.has_chaos else "",
            "--no-liar" if options.has_liar else "",
            "--verify none" if options.verify != "none" and not options.has_chaos else "",
        ]
        raise UserFault(
            f"{options.nodes} nodes are too few for all that this demo does to them: take {least} or more, or "
            f"{', '.join(way for way in ways if way)}."
        )


def tile_of(options: DemoOptions, shape: Sequence[int]) -> tuple[int, ...]:
    """The tile on all axes of `shape`: the one asked for, else one that cuts the picture evenly into few enough rooms
    that each has several members. UserFault when it does not fit, or makes too few sub-blocks to kill anybody halfway.
    """
    chosen = options.tile or _even_tile(shape)
    if len(chosen) == 1 and len(shape) > 1:
        chosen = (chosen[0], chosen[0])
    tile = (*chosen, *shape[len(chosen) :])
    if len(tile) != len(shape) or any(size < 1 for size in tile):
        raise UserFault(f"The tile {_shown(chosen)} does not fit an array of shape {_shown(shape)}.")
    sub_blocks = math.prod(-(-length // size) for length, size in zip(shape, tile, strict=True))
    if options.has_chaos and sub_blocks < SUB_BLOCKS_MIN:
        raise UserFault(
            f"{options.input} of {_shown(shape)} makes {sub_blocks} sub-blocks of {_shown(chosen)}; the demo needs "
            f"{SUB_BLOCKS_MIN} to crash nodes halfway: take a larger picture, a smaller --tile, or --no-chaos."
        )
    return tile


def _even_tile(shape: Sequence[int]) -> tuple[int, ...]:
    if len(shape) == 1:
        return (max(1, -(-shape[0] // SUB_BLOCKS_MIN)),)
    height, width = shape[:2]
    rows = max(1, round(math.sqrt(SUB_BLOCKS_MIN * height / width)))
    columns = -(-SUB_BLOCKS_MIN // rows)
    return min(-(-height // rows), TILE_MAX), min(-(-width // columns), TILE_MAX)


def _beside(source: Path | None, processor: str) -> Path:
    """The output beside the input; the photograph that ships gets a folder here."""
    if source is None:
        return Path(OUTPUT_FOLDER) / f"{PHOTOGRAPH.stem}.{processor}.png"
    ending = ".npy" if source.suffix.lower() == ".npy" else ".png"
    return source.with_name(f"{source.stem}.{processor}{ending}")


def _shown(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
