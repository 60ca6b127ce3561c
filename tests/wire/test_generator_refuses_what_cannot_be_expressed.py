"""The generator's rules: each broken definition is refused with its place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.wire.sample.generated import SAMPLE
from tools.generate.definition import DefinitionFault
from tools.generate.read import read_definition

GOOD = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
Break = Callable[[dict[str, Any], dict[str, Any]], Any]


def properties(schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas["Everything"]["properties"]
    return found


CASES: dict[str, tuple[Break, str]] = {
    "number used twice": (lambda d, s: properties(s)["flag"].update({"x-field": 2}), "Everything: x-field 2"),
    "reserved number": (lambda d, s: properties(s)["flag"].update({"x-field": 90}), "Everything: x-field 90"),
    "number of protobuf": (lambda d, s: properties(s)["flag"].update({"x-field": 19500}), "x-field 19500"),
    "no number": (lambda d, s: properties(s)["flag"].pop("x-field"), "Everything.flag: x-field is missing"),
    "no bound": (
        lambda d, s: properties(s)["flags"].pop("maxItems"),
        "Everything.flags: an array says maxItems",
    ),
    "no width": (lambda d, s: properties(s)["small"].pop("format"), "Everything.small: no scalar"),
    "open schema": (lambda d, s: s["Inner"].pop("additionalProperties"), "additionalProperties: false"),
    "no description": (lambda d, s: s["Inner"].pop("description"), "Inner: a schema has a description"),
    "python word": (
        lambda d, s: properties(s).update({"from": {"type": "boolean", "x-field": 50}}),
        "Everything.from",
    ),
    "lost reference": (
        lambda d, s: properties(s).update({"lost": {"$ref": "#/components/schemas/Lost", "x-field": 50}}),
        "Everything.lost: #/components/schemas/Lost is not defined",
    ),
    "contains itself": (
        lambda d, s: s["Inner"]["properties"].update(
            {"o": {"$ref": "#/components/schemas/Everything", "x-field": 3}}
        ),
        "contains itself (Inner > Everything > Inner)",
    ),
    "oneof of two strings": (
        lambda d, s: s["Choice"]["properties"].update({"other": {"type": "string", "x-field": 9}}),
        "options of a oneof",
    ),
    "enum without zero": (lambda d, s: s["SampleColour"]["enum"].pop(0), "SampleColour: x-numbers"),
    "unknown required": (lambda d, s: s["Everything"]["required"].append("ghost"), "requires 'ghost'"),
    "call without tag": (
        lambda d, s: d["paths"]["/unary"]["post"].pop("tags"),
        "has an operationId and a tag",
    ),
    "call without message": (lambda d, s: s.pop("GetNothingRequest"), "GetNothing: its request"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_definition_is_refused_with_its_place(case: str, tmp_path: Path) -> None:
    change, reason = CASES[case]
    broken = copy.deepcopy(GOOD)
    change(broken, broken["components"]["schemas"])
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(broken, sort_keys=False), encoding="utf-8")
    with pytest.raises(DefinitionFault) as caught:
        read_definition(file)
    assert reason in str(caught.value)
