"""The planted bugs: a patch each, and a copy of the tree that holds one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TREE: Final = HERE.parents[1]
LOOK_FIRST: Final = "# look first: "
COPIED: Final = ("src", "tests", "tools", "pyproject.toml")


class DoesNotApply(Exception):
    """The code that a patch would break is not there any more: the patch must follow it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug: its name, and the sentence of its patch's first line."""

    name: str
    sentence: str
    patch: Path

    def looked_at_first(self) -> list[str]:
        """The tests of laws that would object, where the patch names them: a run over all takes an hour less."""
        lines = self.patch.read_text(encoding="utf-8").splitlines()
        return [line.removeprefix(LOOK_FIRST) for line in lines if line.startswith(LOOK_FIRST)]

    def files(self) -> list[str]:
        """The files that it changes."""
        lines = self.patch.read_text(encoding="utf-8").splitlines()
        return [line.removeprefix("+++ b/") for line in lines if line.startswith("+++ b/")]

    def plant(self, copy: Path) -> None:
        """Break the copy. DoesNotApply says what git says."""
        _git_apply(self.patch, copy)
        for file in self.files():
            path = copy / file
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                compiled.unlink()

    def check(self) -> None:
        """DoesNotApply if it does not fit the tree as it stands."""
        _git_apply(self.patch, TREE, "--check")


def mutants(names: tuple[str, ...] = ()) -> list[Mutant]:
    """Those of these names, or all, in order. KeyError for a name that is none."""
    found = {}
    for patch in sorted(HERE.glob("*.patch")):
        first = patch.read_text(encoding="utf-8").partition("\n")[0]
        found[patch.stem] = Mutant(patch.stem, first.removeprefix("# "), patch)
    return [found[name] for name in names] if names else list(found.values())


@contextmanager
def copied_tree() -> Iterator[Path]:
    """All that the checkers need; compiled files come along, since they are as new as their sources."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder).resolve()
        for name in COPIED:
            if (TREE / name).is_dir():
                shutil.copytree(
                    TREE / name, copy / name, ignore=shutil.ignore_patterns("node_modules", "*.pyc.*")
                )
            else:
                shutil.copy2(TREE / name, copy / name)
        yield copy


def _git_apply(patch: Path, tree: Path, *options: str) -> None:
    # In a folder inside of a repository git would pass over files that it does not know, and say that all is well.
    surroundings = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    command = ["git", "apply", "--whitespace=nowarn", *options, str(patch)]
    done = subprocess.run(command, cwd=tree, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DoesNotApply(f"{patch.name} does not apply any more: {done.stderr.strip()}")
