"""The demo as a person runs it: what it reports, and that no process outlives it, however it ends."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.whole.modules import TURNS_PER_SECOND_MIN, turns_per_second

MAIN = "import sys; from sgnus.frontends.cli import main; sys.exit(main())"
HURRIED = f"import sgnus.frontends.demo.running as running; running.JOB_S_MAX = 0.5; {MAIN}"
RUN_S_MAX = 420
"""Above the time that the demo itself gives its job: it says more than we could."""
START_S_MAX = 120
END_S_MAX = 20
NODES = 12
LINES_TOLD = 20

pytestmark = pytest.mark.timeout(RUN_S_MAX + START_S_MAX)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a demo whose homes lie below `tmp_path`, and whose output goes into it."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "homes").mkdir()

    def start(*arguments: str, program: str = MAIN) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "TMPDIR": str(tmp_path / "homes"),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-c", program, "demo", *arguments, "--output", str(tmp_path / "out.png")]
        with (tmp_path / "words").open("w") as words:
            process = subprocess.Popen(
                command, env=environment, text=True, stdout=subprocess.PIPE, stderr=words
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def search_radius() -> int:
    """What takes this core as long as a slow one takes for the demo's own, 7: a host needs time to be followed. 15 is the most.
    The window has (2 radius + 1)^2 places.
    """
    side = (2 * 7 + 1) * math.sqrt(turns_per_second() / TURNS_PER_SECOND_MIN)
    return min(15, int((side - 1) / 2))


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    clock = signal.sigtimedwait
    while not condition():
        assert time.monotonic() < deadline, what
        clock([], 0.05)


def see_family(process: subprocess.Popen[str], words: Path, until: str) -> set[psutil.Process]:
    """Everybody that the demo started, up to the moment when it says `until`."""
    starter = psutil.Process(process.pid)
    seen: set[psutil.Process] = set()

    def has_said() -> bool:
        seen.update(starter.children(recursive=True))
        return until in words.read_text() or process.poll() is not None

    wait_for(has_said, START_S_MAX, f"the demo never said {until!r}")
    assert process.poll() is None, words.read_text()
    return seen.union(starter.children(recursive=True))


def stories(folder: Path) -> str:
    """The last of what each node of a demo that failed saw and logged."""
    files = sorted(folder.glob("homes/*/node-*/*.txt")) + sorted(folder.glob("homes/*/node-*/node.log"))
    ends = [(file, file.read_text(errors="replace").splitlines()[-LINES_TOLD:]) for file in files]
    return "".join(f"\n{file.parent.name}/{file.name}:\n" + "\n".join(lines) for file, lines in ends)


def lives(process: psutil.Process) -> bool:
    """Whether it runs still; its number may have gone to another since."""
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def assert_all_gone(seen: set[psutil.Process]) -> None:
    wait_for(lambda: not any(map(lives, seen)), END_S_MAX, "processes of the demo live on")


def test_the_demo_survives_two_crashes_and_a_liar_and_its_picture_is_exact(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = demo("--json", "--param", f"search={search_radius()}")
    seen = see_family(process, tmp_path / "words", "nodes ready\n")
    out, _ = process.communicate(timeout=RUN_S_MAX)
    words = (tmp_path / "words").read_text()
    assert process.returncode == 0, words + stories(tmp_path)
    found = json.loads(out.splitlines()[-1])
    assert found["identical"] is True
    assert found["nodes"] == NODES
    assert len(found["members_killed"]) in (2, 3), (
        "a member and a host, or two hosts where the first died in vain"
    )
    assert found["sub_blocks"] >= 40 and found["rooms"] == -(-found["sub_blocks"] // 10)
    assert found["takeovers"] >= 1 and found["removals"] >= 1
    assert found["liar"] not in found["members_killed"]
    assert found["liars_caught"] == ([found["liar"][-6:]] if found["lies_delivered"] else [])
    assert (found["receipts"], found["verified"]) == (found["rooms"], True)
    assert found["seconds"] > 0
    assert Path(found["output"]) == tmp_path / "out.png" and (tmp_path / "out.png").stat().st_size > 0
    assert list((tmp_path / "homes").iterdir()) == []
    assert len(seen) >= NODES
    assert_all_gone(seen)


def test_a_liar_that_is_believed_spoils_the_picture_and_the_demo_says_so(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = demo("--json", "--no-chaos", "--nodes", "3", "--verify", "none")
    out, _ = process.communicate(timeout=RUN_S_MAX)
    words = (tmp_path / "words").read_text()
    found = json.loads(out.splitlines()[-1])
    assert found["lies_delivered"] >= 1, "of three nodes each works on some"
    assert (process.returncode, found["identical"], found["liars_caught"]) == (1, False, [])
    assert "what the liar delivered was believed (--verify none)" in words


def test_a_demo_whose_job_does_not_end_keeps_what_its_nodes_saw(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = demo("--no-chaos", "--no-liar", "--nodes", "3", "--param", "search=15", program=HURRIED)
    process.communicate(timeout=RUN_S_MAX)
    words = (tmp_path / "words").read_text()
    assert process.returncode == 1 and "The job did not end within 0.5 s." in words
    (kept,) = (tmp_path / "homes").iterdir()
    assert all((kept / f"node-0{number}" / "story.txt").stat().st_size > 0 for number in range(3))
    assert " room " in stories(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_told_to_end_takes_all_with_it(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = demo("--json")
    seen = see_family(process, tmp_path / "words", "published by")
    assert len(seen) > NODES
    process.send_signal(number)
    process.communicate(timeout=RUN_S_MAX)
    assert process.returncode == 130, (tmp_path / "words").read_text()
    assert list((tmp_path / "homes").iterdir()) == []
    assert_all_gone(seen)


@pytest.mark.parametrize("until", ["starting", "published by"])
def test_a_demo_that_is_killed_leaves_no_process(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path, until: str
) -> None:
    process = demo("--json")
    seen = see_family(process, tmp_path / "words", until)
    process.kill()
    process.communicate(timeout=RUN_S_MAX)
    assert_all_gone(seen)


def test_wrong_use_ends_with_status_2_and_a_sentence(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    for arguments, sentence in (
        (["--input", str(empty)], "is empty"),
        (["--tile", "512x512"], "sub-blocks"),
        (["--tile", "0x9"], "does not fit"),
        (["--nodes", "5"], "take 6 or more, or --no-chaos, --no-liar"),
        (["--nodes", "3", "--no-chaos"], "take 4 or more"),
        (["--nodes", "2", "--no-chaos", "--no-liar"], "take 3 or more, or --verify none"),
        (["--processor", "sha256"], "one value a chunk"),
        (["--param", "nonsense=1"], "nonsense"),
    ):
        process = demo(*arguments)
        process.communicate(timeout=RUN_S_MAX)
        words = (tmp_path / "words").read_text()
        assert process.returncode == 2, words
        assert sentence in words and "Traceback" not in words
