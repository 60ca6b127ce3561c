"""A number that was once given stays: old nodes and stored entries are read by it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.wire.sample.generated import SAMPLE
from tools.generate.__main__ import HOME, LOCK, generate
from tools.generate.definition import DefinitionFault
from tools.generate.lock import write_lock
from tools.generate.read import read_definition

DEFINITION = HOME / "api" / "sgnus.yaml"
Change = Callable[[dict[str, Any]], Any]


def changed(folder: Path, change: Change) -> Path:
    """The sample's definition, changed, in `folder`."""
    document = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    change(document["components"]["schemas"])
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def lock_after(folder: Path, change: Change) -> str:
    """The sample's lock after its definition was changed."""
    before = write_lock(read_definition(SAMPLE), "")
    return write_lock(read_definition(changed(folder, change)), before)


def swap(fields: dict[str, Any], one: str, other: str) -> None:
    """Exchange the numbers of two properties."""
    fields[one]["x-field"], fields[other]["x-field"] = fields[other]["x-field"], fields[one]["x-field"]


def retire(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Remove a property; return it."""
    schema["required"] = [one for one in schema.get("required", ()) if one != name]
    removed: dict[str, Any] = schema["properties"].pop(name)
    return removed


def rename(schemas: dict[str, Any]) -> None:
    """Give a retired field's number to a new one."""
    schemas["Inner"]["properties"]["newcomer"] = retire(schemas["Inner"], "note")


def test_swapping_two_numbers_of_the_definition_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    document = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    swap(document["components"]["schemas"]["OnHostChanged"]["properties"], "microjob", "epoch")
    file = tmp_path / DEFINITION.name
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    (tmp_path / LOCK).write_bytes(DEFINITION.with_name(LOCK).read_bytes())
    with pytest.raises(DefinitionFault, match="2 was 4; a number never changes"):
        generate(file, tmp_path / "root")
    assert not (tmp_path / "root").exists()


REFUSED: dict[str, tuple[Change, str]] = {
    "two fields swapped": (
        lambda s: swap(s["Everything"]["properties"], "flag", "small"),
        "Everything.small: 1 was 2; a number never changes",
    ),
    "two enum values swapped": (
        lambda s: s["SampleColour"]["x-numbers"].update({"SAMPLE_COLOUR_RED": 200, "SAMPLE_COLOUR_BLUE": 1}),
        "SampleColour.SAMPLE_COLOUR_RED: 200 was 1; a number never changes",
    ),
    "a retired number given to another": (
        rename,
        "Inner.newcomer: 1 is the number of Inner.note for ever; take a new one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_number_is_neither_changed_nor_given_to_another(case: str, tmp_path: Path) -> None:
    change, reason = REFUSED[case]
    with pytest.raises(DefinitionFault, match=re.escape(reason)):
        lock_after(tmp_path, change)


def test_a_new_field_is_added_to_the_lock(tmp_path: Path) -> None:
    def add(schemas: dict[str, Any]) -> None:
        schemas["Inner"]["properties"]["newcomer"] = {"type": "boolean", "x-field": 77}

    before = write_lock(read_definition(SAMPLE), "").splitlines()
    after = lock_after(tmp_path, add).splitlines()
    assert after == sorted([*before, "Inner.newcomer = 77"])


def test_the_number_of_a_field_that_is_gone_stays_in_the_lock(tmp_path: Path) -> None:
    before = write_lock(read_definition(SAMPLE), "")
    assert lock_after(tmp_path, lambda schemas: retire(schemas["Inner"], "note")) == before
