"""Whatever bytes a stranger sends: what decodes and validates them takes them, or refuses them with a declared fault.

Each target meets its committed corpus, bytes that Hypothesis mutates from it, and some thousand inputs of atheris, which is
guided by coverage. Minutes of it by hand: `python -m tests.fuzz TARGET --seconds 300`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sgnus.adapters.peers.certificates import author_of_leaf
from sgnus.messages.errors import PeerFault
from tests.fuzz.__main__ import NO_ATHERIS
from tests.fuzz.doors import a_leaf, pem_of, sandbox
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.fuzz.words import ALICE
from tests.missing_tool import miss

pytestmark = pytest.mark.timeout(300)

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 6
RUNS: Final = 4_000
"""With the seed, so that a faster machine looks at the same inputs, and a find is one of the change that made it."""
RUN_S_MAX: Final = 600
EDITS_MAX: Final = 4
EXAMPLES: Final = 150
by_name = pytest.mark.parametrize("name", TARGETS)


@pytest.fixture(scope="module", autouse=True)
def _child_ends() -> Iterator[None]:
    yield
    sandbox().close()


def mutated(target: Target) -> st.SearchStrategy[bytes]:
    """Bytes near those of the corpus: parts of units cut out, put in, and put together with parts of others."""
    units = st.sampled_from(target.corpus_units())

    @st.composite
    def draw_one(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(units))
        for _ in range(draw(st.integers(0, EDITS_MAX))):
            start = draw(st.integers(0, len(data)))
            stop = draw(st.integers(start, min(len(data), start + 16)))
            data[start:stop] = draw(st.binary(max_size=16) | units.map(lambda unit: unit[:64]))
        return bytes(data[: 2 * target.bytes_max])

    return draw_one() | st.binary(max_size=200)


@by_name
def test_the_committed_corpus_is_taken_or_refused(name: str) -> None:
    units = TARGETS[name].corpus_units()
    assert units
    for unit in units:
        TARGETS[name].feed(unit)


@by_name
def test_the_committed_seeds_are_those_that_are_made_now(name: str) -> None:
    committed = {file.read_bytes() for file in TARGETS[name].corpus.glob("seed-*")}
    assert committed == {*TARGETS[name].seeds()}, "run python -m tests.fuzz corpus"


@by_name
def test_mutated_bytes_are_taken_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @example(b"")
    @given(mutated(target))
    def run(data: bytes) -> None:
        target.feed(data)

    run()


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(st.integers(0, 2**16), st.binary(min_size=1, max_size=6))
def test_a_leaf_with_other_bytes_in_it_is_nobody_elses(place: int, other: bytes) -> None:
    """Some bytes are outside of what is signed; with others in their place it is the same peer's, or nobody's."""
    leaf = a_leaf()
    place %= len(leaf)
    changed = leaf[:place] + other + leaf[place + len(other) :]
    try:
        author = author_of_leaf(pem_of(changed))
    except PeerFault:
        return
    assert author == ALICE.peer_id


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str]]]:
    """Each target under atheris for some seconds, in a process of its own, one on each core."""
    if importlib.util.find_spec("atheris") is None:
        miss(NO_ATHERIS)
    with ThreadPoolExecutor(os.cpu_count() or 1) as lanes:
        yield {name: lanes.submit(fuzzed, name, tmp_path_factory.mktemp(name)) for name in TARGETS}


def fuzzed(name: str, finds: Path) -> str:
    """What the run printed if it found something; empty if it did not."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--finds", str(finds)]
    command += ["--seconds", str(SECONDS), "--runs", str(RUNS)]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S_MAX,
    )
    if run.returncode == 0 and "number_of_executed_units" in run.stderr:
        return ""
    left = {file.name: file.read_bytes().hex()[:2_000] for file in finds.iterdir() if file.is_file()}
    return f"status {run.returncode}; {left}\n{(run.stdout + run.stderr)[-4_000:]}"


@pytest.mark.timeout(2 * RUN_S_MAX)
@by_name
def test_atheris_finds_nothing_in_some_seconds(name: str, runs: dict[str, Future[str]]) -> None:
    found = runs[name].result()
    assert not found, found
