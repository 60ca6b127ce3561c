"""What is not needed is not imported: start-up time held without a clock."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "grpc", "google.protobuf", "libp2p", "trio", "rich", "PIL", "asyncio")
PROBE = """
import contextlib, io, sys
with contextlib.redirect_stdout(io.StringIO()):
    {code}
print([name for name in {heavy!r} if name in sys.modules])
"""
HELP = "from sgnus.frontends.cli import main; main({arguments!r})"


def imported(code: str, heavy: tuple[str, ...]) -> str:
    probe = PROBE.format(code=code, heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert imported("import sgnus", (*HEAVY, "click")) == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["submit", "--help"], ["node", "start", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert imported(HELP.format(arguments=arguments), HEAVY) == "[]"


def test_listing_jobs_needs_no_numpy(tmp_path: object) -> None:
    code = f"import sgnus.frontends.sdk.sync; main = None; {HELP.format(arguments=['job', 'list', '--home', str(tmp_path)])}"
    assert imported(code, ("numpy", "rich", "PIL", "libp2p")) == "[]"
