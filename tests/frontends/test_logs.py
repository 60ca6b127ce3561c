"""How a node logs: one JSON object a line, with the ids that a record is about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from sgnus.frontends.logs import LINE_CHARACTERS_MAX, JsonLines
from sgnus.frontends.sdk.home import Home
from sgnus.frontends.sdk.starting import start_node
from sgnus.messages.errors import UserFault
from tests.whole.grid import environment


def record(message: str, *values: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("sgnus.work", logging.WARNING, "work.py", 1, message, values, None)
    made.__dict__.update(more)
    return made


def test_a_record_is_one_object_with_its_time_and_what_it_is_about() -> None:
    line = JsonLines().format(record("sub-block %s:\n%s", 3, "née", job="bafy", room="ab12", peer="12D3"))
    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "warning",
        "logger": "sgnus.work",
        "message": "sub-block 3:\nnée",
        "job": "bafy",
        "room": "ab12",
        "peer": "12D3",
    }


def test_what_a_record_does_not_name_is_not_there() -> None:
    assert set(json.loads(JsonLines().format(record("x")))) == {"time", "level", "logger", "message"}


def test_an_exception_stays_on_the_line_of_its_record() -> None:
    made = record("it failed")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonLines().format(made)
    assert "\n" not in line and json.loads(line)["exception"].endswith("ValueError: why")


def test_a_line_is_bounded_and_still_one_object() -> None:
    line = JsonLines().format(record("x" * 10 * LINE_CHARACTERS_MAX))
    assert len(json.loads(line)["message"]) == LINE_CHARACTERS_MAX


def test_a_node_that_cannot_start_says_so_as_a_record_and_to_the_app_as_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    arguments = ["--workers", "65", "--log-format", "json"]
    command = [
        sys.executable,
        "-m",
        "sgnus.frontends.node_main",
        "--home",
        str(tmp_path / "home"),
        *arguments,
    ]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    said = json.loads(ran.stderr.splitlines()[-1])
    assert (said["level"], said["logger"]) == ("critical", "sgnus.node")
    assert said["message"].startswith("65 workers")
    with pytest.raises(UserFault, match=r"^65 workers: a node has"):
        start_node(Home(tmp_path / "home"), arguments)
