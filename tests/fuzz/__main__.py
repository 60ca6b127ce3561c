"""`python -m tests.fuzz TARGET --seconds N` runs a target under atheris; `corpus` writes the seeds; `list` names all.

A find ends the run with status 1 or more, and its bytes lie in --finds; put them into tests/fuzz/corpus/TARGET once mended.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.fuzz.target import Target

HERE: Final = Path(__file__).parent
UNIT_SECONDS_MAX: Final = 120
RSS_MB_MAX: Final = 1_024
NO_ATHERIS: Final = "atheris is not installed: it is in requirements.lock, for Linux (make setup)"


def main() -> int:
    """Exit status: 0 nothing found, 2 not asked rightly, else a find."""
    arguments = _parser().parse_args()
    if arguments.target in ("corpus", "list"):
        for target in _targets().values():
            print(target.name) if arguments.target == "list" else write_seeds(target)  # noqa: T201 - a command's answer
        return 0
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(NO_ATHERIS + "\n")
        return 2
    return _fuzz(arguments)


def write_seeds(target: Target) -> None:
    """The committed corpus gets what the target's seeds are now; what was found once stays."""
    target.corpus.mkdir(parents=True, exist_ok=True)
    for old in target.corpus.glob("seed-*"):
        old.unlink()
    for unit in target.seeds():
        (target.corpus / f"seed-{hashlib.sha256(unit).hexdigest()[:12]}").write_bytes(unit)


def _targets() -> dict[str, Target]:
    from tests.fuzz.targets import TARGETS

    return TARGETS


def _fuzz(arguments: argparse.Namespace) -> int:
    import atheris

    # What is imported inside is compiled with counters at every branch: that is what guides the mutations.
    with atheris.instrument_imports(include=["sgnus"]):
        targets = _targets()
    target = targets.get(arguments.target)
    if target is None:
        sys.stderr.write(f"There is no target {arguments.target!r}; there are: {', '.join(targets)}.\n")
        return 2
    finds, grown = arguments.finds, arguments.grown or arguments.finds / "grown" / target.name
    for folder in (finds, grown):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={arguments.seconds}",
        f"-runs={arguments.runs}",
        f"-max_len={target.bytes_max}",
        f"-seed={arguments.seed}",
        f"-timeout={UNIT_SECONDS_MAX}",
        f"-rss_limit_mb={RSS_MB_MAX}",
        f"-artifact_prefix={finds}/{target.name}-",
        "-print_final_stats=1",
        str(grown),  # the first folder takes what is new, so it is never the committed one
        str(target.corpus),
    ]
    atheris.Setup([sys.argv[0], *options], target.feed)
    atheris.Fuzz()  # ends the process itself
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help="name of a target, or: corpus, list")
    parser.add_argument(
        "--runs", type=int, default=-1, help="at most so many inputs (as many as there is time for)"
    )
    parser.add_argument("--seconds", type=int, default=60, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument("--finds", type=Path, default=Path("build/fuzz"), help="where bytes that broke it go")
    parser.add_argument(
        "--grown", type=Path, default=None, help="where units of new coverage go (FINDS/grown/TARGET)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
