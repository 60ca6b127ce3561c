"""Files and folders that the system refuses: one sentence, never a traceback, an exit status that fits."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sgnus.frontends.cli import main
from sgnus.frontends.files.outputs import check_place
from sgnus.messages.errors import UserFault
from tests.frontends.fake_node import FakeNode
from tests.frontends.pictures import png

Captured = pytest.CaptureFixture[str]
NOBODY = 65534
TOO_LONG = "x" * 300


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """The folder closed to this process; root, to whom nothing is closed, is nobody for a while."""
    is_root = os.geteuid() == 0
    importlib.import_module("sgnus.frontends.cli.network")  # While the checkout can be read for sure.
    folder.chmod(0)
    try:
        if is_root:
            os.seteuid(NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)


def one_sentence(capsys: Captured) -> str:
    captured = capsys.readouterr()
    assert captured.err.startswith("sgnus: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("name", [f"{TOO_LONG}.png", f"{'x' * 249}.png"])
def test_an_output_with_too_long_a_name(name: str, node: FakeNode, capsys: Captured, tmp_path: Path) -> None:
    source, home = png(tmp_path / "a.png"), str(node.home)
    given = ["submit", str(source), "--processor", "invert", "-o", str(tmp_path / name), "--home", home]
    assert main(given) == 2
    said = one_sentence(capsys)
    assert "cannot be written: File name too long; name another place with -o" in said
    assert node.service.jobs == {}


def test_an_output_in_a_folder_that_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    sentence = "b.png cannot be written: Permission denied; name another place with -o"
    with without_rights(folder), pytest.raises(UserFault, match=sentence):
        check_place(folder / "b.png", folder / "a.png")


def test_the_network_of_a_home_that_is_closed(capsys: Captured, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with without_rights(home):
        assert main(["network", "show", "--home", str(home)]) == 2
    assert "cannot be read (Permission denied); choose another with --home" in one_sentence(capsys)


@pytest.mark.parametrize("command", [["show"], ["create", "lab"]])
def test_a_home_with_too_long_a_name(command: list[str], capsys: Captured, tmp_path: Path) -> None:
    assert main(["network", *command, "--home", str(tmp_path / TOO_LONG)]) == 2
    assert "(File name too long); choose another with --home" in one_sentence(capsys)


@pytest.mark.parametrize("is_buffered", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_an_answer_that_cannot_be_written(
    as_json: bool, is_buffered: bool, node: FakeNode, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        open("/dev/full", "wb", buffering=-1 if is_buffered else 0) as raw,
        io.TextIOWrapper(raw, write_through=not is_buffered) as full,  # type: ignore[type-var]
    ):
        monkeypatch.setattr(sys, "stdout", full)
        given = ["job", "list", "--home", str(node.home), *(["--json"] if as_json else [])]
        assert main(given) == 1
        monkeypatch.undo()
    assert "Reading or writing failed: No space left on device" in one_sentence(capsys)


def test_what_no_command_foresaw_is_one_sentence(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", str(tmp_path / "a.png"))

    monkeypatch.setattr("sgnus.frontends.files.outputs.check_place", broken)
    source = str(png(tmp_path / "a.png"))
    assert main(["submit", source, "--processor", "invert", "-o", "b.png", "--json"]) == 1
    captured = capsys.readouterr()
    assert (
        captured.err
        == f"sgnus: {source} cannot be read or written: Input/output error; try again once it is mended.\n"
    )
    told = json.loads(captured.out)
    assert (told["kind"], told["status"]) == ("WorldFault", 1)
