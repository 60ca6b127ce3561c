"""The pure layers have no clock, dice, thread, loop, socket, file, log or numpy, and never iterate a set."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.tidy.sources import parsed, place, python_files

PURE = ("src/sgnus/messages/", "src/sgnus/crypto/", "src/sgnus/wire/", "src/sgnus/core/")
FORBIDDEN_MODULES = {
    "asyncio",
    "concurrent",
    "ctypes",
    "datetime",
    "glob",
    "io",
    "logging",
    "multiprocessing",
    "numpy",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "trio",
    "uuid",
}
FORBIDDEN_CALLS = {"open", "input", "print", "exec", "eval", "hash", "id"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
# What gives the same answer in whatever order a set is walked.
ORDER_FREE = {"sorted", "len", "sum", "min", "max", "any", "all", "set", "frozenset"}


def impurities(tree: ast.Module) -> list[tuple[ast.stmt | ast.expr, str]]:
    """What a pure file may not hold, with the reason."""
    found: list[tuple[ast.stmt | ast.expr, str]] = []
    sets = _names_of_sets(tree)
    free = _order_free(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node, f"imports {one.name}") for one in node.names if _is_forbidden(one.name)]
        elif isinstance(node, ast.ImportFrom) and _is_forbidden(node.module or ""):
            found.append((node, f"imports {node.module}"))
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS
        ):
            found.append((node, f"calls {node.func.id}"))
        found += [(walked, "iterates a set") for walked in _walked(node, free) if _is_set(walked, sets)]
    return found


def _is_forbidden(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in FORBIDDEN_MODULES


def _walked(node: ast.AST, free: set[ast.AST]) -> list[ast.expr]:
    """The expressions that a node walks in their own order."""
    if isinstance(node, ast.For):
        return [node.iter]
    if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and node not in free:
        return [generator.iter for generator in node.generators]
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in (
            "list",
            "tuple",
            "iter",
            "enumerate",
            "map",
            "filter",
            "zip",
            "join",
            "extend",
            "fromkeys",
        ):
            return list(node.args)
    return [node.value] if isinstance(node, ast.Starred) else []


def _order_free(tree: ast.Module) -> set[ast.AST]:
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    return {
        argument for call in calls if getattr(call.func, "id", "") in ORDER_FREE for argument in call.args
    }


def _names_of_sets(tree: ast.Module) -> set[str]:
    """Names and attributes that an annotation or an assignment makes a set."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            found.add(_name(node.target))
        elif isinstance(node, ast.Assign) and _is_set(node.value, set()):
            found |= {_name(target) for target in node.targets}
        elif isinstance(node, ast.arg) and node.annotation is not None and _is_set_type(node.annotation):
            found.add(node.arg)
    return found - {""}


def _is_set_type(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).split("[")[0].split(".")[-1] in (
        "set",
        "frozenset",
        "Set",
        "AbstractSet",
        "MutableSet",
    )


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_set(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return node.func.id in ("set", "frozenset")
        return isinstance(node.func, ast.Attribute) and node.func.attr in SET_METHODS
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return bool(_name(node)) and _name(node) in names


def test_pure_layers_hold_nothing_impure() -> None:
    found = [
        f"{place(file, node)}: {why}"
        for file in python_files(*PURE)
        for node, why in impurities(parsed(file))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import time", "imports time"),
        ("from os import path", "imports os"),
        ("import numpy as np", "imports numpy"),
        ("def f(x): return open(x)", "calls open"),
        ("for x in {1, 2}: pass", "iterates a set"),
        ("s = set()\nfor x in s: pass", "iterates a set"),
        ("class A:\n    def f(self, s: set[int]): return [x for x in s]", "iterates a set"),
        ("class A:\n    s: frozenset[int]\n    def f(self): return list(self.s)", "iterates a set"),
        ("def f(a: set[int], b): return tuple(a | b)", "iterates a set"),
        ("def f(a: set[int]): return [*a]", "iterates a set"),
        ("def f(a: set[int]): return ','.join(a)", "iterates a set"),
    ],
)
def test_what_is_impure_is_found(text: str, why: str) -> None:
    assert why in [reason for _, reason in impurities(ast.parse(text))]


@pytest.mark.parametrize(
    "text",
    [
        "def f(a: set[int]): return sorted(a), len(a), 3 in a",
        "def f(a: set[int]): return any(x > 1 for x in a), sorted(x for x in a)",
        "def f(a: dict[int, int]): return list(a)",
    ],
)
def test_what_is_pure_is_left_alone(text: str) -> None:
    assert impurities(ast.parse(text)) == []


def test_every_pure_layer_has_files_to_look_at() -> None:
    assert all(any(Path(layer) in file.parents for file in python_files(layer)) for layer in PURE)
