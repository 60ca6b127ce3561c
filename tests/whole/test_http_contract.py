"""schemathesis against the real HTTP service: what the definition allows is accepted, all else refused, as it says.

schemathesis makes its examples on one core, and most of its time goes into those of the two calls that carry a whole
job; so the calls are dealt to runs of their own, side by side, and those two get a fifth of the examples, unless
`SGNUS_CONTRACT_EXAMPLES` sets the number for all (1000 for the full check, which takes many minutes on a busy machine).
`SGNUS_CONTRACT_SEED` sets another seed than 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sgnus.frontends.service.calls import LOCAL_CALLS
from sgnus.frontends.service.places import read_token

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
EXAMPLES = os.environ.get("SGNUS_CONTRACT_EXAMPLES", "1000")
EXAMPLES_HEAVY = os.environ.get("SGNUS_CONTRACT_EXAMPLES", "200")
SEED = os.environ.get("SGNUS_CONTRACT_SEED", "1")
HEAVY = ("PlanJob", "SubmitJob")
LIGHT = tuple(call.name for call in LOCAL_CALLS if call.name not in HEAVY)
HOOKS = "tests.whole.schemathesis_hooks"
MINUTES_MAX = 30


@pytest.mark.timeout(MINUTES_MAX * 60 + 60)
def test_the_service_does_what_its_definition_says(tmp_path: Path) -> None:
    print(f"SGNUS_CONTRACT_SEED={SEED}")  # noqa: T201 - shown when the test fails
    groups = [LIGHT, HEAVY]
    with _serving(tmp_path / "home") as (port, token), ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda group: _examined(port, token, group, tmp_path), groups))
    for names, (status, told) in zip(groups, runs, strict=True):
        assert status == 0, told
        assert f"Selected: {len(names)}/{len(LOCAL_CALLS)}" in told
        assert f"Tested: {len(names)}" in told


def _examined(port: int, token: str, names: tuple[str, ...], scratch: Path) -> tuple[int, str]:
    """Exit status of schemathesis for the calls of those names, and what it told."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            FOLDER / "schemathesis.toml",
            "run",
            f"http://127.0.0.1:{port}/openapi.json",
            "-n",
            EXAMPLES if names == LIGHT else EXAMPLES_HEAVY,
            "--seed",
            SEED,
            "--continue-on-failure",
            "--generation-database",
            "none",
            *(f"--include-operation-id={name}" for name in names),
        ],
        cwd=scratch,
        env=os.environ
        | {"SGNUS_TOKEN": token, "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": HOOKS},
        capture_output=True,
        text=True,
        check=False,
        timeout=MINUTES_MAX * 60,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def _serving(home: Path) -> Iterator[tuple[int, str]]:
    """The real service in a process of its own: its port and token."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.whole.serve_fake_node", home],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(process.stdout.readline()), read_token(home)
    finally:
        process.stdin.close()
        status = process.wait(30)
        process.stdout.close()
    assert status == 0
