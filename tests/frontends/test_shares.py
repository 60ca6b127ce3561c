"""Shares as people write them."""

from __future__ import annotations

import pytest

from sgnus.frontends.cli import main
from sgnus.frontends.shares import permille


@pytest.mark.parametrize(
    ("text", "parts"), [("1%", 10), ("0", 0), ("0.5 %", 5), ("100%", 1000), ("0.02", 20), (" 12.3% ", 123)]
)
def test_a_percentage_becomes_parts_of_a_thousand(text: str, parts: int) -> None:
    assert permille(text) == parts


@pytest.mark.parametrize("text", ["", "%", "101%", "100.1%", "-1%", "2", "one", "1e2", "nan"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no share"):
        permille(text)


def test_the_command_line_says_what_is_wrong_with_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node", "start", "--recheck", "200%"]) == 2
    assert "no share" in capsys.readouterr().err
