"""Continuous integration passes nothing that did not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.missing_tool import lack, miss

HOME = Path(__file__).parents[2]
WAYS_TO_SKIP = ("pytest.skip(", "importorskip(", ".skipif(", ".mark.skip", ".xfail")
# Which kernel a machine runs is no tool that it lacks.
MAY_SKIP = {"tests/missing_tool.py", "tests/tidy/test_missing_tools.py", "tests/ports/test_processor_pool.py"}


def test_a_missing_tool_skips_a_test_on_a_developers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no compiler"):
        miss("no compiler")


def test_a_missing_tool_fails_a_test_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no compiler"):
        miss("no compiler")


def test_what_the_kernel_refuses_is_skipped_in_continuous_integration_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match="no device"):
        lack("no device")


def test_continuous_integration_says_what_it_is_before_it_runs_the_tests() -> None:
    lines = (HOME / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines.index("export CI=true") < lines.index("make test")


def test_no_test_skips_itself_in_another_way() -> None:
    found = [
        str(file.relative_to(HOME))
        for file in sorted((HOME / "tests").rglob("*.py"))
        if any(way in file.read_text(encoding="utf-8") for way in WAYS_TO_SKIP)
    ]
    assert set(found) <= MAY_SKIP
