"""The documentation names the tests that hold a defence: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ("docs/threats.md", "docs/verification.md", "docs/protocol/lies.md", "docs/testing.md")
NAMED: Final = re.compile(r"\btest_[a-z0-9_]+\b(?!\.py)")
FILES: Final = re.compile(r"(?:\b[a-z_]+/)*test_[a-z0-9_]+\.py")


CELL_ENDS: Final = re.compile(r"(?<!\\)\|")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    defined = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    text = (ROOT / page).read_text()
    assert not [name for name in NAMED.findall(text) if name not in defined]
    places = [f"/{file.relative_to(ROOT)}" for file in files]
    named = {name: sum(place.endswith(f"/{name}") for place in places) for name in FILES.findall(text)}
    assert not [name for name, found in named.items() if found == 0]
    assert not [name for name, found in named.items() if found > 1], "its folder says which one"


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_has_the_cells_that_its_head_names(page: str) -> None:
    wide = 0
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        cells = len(CELL_ENDS.findall(line)) - 1 if line.startswith("|") else 0
        assert not (wide and cells) or cells == wide, f"{page}:{number} has {cells} cells, not {wide}"
        wide = cells


def test_every_decision_stands_in_their_table_under_its_title() -> None:
    folder = ROOT / "docs/decisions"
    table = (folder / "README.md").read_text()
    for file in sorted(folder.glob("0*.md")):
        number, title = file.read_text().splitlines()[0].removeprefix("# ").split(": ", 1)
        assert f"| [{number}]({file.name}) | {title[0].upper()}{title[1:]} |" in table


def test_every_lie_stands_in_the_table_of_lies() -> None:
    text = (ROOT / "docs/protocol/lies.md").read_text()
    told = re.findall(r'^    "([a-z ,]+)": ', (ROOT / "tests/whole/lying_node.py").read_text(), re.MULTILINE)
    assert len(told) > 20
    assert not [lie for lie in told if lie != "nothing" and f"**{lie}**" not in text]
