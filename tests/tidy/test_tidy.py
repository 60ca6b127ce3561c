"""The house style as a test: sizes, names, and what has no place in a tracked file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.tidy.sources import HOME, classes, functions, lines, parsed, place, python_files, tracked

FUNCTION_LINES_MAX = 60
CLASS_LINES_MAX = 250
CLASS_METHODS_MAX = 15
CLASS_ATTRIBUTES_MAX = 10
FILE_LINES_MAX = 400
POSITIONAL_PARAMETERS_MAX = 5
FOLDER_DEPTH_MAX = 2
TEST_NAME_WORDS_MIN = 3

BANNED_WORDS = {"Manager", "Helper", "Util", "Utils", "Handler", "Impl", "Base", "Data", "Info"}
BANNED_TEXT = {
    "a path of one machine": re.compile(r"(?<![\w./$}-])/(work|root)/\w|/tmp/(venv|bash_jobs)|/home/\w+/"),
    "the address of a package registry": re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|^--(extra-)?index-url|^--find-links|file:///"
    ),
    "a note instead of work": re.compile(r"\b(TODO|FIXME|XXX)\b"),
}
# Third-party files stand as they came.
FOREIGN = ("LICENSE", "src/sgnus/frontends/pages/swagger-ui")


def findings(found: Iterable[str]) -> None:
    """Fail with every finding, one a line."""
    listed = sorted(found)
    if listed:
        pytest.fail("\n".join(listed), pytrace=False)


def length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def attributes(node: ast.ClassDef) -> set[str]:
    """What an object holds and changes: attributes set on self, and fields unless the dataclass is frozen."""
    found = {
        target.attr
        for target in ast.walk(node)
        if isinstance(target, ast.Attribute)
        and isinstance(target.ctx, ast.Store)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }
    decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
    if "dataclass" in decorators and "frozen=True" not in decorators:
        fields = [
            one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        ]
        found |= {
            ast.unparse(one.target)
            for one in fields
            if not ast.unparse(one.annotation).startswith("ClassVar")
        }
    return found


def test_functions_are_short_and_take_few_positional_parameters() -> None:
    found = []
    for file in python_files():
        for one in functions(parsed(file)):
            positional = [argument.arg for argument in one.args.posonlyargs + one.args.args]
            count = len([name for name in positional if name not in ("self", "cls")])
            if length(one) > FUNCTION_LINES_MAX:
                found.append(f"{place(file, one)}: {one.name} has {length(one)} lines")
            # pytest passes fixtures and parameters by name.
            if count > POSITIONAL_PARAMETERS_MAX and not one.name.startswith("test_"):
                found.append(f"{place(file, one)}: {one.name} has {count} positional parameters")
    findings(found)


def test_classes_are_small() -> None:
    found = []
    for file in python_files():
        for one in classes(file):
            methods = [node for node in one.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            sizes = {
                "lines": (length(one), CLASS_LINES_MAX),
                "methods": (len(methods), CLASS_METHODS_MAX),
                "attributes": (len(attributes(one)), CLASS_ATTRIBUTES_MAX),
            }
            found += [
                f"{place(file, one)}: {one.name} has {size} {unit}, more than {most}"
                for unit, (size, most) in sizes.items()
                if size > most
            ]
    findings(found)


def test_files_are_short() -> None:
    sizes = {file: len(lines(file)) for file in python_files()}
    findings(f"{file}: {size} lines" for file, size in sizes.items() if size > FILE_LINES_MAX)


def test_folders_are_at_most_two_levels_deep() -> None:
    root = Path("src/sgnus")
    # Code, that is: built modules and pictures may lie in a folder of their own beside it.
    inside = [file.relative_to(root) for file in python_files(f"{root}/")]
    findings(str(file) for file in inside if len(file.parts) - 1 > FOLDER_DEPTH_MAX)


def test_no_class_has_a_name_that_says_nothing() -> None:
    found = []
    for file in python_files():
        for one in classes(file):
            words = re.findall(r"[A-Z][a-z0-9]*|[A-Z]+(?![a-z])", one.name)
            found += [f"{place(file, one)}: {one.name}" for word in words if word in BANNED_WORDS]
    findings(found)


def test_no_tracked_file_holds_what_belongs_to_one_machine() -> None:
    found = []
    for file in tracked():
        if str(file).startswith(FOREIGN) or file == Path(__file__).relative_to(HOME):
            continue
        for number, line in enumerate(lines(file), 1):
            for what, pattern in BANNED_TEXT.items():
                if match := pattern.search(line):
                    found.append(f"{file}:{number}: {what}: {match.group()}")
    findings(found)


def test_every_name_of_a_test_is_a_sentence() -> None:
    found = []
    for file in python_files("tests/"):
        for one in functions(parsed(file)):
            if one.name.startswith("test_") and len(one.name.split("_")) - 1 < TEST_NAME_WORDS_MIN:
                found.append(f"{place(file, one)}: {one.name}")
    findings(found)


def fixed_sleeps(tree: ast.Module) -> list[ast.Call]:
    """Waits for a time instead of a condition: `time.sleep` anywhere, and others outside of a loop that looks again.

    `sleep(0)` only lets others run, and is no wait.
    """
    loops = (node for node in ast.walk(tree) if isinstance(node, ast.For | ast.AsyncFor | ast.While))
    polls = {inner for loop in loops for statement in loop.body for inner in ast.walk(statement)}
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (name := ast.unparse(node.func)) in ("time.sleep", "asyncio.sleep", "trio.sleep")
        and (name == "time.sleep" or node not in polls)
        and [ast.unparse(argument) for argument in node.args] != ["0"]
    ]


def test_no_test_sleeps_for_a_fixed_time() -> None:
    """A test waits for a condition with a deadline."""
    files = [file for file in python_files("tests/") if not file.is_relative_to("tests/tidy")]
    findings(place(file, call) for file in files for call in fixed_sleeps(parsed(file)))


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("await asyncio.sleep(0.05)", True),
        ("await trio.sleep(PAUSE_S)", True),
        ("while True:\n    time.sleep(0.01)", True),
        ("while not done():\n    await asyncio.sleep(0.01)", False),
        ("for _ in range(3):\n    if ask():\n        break\n    await trio.sleep(0.01)", False),
        ("await asyncio.sleep(0)", False),
    ],
)
def test_a_fixed_sleep_is_told_from_a_look_again(text: str, is_found: bool) -> None:
    assert bool(fixed_sleeps(ast.parse(text))) == is_found
