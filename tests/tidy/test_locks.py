"""What is installed is pinned, by hash, and the same wherever it is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-bench.lock")


def pins(name: str) -> dict[str, str]:
    """Package -> version."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_hashes_and_no_lock_says_where_to_get_them(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert pins(name)
    for block in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block, block
    assert "://" not in text
    assert "index-url" not in text.replace("--no-emit-index-url", "")


def test_the_lock_of_the_bench_agrees_with_the_lock_of_all_else_and_with_the_extra() -> None:
    bench, rest = pins("requirements-bench.lock"), pins("requirements.lock")
    assert {name: bench[name] for name in bench if name in rest} == {
        name: rest[name] for name in rest if name in bench
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for wanted in project["project"]["optional-dependencies"]["bench"]:
        name, _, version = wanted.partition("==")
        assert bench[name] == version
