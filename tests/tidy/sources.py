"""The tracked files of the project, parsed once, without generated code."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
GENERATED = "src/sgnus/messages/v1/"


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git tracks or would track, relative to the project's folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(Path(name) for name in set(listed.split("\0")) - {""} if (HOME / name).is_file()))


def python_files(*folders: str) -> tuple[Path, ...]:
    """Python files below `folders` (all, when none is named) that people wrote."""
    files = [file for file in tracked() if file.suffix == ".py" and not str(file).startswith(GENERATED)]
    return tuple(file for file in files if not folders or str(file).startswith(folders))


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse((HOME / file).read_text(encoding="utf-8"), str(file))


def lines(file: Path) -> list[str]:
    """The lines of one text file; none of a binary one."""
    try:
        return (HOME / file).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def classes(file: Path) -> Iterator[ast.ClassDef]:
    """Every class of one file."""
    return (node for node in ast.walk(parsed(file)) if isinstance(node, ast.ClassDef))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a tree, methods and inner ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def place(file: Path, node: ast.stmt | ast.expr) -> str:
    """Where a finding stands, in the form that editors jump to."""
    return f"{file}:{node.lineno}"
