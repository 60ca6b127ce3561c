"""The planted bugs still fit the code, and a sample of them is caught. `make mutants` plants them all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.mutants.checking import FIRST_SEEDS, judge
from tests.mutants.planted import DoesNotApply, Mutant, mutants

MUTANTS_MIN = 30
SAMPLE = ("held-is-leased-again", "twelfth-member", "second-result-replaces-the-first")
"""Each is caught by one of the first few seeds."""


def test_there_are_bugs_enough_and_each_has_its_sentence() -> None:
    found = mutants()
    assert len(found) >= MUTANTS_MIN
    for one in found:
        first = one.patch.read_text(encoding="utf-8").partition("\n")[0]
        assert first == f"# {one.sentence}" and one.sentence.endswith("."), one.name
        assert one.files(), f"{one.name} changes no file"
    assert len({one.sentence for one in found}) == len(found)


@pytest.mark.parametrize("mutant", mutants(), ids=lambda one: one.name)
def test_each_planted_bug_still_fits_the_code(mutant: Mutant) -> None:
    mutant.check()
    assert all(file.startswith("src/sgnus/") for file in mutant.files())


def test_a_patch_whose_code_is_gone_is_a_failure_that_says_so(tmp_path: Path) -> None:
    (one,) = mutants(("twelfth-member",))
    text = one.patch.read_text(encoding="utf-8").replace("- len(members)", "- len(nobody)")
    stale = Mutant(one.name, one.sentence, tmp_path / "stale.patch")
    stale.patch.write_text(text, encoding="utf-8")
    with pytest.raises(DoesNotApply, match="does not apply any more"):
        stale.check()
    outcome = asyncio.run(judge(stale, lambda _what: None, FIRST_SEEDS))
    assert not outcome.caught and "does not apply any more" in outcome.fault


@pytest.mark.parametrize("name", SAMPLE)
def test_a_planted_bug_is_caught(name: str) -> None:
    (mutant,) = mutants((name,))
    outcome = asyncio.run(judge(mutant, lambda _what: None, FIRST_SEEDS))
    assert outcome.caught.startswith("law "), outcome.fault or "nothing objected"
