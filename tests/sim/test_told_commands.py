"""Commands that the documents and the help give: each runs as it is written, and no law is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sgnus.sim import cli

THREATS = Path(__file__).resolve().parents[2] / "docs" / "threats.md"
NAMED = dict.fromkeys(re.findall(r"`sgnus sim( --[^`]+)`", THREATS.read_text(encoding="utf-8")))
HELPED = re.findall(r"sgnus sim (--[^\n]*--vices[^\n]*)", cli.EXAMPLES)
SEEDS = 8


@pytest.mark.parametrize("options", NAMED)
def test_what_the_threats_name_is_held_in_more_than_its_one_seed(options: str) -> None:
    ran = CliRunner().invoke(cli.command, f"{options} --count {SEEDS}".split())
    assert ran.exit_code == 0, ran.stdout[-2_000:]


def test_the_hostile_example_of_the_help_holds_as_it_is_written() -> None:
    (options,) = HELPED
    ran = CliRunner().invoke(cli.command, options.split())
    assert ran.exit_code == 0, ran.stdout[-2_000:]


def test_there_are_such_commands() -> None:
    assert len(NAMED) > 10
